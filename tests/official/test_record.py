"""The recorder's shared half: what both interpreters make and read. It needs no TensorFlow."""

import numpy as np
import pytest

from wae_tf.official.parity import cases, record

# As the recorder completes it under Python 2.7 with numpy 1.16, with the hashes it wrote there.
META = {
    "name": "pinned",
    "opts": {
        "batch_size": 3,
        "e_noise": "add_noise",
        "e_pretrain": True,
        "e_pretrain_sample_size": 5,
        "input_normalize_sym": True,
        "pz": "sphere",
        "pz_scale": 1.5,
        "z_test": "gan",
        "zdim": 4,
    },
    "image_shape": [7, 6, 2],
    "steps": 2,
    "train_size": 6,
    "variables": [
        ["encoder/h0_bn/beta", [4]],
        ["encoder/h0_bn/gamma", [4]],
        ["encoder/h0_bn/moving_variance", [4]],
        ["encoder/h0_conv/filter", [3, 3, 2, 4]],
        ["generator/h0_deconv/filter", [3, 3, 2, 4]],
        ["generator/h0_lin/W", [4, 8]],
    ],
    "sha256": {},
}
PINNED = {
    "improved": "0da1119d274e9473b520b644f4c54a2215abcf6a6e519483a8b964d604d0b461",
    "inputs": "971ee4d9e6a094ec1487f69949a088d82718ab806002c75684191886df328db3",
    "plane": "5fd29b948e484291ad9147210df1d247af0a5e89638d01e90e121a703e490312",
    "step_inputs": "d8c17164e7a947c31765ad14876750e7507ed6818f753ab835db122a7f498b29",
    "weights": "345598ab4c39fd010b452fe94d60f81b55d70c2592345046a64e92e57d0cc244",
}


def test_inputs_are_the_bits_that_python_2_made():
    assert record.check_inputs({**META, "sha256": PINNED}) == []


def test_check_inputs_names_what_differs():
    other = {**PINNED, "weights": "0" * 64}
    assert record.check_inputs({**META, "sha256": other}) == ["weights"]


def test_inputs_lie_where_the_official_ones_do():
    made = record.make_inputs(META)
    assert made["images"].shape == (3, 7, 6, 2) and made["pretrain/images"].shape == (5, 7, 6, 2)
    assert np.abs(made["images"]).max() <= 1.0 and made["images"].min() < -0.5
    assert np.allclose(np.linalg.norm(made["prior_sample"], axis=1), 1.5)
    assert np.abs(made["noise/pixels"]).max() <= np.float32(0.02)
    assert all(value.dtype == np.float32 for value in made.values())
    step = record.make_step_inputs(META, 1)
    assert not np.array_equal(step["noise/pixels"], step["noise_adv/pixels"])


def test_save_and_load_keep_every_array(tmp_path):
    random = np.random.RandomState(0)
    arrays = {
        "large": random.standard_normal((9, 9)).astype(np.float32),
        "scalar": np.float32(2.5),
        "double": np.arange(3.0),
        "empty": np.zeros((0, 2), np.float32),
    }
    record.save(str(tmp_path / "full.npz"), {"name": "x"}, arrays)
    meta, loaded = record.load(str(tmp_path / "full.npz"))
    assert meta["name"] == "x" and meta["mode"] == "full" and set(loaded) == set(arrays)
    for name, value in arrays.items():
        assert np.array_equal(loaded[name], value) and loaded[name].shape == np.shape(value)
    record.save(str(tmp_path / "compact.npz"), {"name": "x"}, arrays, full=False)
    _, loaded = record.load(str(tmp_path / "compact.npz"))
    assert np.array_equal(record.like(arrays["large"], loaded["large"]), loaded["large"])
    assert loaded["large"].shape == (record.COMPACT,)
    with pytest.raises(ValueError, match="recorded"):
        record.like(np.zeros(7), loaded["large"])


def test_compact_sees_a_difference_anywhere():
    values = np.random.RandomState(1).standard_normal(5000).astype(np.float32)
    before = record.compact(values)
    assert before[-1] == np.abs(values).max()
    for place in (0, 1234, 4999):
        changed = values.copy()
        changed[place] += 1.0
        assert np.abs(record.compact(changed) - before).max() > 0.9 / np.sqrt(5000)


def test_cases_have_names_of_their_own_and_json_opts():
    every = cases.cases()
    assert len(cases.by_name()) == len(every)
    for case in every:
        assert case["opts"]["batch_size"] * case["steps"] <= case["train_size"]
        assert all(isinstance(v, (str, int, float, bool)) for v in case["opts"].values())
