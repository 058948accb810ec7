"""Which errors are of a file, and what is said of them."""

import numpy as np
import pytest
import tensorflow as tf

from wae_tf.errors import first_line, of_a_file
from wae_tf.files import replacing


@pytest.mark.parametrize(
    "error, expected",
    [
        (OSError(28, "No space left on device"), ("", "No space left on device")),
        (PermissionError(13, "Permission denied", "x"), ("x", "Permission denied")),
        (OSError("of something else"), None),
        (ValueError("x; No space left on device"), None),
        (tf.errors.ResourceExhaustedError(None, None, "OOM when allocating"), None),
        (
            tf.errors.OutOfRangeError(
                None, None, "{{function_node a_b}} /a folder/x.data; File too large [Op:SaveV2]"
            ),
            ("/a folder/x.data", "File too large"),
        ),
        (
            tf.errors.ResourceExhaustedError(None, None, "/x; No space left on device"),
            ("/x", "No space left on device"),
        ),
    ],
)
def test_errors_of_files(error, expected):
    assert of_a_file(error) == expected


def test_an_array_that_was_not_all_written_has_a_name(tmp_path):
    with pytest.raises(OSError) as caught, replacing(tmp_path / "x.npy"):
        raise OSError("1000 requested and 12 written")
    assert of_a_file(caught.value) == (
        str(tmp_path / "x.npy"),
        "not all of it could be written, as on a full disk",
    )
    assert list(tmp_path.iterdir()) == []


def test_a_write_that_ends_well_is_whole(tmp_path):
    with replacing(tmp_path / "x.npy") as file:
        np.save(file, np.arange(3))
    assert np.load(tmp_path / "x.npy").tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("It failed.\nmore", "It failed"),
        ("One whole sentence. " + "x " * 200, "One whole sentence"),
        ("word " * 100, ("word " * 40).strip()),
        ("x" * 300, "x" * 200),
        # Keras's of a layer.
        (
            "Exception encountered when calling Dense.call().\n\n\x1b[1mNo such axis.\x1b[0m\n\nArguments",
            "No such axis",
        ),
        ("", "ValueError"),
    ],
)
def test_first_lines_that_are_long_end_whole(text, line):
    assert first_line(ValueError(text)) == line
