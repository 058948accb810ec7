"""What a served model is, in one JSON file."""

from __future__ import annotations

import dataclasses
import datetime
import platform
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

import wae_tf
from wae_tf.config import Config
from wae_tf.models import operations
from wae_tf.models.wae import Wae
from wae_tf.runs import measures
from wae_tf.serving import graph_checks, signatures
from wae_tf.serving.graphs import ENDS, SLACK
from wae_tf.serving.signatures import Signature


def model_card(
    model: Wae,
    config: Config | None,
    made: Mapping[str, Signature],
    metrics: Mapping[str, float | None],
) -> dict[str, Any]:
    """What a user of the model must know; paths of the machine that trained it are left out."""
    settings = model.settings
    flags = dataclasses.asdict(settings if config is None else config)
    for private in ("data_dir", "cache_dir", "work_dir", "init_from_official"):
        flags.pop(private, None)
    pixel_range = list(ENDS.get(settings.pixel_range_of_data, (-1.0, 1.0)))
    notes = ["Signatures are float32 whatever precision the model was trained in."]
    if settings.pixel_range_of_data == "any":
        notes.append("Numbers that are not finite are an error.")
    else:
        notes.append(
            f"Float pixels outside {pixel_range} by more than {SLACK:g} are an error; a picture's "
            "bytes are brought into the range."
        )
    if signatures.accepts_files(model):
        notes.append("EXIF orientation is not applied, and 16-bit PNGs lose their lower byte.")
    step = int(model.step.numpy())
    if any(metrics.get(name, step) not in (None, step) for name in ("steps", "evaluated_step")):
        notes.append(
            f"The model is of step {step}. The metrics are of the step `steps`, where the run ended, and "
            "those that --mode=evaluate measures of `evaluated_step`."
        )
    return {
        "name": settings.model + (f" trained on {config.dataset}" if config else ""),
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "data": {
            "dataset": config and config.dataset,
            "training_images": model.data_size,
            "image_shape": list(model.image_shape),
            "pixel_range": None if settings.pixel_range_of_data == "any" else pixel_range,
            "pictures_accepted": signatures.accepted(
                model, config, measures.ones_are_white(metrics)
            ),
        },
        "training": {
            "step": step,
            "precision": settings.precision,
            "parameters": operations.parameter_count(model),
        },
        "latent": {
            "dimensions": settings.zdim,
            "prior": settings.prior,
            "prior_scale": settings.prior_scale,
        },
        "signatures": {name: signature.described() for name, signature in made.items()},
        "limits_of_a_request": {
            "images": graph_checks.most_rows(
                graph_checks.numbers_of(model.image_shape, settings.zdim)
            ),
            "images_of_a_row": graph_checks.MOST_IMAGES,
            "bytes_of_pictures": graph_checks.MOST_BYTES,
            "pixels_of_pictures": graph_checks.MOST_PIXELS,
        },
        "notes": notes,
        "metrics": dict(metrics),
        "flags": flags,
        "versions": {
            "wae_tf": wae_tf.__version__,
            "tensorflow": tf.__version__,
            "keras": keras.__version__,
            "numpy": np.__version__,
            "python": platform.python_version(),
        },
    }
