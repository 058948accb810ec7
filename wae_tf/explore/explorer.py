"""What the page asks of a model: codes to rows of data and back, ways between codes, neighbours."""

from __future__ import annotations

from typing import Any

import numpy as np

from wae_tf import streams
from wae_tf.models import passes
from wae_tf.models.wae import Wae
from wae_tf.objective import priors

#: A slider reaches so many standard deviations of the prior, further where codes of data do.
REACH = 3.0


class Explorer:
    """A model, and rows of data with their codes among which neighbours are looked for.

    Nothing of it changes once it is made, so that threads can share it. All codes that it gives are
    float32 and in the prior's support: on the sphere where the prior is one.

    Args:
        model: trained.
        rows: data [n, ...] as the model takes them; none: there are no neighbours.
        labels: int64 [n], of the rows; left if they are of more classes than the model has, as where
            it has none.
        zero_and_one: whether the data's files have pixels of 0 and 1, read as 0 and 255.

    Attributes:
        codes: float32 [n, z] of the rows, means of a gaussian encoder.
        order: of the coordinates, the one that varies most first: over the codes where there are rows,
            else by what moving it by the prior's standard deviation does to what is decoded.
        low, high: float32 [z], between which a coordinate is moved.
    """

    def __init__(
        self,
        model: Wae,
        rows: np.ndarray | None = None,
        labels: np.ndarray | None = None,
        zero_and_one: bool = False,
    ):
        self.model, self.zero_and_one = model, zero_and_one
        known = labels is not None and (labels < model.settings.classes).all()
        self.labels = labels if known else None
        self.rows = np.empty((0, *model.image_shape), np.float32) if rows is None else rows
        self.codes = np.empty((0, self.zdim), np.float32)
        if len(self.rows):
            self.codes = passes.in_batches(model.encode, self.rows)
        spread = self.codes.std(axis=0) if len(self.rows) > 1 else self._effects()
        self.order = np.argsort(-spread, kind="stable")
        reach = REACH * passes.prior_std(model)
        if model.settings.prior != "normal":  # no code lies outside
            reach = max(1.0, priors.unit(model.settings.prior_scale))
        furthest = np.abs(self.codes).max(axis=0, initial=0)
        self.high = np.ceil(100 * np.maximum(reach, furthest)).astype(np.float32) / 100
        self.low = -self.high

    def ends(self, coordinate: int) -> tuple[float, float]:
        """`low` and `high` of one coordinate, in hundredths: float32 would be shown in 16 digits."""
        return round(float(self.low[coordinate]), 2), round(float(self.high[coordinate]), 2)

    @property
    def zdim(self) -> int:
        """Coordinates of a code."""
        return self.model.settings.zdim

    def _effects(self) -> np.ndarray:
        """Mean squared change [z] of what is decoded, between both sides of each coordinate's middle."""
        step = passes.prior_std(self.model) * np.eye(self.zdim, dtype=np.float32)
        return np.stack(
            [
                np.mean((self.decode(one[None]) - self.decode(-one[None])) ** 2)
                for one in step  # two at a time: rows may be large and coordinates many
            ]
        )

    # Codes.

    def supported(self, codes: Any) -> np.ndarray:
        """Codes float32 [n, z], brought back onto the sphere where the prior is one.

        With a scaled prior there are two, that of the encoder's codes and the prior's own: onto the nearer.

        Raises:
            ValueError: they are no finite numbers of that shape.
        """
        codes = np.asarray(codes, np.float32)
        if codes.ndim != 2 or codes.shape[1] != self.zdim or not np.isfinite(codes).all():
            raise ValueError(f"a code is {self.zdim} finite numbers.")
        if self.model.settings.prior != "sphere":
            return codes
        radii = np.array([1.0, priors.unit(self.model.settings.prior_scale)])
        lengths = np.linalg.norm(codes, axis=1)[:, None]
        return _of_radius(codes, radii[np.argmin(np.abs(lengths - radii), axis=1)])

    def encode(self, rows: np.ndarray) -> np.ndarray:
        """Codes [n, z] of rows of data [n, ...]."""
        return np.asarray(self.model.encode(rows))

    def middle(self) -> np.ndarray:
        """The code [z] to begin at: zero, which of a sphere is a point on it."""
        return self.supported(np.zeros((1, self.zdim)) + (self.model.settings.prior == "sphere"))[0]

    def drawn(self, seed: int) -> np.ndarray:
        """A code [z] of the prior; the same seed draws the same."""
        return self.model.sample_prior(1, streams.key(seed, "sample", 0)).numpy()[0]

    def moved(self, code: np.ndarray, coordinate: int, value: float) -> np.ndarray:
        """The code [z] with one coordinate at another value; on a sphere the others give way."""
        code = np.array(code, np.float32)
        if self.model.settings.prior != "sphere":
            code[coordinate] = value
            return code
        # Draws of a scaled prior lie on a sphere of their own (`priors.into_support`).
        radius = float(np.linalg.norm(code)) or 1.0
        value = float(np.clip(value, -radius, radius))
        if self.zdim == 1:
            return np.array([radius if value >= 0 else -radius], np.float32)
        code[coordinate] = 0.0
        if not code.any():  # a pole, from which the others have no direction: alike
            code = np.ones_like(code)
            code[coordinate] = 0.0
        length = float(np.linalg.norm(code.astype(np.float64)))  # float32's square may be 0
        code = (code * (np.sqrt(radius**2 - value**2) / length)).astype(np.float32)
        code[coordinate] = value
        return code

    def line(self, first: np.ndarray, last: np.ndarray, steps: int) -> np.ndarray:
        """Codes [steps, z] from the first to the last, both included; along the sphere if it is one."""
        share = np.linspace(0, 1, steps, dtype=np.float32)[:, None]
        codes = first * (1 - share) + last * share
        if self.model.settings.prior == "sphere":
            lengths = np.linalg.norm([first, last], axis=1)
            codes = _of_radius(codes, (1 - share[:, 0]) * lengths[0] + share[:, 0] * lengths[1])
        return np.asarray(codes, np.float32)

    def around(self, code: np.ndarray, radius: float, count: int, seed: int) -> np.ndarray:
        """Codes [count, z]: the code and normal noise, `radius` prior standard deviations wide.

        A uniform prior's are cut off at its borders.
        """
        settings = self.model.settings
        width = radius * passes.prior_std(self.model)
        noise = np.random.default_rng(seed).normal(0, width, (count, self.zdim))
        codes = code + noise
        if settings.prior == "uniform":
            codes = np.clip(codes, self.low, self.high)
        if settings.prior == "sphere":
            return _of_radius(codes, np.full(count, np.linalg.norm(code)))
        return self.supported(codes)

    # Rows.

    def decode(self, codes: np.ndarray, label: int = 0) -> np.ndarray:
        """Rows of data float32 [n, ...] of codes [n, z]; of a model with classes, all of this one."""
        codes = np.asarray(codes, np.float32)
        of_class = np.full(len(codes), label)
        return passes.decoded(self.model, passes.joined(self.model, codes, of_class))

    def neighbours(self, code: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
        """The rows whose codes are nearest, nearest first: their indices [k] and distances [k]."""
        distances = np.linalg.norm(self.codes - code, axis=1)
        nearest = np.argsort(distances, kind="stable")[:count]
        return nearest, distances[nearest]


def _of_radius(codes: np.ndarray, radii: np.ndarray) -> np.ndarray:
    """Codes float32 [n, z] of these lengths [n], in the directions of others; the origin has any."""
    codes = np.where(codes.any(axis=1, keepdims=True), codes, 1.0).astype(np.float64)
    lengths = np.linalg.norm(codes, axis=1, keepdims=True)
    return (codes * (radii[:, None] / lengths)).astype(np.float32)
