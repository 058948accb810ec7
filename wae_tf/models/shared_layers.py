"""Layers that two networks share, such as tied weights: one again in a model that is opened or copied."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import keras

try:  # where Keras keeps, while it saves or opens a file, which objects it has met
    from keras.src.backend.common.global_state import get_global_attribute as _attribute
    from keras.src.saving.serialization_lib import ObjectSharingScope as _Scope
except ImportError:
    _attribute, _Scope = (lambda name: None), contextlib.nullcontext

_ID = "shared_object_id"


def there_are(networks: Iterable[keras.layers.Layer]) -> bool:
    """Whether a variable is of more than one of the networks."""
    ids = (key for network in networks for key in {id(variable) for variable in network.variables})
    return any(count > 1 for count in Counter(ids).values())


def scope() -> contextlib.AbstractContextManager:
    """A context in which what has one id becomes one object; Keras's own, where it is within one."""
    within = _attribute("shared_objects/id_to_obj_map") is not None
    return contextlib.nullcontext() if within else _Scope()


def check(configs: Mapping[str, Any]) -> None:
    """Looks at configs of networks, in the order in which they are made, for what Keras cannot make again.

    A functional model's config numbers the calls of each layer, and of a layer of an earlier network
    those of that one come first.

    Raises:
        ValueError: a functional model calls a layer of an earlier network.
    """
    earlier: set[int] = set()
    for network, config in configs.items():
        for model in _dicts(config):
            if model.get("class_name") != "Functional":
                continue
            for layer in model["config"]["layers"]:
                if layer.get(_ID) in earlier:
                    raise ValueError(
                        f"the {network} shares its layer {layer['name']!r} with another network, and "
                        "Keras cannot open a functional model that does: make it a keras.Sequential, or "
                        "keep its weights alone, by save_weights('wae.weights.h5')."
                    )
        earlier |= {part[_ID] for part in _dicts(config) if _ID in part}


def _dicts(config: Any) -> Iterator[dict[str, Any]]:
    if isinstance(config, dict):
        yield config
        config = list(config.values())
    if isinstance(config, list):
        for part in config:
            yield from _dicts(part)


def of_layers_alone(config: Any) -> Any:
    """A config in which layers alone have ids, which live as long as their network.

    The ids are addresses, and what a layer makes for its config may lie where another's was.
    """
    if isinstance(config, list | tuple):
        return [of_layers_alone(part) for part in config]
    if not isinstance(config, dict):
        return config
    kept = config if "build_config" in config else {k: v for k, v in config.items() if k != _ID}
    return {name: of_layers_alone(value) for name, value in kept.items()}
