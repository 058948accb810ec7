"""Tiny models, the flags of tiny runs, and a command line: one way to make each."""

from typing import Any

import wae_tf
from wae_tf import main

#: Dense networks of a layer or two: a step takes microseconds and a model a tenth of a second to make.
TINY: dict[str, Any] = {
    "encoder_arch": "mlp",
    "decoder_arch": "mlp",
    "encoder_filters": 16,
    "decoder_filters": 16,
    "encoder_layers": 1,
    "decoder_layers": 1,
    "adversary_filters": 8,
    "adversary_layers": 1,
    "zdim": 3,
}
#: Besides TINY: a run of a few steps of digits. It draws nothing, which would be half of its time.
SHORT: dict[str, Any] = {
    "figure_every": 0,
    "train_size": 200,
    "test_size": 60,
    "batch_size": 50,
    "pretrain_size": 100,
    "pretrain_steps": 5,
    "pictures": 20,
    "picture_columns": 5,
}


def tiny(filters: int = 16, layers: int = 1, **fields: Any) -> dict[str, Any]:
    """TINY settings with so many units a layer, and layers, of encoder and decoder."""
    networks = {f"{side}_filters": filters for side in ("encoder", "decoder")}
    networks |= {f"{side}_layers": layers for side in ("encoder", "decoder")}
    return TINY | networks | fields


def tiny_model(
    cls: type | None = None, image_shape: tuple = (6, 6, 1), *, compiled: bool = True, **fields: Any
):
    """A model of TINY settings; `fields` are those of its constructor, data_size=40 among them."""
    model = (cls or wae_tf.WaeMmd)(image_shape, **{"data_size": 40, **TINY, **fields})
    if compiled:
        model.compile()
    return model


def flags(**fields: Any) -> list[str]:
    """Fields as the command line has them; a bool as --name or --noname."""

    def flag(name: str, value: Any) -> str:
        if isinstance(value, bool):
            return f"--{name}" if value else f"--no{name}"
        return f"--{name}={value}"

    return [flag(name, value) for name, value in fields.items()]


def tiny_run(**fields: Any) -> list[str]:
    """The flags of a tiny run; `fields` replace single ones, None leaves one out."""
    merged = {**TINY, **SHORT, **fields}
    return flags(**{name: value for name, value in merged.items() if value is not None})


def said(capsys: Any, *given: str, status: int = 0) -> str:
    """What a command line printed on both streams; it has to end with the status."""
    ended = main.main(list(given))
    captured = capsys.readouterr()
    assert ended == status, captured.err
    return captured.out + captured.err
