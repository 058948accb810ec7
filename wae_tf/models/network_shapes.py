"""The shapes that a user's own networks take and give, read from them, and whether they fit together."""

from __future__ import annotations

from typing import Any

import keras

from wae_tf.errors import KeywordError, first_line

#: The parts of an encoder's dict: codes; log-variances [n, z]; matrices [n, z, z] of implicit noise.
PARTS = ("mean", "spread", "matrix")


def check_adversary(adversary: keras.layers.Layer, zdim: int, outputs: int) -> None:
    """Refuses an adversary that does not take codes [n, zdim] to logits [n, outputs].

    Raises:
        KeywordError: it does not.
    """
    _fits("adversary", adversary, (zdim,), "codes")
    made = _made("adversary", adversary, (zdim,))
    if _shape_of(made) != (None, outputs):
        raise KeywordError(
            f"adversary gives {_told(made)}; accepted: logits, {_of_rows((outputs,))}."
        )


def of_encoder(
    encoder: keras.layers.Layer, shape: tuple[int, ...] | None
) -> tuple[tuple[int, ...], int, dict[str, Any]]:
    """The shape of its data, zdim, and the parts that it gives, by name.

    Raises:
        KeywordError: it is no encoder, not built, or not of this shape.
    """
    if shape is None:
        taken = _input_shape("encoder", encoder)[1:]
        shape = tuple(size for size in taken if size is not None)
        if not shape or len(shape) < len(taken):
            raise KeywordError(
                f"encoder takes data of {_of_rows(taken)}, so their shape is not known; give "
                "image_shape= too, such as (28, 28, 1)."
            )
    else:
        _fits("encoder", encoder, shape, "data")
    made = _made("encoder", encoder, shape)
    parts = made if isinstance(made, dict) else {"mean": made}
    unknown = sorted(set(parts) - set(PARTS))
    if "mean" not in parts or unknown:
        raise KeywordError(
            f"encoder gives a dict of {', '.join(map(repr, parts))}; accepted: codes [n, z], or a dict "
            "of 'mean' and 'spread', the log-variance, both [n, z]."
        )
    mean = parts["mean"]
    if not hasattr(mean, "shape") or len(mean.shape) != 2 or mean.shape[1] is None:
        raise KeywordError(
            f"encoder gives {_told(mean)}; accepted: codes [n, z], alone or as 'mean'."
        )
    zdim = int(mean.shape[1])
    for part, expected in (("spread", (None, zdim)), ("matrix", (None, zdim, zdim))):
        if part in parts and _shape_of(parts[part]) != expected:
            raise KeywordError(
                f"encoder gives {part!r} of {_told(parts[part])} beside a mean of {_told(mean)}; "
                f"accepted: {_of_rows(expected[1:])}."
            )
    return tuple(map(int, shape)), zdim, parts


def of_decoder(
    decoder: keras.layers.Layer, shape: tuple[int, ...] | None, zdim: int | None, classes: int = 0
) -> tuple[tuple[int, ...], int]:
    """The shape of its data, and zdim; with classes its input is a code and a one-hot label, joined.

    Raises:
        KeywordError: it is no decoder, not built, or not of this shape or zdim.
    """
    found = _input_shape("decoder", decoder)[1:]
    if zdim is None and found and found[0] is not None and found[0] > classes:
        zdim = found[0] - classes
    if len(found) != 1 or zdim is None:
        raise KeywordError(f"decoder takes {_of_rows(found)}; accepted: codes [n, z].")
    if classes and found[0] not in (None, zdim + classes):
        raise KeywordError(
            f"with classes={classes} the decoder takes a code and a one-hot label, joined, {zdim} + "
            f"{classes} = {zdim + classes} numbers, and this one takes {_of_rows(found)}."
        )
    if not classes and found[0] not in (None, zdim):
        raise KeywordError(
            f"codes are of zdim={zdim}, and the decoder takes {_of_rows(found)}: both must be the same."
        )
    made = _made("decoder", decoder, (zdim + classes,))
    of_data = _shape_of(made)
    sizes = tuple(size for size in (of_data or ())[1:] if size is not None)
    if of_data is None or not sizes or len(sizes) < len(of_data) - 1:
        raise KeywordError(
            f"decoder gives {_told(made)}; accepted: one tensor of the data's shape."
        )
    if shape is not None and sizes != tuple(shape):
        raise KeywordError(
            f"decoder gives {_told(made)}, and the data are {_of_rows(shape)}: both must be the same."
        )
    return sizes, zdim


def _input_shape(name: str, network: Any) -> tuple[int | None, ...]:
    """[n, ...] of what a built network takes.

    Raises:
        KeywordError: it is no network, not built, or takes several tensors.
    """
    if not isinstance(network, keras.layers.Layer):
        raise KeywordError(
            f"{name} is a {type(network).__name__}; accepted: a Keras 3 model or layer, or None."
        )
    if not network.built:
        raise KeywordError(
            f"{name} is not built, so its shapes are not known: begin it with keras.Input, or call it "
            "on a batch first."
        )
    try:
        found = network.input_shape
    except (AttributeError, ValueError):  # a subclassed one: what it was built with
        noted = network.get_build_config() or {}
        found = noted.get("input_shape")
        if found is None and len(noted.get("shapes_dict", {})) == 1:
            (found,) = noted["shapes_dict"].values()
    if found is None:
        raise KeywordError(
            f"{name} has not noted the shape that it was built for: call it on a batch first."
        )
    if isinstance(found, dict) or (found and isinstance(found[0], (list, tuple))):
        raise KeywordError(f"{name} takes {len(found)} tensors; accepted: a network of one input.")
    return (None, *found[1:])


def _fits(name: str, network: Any, shape: tuple[int, ...], what: str) -> None:
    found = _input_shape(name, network)[1:]
    alike = len(found) == len(shape) and all(
        one in (None, other) for one, other in zip(found, shape, strict=True)
    )
    if not alike:
        raise KeywordError(
            f"{name} takes {_of_rows(found)}, and the {what} are {_of_rows(shape)}: both must be the same."
        )


def _made(name: str, network: keras.layers.Layer, shape: tuple[int, ...]) -> Any:
    """What a network makes of [n, *shape], as symbols; layers that its build left out are built."""
    rows = keras.KerasTensor((None, *shape), dtype=network.variable_dtype)
    try:
        # Calling a functional one would add to its graph.
        of_layers = getattr(network, "outputs", None)
        return network.compute_output_spec(rows) if of_layers else network(rows)
    except Exception as error:  # whatever the user's code does
        raise KeywordError(
            f"{name} cannot be called on {_of_rows(shape)} ({type(error).__name__}: {first_line(error)})."
        ) from error


def _shape_of(made: Any) -> tuple[int | None, ...] | None:
    shape = getattr(made, "shape", None)
    return None if shape is None else (None, *shape[1:])


def _told(made: Any) -> str:
    if isinstance(made, (list, tuple)):
        return f"a {type(made).__name__} of {len(made)} tensors"
    if isinstance(made, dict):
        return f"a dict of {', '.join(map(repr, made))}"
    return _of_rows(tuple(made.shape)[1:]) if hasattr(made, "shape") else f"a {type(made).__name__}"


def _of_rows(shape: tuple[int | None, ...]) -> str:
    return f"[{', '.join(['n', *map(str, shape)])}]"
