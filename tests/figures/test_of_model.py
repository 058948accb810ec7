"""Figures that a model is run for."""

import numpy as np

from tests.factory import tiny_model
from wae_tf.figures import drawing, of_model, of_vectors, panels, six_panel


def test_the_data_are_drawn_as_the_networks_see_them(tmp_path, rng):
    images = rng.randint(0, 256, (9, 6, 6, 1)).astype(np.uint8)
    for pixel_range in ("unit", "symmetric"):
        model = tiny_model(pixel_range=pixel_range, compiled=False)
        of_model.draw_data(model, tmp_path / "data.png", images, 8, 4)
        panels.samples(tmp_path / "same.png", (images[:8] / 255).astype(np.float32), 4)
        assert (tmp_path / "data.png").read_bytes() == (tmp_path / "same.png").read_bytes()


def test_rows_of_one_number_are_seen():
    for width, marker in ((1, "o"), (3, "")):
        ax = drawing.new_figure(2, 2).subplots()
        of_vectors._draw_rows(ax, np.ones((2, width), np.float32), np.zeros((2, width)))
        assert {line.get_marker() for line in ax.lines} == {marker}


def test_a_single_training_image_is_shown_twice(tmp_path, rng, monkeypatch):
    shown = []
    monkeypatch.setattr(six_panel, "write", lambda path, panels: shown.append(panels))
    images = rng.randint(0, 256, (3, 6, 6, 1)).astype(np.uint8)
    model = tiny_model(zdim=2)
    curves = {"step": [1], "reconstruction": [1.0], "penalty": [0.0]}
    of_model.draw_progress(
        model, tmp_path / "a.png", images[:1], images[1:], curves, "", pictures=10, columns=5
    )
    assert shown[0].columns == 2
    np.testing.assert_array_equal(shown[0].train, np.repeat(images[:1], 2, 0) / np.float32(255))
