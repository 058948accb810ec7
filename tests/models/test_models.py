"""Models as a library: numbers by hand, saving, steps that follow from (seed, step) alone."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf

import wae_tf
from tests.factory import tiny, tiny_model
from wae_tf.config import Config
from wae_tf.data import batches as batches_of
from wae_tf.data.batches import image_batches, index_batches
from wae_tf.errors import FlagError
from wae_tf.models import by_name, operations
from wae_tf.models.encoding import Noise
from wae_tf.models.operations import parameter_count
from wae_tf.models.step.adam import FusedAdam
from wae_tf.networks.official import build_adversary, build_decoder, build_encoder
from wae_tf.objective import penalties
from wae_tf.settings import devices
from wae_tf.training.feeding import keep_on_device
from wae_tf.training.programs import Calls, make_one_program

SMALL = tiny(layers=2, adversary_layers=2, init_std=0.2)
CLASSES = [
    wae_tf.WaeMmd,
    wae_tf.WaeGan,
    wae_tf.WaeMmdpp,
    wae_tf.WaeMmdppp,
    wae_tf.Vae,
]


def make(cls=wae_tf.WaeMmd, **fields):
    return tiny_model(cls, **(SMALL | fields))


@pytest.fixture
def images(rng):
    return rng.rand(40, 6, 6, 1).astype("float32")


def test_parameter_counts_are_the_official_ones():
    celeba = wae_tf.WaeMmd(
        (64, 64, 3),
        encoder_filters=1024,
        decoder_filters=1024,
        decoder_layers=4,
        filter_size=5,
        zdim=64,
    )
    assert parameter_count(celeba) == 39_742_531
    mnist = wae_tf.WaeMmd((28, 28, 1), encoder_filters=1024, decoder_filters=1024)
    assert parameter_count(mnist) == 21_994_377
    config = wae_tf.Config(model="wae_gan", adversary_filters=1024, zdim=64)
    adversary = build_adversary(config)
    assert adversary.count_params() == 3_216_385


def test_initial_weights_have_the_official_deviation_and_follow_the_seed():
    def kernels(seed):
        model = wae_tf.WaeMmd((28, 28, 1), seed=seed, encoder_filters=128, decoder_filters=128)
        deconv = model.decoder.get_layer("h0_deconv").kernel.numpy()
        return model.encoder.get_layer("h3_conv").kernel.numpy(), deconv

    conv, deconv = kernels(1)
    assert deconv.std() == pytest.approx(0.0099999, rel=0.02)
    assert np.abs(deconv).max() > 0.03  # a plain normal
    assert np.abs(conv).max() <= 0.02  # truncated at two deviations
    np.testing.assert_array_equal(conv, kernels(1)[0])
    assert np.abs(conv - kernels(2)[0]).max() > 0.01


@pytest.mark.parametrize(
    "cls",
    [c if c is wae_tf.WaeGan else pytest.param(c, marks=pytest.mark.slow) for c in CLASSES],
)
def test_saved_and_loaded_trains_on_with_the_same_numbers(cls, images, tmp_path):
    model = make(cls)
    model.fit(images, epochs=2, batch_size=8, shuffle=False, verbose=0)
    model.save(tmp_path / "x.keras")
    loaded = keras.saving.load_model(tmp_path / "x.keras")
    np.testing.assert_array_equal(model.reconstruct(images), loaded.reconstruct(images))
    histories = [
        m.fit(images, batch_size=8, shuffle=False, verbose=0).history for m in (model, loaded)
    ]
    assert histories[0] == histories[1]
    assert int(loaded.step.numpy()) == 15


def test_same_seed_same_numbers_other_seed_others(images):
    def losses(seed):
        return make(seed=seed).fit(images, batch_size=8, shuffle=False, verbose=0).history["loss"]

    first = losses(0)
    assert losses(0) == first
    assert losses(1) != first


def test_objective_is_cost_plus_lambda_penalty(images):
    model = make(wae_lambda=7.0)
    batch = tf.constant(images[:8])
    prior_sample = tf.random.stateless_normal([8, 3], [0, 1])
    values = model.objective(batch, prior_sample, Noise(), training=False)
    reconstructed = model.reconstruct(batch).numpy()
    cost = 0.05 * ((images[:8] - reconstructed) ** 2).sum(axis=(1, 2, 3)).mean()
    penalty = float(penalties.mmd(model.encode(batch), prior_sample, width=6.0))
    assert float(values["reconstruction"]) == pytest.approx(cost, rel=1e-5)
    assert float(values["penalty"]) == pytest.approx(penalty, abs=1e-6)
    assert float(values["loss"]) == pytest.approx(cost + 7 * penalty, rel=1e-5)


def test_the_clip_that_was_nobodys_says_so():
    with pytest.raises(FlagError, match="std_at_most is the replication report's"):
        make(encoder_noise="gaussian", encoder_clip="std")


def test_gaussian_codes_and_the_two_clips(images):
    batch, eps = tf.constant(images[:8]), tf.random.stateless_normal([8, 3], [3, 4])
    for clip in ("logvar", "std_at_most"):
        model = make(encoder_noise="gaussian", encoder_clip=clip)
        head = model.encoder.get_layer("log_sigmas_lin")
        head.bias.assign([60.0, -60.0, 1.5])
        head.kernel.assign(tf.zeros_like(head.kernel))
        encoding = model.encoding(batch, Noise(code=eps), training=False)
        std = ((encoding.codes - encoding.mean) / eps).numpy()[0]
        if clip == "logvar":
            expected = [np.exp(25), np.sqrt(1e-8 + np.exp(-50)), np.exp(0.75)]
            np.testing.assert_allclose(encoding.logvar[0], [50, -50, 1.5])
        else:
            # The second head is a log-variance here too: exp(30), exp(-30), exp(0.75).
            expected = [50.0, 0.0, np.exp(0.75)]
            np.testing.assert_allclose(encoding.logvar[0], [60, -60, 1.5])
        np.testing.assert_allclose(std, expected, rtol=2e-2, atol=1e-4)


def test_pixel_noise_is_for_training_and_truncated(images):
    model = make(encoder_noise="add_noise")
    noise = model.draw_noise(500, tf.constant(3, tf.int64), "autoencoder")
    assert np.abs(noise.pixels).max() <= 0.02
    # A normal truncated at two deviations has 0.88 of its deviation.
    assert noise.pixels.numpy().std() == pytest.approx(0.0088, rel=0.02)
    assert model.draw_noise(5, tf.constant(3, tf.int64), "test", training=False).pixels is None


def test_implicit_noise_is_a_matrix_of_the_code(images):
    model = make(encoder_noise="implicit")
    eps = tf.random.stateless_normal([8, 3], [3, 4])
    encoding = model.encoding(tf.constant(images[:8]), Noise(code=eps), training=False)
    matrix = encoding.matrix.numpy()
    added = np.stack([e @ m for e, m in zip(eps.numpy(), matrix, strict=True)])
    np.testing.assert_allclose(encoding.codes, encoding.mean + added, rtol=1e-5)
    hidden = [layer.units for layer in model.encoder.layers if layer.name.startswith("eps_h")]
    assert hidden == [6, 12, 18, 9]


def test_batch_norm_moves_its_moments_as_the_official_code(images):
    model = make(batch_norm_decay=0.9)
    norm = model.encoder.get_layer("h0_bn")
    dense = model.encoder.get_layer("h0_lin")
    batch = images[:8]
    before = batch.reshape(8, -1) @ dense.kernel.numpy() + dense.bias.numpy()
    model.encoding(tf.constant(batch), Noise(), training=True)
    np.testing.assert_allclose(norm.moving_mean, 0.1 * before.mean(0), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(norm.moving_variance, 0.9 + 0.1 * before.var(0), rtol=1e-5)


def test_gan_iteration_moves_each_network_by_its_own_loss(images):
    model = make(wae_tf.WaeGan, optimizer="sgd", lr=0.1, lr_adv=0.2, batch_norm=False)
    batch, prior_sample = tf.constant(images[:8]), tf.random.stateless_normal([8, 3], [0, 1])
    start = [w.numpy() for w in model.adversary.trainable_variables]
    encoder_start = model.encoder.trainable_variables[0].numpy()
    with tf.GradientTape() as tape:
        loss = model.objective(batch, prior_sample, Noise())["loss"]
    gradient = tape.gradient(loss, model.encoder.trainable_variables[0].value)
    logs = model.update(batch, prior_sample, Noise(), Noise())
    moved = model.encoder.trainable_variables[0].numpy() - encoder_start
    np.testing.assert_allclose(moved, -0.1 * gradient, rtol=1e-4, atol=5e-8)
    # The adversary's pass saw the updated encoder.
    ends = [w.numpy() for w in model.adversary.trainable_variables]
    for variable, value in zip(model.adversary.trainable_variables, start, strict=True):
        variable.assign(value)
    with tf.GradientTape() as tape:
        loss = model.adversary_loss(batch, prior_sample, Noise())
    gradients = tape.gradient(loss, [v.value for v in model.adversary.trainable_variables])
    assert float(loss) == pytest.approx(float(logs["adversary_loss"]), rel=1e-5)
    for old, new, gradient in zip(start, ends, gradients, strict=True):
        np.testing.assert_allclose(new - old, -0.2 * gradient, rtol=1e-4, atol=2e-7)


def test_schedule_and_adaptive_lambda_in_fit(images):
    model = make(lr_schedule="1", lr=0.01, lambda_schedule="adaptive")
    model.fit(images, epochs=3, batch_size=8, shuffle=False, verbose=0)
    assert float(model.optimizer.learning_rate.numpy()) == pytest.approx(0.01 / 100)
    assert float(model.wae_lambda.numpy()) == 10.0
    model.step.assign(999)
    model.fit(images[:8], batch_size=8, verbose=0)
    _, cost, penalty = model.running_means.latest.numpy()
    assert float(model.wae_lambda.numpy()) == pytest.approx(5 + 0.5 * cost / abs(penalty), rel=1e-5)


def test_first_bad_step_is_kept(images):
    model = make()
    bad = images.copy()
    bad[17] = np.nan
    model.fit(bad, batch_size=8, shuffle=False, verbose=0)
    step, terms = model.guard.first_bad_step()
    assert step == 3
    assert "reconstruction not finite" in terms


def test_uint8_images_are_scaled(images):
    pixels = np.arange(256, dtype=np.uint8)
    unit, symmetric = make(), make(pixel_range="symmetric")
    np.testing.assert_array_equal(unit.as_pixels(pixels), (pixels / 255.0).astype("float32"))
    official = ((pixels / 255.0 - 0.5) * 2).astype("float32")
    np.testing.assert_array_equal(tf.function(symmetric.as_pixels)(pixels), official)


def test_fixed_point_cost_has_the_gradient_of_the_samples_alone(images):
    model = make(fixed_point_weight=1.0, batch_norm=False)
    z = tf.random.stateless_normal([8, 3], [0, 1])
    generated = model.decode(z)
    with tf.GradientTape() as tape:
        value = model.fixed_point_cost(z, training=False)
    assert float(value) == pytest.approx(
        float(model.cost(generated, model.reconstruct(generated))), rel=1e-5
    )
    gradients = tape.gradient(value, [v.value for v in model.encoder.trainable_variables])
    assert max(float(tf.reduce_max(tf.abs(g))) for g in gradients) < 1e-6


def test_mixed_precision_keeps_costs_and_codes_full(images):
    for precision in ("mixed_bfloat16", "mixed_float16"):
        model = make(wae_tf.WaeGan, precision=precision)
        assert model.encode(images).dtype == model.decode(np.zeros((2, 3))).dtype == tf.float32
        assert model.encoder.get_layer("h0_lin").compute_dtype == precision[6:]
        history = model.fit(images, batch_size=8, verbose=0).history
        assert np.isfinite(history["loss"]).all()
        scaled = isinstance(model.adversary_optimizer, keras.optimizers.LossScaleOptimizer)
        assert scaled == (precision == "mixed_float16")
    full = make(wae_tf.WaeGan, precision="float64")
    assert full.encode(images).dtype == tf.float64


def test_mixed_float16_takes_steps_of_ordinary_size(images):
    steps = {}
    for precision in ("float32", "mixed_float16"):
        model = make(wae_tf.WaeGan, precision=precision, optimizer="sgd", lr=0.01, lr_adv=0.01)
        before = [w.numpy() for w in (*model.autoencoder_variables, *model.adversary.weights)]
        model.fit(images[:8], batch_size=8, verbose=0)
        after = [w.numpy() for w in (*model.autoencoder_variables, *model.adversary.weights)]
        steps[precision] = np.concatenate(
            [(a - b).ravel() for a, b in zip(after, before, strict=True)]
        )
    largest = np.abs(steps["float32"]).max()
    assert np.abs(steps["mixed_float16"] - steps["float32"]).max() < 0.05 * largest


def test_wrong_images_are_refused_in_a_sentence(images):
    with pytest.raises(
        ValueError, match=r"x of fit has shape \(8, 5, 5, 1\), and this model takes"
    ):
        make().fit(np.zeros((8, 5, 5, 1), "float32"), batch_size=8, verbose=0)


def test_own_optimizer_needs_a_constant_schedule(images):
    model = wae_tf.WaeMmd((6, 6, 1), data_size=40, **SMALL, lr_schedule="manual")
    with pytest.raises(ValueError, match="constant"):
        model.compile(keras.optimizers.Adam())
    model = wae_tf.WaeMmd((6, 6, 1), **SMALL)
    model.compile(keras.optimizers.RMSprop(0.001))
    assert np.isfinite(model.fit(images, batch_size=8, verbose=0).history["loss"]).all()


def test_needs_the_size_of_the_data():
    with pytest.raises(ValueError, match="data_size"):
        wae_tf.WaeMmdpp((6, 6, 1), **SMALL)


def test_a_schedule_needs_the_length_of_an_epoch(images):
    model = make(lr_schedule="manual")
    with pytest.raises(ValueError, match="set_length"):
        model.update(images[:8], np.zeros((8, 3), np.float32), Noise())
    endless = tf.data.Dataset.from_tensors(images[:8]).repeat()
    with pytest.raises(ValueError, match="steps_per_epoch"):
        model.fit(endless, verbose=0)


@pytest.mark.slow
def test_schedules_follow_the_epochs_of_fit(images):
    model = make(lr_schedule="1", lr=0.01, optimizer="sgd")
    rate = model.optimizer.learning_rate
    for batch_size, epochs in ((8, 3), (20, 2), (40, 1)):  # whatever the batch
        model.fit(images, epochs=epochs, batch_size=batch_size, verbose=0)
        assert float(rate.numpy()) == pytest.approx(0.01 * 10.0 ** -(epochs - 1))
    model.fit(images, initial_epoch=2, epochs=4, batch_size=8, verbose=0)
    assert float(rate.numpy()) == pytest.approx(0.01 * 10.0**-3)
    model.fit(tf.data.Dataset.from_tensor_slices(images).batch(8), epochs=2, verbose=0)
    assert float(rate.numpy()) == pytest.approx(0.01 / 10)


def test_a_model_knows_settings_of_a_model_only():
    known = wae_tf.WaeMmd((6, 6, 1), **SMALL).get_config()
    assert {"zdim", "seed", "encoder_arch"} <= set(known)
    assert not {"data_dir", "work_dir", "epochs", "batch_size", "figure_every"} & set(known)
    with pytest.raises(TypeError, match="work_dir"):
        wae_tf.WaeMmd((6, 6, 1), **SMALL, work_dir="x")


def test_the_official_networks_given_are_the_official_networks(images, tmp_path):
    ours = make(wae_tf.WaeGan)
    networks = {
        name: build(ours.settings, *shape)
        for name, build, shape in (
            ("encoder", build_encoder, [(6, 6, 1)]),
            ("decoder", build_decoder, [(6, 6, 1)]),
            ("adversary", build_adversary, []),
        )
    }
    given = make(wae_tf.WaeGan, **networks)
    histories = [
        m.fit(images, epochs=2, batch_size=8, shuffle=False, verbose=0).history
        for m in (ours, given)
    ]
    assert histories[0] == histories[1]
    given.save(tmp_path / "own.keras")
    again = keras.saving.load_model(tmp_path / "own.keras")
    np.testing.assert_array_equal(again.reconstruct(images), ours.reconstruct(images))
    for old, new in zip(given.optimizer.variables, again.optimizer.variables, strict=True):
        np.testing.assert_array_equal(old, new)


def test_config_and_keywords_give_the_same_model(images):
    config = wae_tf.Config(**SMALL)
    a, b = wae_tf.WaeMmd((6, 6, 1), config), wae_tf.WaeMmd((6, 6, 1), **SMALL)
    assert a.settings == b.settings == dataclasses.replace(config.settings)
    np.testing.assert_array_equal(a.reconstruct(images), b.reconstruct(images))


@pytest.mark.slow
def test_xla_gives_the_numbers_of_no_xla(rng):
    # With the noise passed in: XLA draws other normal numbers from the same key.
    images = rng.rand(20, 6, 6, 1).astype(np.float32)
    noise = rng.randn(20, 3, 20, 3).astype(np.float32)

    def losses(jit):
        model = make(wae_tf.WaeGan, encoder_noise="gaussian", adversary_filters=16, init_std=0.3)

        @tf.function(jit_compile=jit)
        def step(prior, first, second):
            return model.update(images, prior, Noise(code=first), Noise(code=second))["loss"]

        return [float(step(*map(tf.constant, noise[i]))) for i in range(20)]

    np.testing.assert_allclose(losses(True), losses(False), rtol=1e-4)


def test_the_fused_adam_is_keras_adam(rng):

    start = rng.randn(4, 3).astype(np.float32)
    gradients = rng.randn(5, 4, 3).astype(np.float32)

    def after(kind):
        variable = keras.Variable(start)
        optimizer = kind(0.01, beta_1=0.5, epsilon=1e-8)
        for gradient in gradients:
            optimizer.apply([tf.constant(gradient)], [variable])
        return variable.numpy()

    np.testing.assert_allclose(after(FusedAdam), after(keras.optimizers.Adam), rtol=2e-6, atol=2e-7)
    with pytest.raises(ValueError, match="amsgrad"):
        FusedAdam(amsgrad=True)


@pytest.mark.parametrize("pixel_range", ["symmetric", pytest.param("unit", marks=pytest.mark.slow)])
def test_held_images_give_the_steps_of_fed_ones(pixel_range):
    pixels = np.random.default_rng(3).integers(0, 256, (40, 6, 6, 1), dtype=np.uint8)
    common = {"batch_size": 8, "seed": 5, "start_step": 2}
    after = []
    for held in (False, True):
        model = make(wae_tf.WaeGan, pixel_range=pixel_range)
        if held:
            keep_on_device(model, pixels)
            batches = index_batches(len(pixels), **common)
        else:
            batches = image_batches(pixels, pixel_range=pixel_range, **common)
        model.fit(batches, steps_per_epoch=6, verbose=0)
        after.append([v.numpy() for v in model.weights])
    for fed, own in zip(*after, strict=True):
        np.testing.assert_array_equal(fed, own)


def test_held_images_are_in_no_checkpoint(tmp_path):
    model = make()
    keep_on_device(model, np.zeros((50, 6, 6, 1), np.uint8))
    tf.train.Checkpoint(model=model).write(str(tmp_path / "c"))
    shapes = tf.train.load_checkpoint(str(tmp_path / "c")).get_variable_to_shape_map()
    assert [50, 6, 6, 1] not in shapes.values()


def test_updates_that_overflow_half_are_left_out_and_counted(images):
    model = make(wae_tf.WaeGan, precision="mixed_float16")
    assert model.skipped_steps() == 0
    model.optimizer.dynamic_scale.assign(2.0**40)  # gradients overflow, the loss does not
    before = [v.numpy() for v in model.autoencoder_variables]
    model.fit(images[:8], batch_size=8, verbose=0)
    assert model.skipped_steps() == 1 and model.guard.first_bad_step() is None
    assert float(model.optimizer.dynamic_scale.numpy()) == 2.0**39
    for value, old in zip(model.autoencoder_variables, before, strict=True):
        np.testing.assert_array_equal(value, old)
    model.optimizer.dynamic_scale.assign(2.0**10)
    model.fit(images[:8], batch_size=8, verbose=0)
    assert model.skipped_steps() == 1
    assert make().skipped_steps() == 0


@pytest.mark.parametrize("accumulated", [None, 2])
def test_left_out_updates_are_counted_through_a_second_compile(accumulated, images, tmp_path):
    def compile_and_overflow(batches):
        model.compile(keras.optimizers.Adam(gradient_accumulation_steps=accumulated))
        scale = model.optimizer.dynamic_scale
        for value in (2.0**40, 2.0**10):
            scale.assign(value)
            model.fit(images[: 8 * batches], batch_size=8, verbose=0)

    model = make(precision="mixed_float16")
    compile_and_overflow(1)
    assert model.skipped_steps() == 1
    compile_and_overflow(2)
    assert model.skipped_steps() == 3 and int(model.step.numpy()) == 6
    model.save(tmp_path / "half.keras")
    assert wae_tf.load(tmp_path / "half.keras").skipped_steps() == 3


def test_operations_of_a_step_by_hand():
    config = Config(
        model="wae_gan", zdim=3, encoder_filters=4, decoder_filters=4, encoder_layers=2,
        decoder_layers=2, adversary_filters=5, adversary_layers=2, filter_size=4,
    )  # fmt: skip
    model = by_name.from_config(config, (8, 8, 1), 100)
    # Multiply-adds an image. Encoder: 8x8 -> 4x4x2 -> 2x2x4 -> 3; decoder: 3 -> 4x4x4, a transposed
    # convolution to 8x8x2 (each of 4x4 inputs meets 4x4 places), one of stride 1 to 8x8x1.
    first = 4 * 4 * 16 * 1 * 2
    encoder = first + 2 * 2 * 16 * 2 * 4 + 16 * 3
    decoder = 3 * 64 + 4 * 4 * 16 * 4 * 2 + 8 * 8 * 16 * 2 * 1
    adversary_first = 3 * 5
    adversary = adversary_first + 5 * 5 + 5
    expected = 2 * 10 * (3 * (encoder + decoder) - first)
    expected += 2 * 10 * (2 * adversary + 2 * (3 * adversary - adversary_first) + encoder)
    assert operations.operations(model, 10) == pytest.approx(expected)


@pytest.mark.slow
def test_executions_in_one_program_are_the_steps_one_by_one(monkeypatch):
    pixels = np.random.default_rng(3).integers(0, 256, (40, 6, 6, 1), dtype=np.uint8)
    common = {"batch_size": 8, "seed": 5}

    def trained(most, parts, held=True, gpu=False):
        """Steps a call and steps, part after part; the last part's logs and all weights."""
        model = make(wae_tf.WaeGan, jit=True, encoder_noise="gaussian", batch_norm=False)
        start, logs = 0, {}
        for together, steps in parts:
            model.steps_per_execution = together
            if most:
                with monkeypatch.context() as patched:
                    if gpu:
                        patched.setattr(devices, "has_gpu", lambda: True)
                    make_one_program(model, Calls(together, most, True, even=steps % together == 0))
            if held:
                keep_on_device(model, pixels)
                batches = index_batches(40, start_step=start, **common)
            else:
                batches = image_batches(pixels, pixel_range="unit", start_step=start, **common)
            batches = batches_of.together(batches, together, steps) if most else batches
            history = model.fit(batches, steps_per_epoch=steps, verbose=0, shuffle=False)
            logs = {name: values[0] for name, values in history.history.items()}
            start += steps
        return logs, [v.numpy() for v in model.weights]

    logs, weights = trained(None, [(1, 6)])
    others = [{}, {"held": False}, {"gpu": True}]
    made = [trained(3, [(3, 6)], **how) for how in others]
    # The last call of an epoch has what is left.
    made += [trained(4, [(4, 6)], **how) for how in others]
    for other in made:
        assert other[0] == pytest.approx(logs, rel=1e-5)  # XLA fuses a loop's body its own way
        for one, two in zip(weights, other[1], strict=True):
            np.testing.assert_allclose(one, two, rtol=1e-3, atol=1e-5)
    # The same program whatever the steps of an execution: equal bit by bit.
    whole = trained(4, [(4, 4), (2, 2)])
    for parts in ([(1, 6)], [(4, 6)]):
        for one, two in zip(whole[1], trained(4, parts)[1], strict=True):
            np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("cls", [*CLASSES, wae_tf.WaeSwd])
@pytest.mark.parametrize("precision", ["float32", "mixed_float16"])
def test_no_variable_is_where_a_gpus_xla_cannot_reach_it(cls, precision):
    # TensorFlow keeps int32 variables in the host's memory, and a program compiled by XLA for a GPU
    # cannot have them; int64, uint32 and bool are on the GPU.
    adaptive = {"lambda_schedule": "adaptive"} if cls is not wae_tf.Vae else {}
    model = make(cls, data_size=40, precision=precision, lr_schedule="plateau", **adaptive)
    model.compile()
    optimizers = [model.optimizer, getattr(model, "adversary_optimizer", None)]
    variables = [v for owner in (model, *filter(None, optimizers)) for v in owner.variables]
    assert [v.path for v in variables if v.dtype == "int32"] == []
