"""Penalties D_Z(Q_Z, P_Z): MMD, the GAN's losses, KL; `mmdpp` has MMD's variants."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from wae_tf.objective.cross_entropy import cross_entropy
from wae_tf.settings import MMD_SCALES

#: Batches above the first go through the IMQ kernel by blocks of so many rows, since the matrices of
#: seven kernels and their gradients would take 10 GB at a batch of 8,000.
BLOCKWISE_ABOVE, BLOCK_ROWS = 2000, 512

#: Above so many rows the medians of the RBF kernel are found by counting, not by sorting.
COUNTED_ABOVE = 200


def squared_distances(a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
    """Squared distances [n, m] between rows of a [n, z] and b [m, z] (official wae.py:242-251)."""
    norms_a = tf.reduce_sum(tf.square(a), axis=1, keepdims=True)
    norms_b = tf.reduce_sum(tf.square(b), axis=1, keepdims=True)
    return not_negative(norms_a + tf.transpose(norms_b) - 2.0 * tf.matmul(a, b, transpose_b=True))


def not_negative(distances: tf.Tensor) -> tf.Tensor:
    """Squared distances without what rounding makes negative; the gradient is the official one.

    Where codes are wide beside the kernel that reaches C / (C + d)'s pole.
    """
    return distances + tf.stop_gradient(tf.maximum(-distances, 0.0))


def swapped_distances(q: tf.Tensor, p: tf.Tensor) -> tf.Tensor:
    """What the replication report takes for the distances between q [n, z] and p [n, z]: a bug.

    Entry (i, j) is |p_i|^2 + |q_j|^2 - 2 q_i.p_j (replication wae.py:361): norms of the other set
    than the product's rows and columns. It is no squared distance and can be negative, so that
    C / (C + d) has poles; within one set the same line is right.
    """
    norms_q = tf.reduce_sum(tf.square(q), axis=1, keepdims=True)
    norms_p = tf.reduce_sum(tf.square(p), axis=1, keepdims=True)
    return norms_p + tf.transpose(norms_q) - 2.0 * tf.matmul(q, p, transpose_b=True)


def off_diagonal(size: tf.Tensor, dtype: tf.DType) -> tf.Tensor:
    """Ones but for a diagonal of zeros, [size, size]."""
    return 1.0 - tf.eye(size, dtype=dtype)


def kth_largest(distances: tf.Tensor, k: tf.Tensor) -> tf.Tensor:
    """The k-th largest entry of [n, m], with its gradient."""
    rows = distances.shape[0] or 0
    distances = tf.reshape(distances, [-1])
    if rows <= COUNTED_ABOVE or distances.dtype != tf.float32:
        return tf.math.top_k(distances, k).values[k - 1]
    # top_k sorts, a minute for 8,000^2 entries. Counting those above a threshold finds the same
    # entry bit by bit: as integers, floats of one sign have the floats' order.
    whole = tf.bitcast(distances, tf.int32)
    ordered = tf.where(whole < 0, whole ^ 0x7FFFFFFF, whole)  # negative ones run the other way

    def halve(low: tf.Tensor, high: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        middle = low + (high - low + 1) // 2
        enough = tf.math.count_nonzero(ordered >= tf.cast(middle, tf.int32)) >= tf.cast(k, tf.int64)
        return tf.where(enough, middle, low), tf.where(enough, high, middle - 1)

    ends = [tf.constant(end, tf.int64) for end in (-(2**31), 2**31 - 1)]
    found, _ = tf.while_loop(lambda low, high: low < high, halve, ends, parallel_iterations=1)
    return tf.gather(distances, tf.argmax(tf.equal(ordered, tf.cast(found, tf.int32))))


def of_pairs(rows: tf.Tensor, estimate: Callable[[], tf.Tensor]) -> tf.Tensor:
    """An estimate over pairs of rows; 0, without a gradient, of fewer than two: they have no pair.

    Args:
        rows: float [n, z], of which there are as many as codes.
        estimate: makes the scalar, of the rows' type, which must be finite of a single row too.
    """
    zero = tf.zeros([], rows.dtype)
    if rows.shape[0] is not None:
        return estimate() if rows.shape[0] >= 2 else zero
    # No tf.cond: XLA knows no gradient of one over rows whose number it does not know.
    return tf.where(tf.shape(rows)[0] >= 2, estimate(), zero)


def mmd(
    codes: tf.Tensor,
    prior_sample: tf.Tensor,
    *,
    kernel: str = "imq",
    width: float,
    scales: Sequence[float] = MMD_SCALES,
    distances: str = "exact",
    divisor: int | None = None,
) -> tf.Tensor:
    """Unbiased estimate of the squared MMD; it can be negative (official wae.py:233-310).

    Args:
        codes: float [n, z], a sample of Q_Z.
        prior_sample: float [n, z], a sample of P_Z.
        kernel: `imq`, the sum over `scales` of C / (C + d) with C = scale * width; or `rbf`,
            exp(-d / (2 s)) with s the sum of two medians of the batch's own distances (as the
            official code takes them; the gradient flows through s).
        width: C before the scales, from `priors.kernel_width`; rbf does not use it.
        scales: multiples of the width.
        distances: between the two sets, `exact`, or `replication`: `swapped_distances`, and the
            1e-8 that the report adds to every distance (replication wae.py:372).
        divisor: the sums are divided by the pairs of so many rows; None: of the n there are.

    Returns:
        scalar of the codes' type: mean of off-diagonal k(q, q) + k(p, p) - 2 k(q, p); 0 of fewer
        than two codes, but where imq has a divisor.
    """
    large = (codes.shape[0] or 0) > BLOCKWISE_ABOVE
    if kernel == "imq" and large and distances == "exact" and divisor is None:
        return _blockwise_imq(codes, prior_sample, [width * scale for scale in scales])

    def estimate() -> tf.Tensor:
        return _mmd(codes, prior_sample, kernel, width, scales, distances, divisor)

    defined = kernel == "imq" and divisor is not None  # of one code too
    return estimate() if defined else of_pairs(codes, estimate)


def _mmd(
    codes: tf.Tensor,
    prior_sample: tf.Tensor,
    kernel: str,
    width: float,
    scales: Sequence[float],
    distances: str,
    divisor: int | None,
) -> tf.Tensor:
    dtype = codes.dtype
    n = tf.shape(codes)[0]
    nf = tf.cast(n if divisor is None else divisor, dtype)
    distances_q = squared_distances(codes, codes)
    distances_p = squared_distances(prior_sample, prior_sample)
    if distances == "replication":
        distances_q, distances_p = distances_q + 1e-8, distances_p + 1e-8
        distances_qp = swapped_distances(codes, prior_sample) + 1e-8
    else:
        distances_qp = squared_distances(codes, prior_sample)

    if kernel == "rbf":
        half = tf.maximum((n * n - n) // 2, 1)
        variance = kth_largest(distances_qp, half) + kth_largest(distances_q, half)
        variance = tf.where(n >= 2, variance, tf.ones([], dtype))

        def k(d: tf.Tensor) -> tf.Tensor:
            return tf.exp(-d / 2.0 / variance)
    else:

        def k(d: tf.Tensor) -> tf.Tensor:
            return tf.add_n([width * scale / (width * scale + d) for scale in scales])

    within = (k(distances_q) + k(distances_p)) * off_diagonal(n, dtype)
    pairs = tf.maximum(nf * nf - nf, 1.0)
    return tf.reduce_sum(within) / pairs - 2.0 * tf.reduce_sum(k(distances_qp)) / (nf * nf)


def _blockwise_imq(q: tf.Tensor, p: tf.Tensor, widths: Sequence[float]) -> tf.Tensor:
    """`mmd` with kernel imq, a block of rows in memory at a time; the gradient computes it again."""
    n, dtype = q.shape[0], q.dtype

    def block_sum(a: tf.Tensor, b: tf.Tensor, diagonal: tf.Tensor) -> tf.Tensor:
        distances = squared_distances(a, b)
        kernel = tf.add_n([width / (width + distances) for width in widths])
        off = 1.0 - tf.one_hot(diagonal, n, dtype=dtype)
        return tf.reduce_sum(tf.reduce_sum(kernel * off, axis=1))

    @tf.custom_gradient
    def total(a: tf.Tensor, b: tf.Tensor, within: tf.Tensor) -> tuple[tf.Tensor, Any]:
        def rows(start: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            stop = tf.minimum(start + BLOCK_ROWS, n)
            # -1 names no column: nothing is left out between different sets.
            return a[start:stop], tf.where(within, tf.range(start, stop), -1)

        starts = tf.range(0, n, BLOCK_ROWS)

        def add(sums: tf.Tensor, start: tf.Tensor) -> tf.Tensor:
            part, diagonal = rows(start)
            return sums + block_sum(part, b, diagonal)

        def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, None]:
            def step(i: tf.Tensor, da: tf.TensorArray, db: tf.Tensor) -> tuple:
                part, diagonal = rows(starts[i])
                with tf.GradientTape() as tape:
                    tape.watch((part, b))
                    value = block_sum(part, b, diagonal)
                along, across = tape.gradient(value, (part, b))
                return i + 1, da.write(i, along), db + across

            count = tf.size(starts)
            pieces = tf.TensorArray(
                dtype, count, infer_shape=False, element_shape=[None, a.shape[1]]
            )
            _, pieces, db = tf.while_loop(
                lambda i, *_: i < count,
                step,
                [0, pieces, tf.zeros_like(b)],
                parallel_iterations=1,
            )
            return upstream * pieces.concat(), upstream * db, None

        sums = tf.foldl(add, starts, tf.zeros([], dtype), parallel_iterations=1)
        return sums, gradient

    same, other = tf.constant(True), tf.constant(False)
    within = total(q, q, same) + total(p, p, same)
    return within / (n * n - n) - 2.0 * total(q, p, other) / (n * n)


def prior_log_density(codes: tf.Tensor, prior_scale: float, trick: str) -> tf.Tensor:
    """What the Nowozin trick adds to the adversary's logits (official models.py:340-354).

    Args:
        codes: float [n, z].
        prior_scale: standard deviation of the normal prior.
        trick: `official`: [n], which against logits [n, 1] broadcasts to [n, n], with
            -log(2 pi)/2 once; `fixed`: the density itself, [n, 1], with it z times.

    Returns:
        float [n] or [n, 1].
    """
    zdim = codes.shape[1]
    variance = float(prior_scale) ** 2
    official = trick == "official"
    square = tf.reduce_sum(tf.square(codes), axis=1, keepdims=not official)
    constant = 0.5 * math.log(2.0 * math.pi) * (1 if official else zdim)
    return -square / 2.0 / variance - constant - 0.5 * zdim * math.log(variance)


def _mean_cross_entropy(logits: tf.Tensor, label: float) -> tf.Tensor:
    labels = tf.fill(tf.shape(logits), tf.cast(label, logits.dtype))
    return tf.reduce_mean(cross_entropy(labels, logits))


def gan(logits_q: tf.Tensor) -> tf.Tensor:
    """The encoder's non-saturating loss: codes should be taken for the prior's (official wae.py:323-328)."""
    return _mean_cross_entropy(logits_q, 1.0)


def adversary(logits_p: tf.Tensor, logits_q: tf.Tensor, weight: tf.Tensor) -> tf.Tensor:
    """The adversary's loss, multiplied by lambda as the official code does (official wae.py:317-326)."""
    return weight * (_mean_cross_entropy(logits_p, 1.0) + _mean_cross_entropy(logits_q, 0.0))


def clamped(penalty: tf.Tensor, bound: float | None) -> tf.Tensor:
    """A penalty within +-bound, without a gradient beyond it (replication wae.py:392-395)."""
    return penalty if bound is None else tf.clip_by_value(penalty, -bound, bound)


def kl(mean: tf.Tensor, logvar: tf.Tensor, prior_scale: float) -> tf.Tensor:
    """KL(N(mean, exp(logvar)) || N(0, prior_scale^2)), summed over z [n, z], mean over the batch.

    Kingma and Welling 2014, appendix B, for a prior of any scale.
    """
    variance = float(prior_scale) ** 2
    terms = (tf.exp(logvar) + tf.square(mean)) / variance - 1.0 - logvar + math.log(variance)
    return 0.5 * tf.reduce_mean(tf.reduce_sum(terms, axis=1))


def moment_matching(codes: tf.Tensor, prior_sample: tf.Tensor) -> tf.Tensor:
    """The pretraining loss (official wae.py:130-144): mean squares of differences of means and covariances.

    Args:
        codes: float [n, z].
        prior_sample: float [size, z], size the official e_pretrain_sample_size: its size - 1
            divides both covariances.

    Returns:
        scalar.
    """
    size = prior_sample.shape[0]

    def moments(z: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        mean = tf.reduce_mean(z, axis=0, keepdims=True)
        return mean, tf.matmul(z - mean, z - mean, transpose_a=True) / (size - 1.0)

    mean_p, covariance_p = moments(prior_sample)
    mean_q, covariance_q = moments(codes)
    return tf.reduce_mean(tf.square(mean_p - mean_q)) + tf.reduce_mean(
        tf.square(covariance_p - covariance_q)
    )
