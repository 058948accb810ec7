"""The compiled functions of `fit` and its like: what of their batches and errors is told in a sentence."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator
from typing import Any

import keras
import tensorflow as tf

from wae_tf.models import calls, cautions, inputs, labels
from wae_tf.models.step import replicas, together

#: What TensorFlow says of an operation that XLA does not have.
_NOT_OF_XLA = re.compile(
    r"trying to compile graph.*?: (\w+) \(No registered .*?\{\{node ([^}]+)\}\}", re.DOTALL
)
#: What it says where Keras looks a class up beyond the last that has a weight.
_NO_WEIGHT = re.compile(r"indices\[\d+\] = (-?\d+) is not in \[0, \d+\)")


def _iterator_of(elements: list[Any], spec: Any) -> tf.data.Iterator:
    """An iterator over elements, of the type that the spec says: what takes such is not traced anew.

    Not by `from_generator`, whose Python function TensorFlow keeps for good, with all that it holds.
    """
    made, *others = map(tf.data.Dataset.from_tensors, elements)
    for other in others:
        made = made.concatenate(other)
    variant = tf.data.experimental.to_variant(made)
    return iter(tf.data.experimental.from_variant(variant, spec))


class Looking:
    """A compiled function, before whose next call a first batch is looked at when it is `due`.

    Args:
        model: whose function it is.
        name: `train_function`, `test_function` or `predict_function`.
    """

    def __init__(self, model: Any, name: str):
        self.model, self.name, self.function = model, name, model._function(name)
        self.due = not model.trusts_batches
        self.ranks: list[int | None] | None = None

    def __call__(self, batches: Any) -> Any:
        """What the function gives, of batches as Keras has them."""
        try:
            if self.due and not self.model.trusts_batches:
                batches = self._looked_at(batches)
                self.due = False
            if self._unasserted:
                batches = self._of_classes(batches)
            return self.function(batches)
        except tf.errors.InvalidArgumentError as error:
            labels.check_error(self.model, error, f"y of {self._method}, the labels,")
            if told := self._sentence(str(error)):
                raise ValueError(told) from error
            raise

    def _sentence(self, error: str) -> str | None:
        """What TensorFlow says, told, where that is known."""
        if found := _NOT_OF_XLA.search(error):
            operation, node = found.groups()
            if operation == "_Arg":
                return (
                    "the batches hold words, which XLA does not take: leave them out of the data, or "
                    "compile the model with jit_compile=False."
                )
            return (
                f"XLA cannot compile the operation {operation} of {node}: compile the model with "
                "jit_compile=False."
            )
        weighs = self.name == "train_function" and self.model.weighs_classes
        if weighs and (found := _NO_WEIGHT.search(error)):
            return f"class_weight has no weight of class {found[1]}, which y holds."
        return None

    @property
    def _method(self) -> str:
        return getattr(self.model, f"_{self.name}_is_for", "fit")

    @property
    def _unasserted(self) -> bool:
        """Whether labels are looked at here: XLA leaves the step's assertions out."""
        model = self.model
        by_xla = model.jit_compile and model._replicas == 1  # several replicas' steps are not
        return bool(model.settings.classes and by_xla and not model.trusts_batches)

    def _of_classes(self, batches: Any) -> list[Any] | Iterator[Any]:
        """The batches of a call, each once its labels have been looked at; `predict` has a list of them.

        Raises:
            StopIteration: there is none, which Keras does not look for where batches are no tf.data's.
        """

        def looked_at(some: Iterable[Any]) -> Iterator[Any]:
            for batch in some:
                y = keras.utils.unpack_x_y_sample_weight(batch)[1]
                labels.check(self.model, y, f"y of a later batch of {self._method}, the labels,")
                yield batch

        if isinstance(batches, list):
            return list(looked_at(batches))
        batches = iter(batches)
        return looked_at(itertools.chain([next(batches)], batches))

    def _looked_at(self, batches: Any) -> Any:
        """The same batches, of which the first has been checked."""
        if isinstance(batches, list):  # of predict
            self._check(batches[0])
            return batches
        some = list(itertools.islice(batches, max(1, self.model.steps_per_execution)))
        if not some:
            raise StopIteration
        self._check(some[0])
        if not isinstance(batches, tf.data.Iterator):
            return itertools.chain(some, batches)
        return _iterator_of(some, batches.element_spec)

    def _check(self, batch: Any) -> None:
        model, strategy = self.model, self.model.distribute_strategy
        train, what = self.name == "train_function", self._method
        spread = replicas.parts(strategy, batch)
        count, among = sum(map(replicas.rows, spread)), model._replicas
        if train and count % among and replicas.is_single_process(strategy):
            raise ValueError(
                f"{among} replicas cannot share a batch of {count} images evenly: {what} takes a "
                f"batch_size that is a multiple of {among}."
            )
        inputs.check(model, spread[0], what)
        if train and model.weighs_classes:
            _, y, _ = keras.utils.unpack_x_y_sample_weight(together.as_given(spread[0]))
            calls.check_classes(model, y)
        if train and what == "fit":
            cautions.tell(model, replicas.rows(spread[0]))
        ranks = [getattr(part, "ndim", None) for part in tf.nest.flatten(spread[0])]
        if self.ranks not in (None, ranks):
            # With y of another rank TensorFlow would trace for one of any, labels or images.
            self.function = model._function(self.name)
        self.ranks = ranks
