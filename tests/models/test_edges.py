"""Settings at the edge of what gives finite numbers train, encode and sample without a complaint."""

import numpy as np
import pytest

import wae_tf
from tests.factory import tiny
from wae_tf.evaluation import codes
from wae_tf.models.passes import prior_std
from wae_tf.objective import priors

SMALL = tiny(8, zdim=2)


def slow(*values):
    return pytest.param(*values, marks=pytest.mark.slow)


@pytest.mark.parametrize(
    ("cls", "fields"),
    [
        (wae_tf.WaeGan, {"batch_size": 1}),
        (wae_tf.WaeGan, {"encoder_layers": 0, "decoder_layers": 0, "adversary_layers": 0}),
        slow(wae_tf.WaeMmd, {"encoder_arch": "dcgan", "encoder_layers": 0}),
        (wae_tf.WaeMmd, {"batch_norm_decay": 1.0, "batch_norm_eps": 0.0, "init_std": 0.5}),
        (wae_tf.WaeMmd, {"lr": 0.0}),
        (wae_tf.WaeMmd, {"init_std": 0.0}),
        slow(wae_tf.WaeGan, {"wae_lambda": -1.0}),
        slow(wae_tf.WaeMmd, {"prior_scale": -2.0}),
        (wae_tf.WaeGan, {"prior_scale": 0.0}),
        (wae_tf.WaeMmd, {"prior_scale": 0.0, "prior": "sphere"}),
        slow(wae_tf.WaeMmd, {"prior_scale": 0.0, "mmd_kernel": "rbf", "init_std": 0.5}),
    ],
    ids=str,
)
def test_edges_train(cls, fields, rng):
    fields = dict(fields)
    batch_size = fields.pop("batch_size", 4)
    model = cls((6, 6, 1), data_size=8, **(SMALL | fields))
    model.compile()
    before = [weight.numpy() for weight in model.autoencoder_variables]
    images = rng.rand(8, 6, 6, 1).astype("float32")
    # In one order: without an epsilon a unit that is dead for a batch is 0 / 0, officially too.
    logs = model.fit(images, batch_size=batch_size, epochs=2, shuffle=False, verbose=0).history
    assert all(np.isfinite(values).all() for values in logs.values())
    assert model.guard.first_bad_step() is None
    assert np.isfinite(model.sample(3)).all()
    same = [np.array_equal(w, v) for w, v in zip(before, model.autoencoder_variables, strict=True)]
    assert all(same) == (model.settings.lr == 0)
    if fields.get("init_std") == 0:
        assert not any(w.any() for w in before[::2] if w.ndim > 1)


def test_a_prior_that_is_a_point_measures_in_units_of_codes(rng):
    assert [priors.unit(scale) for scale in (2.0, -2.0, 0.0)] == [2.0, 2.0, 1.0]
    model = wae_tf.WaeGan((6, 6, 1), data_size=8, **SMALL, prior_scale=0.0)
    assert prior_std(model) == 1.0
    found = codes.statistics(model, rng.standard_normal((20, 2)).astype("float32"))
    assert found["mmd_test_null_std"] == 0.0
    assert np.isfinite(found["mmd_test"])


def test_an_adversary_under_a_negative_lambda_has_not_won(rng):
    model = wae_tf.WaeGan((6, 6, 1), data_size=8, **SMALL, wae_lambda=-1.0)
    model.compile()
    model.fit(rng.rand(4, 6, 6, 1).astype("float32"), batch_size=4, verbose=0)
    assert model.advice() is None
