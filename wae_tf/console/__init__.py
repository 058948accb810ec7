"""The person at the terminal: lines of progress, and signals to stop."""

from wae_tf.console.lines import leave_line, logger, progress, shown, to_stdout

__all__ = ["leave_line", "logger", "progress", "shown", "to_stdout"]
