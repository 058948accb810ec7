"""Whatever bytes stand in a file, the answer is images or one sentence."""

import gzip
import io
import json
import struct
import zipfile

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from wae_tf.cli import arguments
from wae_tf.data import arrays, formats, picture_files
from wae_tf.data.archives import BadPicture, Files
from wae_tf.data.arrays import NpzMember
from wae_tf.errors import DataError, FlagError, RunError
from wae_tf.runs.folder import RunFolder

FUZZ = settings(
    max_examples=100,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def encoded(kind, mode="RGB", size=(12, 9), **options):
    image = Image.fromarray(np.random.RandomState(0).randint(0, 256, (*size[::-1], 3), np.uint8))
    file = io.BytesIO()
    image.convert(mode).save(file, kind, **options)
    return file.getvalue()


def npy(array, **options):
    file = io.BytesIO()
    np.save(file, array, **options)
    return file.getvalue()


def npz(**arrays):
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


IDX = struct.pack(">IIII", 0x803, 3, 4, 5) + bytes(range(60))
SEEDS = {
    "idx": IDX,
    "npy": npy(np.arange(48, dtype=np.uint8).reshape(3, 4, 4)),
    "npz": npz(imgs=np.arange(48, dtype=np.uint8).reshape(3, 4, 4)),
    "png": encoded("PNG"),
    "palette": encoded("PNG", "P"),
    "jpeg": encoded("JPEG"),
    "cmyk": encoded("JPEG", "CMYK"),
}


def damaged(name):
    """Bytes of a good file, changed in a few places, cut or lengthened."""
    seed = SEEDS[name]
    changes = st.lists(st.tuples(st.integers(0, len(seed) - 1), st.integers(0, 255)), max_size=6)
    length = st.one_of(st.just(len(seed)), st.integers(0, len(seed)))

    def apply(changes, length, tail):
        content = bytearray(seed)
        for place, value in changes:
            content[place] = value
        return bytes(content[:length]) + tail

    return st.builds(apply, changes, length, st.binary(max_size=8))


def one_sentence(error):
    assert str(error).strip()
    assert "\n" not in str(error)


@FUZZ
@given(content=st.one_of(st.binary(max_size=64), damaged("idx")), zipped=st.booleans())
def test_idx(tmp_path, content, zipped):
    path = tmp_path / ("images.gz" if zipped else "images")
    path.write_bytes(gzip.compress(content) if zipped else content)
    try:
        images = formats.read_idx(path)
        assert images.dtype == np.uint8
    except DataError as error:
        one_sentence(error)


@FUZZ
@given(content=st.one_of(st.binary(max_size=64), damaged("npy")))
def test_npy(tmp_path, content):
    path = tmp_path / "images.npy"
    path.write_bytes(content)
    try:
        assert arrays.open_npy(path).size
    except DataError as error:
        one_sentence(error)


@FUZZ
@given(content=st.one_of(st.binary(max_size=64), damaged("npz")))
def test_npz(tmp_path, content):
    path = tmp_path / "images.npz"
    path.write_bytes(content)
    try:
        member = NpzMember(path, "imgs")
        assert sum(len(piece) for piece in member.pieces(2)) == member.shape[0]
    except DataError as error:
        one_sentence(error)


@FUZZ
@given(content=st.binary(max_size=200))
def test_cifar_pickles(tmp_path, content):
    path = tmp_path / "data_batch_1"
    path.write_bytes(content)
    with pytest.raises(DataError) as raised:
        formats.read_cifar_batch(path)
    one_sentence(raised.value)


@pytest.mark.parametrize("name", ["png", "palette", "jpeg", "cmyk"])
@FUZZ
@given(data=st.data())
def test_pictures(name, data):
    content = data.draw(damaged(name))
    try:
        image = picture_files.decode_picture(content, grey=False, image_size=8)
        assert image.shape == (8, 8, 3)
    except BadPicture as error:
        one_sentence(error)


@FUZZ
@given(content=st.binary(max_size=100))
def test_zips(tmp_path, content):
    path = tmp_path / "img_align_celeba.zip"
    path.write_bytes(content)
    try:
        Files(path)
    except DataError as error:
        one_sentence(error)


def test_zip_members_neither_leave_the_archive_nor_blow_up(tmp_path):
    path = tmp_path / "img_align_celeba.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("../../000001.jpg", b"x")
        archive.writestr("img_align_celeba/000002.jpg", bytes(200 << 20))
    files = Files(path)
    assert not (tmp_path.parent / "000001.jpg").exists()
    (bomb,) = [name for name in files.names if name.endswith("000002.jpg")]
    with pytest.raises((DataError, BadPicture), match="bytes"):
        files.read(bomb)


@FUZZ
@given(content=st.one_of(st.binary(max_size=60), st.text(max_size=60).map(str.encode)))
def test_flagfiles(tmp_path, content):
    path = tmp_path / "my.flags"
    path.write_bytes(content)
    try:
        arguments.parse([f"--flagfile={path}"])
    except FlagError as error:
        assert str(error).strip()


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
)  # fmt: skip


@FUZZ
@given(content=st.one_of(st.binary(max_size=40), JSON.map(lambda x: json.dumps(x).encode())))
def test_metrics(tmp_path, content):
    run = RunFolder(tmp_path)
    run.metrics.write_bytes(content)
    try:
        assert isinstance(run.read_metrics(), dict)
    except RunError as error:
        one_sentence(error)
