import keras
import numpy as np
import pytest
import tensorflow as tf

from wae_tf.networks import dense
from wae_tf.networks.builder import Builder
from wae_tf.settings import Settings

# What relu's gradient may differ at: 0 of both signs, what is next to it, and no numbers.
POINTS = np.array([[-np.inf, -3.0, -1e-40, -0.0, 0.0, 1e-40, 2.0, np.inf, np.nan]], np.float32)


def trained(layer, x, jit):
    """Outputs, and gradients by inputs and weights of a sum whose terms differ."""
    if not layer.built:
        layer.build(x.shape)
    x = tf.constant(x)

    @tf.function(jit_compile=jit, autograph=False)
    def step(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            outputs = tf.cast(layer(x, **training), tf.float32)
            rising = tf.range(1.0, 1.0 + tf.cast(tf.size(outputs), tf.float32))
            loss = tf.reduce_sum(tf.reshape(outputs, [-1]) * rising)
        return outputs, tape.gradient(loss, [x, *layer.trainable_weights])

    training = {} if type(layer).__module__.startswith("keras") else {"training": True}
    outputs, gradients = step(x)
    return [outputs.numpy(), *(gradient.numpy() for gradient in gradients)]


@pytest.mark.parametrize("jit", [False, True])
@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16", "float64"])
def test_relu_and_its_gradient_are_tensorflows_at_every_kind_of_number(jit, policy):
    points = POINTS.astype("float64" if policy == "float64" else "float32")
    own = trained(dense.Activation("relu", dtype=policy), points, jit)
    keras_own = trained(keras.layers.Activation("relu", dtype=policy), points, jit)
    np.testing.assert_array_equal(own, keras_own)
    assert own[1][0].tolist()[:5] == [0, 0, 0, 0, 0]  # of 0 too


@pytest.mark.parametrize("jit", [False, True])
@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
def test_a_dense_layer_trains_as_keras_own(jit, policy):

    x = np.random.RandomState(0).randn(50, 30).astype("f")
    layers = [kind.Dense(20, dtype=policy) for kind in (dense, keras.layers)]
    for layer in layers:
        layer.build(x.shape)
        layer.set_weights([np.random.RandomState(1).randn(30, 20), np.arange(20.0)])
    own, keras_own = (trained(layer, x, jit) for layer in layers)
    half = policy != "float32"
    for a, b in zip(own, keras_own, strict=True):
        # XLA's program is the same in float32; in half the bias's gradient is summed in float32.
        np.testing.assert_allclose(a, b, rtol=2e-2 if half else 0 if jit else 1e-5)
    assert own[3].tolist() == np.arange(1.0, 1001.0).reshape(50, 20).sum(0).tolist() or half


def operations(function, *arguments):
    graph = function.get_concrete_function(*arguments).graph.as_graph_def()
    nodes = [*graph.node, *(node for f in graph.library.function for node in f.node_def)]
    return {node.op for node in nodes}


def test_inference_holds_the_operations_that_exports_and_converters_know():
    inputs = keras.Input((3,))
    model = keras.Model(inputs, dense.Activation("relu")(dense.Dense(2)(inputs)))
    found = operations(tf.function(lambda x: model(x, training=False)), tf.zeros([1, 3]))
    assert {"Relu", "BiasAdd"} <= found


def test_other_activations_and_layers_without_a_bias_are_keras_own():
    x = np.random.RandomState(0).randn(2, 3, 4).astype("f")
    for own, keras_own in [
        (dense.Activation("elu"), keras.layers.Activation("elu")),
        (dense.Dense(5, use_bias=False), keras.layers.Dense(5, use_bias=False)),
        (dense.Dense(5, activation="tanh"), keras.layers.Dense(5, activation="tanh")),
        (dense.Dense(5), keras.layers.Dense(5)),  # of [2, 3, 4]
    ]:
        own.build(x.shape)
        keras_own.build(x.shape)
        keras_own.set_weights(own.get_weights())
        np.testing.assert_array_equal(own(x, training=True), keras_own(x))


def test_only_networks_for_xla_have_them(tmp_path):
    kinds = {}
    for jit in (False, True):
        net = Builder(Settings(jit=jit), "decoder")
        codes = keras.Input((4,))
        model = keras.Model(codes, net.activation(net.linear(codes, 3, "h0_lin"), "relu"))
        kinds[jit] = [type(layer) for layer in model.layers[1:]]
    assert kinds[False] == [keras.layers.Dense, keras.layers.Activation]
    assert kinds[True] == [dense.Dense, dense.Activation]
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    x = np.random.RandomState(0).randn(5, 4).astype("f")
    np.testing.assert_array_equal(again(x, training=True), model(x, training=True))
