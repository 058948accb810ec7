"""What the page of --mode=explore computes, with numbers."""

import functools
import io

import keras
import numpy as np
import pytest
from PIL import Image

import wae_tf
from tests.factory import tiny_model
from wae_tf.data.archives import BadPicture
from wae_tf.explore import views
from wae_tf.explore.explorer import Explorer


def linear(prior="normal", **fields):
    """An encoder that takes the first two of three numbers, and a decoder that gives x, 10 y, 0."""
    encoder = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, use_bias=False)])
    decoder = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3, use_bias=False)])
    encoder.layers[0].set_weights([np.eye(3, 2, dtype=np.float32)])
    decoder.layers[0].set_weights([np.array([[1, 0, 0], [0, 10, 0]], np.float32)])
    return wae_tf.WaeMmd(encoder=encoder, decoder=decoder, prior=prior, **fields)


@pytest.fixture(scope="module")
def explorer():
    rows = np.array([[4, 0, 0], [-4, 1, 0], [0, 0, 5], [1, 1, 1]], np.float32)
    return Explorer(linear(), rows)


def test_coordinates_come_in_the_order_in_which_they_vary(explorer):
    np.testing.assert_allclose(explorer.codes, explorer.rows[:, :2])
    assert explorer.order.tolist() == [0, 1]
    np.testing.assert_allclose(explorer.high, [4, 3])  # as far as the data, 3 of the prior at least
    np.testing.assert_allclose(explorer.low, [-4, -3])
    explorer.high[1] = np.float32(4.18)  # in float64 4.179999828338623
    assert explorer.ends(1) == (-3.0, 4.18)
    explorer.high[1] = 3.0
    assert Explorer(linear()).order.tolist() == [
        1,
        0,
    ]  # without data: what the decoder makes of them


def test_neighbours_are_those_of_the_codes(explorer):
    where, far = explorer.neighbours(np.array([1, 0], np.float32), 3)
    assert where.tolist() == [2, 3, 0]  # (0, 0) before (1, 1), as it stands first
    np.testing.assert_allclose(far, [1, 1, 3])
    assert len(Explorer(linear()).neighbours(np.zeros(2), 5)[0]) == 0


def test_codes_move_walk_and_scatter(explorer):
    code = np.array([1, 2], np.float32)
    np.testing.assert_allclose(explorer.moved(code, 0, -3), [-3, 2])
    np.testing.assert_allclose(code, [1, 2])
    line = explorer.line(code, np.array([3, -2], np.float32), 3)
    np.testing.assert_allclose(line, [[1, 2], [2, 0], [3, -2]])
    np.testing.assert_allclose(explorer.decode(line), [[1, 20, 0], [2, 0, 0], [3, -20, 0]])
    near = explorer.around(code, 0.5, 4000, seed=3)
    np.testing.assert_allclose(near.mean(0), code, atol=0.03)
    np.testing.assert_allclose(near.std(0), [0.5, 0.5], atol=0.02)
    np.testing.assert_array_equal(near, explorer.around(code, 0.5, 4000, seed=3))
    np.testing.assert_array_equal(explorer.around(code, 0.0, 2, seed=0), [code, code])


def test_with_classes_a_code_is_decoded_by_one():
    decoder = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, use_bias=False)])
    weights = np.array([[1, 0, 0], [0, 10, 0], [0, 0, 5], [0, 0, 7]], np.float32)
    decoder.layers[0].set_weights([weights])
    model = wae_tf.WaeMmd(encoder=linear().encoder, decoder=decoder, classes=2)
    rows = np.array([[4, 0, 0], [-4, 1, 0]], np.float32)
    explorer = Explorer(model, rows, np.array([1, 0]))
    codes = np.array([[1, 2], [3, 4]], np.float32)
    np.testing.assert_allclose(explorer.decode(codes, 1), [[1, 20, 7], [3, 40, 7]])
    np.testing.assert_allclose(explorer.decode(codes), [[1, 20, 5], [3, 40, 5]])
    assert explorer.labels.tolist() == [1, 0]
    assert Explorer(model).order.tolist() == [1, 0]
    for other, labels in ((model, [2, 0]), (linear(), [0, 0])):  # of data that are not the model's
        assert Explorer(other, rows, np.array(labels)).labels is None


def test_codes_stay_on_a_sphere():
    explorer = Explorer(linear("sphere"))
    np.testing.assert_allclose(explorer.middle(), [0.5**0.5] * 2, rtol=1e-6)
    np.testing.assert_allclose(
        explorer.moved(np.array([0.6, 0.8], np.float32), 0, -0.8), [-0.8, 0.6], rtol=1e-6
    )
    pole = explorer.moved(explorer.middle(), 0, 1.0)
    np.testing.assert_allclose(pole, [1, 0])
    for value in (0.6, -0.6, 0.0):  # and back from it
        np.testing.assert_allclose(
            explorer.moved(pole, 0, value), [value, (1 - value**2) ** 0.5], rtol=1e-6
        )
    near = np.array([1.0, 1e-30], np.float32)  # whose square is 0 in float32
    np.testing.assert_allclose(explorer.moved(near, 0, 0.6), [0.6, 0.8], rtol=1e-6)
    drawn = np.array([1.2, 1.6], np.float32)  # of a prior of scale 2
    np.testing.assert_allclose(explorer.moved(drawn, 0, 1.6), [1.6, 1.2], rtol=1e-6)
    codes = explorer.around(explorer.middle(), 1.0, 50, seed=0)
    np.testing.assert_allclose(np.linalg.norm(codes, axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(explorer.high, [1, 1])


def test_draws_of_a_scaled_sphere_stay_on_their_own():
    explorer = Explorer(linear("sphere", prior_scale=2.0))
    first, last = explorer.drawn(0), explorer.drawn(1)
    of_encoder = np.array([0.6, 0.8], np.float32)
    close = functools.partial(np.testing.assert_allclose, rtol=1e-6, atol=1e-6)
    for code, radius in ((first, 2), (last, 2), (of_encoder, 1)):
        close(np.linalg.norm(code), radius)
        close(explorer.supported(code[None])[0], code)
        close(explorer.around(code, 0.0, 2, seed=0), [code, code])
        near = explorer.around(code, 1.0, 50, seed=0)
        close(np.linalg.norm(near, axis=1), radius)
    close(explorer.line(first, last, 5)[[0, -1]], [first, last])
    way = explorer.line(first, of_encoder, 3)
    close(np.linalg.norm(way, axis=1), [2, 1.5, 1])
    close(explorer.supported(np.zeros((1, 2))), [[0.5**0.5] * 2])  # the origin is on none


def test_a_uniform_prior_has_borders():
    explorer = Explorer(linear("uniform"))
    codes = explorer.around(np.ones(2, np.float32), 2.0, 50, seed=0)
    assert codes.max() == 1 and codes.min() >= -1


def png(pixels, mode=None):
    file = io.BytesIO()
    Image.fromarray(pixels, mode).save(file, format="PNG")
    return file.getvalue()


def test_a_dropped_picture_becomes_a_row(rng):
    model = tiny_model()  # 6x6, grey
    whole = rng.randint(0, 256, (6, 6)).astype(np.uint8)
    np.testing.assert_array_equal(views.as_row(model, png(whole))[..., 0], whole)
    wide = np.zeros((12, 40), np.uint8)
    wide[:, 14:26] = 200
    row = views.as_row(model, png(wide))  # the centre square, halved
    assert row.shape == (6, 6, 1) and row.dtype == np.uint8 and (row == 200).all()
    colour = np.stack([np.full((6, 6), 255), np.zeros((6, 6)), np.zeros((6, 6))], -1)
    assert (views.as_row(model, png(colour.astype(np.uint8))) == 76).all()  # 0.299 * 255
    with pytest.raises(BadPicture, match="picture"):
        views.as_row(model, b"no picture")
    mask = rng.randint(0, 2, (6, 6)).astype(np.uint8)
    for stored in (mask, 255 * mask, mask.astype(np.uint16)):
        row = views.as_row(model, png(stored), zero_and_one=True)
        np.testing.assert_array_equal(row[..., 0], 255 * mask)
    assert views.as_row(model, png(mask)).max() == 1
    long = tiny_model(image_shape=(3, 40, 1))
    assert views.as_row(long, png(np.full((3, 3), 9, np.uint8))).tolist() == [[[9]] * 40] * 3


def test_rows_become_pictures_by_whole_factors(rng):
    model = tiny_model()
    row = rng.randint(0, 256, (1, 6, 6, 1)).astype(np.uint8)
    (picture,) = views.pictures(model, row, 20)
    np.testing.assert_array_equal(picture, row[0].repeat(3, 0).repeat(3, 1).repeat(3, 2))
    drawn = views.pictures(linear(), np.zeros((2, 3), np.float32), 120)
    assert [one.shape for one in drawn] == [(90, 120, 3)] * 2 and drawn[0].min() < 128
    assert views.takes_pictures(model) and not views.takes_pictures(linear())
    far = views.pictures(linear(), np.float32([[1, np.inf, np.nan]]), 120)
    assert far[0].shape == (90, 120, 3)
    # Any numbers: the least of a call is black, the largest white.
    model = tiny_model(pixel_range="any", decoder_output="linear")
    rows = np.linspace(-50, 205, 36, dtype=np.float32).reshape(1, 6, 6, 1)
    (picture,) = views.pictures(model, rows, 6)
    assert picture[..., 0].ravel().tolist() == [round(255 * i / 35) for i in range(36)]


def test_codes_as_text_and_files_are_read_back(tmp_path, rng):
    codes = rng.normal(size=(2, 3)).astype(np.float32)
    np.testing.assert_array_equal(views.of_text(views.as_text(codes[0]), 3), codes[0])
    np.testing.assert_array_equal(views.of_text("[1, -2.5\n3e-2]", 3), np.float32([1, -2.5, 0.03]))
    wrong = {"1 2 x": "'x' is none", "1 2": "3 finite numbers, not 2", "1 2 nan": "and nan is none"}
    wrong |= {"1, 1e39, 2": "and 1e39 is none in float32", "1 2 3 4": "not 4"}
    for text, sentence in wrong.items():
        with pytest.raises(ValueError, match=sentence):
            views.of_text(text, 3)
    binary, table = views.write_codes(tmp_path, codes)
    np.testing.assert_array_equal(np.load(binary), codes)
    head, *lines = table.read_text().splitlines()
    assert head == "z0,z1,z2"
    np.testing.assert_array_equal(np.float32([line.split(",") for line in lines]), codes)
