"""What networks of the user's own say of themselves: the data's shape, the code's length, the output.

Everything that a model needs to know of them is read when it is made, so that what does not fit is a
sentence there and not an error of TensorFlow's in the middle of training.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import keras

from wae_tf.errors import KeywordError, first_line
from wae_tf.models import arguments, shared_layers
from wae_tf.models import network_shapes as shapes
from wae_tf.networks import last_layer
from wae_tf.settings import Settings
from wae_tf.settings.checks import shown

if TYPE_CHECKING:
    from wae_tf.models.autoencoder import Autoencoder

#: What a model is made of, and its constructor's arguments.
NETWORKS = ("encoder", "decoder", "adversary")
#: Which of them each kind of noise needs, besides the mean.
_NEEDED = {"gaussian": "spread", "implicit": "matrix"}
#: What `output` says: the pixel range, and what makes numbers of it of an unsquashed last layer.
OUTPUTS = {
    "linear": ("any", "linear"),
    "unit": ("unit", "sigmoid"),
    "symmetric": ("symmetric", "tanh"),
}
#: What a last layer with such an activation gives.
_SQUASHED = {"sigmoid": "unit", "hard_sigmoid": "unit", "softmax": "unit", "tanh": "symmetric"}
_SQUASHED["hard_tanh"] = "symmetric"


def settled(
    defaults: Mapping[str, Any],
    shape: tuple[int, ...] | None,
    settings: Settings | None,
    fields: Mapping[str, Any],
    *,
    encoder: keras.layers.Layer | None,
    decoder: keras.layers.Layer | None,
    output: str | None,
) -> tuple[tuple[int, ...], Settings]:
    """The shape of the data and the settings of a model, what its networks say included.

    Args:
        defaults: what the kind of model needs of settings that are not given.
        shape: of a row of data; None: that of the networks.
        settings: given as a whole; None: the defaults.
        fields: single settings.
        encoder: the user's own, or None.
        decoder: likewise.
        output: see `Autoencoder`.

    Raises:
        FlagError: networks that are not built or do not fit, settings that contradict each other.
    """
    stated = dict(defaults if settings is None else settings.changes()) | dict(fields)
    networks = {"encoder": encoder, "decoder": decoder}
    shape, found = _read(networks, shape, stated, output)
    if settings is None:
        base: dict[str, Any] = {}
        if stated.get("precision") is None:  # else Keras's policy counts for nothing
            base["precision"] = arguments.precision_of_policy()
        if len(shape) != 3:
            base |= {"encoder_arch": "mlp", "decoder_arch": "mlp"}
        settings = Settings(**base | stated | dict(found))
    else:
        settings = dataclasses.replace(settings, **dict(fields) | dict(found))
    # `auto` says nothing in a file, where no data set is named.
    return shape, dataclasses.replace(settings, pixel_range=settings.pixel_range_of_data)


def check_assignment(model: Autoencoder, name: str, network: Any) -> None:
    """Refuses a network assigned after construction, which would not be saved or not be trained.

    Raises:
        ValueError: the model has another, or has no use for it.
    """
    there = getattr(model, name, None)
    if there is not None and network is not there:
        raise ValueError(
            f"the {name} of a model is fixed when it is made: give {name}= to "
            f"{type(model).__name__}(...)."
        )
    if name == "adversary" and network is not None and "adversary_loss" not in model.terms:
        raise KeywordError(f"{type(model).__name__} has no adversary: leave adversary out.")


def serialized(networks: Mapping[str, keras.layers.Layer]) -> dict[str, Any]:
    """Configs by name, of which `keras.saving` makes the networks again.

    Raises:
        ValueError: one has no config, or none of which Keras can make it again.
    """
    with shared_layers.scope():
        made = _configs(networks)
        if not shared_layers.there_are(networks.values()):
            return made
        # Keras marks what it meets again, and a network's config is a copy by then: of the first time.
        made = shared_layers.of_layers_alone(_configs(networks))
    shared_layers.check(made)
    return made


def _configs(networks: Mapping[str, keras.layers.Layer]) -> dict[str, Any]:
    made = {}
    for name, network in networks.items():
        try:
            made[name] = keras.saving.serialize_keras_object(network)
        except (NotImplementedError, TypeError, ValueError) as error:
            # Keras 3.11's own sentence on a missing get_config fails to be made: a ValueError.
            raise ValueError(
                f"the {name}, a {type(network).__name__}, cannot be saved: a class of layers of your "
                "own needs get_config, which returns its constructor's arguments "
                f"({first_line(error)})."
            ) from error
    return made


def config_of(networks: Mapping[str, keras.Model], given: tuple[str, ...]) -> dict[str, Any]:
    """What a model's config says of its networks: the user's own, and what is frozen of the others.

    Own networks' configs say of their layers whether they are trained.
    """
    own = {
        name: network for name, network in networks.items() if name in given or _changed(network)
    }
    others = {name: network for name, network in networks.items() if name not in own}
    scoped = [name for name, network in own.items() if _is_scoped(name, network)]
    return serialized(own) | {"frozen": _frozen(others)} | ({"scoped": scoped} if scoped else {})


def _is_scoped(name: str, network: keras.Model) -> bool:
    """Whether paths of its weights begin with its name, as `networks.builder.network` makes them."""
    return all(weight.path.startswith(f"{name}/") for weight in network.weights)


def _changed(network: keras.Model) -> bool:
    """Whether layers are quantized or adapted (LoRA), so that the settings alone make others."""
    changes = ("quantization_mode", "lora_enabled")
    return any(getattr(layer, change, None) for layer in network.layers for change in changes)


def made(kind: type[Autoencoder], config: Mapping[str, Any]) -> Autoencoder:
    """The model of such a config."""
    scoped = config.get("scoped", ())
    own = {}
    with shared_layers.scope():
        for name in NETWORKS:
            if config.get(name) is not None:
                with keras.name_scope(name) if name in scoped else contextlib.nullcontext():
                    own[name] = keras.saving.deserialize_keras_object(config[name])
    frozen = config.get("frozen", {})  # files of before have none
    others = {name: value for name, value in config.items() if name not in ("frozen", "scoped")}
    model = kind(**(others | own))
    for name, layers in frozen.items():
        _freeze(getattr(model, name), layers)
    return model


def _frozen(networks: Mapping[str, keras.Model]) -> dict[str, list[str]]:
    """Names of the layers that are not trained, by network; "" is the network as a whole."""
    found = {
        name: [""] * (not network.trainable)
        + [layer.name for layer in network.layers if not layer.trainable]
        for name, network in networks.items()
    }
    return {name: layers for name, layers in found.items() if layers}


def _freeze(network: keras.Model, layers: list[str]) -> None:
    if "" in layers:
        network.trainable = False
    for layer in network.layers:
        if layer.name in layers:
            layer.trainable = False


def _read(
    networks: Mapping[str, keras.layers.Layer | None],
    shape: tuple[int, ...] | None,
    stated: Mapping[str, Any],
    output: str | None,
) -> tuple[tuple[int, ...], dict[str, Any]]:
    """The shape of the data and the settings that follow from the networks given.

    Args:
        networks: `encoder` and `decoder`; None: not given.
        shape: of a row of data; None: to be read.
        stated: settings that the user, or the kind of model, has set.
        output: what the decoder's last layer means, one of OUTPUTS; None: see `_of_output`.

    Returns:
        the shape, and fields of `Settings` to replace those not stated.

    Raises:
        KeywordError: networks that are not built, or do not fit each other or what is stated.
    """
    fields: dict[str, Any] = {}
    encoder, decoder = networks.get("encoder"), networks.get("decoder")
    if encoder is not None:
        shape, zdim, parts = shapes.of_encoder(encoder, shape)
        fields["zdim"] = zdim
        fields |= _of_noise(parts, stated)
    if decoder is not None:
        wanted = fields.get("zdim", stated.get("zdim"))
        classes = stated.get("classes", 0)
        classes = classes if isinstance(classes, int) else 0  # Settings says what is wrong
        shape, fields["zdim"] = shapes.of_decoder(decoder, shape, wanted, classes)
    if shape is None:
        raise KeywordError(
            "image_shape is missing, and no network says it; accepted: (height, width, channels), "
            "(d,) of vectors, or encoder= and decoder=."
        )
    zdim = stated.get("zdim", fields.get("zdim"))
    if "zdim" in fields and zdim != fields["zdim"]:
        raise KeywordError(
            f"zdim={zdim} does not fit the networks, whose codes have {fields['zdim']}."
        )
    return shape, fields | _of_output(decoder, shape, stated, output)


def _of_noise(parts: Mapping[str, Any], stated: Mapping[str, Any]) -> dict[str, Any]:
    noise = stated.get("encoder_noise")
    if noise is None:
        return {"encoder_noise": "gaussian"} if "spread" in parts else {}
    needed = _NEEDED.get(noise)
    if needed is not None and needed not in parts:
        raise KeywordError(
            f"encoder_noise={noise} needs an encoder that gives a dict of 'mean' and {needed!r}, and "
            f"this one gives {', '.join(map(repr, parts))}."
        )
    return {}


def _of_output(
    decoder: keras.layers.Layer | None,
    shape: tuple[int, ...],
    stated: Mapping[str, Any],
    output: str | None,
) -> dict[str, str]:
    """The settings pixel_range and decoder_output that say what the decoder's last layer means.

    Without `output`: what is stated; else, by the last layer's activation, unit of a sigmoid and
    symmetric of a tanh; else linear, but of pictures the official logits. What is squashed already is
    not squashed again, whatever range is stated.
    """
    if output is not None and not (isinstance(output, str) and output in OUTPUTS):
        raise KeywordError(f"output={shown(output)} is not known; accepted: {', '.join(OUTPUTS)}.")
    activation = None if decoder is None else last_layer.activation(decoder)
    squashed = _SQUASHED.get(activation or "")
    if output is None:
        if "decoder_output" in stated:
            return {}
        range_ = stated.get("pixel_range", "auto")
        if range_ != "auto" and squashed is not None:
            if (squashed, range_) == ("symmetric", "unit"):
                raise KeywordError(
                    f"pixel_range=unit does not fit the decoder, whose last layer is a {activation}: "
                    "accepted: symmetric."
                )
            return {"decoder_output": "linear"}
        if squashed is None and (len(shape) == 3 or decoder is None or range_ != "auto"):
            if decoder is not None and activation != "linear" and range_ != "any":
                raise KeywordError(
                    f"the decoder's last layer is a {last_layer.described(decoder)}, which does not say what "
                    f"its numbers mean; give output=, one of {', '.join(OUTPUTS)}, or for logits "
                    "decoder_output=sigmoid or tanh."
                )
            return {} if len(shape) == 3 or range_ != "auto" else {"pixel_range": "any"}
        output = squashed or "linear"
    pixel_range, squash = OUTPUTS[output]
    if squashed is not None and output not in (squashed, "linear"):
        raise KeywordError(
            f"output={output} does not fit the decoder, whose last layer is a {activation}: "
            f"accepted: {squashed} or linear."
        )
    # A last layer without an activation, or the official ones, gives what is still to be squashed.
    bare = decoder is None or activation == "linear"
    found = {"pixel_range": pixel_range, "decoder_output": squash if bare else "linear"}
    for name, value in found.items():
        if stated.get(name, "auto") not in ("auto", value):
            raise KeywordError(
                f"output={output} and {name}={stated[name]} contradict each other: give one."
            )
    return found
