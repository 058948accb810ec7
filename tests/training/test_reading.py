"""Images are read, and found wanting, before TensorFlow is imported."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.factory import said, tiny_run

ROOT = Path(__file__).parents[2]
PROGRAM = """
import json, sys
from wae_tf import main
from wae_tf.data import tfds
tfds._reachable = lambda url: False
for arguments in json.loads(sys.argv[1]):
    print(main.main(arguments), sum(name in sys.modules for name in ("tensorflow", "keras")))
"""


@pytest.mark.processes
def test_what_is_wrong_with_images_needs_no_tensorflow(tmp_path):
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for i in range(6):
        Image.fromarray(np.full((30, 40, 3), 40 * i, np.uint8)).save(pictures / f"{i}.png")
    np.save(tmp_path / "rows.npy", np.ones((20, 5), np.float32))
    folder = "--dataset=folder", f"--cache_dir={tmp_path / 'cache'}"
    cases = {
        "--train_size=1501 is more": ["--train_size=1501"],
        "--batch_size=1501 is larger": ["--batch_size=1501"],
        "leave 1 test image": ["--test_size=1"],
        "takes 32x32 images only": ["--encoder_arch=ali"],
        "needs --data_dir": [*folder],
        "divisible by 8, not 30x40": [*folder, f"--data_dir={pictures}"],
        "than the 4 training": [*folder, f"--data_dir={pictures}", "--image_size=32"],
        "than the 18 training": [*folder, f"--data_dir={tmp_path / 'rows.npy'}"],
        "mnist is not in": ["--dataset=mnist"],
        "celeba is not in": ["--dataset=celeba"],
    }
    homes = {name: str(tmp_path) for name in ("HOME", "TFDS_DATA_DIR", "KERAS_HOME")}
    command = [sys.executable, "-c", PROGRAM, json.dumps(list(cases.values()))]
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=ROOT, env=os.environ | homes, check=False
    )
    sentences = done.stderr.splitlines()
    assert len(sentences) == len(cases), done.stderr
    for (part, arguments), sentence in zip(cases.items(), sentences, strict=True):
        assert part in sentence, (arguments, sentence)
    assert {line[1:] for line in done.stdout.splitlines()} == {" 0"}


def test_pictures_have_a_range(capsys):
    text = said(capsys, "--dataset=digits", "--pixel_range=any", *tiny_run(), status=2)
    assert text.endswith(
        "--pixel_range=any is of rows of numbers, and the data are pictures, whose bytes have a range; "
        "accepted: auto, symmetric, unit, stretched.\n"
    )
