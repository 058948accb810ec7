"""The person at the terminal: lines of progress, and signals to stop."""

from wae_tf.console.lines import logger, progress, shown, to_stdout

__all__ = ["logger", "progress", "shown", "to_stdout"]
