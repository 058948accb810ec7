import errno
import subprocess
import sys
import threading

import numpy as np
import pytest
from matplotlib.backends import backend_agg
from PIL import Image

from wae_tf.figures import curves, drawing, six_panel
from wae_tf.figures import panels as panels_module
from wae_tf.figures.panels import _traversals_figure, classes, interpolations, traversals
from wae_tf.figures.six_panel import SixPanels


def flat_images(values, height=3, width=5, channels=1):
    """Return images that are each one value."""
    values = np.asarray(values, np.float32).reshape(-1, 1, 1, 1)
    return np.broadcast_to(values, (len(values), height, width, channels)).copy()


def pixels(path):
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB")).astype(int)


def six_panel_arguments(n=12, columns=4, height=7, width=5, channels=1, seed=0):
    rng = np.random.default_rng(seed)

    def images():
        return rng.random((n, height, width, channels)).astype(np.float32)

    steps = np.arange(1, 301)
    return {
        "train": images(),
        "train_reconstructions": images(),
        "test": images(),
        "test_reconstructions": images(),
        "samples": images(),
        "data": images(),
        "codes_train": np.array([[0.0, -1.0], [10.0, 0.0]]),
        "codes_test": np.array([[5.0, 3.0], [2.0, 2.0]]),
        "prior_codes": np.array([[100.0, 100.0], [0.0, 0.0]]),
        "curves": {"step": steps, "reconstruction": 10.0 / steps, "penalty": -0.1 / steps},
        "columns": columns,
    }


# Grids and pairs


def test_grid_across():
    grid = drawing.image_grid(flat_images([0.0, 0.1, 0.2, 0.3, 0.4]), 3)
    assert grid.shape == (6, 15, 1)
    np.testing.assert_allclose(grid[0, ::5, 0], [0.0, 0.1, 0.2])
    np.testing.assert_allclose(grid[3, ::5, 0], [0.3, 0.4, 1.0])  # the empty cell is white
    np.testing.assert_allclose(grid[5, 4, 0], 0.3)


def test_grid_down_is_the_official_order():
    images = np.random.default_rng(0).random((6, 3, 5, 2)).astype(np.float32)
    official = np.concatenate(np.concatenate(np.split(images, 3), axis=2), axis=0)
    np.testing.assert_array_equal(drawing.image_grid(images, 3, order="down"), official)


def test_grid_gap():
    grid = drawing.image_grid(flat_images([0.0, 0.2, 0.4, 0.6]), 2, gap=2, fill=0.9)
    assert grid.shape == (2 * 3 + 2, 2 * 5 + 2, 1)
    np.testing.assert_allclose(grid[0, :, 0], [0.0] * 5 + [0.9] * 2 + [0.2] * 5)
    np.testing.assert_allclose(grid[:, 0, 0], [0.0] * 3 + [0.9] * 2 + [0.4] * 3)


def test_grid_keeps_the_orientation_of_an_image():
    image = np.arange(6, dtype=np.float32).reshape(1, 2, 3, 1) / 10
    np.testing.assert_array_equal(drawing.image_grid(image, 1), image[0])


def test_pairs_order():
    shown = drawing.pairs(flat_images([0.1, 0.2, 0.3, 0.4]), flat_images([0.6, 0.7, 0.8, 0.9]), 4)
    np.testing.assert_allclose(shown[:, 0, 0, 0], [0.1, 0.6, 0.2, 0.7])
    odd = drawing.pairs(flat_images([0.1, 0.2, 0.3]), flat_images([0.6, 0.7, 0.8]), 5)
    np.testing.assert_allclose(odd[:, 0, 0, 0], [0.1, 0.6, 0.2, 0.7])


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: drawing.image_grid(np.zeros((4, 3, 3)), 2), r"\[n, H, W, C\].*got \[4, 3, 3\]"),
        (lambda: drawing.image_grid(np.zeros((0, 3, 3, 1)), 2), "none of it 0"),
        (lambda: drawing.image_grid(np.zeros((4, 3, 3, 1), np.uint8), 2), "floats in .*uint8"),
        (lambda: drawing.image_grid(np.zeros((4, 3, 3, 1)), 0), "columns must be at least 1"),
        (lambda: drawing.image_grid(np.zeros((4, 3, 3, 1)), 1, order="up"), "'across' or 'down'"),
        (lambda: drawing.pairs(flat_images([0]), flat_images([0], 4), 2), "must have one shape"),
        (lambda: drawing.pairs(flat_images([0]), flat_images([0]), 4), "4 pictures need 2 images"),
    ],
)
def test_wrong_arrays(call, words):
    with pytest.raises(ValueError, match=words):
        call()


# The six panels


def test_six_panel_layout_and_titles():
    arguments = six_panel_arguments()
    figure = six_panel.figure_of(SixPanels(**arguments, title="a run"))
    titles = [ax.get_title() for ax in figure.axes]
    assert titles == [
        "train reconstruction",
        "test reconstruction",
        "generated samples",
        "Pz vs Qz",
        "loss curves",
        "data points",
    ]
    assert figure.get_suptitle() == "a run"
    assert {ax.title.get_fontsize() for ax in figure.axes} == {14}

    def shown(panel):
        return figure.axes[panel].images[0].get_array()

    # 12 images, 4 columns: 3 rows become 4, so that each image stands above its reconstruction.
    # A white pixel is between two images, three are between two pairs.
    assert shown(0).shape == (4 * 7 + 1 + 3 + 1, 3 * 5 + 2, 3)
    as_bytes = np.rint(arguments["train"] * 255)
    np.testing.assert_array_equal(shown(0)[:7, :5, 0], as_bytes[0, :, :, 0])
    np.testing.assert_array_equal(shown(0)[18:25, :5, 0], as_bytes[1, :, :, 0])
    np.testing.assert_array_equal(shown(0)[:7, 6:11, 0], as_bytes[2, :, :, 0])
    assert (shown(0)[[7, 15, 16, 17, 25]] == 255).all() and (shown(0)[:, [5, 11]] == 255).all()
    below = np.rint(arguments["test_reconstructions"] * 255)
    np.testing.assert_array_equal(shown(1)[8:15, :5, 0], below[0, :, :, 0])
    assert shown(2).shape == (3 * 7 + 2, 4 * 5 + 3, 3)
    samples, data = (np.rint(arguments[name] * 255) for name in ("samples", "data"))
    np.testing.assert_array_equal(shown(2)[8:15, :5, 0], samples[1, :, :, 0])
    np.testing.assert_array_equal(shown(5)[:7, 6:11, 0], data[3, :, :, 0])


def test_six_panel_scatter_shows_codes_and_prior():
    ax = six_panel.figure_of(SixPanels(**six_panel_arguments())).axes[3]
    assert ax.get_xlim() == pytest.approx((0 - 10.0, 100 + 10.0))  # the prior's too, and a tenth
    assert ax.get_ylim() == pytest.approx((-1 - 10.1, 100 + 10.1))
    assert [text.get_text() for text in ax.get_legend().get_texts()] == [
        "Pz",
        "Qz train",
        "Qz test",
    ]
    np.testing.assert_array_equal(ax.collections[1].get_offsets(), [[0, -1], [10, 0]])


@pytest.mark.parametrize("scale", [0.0, 0.001, 0.7, 30.0, 1e4])
def test_six_panel_words_lie_within_it(scale):
    """The scatter's own name was cut at the left edge where its ticks have two digits behind the point."""
    codes = np.array([[1.0, -scale], [0.0, scale]])
    names = ("codes_train", "codes_test", "prior_codes")
    shown = SixPanels(**(six_panel_arguments() | dict.fromkeys(names, codes)))
    figure = six_panel.figure_of(shown)
    figure.canvas.draw()
    ax = figure.axes[3]
    words = [ax.yaxis.label, *ax.get_yticklabels()]
    assert min(text.get_window_extent().x0 for text in words if text.get_text()) >= 0
    across = figure.axes[4].yaxis.label.get_window_extent().x0
    assert across > ax.get_window_extent().x1


def test_six_panel_curves_are_logs_of_absolute_values():
    arguments = six_panel_arguments()
    arguments["curves"] |= {
        "sharpness": [0.0, 0.02],
        "sharpness_step": [100, 200],
    }
    ax = six_panel.figure_of(SixPanels(**arguments)).axes[4]
    lines = {line.get_label(): line.get_xydata() for line in ax.lines}
    assert list(lines) == [
        "log(|rec loss|)",
        "log(|match loss|)",
        "log(sharpness)",
    ]
    reconstruction = lines["log(|rec loss|)"]
    assert len(reconstruction) == 100  # every third of 300
    np.testing.assert_allclose(reconstruction[1], [4, np.log(10 / 4)])
    np.testing.assert_allclose(lines["log(|match loss|)"][1], [4, np.log(0.1 / 4)])
    np.testing.assert_allclose(lines["log(sharpness)"][1], [200, np.log(0.02)])
    assert np.isnan(lines["log(sharpness)"][0, 1])  # log 0 is a gap


def test_six_panel_file(tmp_path):
    path = tmp_path / "new folder" / "figure.png"
    six_panel.write(path, SixPanels(**six_panel_arguments()))
    assert pixels(path).shape == (1000, 1500, 3)
    assert [p.name for p in path.parent.iterdir()] == ["figure.png"]


def test_six_panel_grows_with_its_grids_up_to_twice():
    figure = six_panel.figure_of(SixPanels(**six_panel_arguments(height=170, width=20)))
    assert figure.dpi == 162  # 4 rows of 170 and 5 between them, in a panel of 425
    figure = six_panel.figure_of(SixPanels(**six_panel_arguments(height=900, width=20)))
    assert figure.dpi == 200


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_six_panel_any_channels_odd_sizes_one_image(tmp_path, channels):
    arguments = six_panel_arguments(n=1, columns=3, height=9, width=4, channels=channels)
    arguments["codes_train"] = arguments["codes_test"] = np.zeros((1, 2))
    arguments["curves"] = {"step": [1], "reconstruction": [2.0], "penalty": [np.nan]}
    six_panel.write(tmp_path / "figure.png", SixPanels(**arguments))
    assert pixels(tmp_path / "figure.png").shape == (1000, 1500, 3)


def test_six_panel_before_the_first_step():
    arguments = six_panel_arguments()
    arguments["curves"] = {"step": [], "reconstruction": [], "penalty": []}
    assert six_panel.figure_of(SixPanels(**arguments)).axes[4].lines[:] == []


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"codes_test": np.zeros((3, 8))}, r"codes_test must have shape \[n, 2\], got \[3, 8\]"),
        ({"samples": np.zeros((7, 5))}, "samples must have shape"),
        ({"columns": 0}, "columns must be at least 1"),
        ({"curves": {"step": [1], "penalty": [1.0]}}, "'reconstruction' is missing"),
        (
            {"curves": {"step": [1, 2], "reconstruction": [1.0], "penalty": [1.0, 1.0]}},
            r"log\(\|rec loss\|\) has 1 values at 2 steps",
        ),
    ],
)
def test_six_panel_wrong_arguments_keep_the_old_file(tmp_path, changed, words):
    path = tmp_path / "figure.png"
    path.write_bytes(b"old")
    with pytest.raises(ValueError, match=words):
        six_panel.write(path, SixPanels(**(six_panel_arguments() | changed)))
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["figure.png"]


def test_old_file_is_kept_when_drawing_fails_half_way(tmp_path, monkeypatch):
    path = tmp_path / "figure.png"
    path.write_bytes(b"old")

    def fail(self, file, **_):
        file.write(b"half a picture")
        raise OSError(errno.ENOSPC, "no space left")

    monkeypatch.setattr(backend_agg.FigureCanvasAgg, "print_png", fail)
    with pytest.raises(OSError, match="no space left"):
        curves.training_curves(path, {"epoch": [1], "reconstruction": [1.0]})
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["figure.png"]


# Training curves


def history(n=6):
    epochs = np.arange(1, n + 1)
    return {
        "epoch": list(epochs),
        "step": list(100 * epochs),
        "loss": [1.0] * n,
        "reconstruction": list(100.0 / epochs**2),
        "penalty": list(0.1 / epochs * (-1.0) ** epochs),
        "adversary_loss": [float("nan")] * n,
        "test_reconstruction": [None, 30.0, "", 10.0, float("nan"), 5.0],
        "sharpness": list(0.001 * epochs),
    }


def test_training_curves_panels():
    figure = curves._training_curves_figure(history(), 0.02)
    panels = {ax.get_title(): ax for ax in figure.axes}
    assert list(panels) == ["reconstruction", "penalty", "sharpness"]
    assert [ax.get_yscale() for ax in figure.axes] == ["log", "symlog", "log"]
    train, test = panels["reconstruction"].lines
    np.testing.assert_allclose(train.get_xydata()[:2], [[1, 100], [2, 25]])
    np.testing.assert_array_equal(test.get_ydata(), [np.nan, 30, np.nan, 10, np.nan, 5])
    assert (train.get_marker(), test.get_marker()) == ("", "o")  # lone values are seen as dots
    assert panels["sharpness"].lines[1].get_label() == "data"
    np.testing.assert_allclose(panels["sharpness"].lines[1].get_ydata(), 0.02)
    assert panels["penalty"].get_xlabel() == "epoch"


def test_training_curves_of_an_adversary(tmp_path):
    columns = history() | {"adversary_loss": [1.0, 1.2, 1.3, None, 1.4, 1.5]}
    curves.training_curves(tmp_path / "curves.png", columns)
    assert pixels(tmp_path / "curves.png").shape == (800, 1050, 3)
    figure = curves._training_curves_figure(columns, None)
    assert [ax.get_title() for ax in figure.axes][2] == "adversary loss"


@pytest.mark.parametrize(
    "columns",
    [
        {},
        {"epoch": []},
        {"step": [10], "reconstruction": [1.0]},
        {"reconstruction": [1.0, -1.0, float("inf")], "penalty": [0.0, 0.0, 0.0]},
        {"epoch": [1, 2], "penalty": ["0.5", "-1e-9"], "sharpness": [0.0, None]},
    ],
)
def test_training_curves_with_little_to_show(tmp_path, columns):
    curves.training_curves(tmp_path / "curves.png", columns, sharpness_data=float("nan"))
    assert pixels(tmp_path / "curves.png").shape[0] == 400


def test_training_curves_of_unequal_columns(tmp_path):
    with pytest.raises(ValueError, match="'penalty' has 1 values, another 2"):
        curves.training_curves(tmp_path / "curves.png", {"epoch": [1, 2], "penalty": [1.0]})


# Samples, interpolations, traversals


def test_samples_file(tmp_path):
    panels_module.samples(
        tmp_path / "samples.png", flat_images([0.0, 0.2, 1.5, -1, np.nan], 16, 13), 3
    )
    picture = pixels(tmp_path / "samples.png")
    assert picture.shape == (2 * 64 + 2, 3 * 52 + 2 * 2, 3)  # enlarged 4 times
    np.testing.assert_array_equal(
        picture[0, [0, 51, 52, 53, 54, 108]][:, 0], [0, 0, 255, 255, 51, 255]
    )
    np.testing.assert_array_equal(picture[66, [0, 54, 108]][:, 0], [0, 0, 255])


def test_colours(tmp_path):
    red = np.zeros((1, 64, 64, 3))
    red[..., 0] = 1.0
    panels_module.samples(tmp_path / "a.png", red, 1)
    np.testing.assert_array_equal(pixels(tmp_path / "a.png")[5, 5], [255, 0, 0])
    panels_module.samples(tmp_path / "a.png", red[..., 1:], 1)
    np.testing.assert_array_equal(pixels(tmp_path / "a.png")[5, 5], [0, 0, 0])
    panels_module.samples(tmp_path / "a.png", red[..., :2], 1)
    np.testing.assert_array_equal(pixels(tmp_path / "a.png")[5, 5], [255, 0, 0])


def test_interpolations(tmp_path):
    rows = flat_images([0.2, 0.4, 0.6, 0.2, 0.4, 0.8], 64, 64).reshape(2, 3, 64, 64, 1)
    ends = flat_images([0.0, 0.1, 0.3, 0.9], 64, 64).reshape(2, 2, 64, 64, 1)
    interpolations(tmp_path / "a.png", rows)
    assert pixels(tmp_path / "a.png").shape == (50 + 130 + 12, 360, 3)
    interpolations(tmp_path / "a.png", rows, ends=ends)
    picture = pixels(tmp_path / "a.png")
    assert picture.shape == (50 + 130 + 12, 44 + 64 + 10 + 196 + 10 + 64 + 12, 3)
    # First end, space, three decoded, space, last end.
    at = 44 + np.array([0, 64, 74, 140, 206, 270, 280])
    np.testing.assert_array_equal(picture[50, at, 0], np.rint([0, 255, 51, 102, 153, 255, 25.5]))
    np.testing.assert_array_equal(picture[116, at[-1:], 0], [np.rint(0.9 * 255)])
    with pytest.raises(ValueError, match=r"ends must have shape \[2, 2, 64, 64, 1\]"):
        interpolations(tmp_path / "a.png", rows, ends=ends[:1])
    with pytest.raises(ValueError, match="rows must have shape"):
        interpolations(tmp_path / "a.png", rows[0])


def test_classes_are_numbered_beside_their_rows(tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(drawing, "write_figure", lambda path, figure: drawn.append(figure))
    classes(tmp_path / "a.png", np.zeros((3, 4, 8, 8, 1), np.float32))
    ax = drawn[0].axes[0]
    assert [text.get_text() for text in ax.get_yticklabels()] == ["0", "1", "2"]
    assert [text.get_text() for text in ax.get_xticklabels()] == ["1", "2", "3", "4"]


def test_traversals(tmp_path):
    grid = flat_images(np.arange(15) / 20, 33, 31).reshape(3, 5, 33, 31, 1)
    figure = _traversals_figure(grid, [-2, -1, -0.0, 1, 2.5])
    ax = figure.axes[0]
    assert [t.get_text() for t in ax.get_yticklabels()] == ["z0", "z1", "z2"]
    assert [t.get_text() for t in ax.get_xticklabels()] == ["−2", "−1", "0", "1", "2.5"]
    np.testing.assert_allclose(ax.get_xticks(), 15 + 33 * np.arange(5))

    traversals(tmp_path / "a.png", grid, [-2, -1, 0, 1, 2.5])
    picture = pixels(tmp_path / "a.png")
    assert picture.shape == (50 + 3 * 33 + 2 * 2 + 12, 360, 3)
    # Pixel for pixel below and beside the labels: the corners of the first and the last picture.
    np.testing.assert_array_equal(picture[50, [44, 74, 75, 77]][:, 0], [0, 0, 255, 13])
    last = int(np.rint(14 / 20 * 255))
    np.testing.assert_array_equal(picture[50 + 102, [44 + 132, 44 + 162]][:, 0], [last, last])
    unmoved = flat_images([0.2, 0.9], 33, 31)
    ax = _traversals_figure(grid, [-2, -1, 0, 1, 2.5], unmoved).axes[0]
    assert [t.get_text() for t in ax.get_xticklabels()][:3] == ["image", "again", "−2"]
    shown = ax.images[0].get_array()
    for row in (0, 35, 70):
        assert [shown[row, left, 0] for left in (0, 33, 66, 74)][:2] == [51, 230]
    with pytest.raises(ValueError, match="grid has 5 pictures a row and values 2 numbers"):
        traversals(tmp_path / "a.png", grid, [0, 1])


# Threads and global state


def test_threads_draw_the_same_picture(tmp_path):
    arguments = six_panel_arguments()
    paths = [tmp_path / f"{i}.png" for i in range(3)]
    threads = [
        threading.Thread(target=six_panel.write, args=(path, SixPanels(**arguments)))
        for path in paths
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    first, *others = [path.read_bytes() for path in paths]
    assert all(other == first for other in others)


@pytest.mark.processes
def test_matplotlib_is_imported_by_what_draws_axes_and_pyplot_never(tmp_path):
    program = (
        "import sys\n"
        "import numpy as np\n"
        "from wae_tf.console import lean\n"
        "lean.import_keras()\n"
        "from wae_tf.figures import panels\n"
        "from wae_tf.training import train\n"
        f"panels.samples({str(tmp_path / 'samples.png')!r}, np.zeros((4, 8, 8, 1)), 2)\n"
        "before = 'matplotlib' in sys.modules\n"
        f"panels.interpolations({str(tmp_path / 'rows.png')!r}, np.zeros((2, 3, 8, 8, 1)))\n"
        "sys.exit(before or 'matplotlib.pyplot' in sys.modules)\n"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
    assert (tmp_path / "samples.png").exists() and (tmp_path / "rows.png").exists()
