import numpy as np
import pytest
import tensorflow as tf

from wae_tf.objective.cross_entropy import cross_entropy

LOGITS = np.array([-np.inf, -100.0, -2.0, -1e-30, -0.0, 0.0, 1e-30, 0.5, 100.0, np.inf, np.nan])


@pytest.mark.parametrize("label", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16"])
def test_cross_entropy_and_its_gradient_are_tensorflows_to_the_bit(label, dtype):
    def both(function):
        logits = tf.constant(LOGITS, dtype)
        labels = tf.fill(logits.shape, tf.constant(label, dtype))
        with tf.GradientTape() as tape:
            tape.watch(logits)
            value = function(labels=labels, logits=logits)
        return [tf.cast(t, tf.float64).numpy() for t in (value, tape.gradient(value, logits))]

    own = both(cross_entropy)
    np.testing.assert_array_equal(own, both(tf.nn.sigmoid_cross_entropy_with_logits))
    if dtype == "float64":  # by hand, at -2
        assert own[0][2] == pytest.approx(np.log1p(np.exp(-2.0)) + 2.0 * label, rel=1e-15)
        assert own[1][2] == pytest.approx(1.0 / (1.0 + np.exp(2.0)) - label, rel=1e-14)


def test_arrays_are_taken_and_other_shapes_refused():
    labels, logits = np.ones((4, 8), "f"), np.zeros((4, 8), "f")
    np.testing.assert_allclose(cross_entropy(labels, logits), np.full((4, 8), np.log(2)), rtol=1e-6)
    for of_labels, of_logits in ((labels, logits[:, :1]), (labels[:1], logits)):
        with pytest.raises(ValueError, match=r"Shapes \(.*\) and \(.*\) are incompatible"):
            cross_entropy(of_labels, of_logits)
