"""Files as other tools write them: a builder of each kind, for tests of the readers."""

import gzip
import io
import os
import pickle
import struct
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image

CIFAR_PARTS = [*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]


def noise(rng, *shape):
    """Random bytes."""
    return rng.randint(0, 256, shape).astype(np.uint8)


def official_order(images):
    """As NumPy's shuffle with seed 123 puts them."""
    return np.asarray(images)[np.random.RandomState(123).permutation(len(images))]


def both(loaded):
    """Training images, then test images."""
    return np.concatenate([loaded.train, loaded.test])


def encoded(array, kind, mode=None, **options):
    """The bytes of a picture file."""
    image = Image.fromarray(array)
    file = io.BytesIO()
    (image.convert(mode) if mode else image).save(file, kind, **options)
    return file.getvalue()


def write(path, content):
    """Writes bytes, making the folders above."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def png(path, array):
    """A PNG of an array [H, W] or [H, W, C]."""
    return write(Path(path), encoded(np.asarray(array).squeeze(), "PNG"))


def faces(rng, count):
    """Smooth random pictures of an aligned CelebA image's size."""
    small = [Image.fromarray(noise(rng, 8, 8, 3)) for _ in range(count)]
    return [one.resize((178, 218), Image.Resampling.BICUBIC) for one in small]


def closecrop(image, side=64):
    """The official crop, written out."""
    box = image.crop((19, 39, 159, 179))
    return np.asarray(box.resize((side, side), Image.Resampling.LANCZOS))


def idx(array):
    """An idx file of bytes."""
    return struct.pack(f">I{array.ndim}I", 0x800 + array.ndim, *array.shape) + array.tobytes()


def idx_files(images, labels, train, packed=False):
    """The four MNIST files by name: name to bytes."""
    files = {
        "train-images-idx3-ubyte": idx(images[:train]),
        "train-labels-idx1-ubyte": idx(labels[:train]),
        "t10k-images-idx3-ubyte": idx(images[train:]),
        "t10k-labels-idx1-ubyte": idx(labels[train:]),
    }
    if packed:
        return {f"{name}.gz": gzip.compress(content) for name, content in files.items()}
    return files


def keras_npz(path, images, labels, train):
    """Keras's mnist.npz."""
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, x_train=images[:train], y_train=labels[:train], x_test=images[train:],
             y_test=labels[train:])  # fmt: skip


def cifar_batches(folder, images, labels, protocol=2, change=lambda batch: batch):
    """The six pickled batches, each of a sixth of the images; `change` makes them others'."""
    each = len(images) // 6
    for i, part in enumerate(CIFAR_PARTS):
        rows = slice(each * i, each * (i + 1))
        flat = np.ascontiguousarray(images[rows].transpose(0, 3, 1, 2).reshape(each, 3072))
        batch = change({b"data": flat, b"labels": labels[rows].tolist()})
        write(folder / part, pickle.dumps(batch, protocol))


def zipped(path, files, **options):
    """A zip of name to bytes, its names as they are given."""
    with zipfile.ZipFile(path, "w", **options) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def remade(path, content):
    """Other content of the same length, under the same time: what a cache may not see."""
    before = path.stat()
    assert len(content) == before.st_size
    path.write_bytes(content)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


#: What is no picture, idx, zip or array: how it begins, and what it is called.
OTHER_FILES = {
    "an HDF5 file": b"\x89HDF\r\n\x1a\n" + bytes(100),
    "a tar.gz archive": gzip.compress(bytes(257) + b"ustar" + bytes(300)),
    "a tar archive": bytes(257) + b"ustar" + bytes(300),
    "a gzip file": gzip.compress(b"anything"),
    "a 7z archive": b"7z\xbc\xaf\x27\x1c" + bytes(50),
    "a RAR archive": b"Rar!\x1a\x07\x01\0" + bytes(50),
    "a web page (HTML)": b"\n<!DOCTYPE html><html><title>Quota exceeded</title></html>",
    "a Git LFS pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
    "a Parquet file": b"PAR1" + bytes(50),
    "a MATLAB file": b"MATLAB 5.0 MAT-file" + bytes(150),
    # As TensorFlow writes a record of eight bytes: its length, and the length's check sum.
    "a TFRecord file": bytes.fromhex("0800000000000000ff86240f") + bytes(12),
    "an empty file": b"",
    "a text file": b"path,label\na.png,3\n",
}
