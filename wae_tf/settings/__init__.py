"""The settings of a model: their names and defaults, and whether values can be used together."""

from wae_tf.settings.fields import field
from wae_tf.settings.of_a_model import MMD_SCALES, PRIORS, Settings

__all__ = ["MMD_SCALES", "PRIORS", "Settings", "field"]
