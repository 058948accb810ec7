"""The data sets: for each, where its images come from and how they are split into train and test."""

from __future__ import annotations

import dataclasses
import functools
import itertools
from pathlib import Path
from typing import Any

import numpy as np

from wae_tf import cache, formats, pictures, splits, tfds_source
from wae_tf.errors import DataError

_NUMPY_123 = "official: NumPy shuffle with seed 123"
_PIECE = 4096  # rows of packed images at a time

#: What --data_dir holds, for messages.
LAYOUTS = {
    "mnist": "the four idx files (train-images-idx3-ubyte and so on, gzipped or not)",
    "fashion_mnist": "the four idx files (train-images-idx3-ubyte and so on, gzipped or not)",
    "cifar10": "data_batch_1 to data_batch_5 and test_batch (pickled, or .bin)",
    "celeba": "the aligned 178x218 JPEGs 000001.jpg to 202599.jpg (any of them), in a folder, in "
    "img_align_celeba/ or in img_align_celeba.zip",
    "dsprites": "dsprites.npz or dsprites_ndarray_co1sh3sc6or2_64x64.npz",
    "folder": "pictures (jpg, png, bmp, gif, webp, tif), or one .npy file of images",
}


@dataclasses.dataclass(frozen=True)
class ImageSet:
    """Images of one data set, split into train and test, as bytes.

    Attributes:
      name: one of DATASETS.
      train: uint8 [N, H, W, C], 0 to 255; decoded pictures are a read-only memory map.
      test: uint8 [M, H, W, C], likewise.
      train_labels: int64 [N], or None where the data set has none that we read.
      test_labels: int64 [M], or None.
      split: which split this is, in words.
      source: where the pixels came from, in words.
      skipped: files left out because they could not be read.
    """

    name: str
    train: np.ndarray
    test: np.ndarray
    train_labels: np.ndarray | None
    test_labels: np.ndarray | None
    split: str
    source: str
    skipped: tuple[str, ...] = ()

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(H, W, C)."""
        return tuple(self.train.shape[1:])


def _pooled(
    name: str,
    images: np.ndarray,
    labels: np.ndarray,
    test: int,
    source: str,
    label: str = _NUMPY_123,
) -> ImageSet:
    """Shuffles NumPy's way with seed 123 and cuts the last `test` images off."""
    order = splits.numpy_order(len(images))
    images, labels = images[order], labels[order]
    train, words = splits.cut(len(images), test)
    return ImageSet(
        name, images[:train], images[train:], labels[:train], labels[train:],
        f"{label}, {words}", source,
    )  # fmt: skip


def digits(test_size: int | None) -> ImageSet:
    """scikit-learn's 1,797 handwritten digits of 8x8, resized to 28x28 (Pillow, bicubic)."""
    from PIL import Image
    from sklearn.datasets import load_digits

    small = load_digits()
    eight_bits = np.rint(small.images * (255 / 16)).astype(np.uint8)
    size, bicubic = (28, 28), Image.Resampling.BICUBIC
    images = np.stack([np.asarray(Image.fromarray(i).resize(size, bicubic)) for i in eight_bits])
    test = _checked_test_size(297 if test_size is None else test_size, len(images))
    return _pooled(
        "digits", images[..., None], small.target.astype(np.int64), test,
        "scikit-learn's handwritten digits, 8x8 resized to 28x28", "NumPy shuffle with seed 123",
    )  # fmt: skip


def mnist(name: str, data_dir: Path | None) -> ImageSet:
    """MNIST or Fashion-MNIST (datahandler.py:400-473): idx files, or TFDS."""
    if data_dir is None:
        return _small_from_tfds(name, tfds_source.prepare(name, LAYOUTS[name]))
    found = {
        part: _first_file(data_dir, [f"{part}-{kind}-ubyte", f"{part}.{kind}-ubyte"])
        for part, kind in (
            ("train-images", "idx3"), ("train-labels", "idx1"),
            ("t10k-images", "idx3"), ("t10k-labels", "idx1"),
        )
    }  # fmt: skip
    missing = [part for part, path in found.items() if path is None]
    if missing:
        builder = tfds_source.prepared_in(name, data_dir)
        if builder is not None:
            return _small_from_tfds(name, builder)
        raise _wrong_layout(name, data_dir, "; missing: " + ", ".join(missing))
    arrays = {part: formats.read_idx(path) for part, path in found.items()}
    for part in ("train", "t10k"):
        images, labels = arrays[f"{part}-images"], arrays[f"{part}-labels"]
        if images.ndim != 3 or images.shape[1:] != (28, 28) or not len(images):
            raise DataError(
                f"{found[f'{part}-images']} holds {list(images.shape)}: images of 28x28 are "
                "expected."
            )
        if labels.shape != (len(images),):
            raise DataError(
                f"{found[f'{part}-labels']} holds {list(labels.shape)} labels for "
                f"{len(images):,} images."
            )
    images = np.concatenate([arrays["train-images"], arrays["t10k-images"]])[..., None]
    labels = np.concatenate([arrays["train-labels"], arrays["t10k-labels"]]).astype(np.int64)
    return _pooled(name, images, labels, 10_000, f"idx files in {data_dir}")


def cifar10(data_dir: Path | None) -> ImageSet:
    """CIFAR-10 (datahandler.py:541-585): its batches, or TFDS."""
    if data_dir is None:
        return _small_from_tfds("cifar10", tfds_source.prepare("cifar10", LAYOUTS["cifar10"]))
    parts = [f"data_batch_{i}" for i in range(1, 6)] + ["test_batch"]
    for folder in (data_dir, data_dir / "cifar-10-batches-py", data_dir / "cifar-10-batches-bin"):
        found = {part: _first_file(folder, [part, f"{part}.bin"], gzip=False) for part in parts}
        if any(found.values()):
            break
    missing = [part for part, path in found.items() if path is None]
    if missing:
        builder = tfds_source.prepared_in("cifar10", data_dir)
        if builder is not None:
            return _small_from_tfds("cifar10", builder)
        raise _wrong_layout("cifar10", data_dir, "; missing: " + ", ".join(missing))
    batches = [formats.read_cifar_batch(path) for path in found.values()]
    images, labels = (np.concatenate(arrays) for arrays in zip(*batches, strict=True))
    return _pooled("cifar10", images, labels, 1_000, f"CIFAR-10 batches in {folder}")


def _small_from_tfds(name: str, builder: Any) -> ImageSet:
    train, train_labels = tfds_source.images_and_labels(builder, "train")
    test, test_labels = tfds_source.images_and_labels(builder, "test")
    return ImageSet(
        name, train, test, train_labels, test_labels, "TFDS's own train and test",
        f"TFDS {builder.info.full_name} in {builder.data_dir}",
    )  # fmt: skip


def celeba(
    data_dir: Path | None, cache_dir: str | None, crop: str, skip_bad_images: bool
) -> ImageSet:
    """CelebA at 64x64 (datahandler.py:188-208, :587-613): its JPEGs, or TFDS."""
    if data_dir is None:
        builder = tfds_source.prepare("celeba", LAYOUTS["celeba"])
        return _celeba_from_tfds(builder, cache_dir, crop, skip_bad_images)
    found = pictures.find_celeba(data_dir)
    if found is None:
        builder = tfds_source.prepared_in("celeba", data_dir) if data_dir.is_dir() else None
        if builder is not None:
            return _celeba_from_tfds(builder, cache_dir, crop, skip_bad_images)
        raise _wrong_layout("celeba", data_dir)
    files, numbered = found
    order = splits.celeba_order()
    official_test = set(order[-splits.CELEBA_TEST :].tolist())
    numbers = [number for number in order.tolist() if number in numbered]
    names = [numbered[number] for number in numbers]

    def fill(writer: cache.Writer) -> dict[str, Any]:
        writer.start(len(names), (64, 64, 3))
        items = ((name, functools.partial(files.read, name)) for name in names)
        return _decode(
            writer, items, functools.partial(pictures.decode_celeba, crop=crop),
            skip_bad=skip_bad_images, where=files.where,
        )  # fmt: skip

    key = {"crop": crop, "files": files.fingerprint(names)}
    images, facts = cache.open_or_build(cache_dir, "celeba", key, fill)
    _check_skipped(facts, skip_bad_images, files.where)
    skipped = set(facts["skipped"])
    kept = [number for number in numbers if numbered[number] not in skipped]
    test = sum(number in official_test for number in kept)
    split = "official: Python 2 shuffle with seed 123 of all 202,599"
    if 0 < test < len(kept):
        train = len(kept) - test
        split += f", last 20,000 test ({test:,} of them are here)" if test < 20_000 else (
            ", last 20,000 test"
        )  # fmt: skip
    else:
        train, words = splits.cut(len(kept), len(kept))
        side = "training" if test else "test"
        split += f", but none of the official {side} images is here, so {words}"
    return ImageSet(
        "celeba", images[:train], images[train:], None, None, split,
        f"{len(names):,} of CelebA's 202,599 JPEGs in {files.where}, {crop}",
        tuple(facts["skipped"]),
    )  # fmt: skip


def _celeba_from_tfds(
    builder: Any, cache_dir: str | None, crop: str, skip_bad_images: bool
) -> ImageSet:
    sizes = {split: builder.info.splits[split].num_examples for split in ("train", "test")}

    def items():
        for split in sizes:
            for index, data in enumerate(tfds_source.encoded_images(builder, split)):
                yield f"{split}/{index}", functools.partial(bytes, data)

    def fill(writer: cache.Writer) -> dict[str, Any]:
        writer.start(sum(sizes.values()), (64, 64, 3))
        return _decode(
            writer, items(), functools.partial(pictures.decode_celeba, crop=crop),
            skip_bad=skip_bad_images, where=builder.info.full_name,
        )  # fmt: skip

    key = {"crop": crop, **tfds_source.fingerprint(builder)}
    images, facts = cache.open_or_build(cache_dir, "celeba", key, fill)
    _check_skipped(facts, skip_bad_images, builder.info.full_name)
    train = sum(name.startswith("train/") for name in facts["order"])
    return ImageSet(
        "celeba", images[:train], images[train:], None, None,
        "TFDS's own train and test (its validation images are left out)",
        f"TFDS {builder.info.full_name} in {builder.data_dir}, {crop}", tuple(facts["skipped"]),
    )  # fmt: skip


def dsprites(data_dir: Path | None, cache_dir: str | None) -> ImageSet:
    """dSprites, 64x64 with pixels 0 and 255 (datahandler.py:376-398): its .npz, or TFDS."""
    path = builder = None
    if data_dir is None:
        builder = tfds_source.prepare("dsprites", LAYOUTS["dsprites"])
    elif data_dir.is_file():
        path = data_dir
    else:
        names = ["dsprites.npz", "dsprites_ndarray_co1sh3sc6or2_64x64.npz"]
        path = _first_file(data_dir, names, gzip=False)
        builder = None if path else tfds_source.prepared_in("dsprites", data_dir)
        if path is None and builder is None:
            raise _wrong_layout("dsprites", data_dir)

    if path is not None:
        member = formats.NpzMember(path, "imgs")
        if member.shape[1:] != (64, 64) or member.dtype.itemsize != 1 or member.shape[0] < 2:
            raise DataError(
                f"{path}: `imgs` is {member.dtype} {list(member.shape)}: uint8 [N, 64, 64] of 0 "
                "and 1 is expected."
            )
        count, where = member.shape[0], str(path)
        key = {"file": str(path.resolve()), "size": path.stat().st_size,
               "time": path.stat().st_mtime_ns}  # fmt: skip
    else:
        count = builder.info.splits["train"].num_examples
        where = f"TFDS {builder.info.full_name} in {builder.data_dir}"
        key = tfds_source.fingerprint(builder)

    def fill(writer: cache.Writer) -> dict[str, Any]:
        writer.start(count, (64, 64, 1))
        place_of_row = np.argsort(splits.numpy_order(count))
        done = 0
        pieces = (
            member.pieces(_PIECE) if path else tfds_source.image_pieces(builder, "train", _PIECE)
        )
        for piece in pieces:
            piece = piece.view(np.uint8).reshape(-1, 64, 64, 1)
            if piece.max(initial=0) > 1:
                raise DataError(f"{where} has pixels other than 0 and 1: it is not dSprites.")
            for image, place in zip(piece * np.uint8(255), place_of_row[done:], strict=False):
                writer.put(image, int(place))
            done += len(piece)
        if done != count:
            raise DataError(f"{where} has {done:,} images where {count:,} are announced.")
        return {"count": count}

    images, _ = cache.open_or_build(cache_dir, "dsprites", key, fill)
    train, words = splits.cut(count, 10_000)
    label = _NUMPY_123 if path else "TFDS has only a train split: NumPy shuffle with seed 123"
    return ImageSet(
        "dsprites", images[:train], images[train:], None, None, f"{label}, {words}", where
    )


def folder(
    data_dir: Path | None,
    cache_dir: str | None,
    image_size: int | None,
    test_size: int | None,
    skip_bad_images: bool,
) -> ImageSet:
    """Anyone's pictures: a folder or zip of them, or an .npy file (grassli, datahandler.py:615)."""
    if data_dir is None:
        raise DataError(f"--dataset=folder needs --data_dir: a folder with {LAYOUTS['folder']}.")
    if data_dir.suffix == ".npy" and data_dir.is_file():
        images, facts, source = _from_npy(data_dir, cache_dir, image_size)
    else:
        files = pictures.Files(data_dir)
        names = [name for name in files.names if pictures.is_picture_name(name)]
        arrays = [name for name in files.names if name.endswith(".npy")]
        if names:
            images, facts = _from_pictures(files, names, cache_dir, image_size, skip_bad_images)
            source = f"{len(names):,} pictures in {data_dir}"
        elif len(arrays) == 1 and data_dir.is_dir():
            images, facts, source = _from_npy(data_dir / arrays[0], cache_dir, image_size)
        else:
            raise _wrong_layout("folder", data_dir)
    if len(images) < 2:
        raise DataError(f"{data_dir} has {len(images)} image: at least 2 are needed.")
    usual = min(10_000, max(2, len(images) // 10), len(images) - 1)
    test = usual if test_size is None else test_size
    train = len(images) - _checked_test_size(test, len(images))
    return ImageSet(
        "folder", images[:train], images[train:], None, None,
        f"NumPy shuffle with seed 123, last {test:,} test", source, tuple(facts["skipped"]),
    )  # fmt: skip


def _from_pictures(
    files: pictures.Files,
    names: list[str],
    cache_dir: str | None,
    image_size: int | None,
    skip_bad_images: bool,
) -> tuple[np.ndarray, dict[str, Any]]:
    def items(some: list[str]):
        return ((name, functools.partial(files.read, name)) for name in some)

    def fill(writer: cache.Writer) -> dict[str, Any]:
        # Sizes and channels first, from the files' heads: the array's shape must be known.
        good, looks, bad = [], [], []
        for some_good, some_looks, some_bad in pictures.map_in_order(
            items(names), pictures.look, skip_bad=skip_bad_images, where=files.where
        ):
            good += some_good
            looks += some_looks
            bad += some_bad
        if not good:
            raise DataError(f"None of the {len(names):,} pictures in {files.where} can be read.")
        grey = all(is_grey for is_grey, _ in looks)
        width, height = looks[0][1]
        for name, (_, size) in zip(good, looks, strict=True):
            if image_size is None and size != (width, height):
                raise DataError(
                    f"{files.where / name} is {size[0]}x{size[1]} but {good[0]} is "
                    f"{width}x{height}: pictures of one size are expected, or --image_size=N, "
                    "which crops and resizes them to N x N."
                )
        if image_size is not None:
            width = height = image_size
        writer.start(len(good), (height, width, 1 if grey else 3))
        shuffled = [good[i] for i in splits.numpy_order(len(good))]
        facts = _decode(
            writer, items(shuffled),
            functools.partial(pictures.decode_picture, grey=grey, image_size=image_size),
            skip_bad=skip_bad_images, where=files.where,
        )  # fmt: skip
        return {**facts, "skipped": sorted(bad + facts["skipped"])}

    key = {"size": image_size, "files": files.fingerprint(names)}
    images, facts = cache.open_or_build(cache_dir, "folder", key, fill)
    _check_skipped(facts, skip_bad_images, files.where)
    return images, facts


def _from_npy(
    path: Path, cache_dir: str | None, image_size: int | None
) -> tuple[np.ndarray, dict[str, Any], str]:
    source = formats.open_npy(path)
    source = source.reshape(*source.shape[:3], -1)
    height, width, channels = source.shape[1:]

    def fill(writer: cache.Writer) -> dict[str, Any]:
        from PIL import Image

        out = (height, width) if image_size is None else (image_size, image_size)
        writer.start(len(source), (*out, channels))
        place_of_row = np.argsort(splits.numpy_order(len(source)))
        rows = max(1, (16 << 20) // (height * width * channels))
        largest = 0.0
        for start in range(0, len(source), rows):
            piece = np.asarray(source[start : start + rows])
            low, high = float(piece.min()), float(piece.max())
            largest = max(largest, high)
            if not (low >= 0 and high <= 255):  # NaN fails too
                raise DataError(
                    f"{path} has values from {low:g} to {high:g}: pixels lie within 0 to 255."
                )
            piece = np.rint(piece).astype(np.uint8)
            for image, place in zip(piece, place_of_row[start:], strict=False):
                if image_size is not None:
                    square = Image.fromarray(image.squeeze(-1) if channels == 1 else image)
                    image = np.asarray(pictures.centre_square(square, image_size))
                writer.put(image, int(place))
        if source.dtype.kind == "f" and largest <= 1:
            raise DataError(
                f"{path} has values from 0 to {largest:g}: pixels lie within 0 to 255, so "
                "multiply by 255."
            )
        return {"skipped": []}

    stat = path.stat()
    key = {"file": str(path.resolve()), "size": stat.st_size, "time": stat.st_mtime_ns,
           "image_size": image_size}  # fmt: skip
    images, facts = cache.open_or_build(cache_dir, "folder", key, fill)
    return images, facts, f"array {path}"


def _decode(
    writer: cache.Writer, items: Any, function: Any, *, skip_bad: bool, where: object
) -> dict[str, Any]:
    """Decodes pictures into the cache, in order; returns the names that came and that did not.

    Those that an interrupted process has decoded are there already.
    """
    items, skipped = iter(items), list(writer.skipped)
    before = [name for name, _ in itertools.islice(items, writer.taken)]
    order = [name for name in before if name not in set(skipped)]
    for good, images, bad in pictures.map_in_order(items, function, skip_bad=skip_bad, where=where):
        if images:
            writer.append(np.stack(images))
        order += good
        skipped += bad
        writer.note(len(order) + len(skipped), skipped)
    if len(order) < 2:
        raise DataError(
            f"{where} has {len(order)} readable image{'' if len(order) == 1 else 's'} "
            f"({len(skipped):,} cannot be read): at least 2 are needed."
        )
    return {"order": order, "skipped": skipped}


def _check_skipped(facts: dict[str, Any], skip_bad: bool, where: object) -> None:
    """A cache made with --skip_bad_images serves a run without it only if nothing was skipped."""
    if facts["skipped"] and not skip_bad:
        bad = facts["skipped"]
        raise DataError(
            f"{Path(str(where)) / bad[0]} could not be decoded ({len(bad):,} such files): "
            "--skip_bad_images leaves them out."
        )


def _checked_test_size(test: int, count: int) -> int:
    if not 0 < test < count:
        raise DataError(
            f"--test_size={test} leaves no training image of {count:,}: 1 to {count - 1:,} are "
            "accepted."
        )
    return test


def _first_file(folder: Path, names: list[str], gzip: bool = True) -> Path | None:
    """The first of these files that is there, unpacked before gzipped."""
    for name in names + [f"{name}.gz" for name in names if gzip]:
        if (folder / name).is_file():
            return folder / name
    return None


def _wrong_layout(name: str, data_dir: Path, more: str = "") -> DataError:
    """What was found and what is expected."""
    if data_dir.is_file():
        found = "is one file that is not that"
    else:
        entries = sorted(entry.name for entry in data_dir.iterdir())
        found = f"has {', '.join(entries[:5])}" if entries else "is empty"
        if len(entries) > 5:
            found += f" and {len(entries) - 5:,} more"
    return DataError(f"{data_dir} {found}: {name} expects {LAYOUTS[name]}{more}.")
