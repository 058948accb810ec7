"""Keys: the same wherever they are computed, and none shared by neighbouring seeds and streams."""

import numpy as np
import pytest
import tensorflow as tf

from wae_tf import streams

SEEDS = [0, 1, 7, 2**31, 2**32, 2**63 - 1, -1, -(2**63), 2**64 + 7, 3 * 2**70 + 11]


def signed(seed):
    return tf.constant((seed + 2**63) % 2**64 - 2**63, tf.int64)


def test_a_key_is_two_folds_of_tensorflows():
    high, low = 5, 2**32 - 3
    halves = [low - 2**32, high]
    one = tf.random.fold_in(halves, streams.STREAMS["prior"], alg="philox")
    two = tf.random.fold_in(one, 11, alg="philox")
    np.testing.assert_array_equal(streams.key(high * 2**32 + low, "prior", 11), two)


def test_keys_are_the_same_eagerly_in_graphs_under_xla_and_in_data_sets():
    def of(seed, step):
        return streams.key(seed, "prior", step)

    signature = [tf.TensorSpec([], tf.int64)] * 2
    graph = tf.function(of, input_signature=signature)
    xla = tf.function(of, input_signature=signature, jit_compile=True)
    step = tf.constant(11, tf.int64)
    for seed in SEEDS:
        want = streams.key(seed, "prior", 11).numpy()
        assert want.dtype == np.int32
        np.testing.assert_array_equal(graph(signed(seed), step), want)
        np.testing.assert_array_equal(xla(signed(seed), step), want)
        mapped = tf.data.Dataset.range(11, 12).map(lambda step, seed=seed: of(seed, step))
        np.testing.assert_array_equal(next(iter(mapped)), want)


def test_seeds_are_taken_modulo_2_to_the_64_and_steps_modulo_2_to_the_32():
    np.testing.assert_array_equal(
        streams.key(2**64 + 7, "sample", 3), streams.key(7, "sample", 3 + 2**32)
    )
    step = 2**31 + 5
    np.testing.assert_array_equal(
        streams.key(7, "sample", step), streams.key(7, "sample", tf.constant(step, tf.int64))
    )


def test_a_stream_without_a_number_is_an_error():
    with pytest.raises(ValueError, match="noise is no stream of random numbers; known: batches"):
        streams.key(0, "noise", 0)
    assert len(set(streams.STREAMS.values())) == len(streams.STREAMS)


@pytest.fixture(scope="module")
def first_entries():
    """int32 [400, streams]: of all streams, for seeds -200 up."""

    @tf.function
    def of(seeds):
        def row(seed):
            return tf.stack([streams.key(seed, name, 0)[0] for name in streams.STREAMS])

        return tf.map_fn(row, seeds, fn_output_signature=tf.int32)

    return of(tf.range(-200, 200, dtype=tf.int64)).numpy()


def test_neighbouring_seeds_and_streams_share_no_keys_at_any_step(first_entries):
    # Keys with other first entries differ at all steps, shifted ones too.
    assert len(np.unique(first_entries)) == first_entries.size


def test_first_entries_look_like_draws(first_entries):
    entries = first_entries.view(np.uint32)
    bits = np.unpackbits(entries.view(np.uint8).reshape(entries.size, 4), axis=1)
    # Each bit is set in half of the keys, and changes in half from seed to seed, stream to stream.
    for values in (
        bits.mean(0),
        np.unpackbits((entries[1:] ^ entries[:-1]).view(np.uint8)).mean(),
        np.unpackbits((entries[:, 1:] ^ entries[:, :-1]).copy().view(np.uint8)).mean(),
    ):
        assert np.abs(np.asarray(values) - 0.5).max() < 4.5 * 0.5 / np.sqrt(entries.size)


@pytest.mark.parametrize(
    ("seed", "stream", "step"), [(1, "prior", 0), (0, "sample", 0), (0, "prior", 1)]
)
def test_draws_of_neighbours_are_uncorrelated(seed, stream, step):
    def normal(*key):
        return tf.random.stateless_normal([20_000], streams.key(*key), alg="philox").numpy()

    one, other = normal(0, "prior", 0), normal(seed, stream, step)
    assert abs(np.corrcoef(one, other)[0, 1]) < 4 / np.sqrt(20_000)
    assert len(np.intersect1d(one, other)) < 20  # 24-bit draws, by chance


def test_numbers_for_initialisers_differ_by_layer_network_and_seed():
    made = [
        streams.number(seed, f"{network}/weights", layer)
        for seed in (0, 1)
        for network in ("encoder", "decoder", "adversary")
        for layer in range(5)
    ]
    assert len(set(made)) == len(made)
    assert min(made) >= 0 and max(made) < 2**31
    assert made[0] == streams.number(2**64, "encoder/weights", 0)


@pytest.mark.parametrize("jit", [False, True])
def test_a_graph_whose_seed_is_an_input_holds_nothing_of_it(jit):
    names = ["prior", "adversary/layers"]

    def graph_of(seed):
        @tf.function(jit_compile=jit, autograph=False)
        def draws(step):
            def body(number, found):
                keys = [streams.key(seed, name, step) for name in names]
                return number + 1, tf.stack(keys) + 0 * found

            with streams.seed_as_input():
                start = [0, tf.zeros([2, 2], tf.int32)]
                return tf.while_loop(lambda number, _: number < 1, body, start)[1]

        step = tf.constant(9, tf.int64)
        expected = [streams.key(seed, name, 9) for name in names]
        np.testing.assert_array_equal(draws(step), expected)
        made = draws.get_concrete_function(step)
        inputs = [int(tensor) for tensor in made.captured_inputs if tensor.dtype == tf.int32]
        assert inputs == [int(first) for first, _ in expected]
        library = made.graph.as_graph_def().library.function
        functions = [made.function_def, *library]
        nodes = [node for function in functions for node in function.node_def]
        hlo = draws.experimental_get_compiler_ir(step)(stage="hlo") if jit else ""
        assert not any(f"constant({first})" in hlo for first in inputs)
        # A library is in no order.
        return sorted(str(node.attr["value"]) for node in nodes if node.op == "Const")

    constants = [graph_of(seed) for seed in (5, -3, 2**63)]
    assert constants[0] == constants[1] == constants[2] and constants[0]


def test_what_is_drawn_at_once_meanwhile_is_the_same():
    with streams.seed_as_input():
        eager = streams.key(5, "prior", 9).numpy().tolist()
        number = streams.number(5, "encoder/weights", 0)
    assert eager == streams.key(5, "prior", 9).numpy().tolist()
    assert number == streams.number(5, "encoder/weights", 0)
