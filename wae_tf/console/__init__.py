"""The person at the terminal: lines of progress, and signals to stop."""

from wae_tf.console.lines import (
    began,
    duration,
    leave_line,
    logger,
    on_terminal,
    progress,
    shown,
    to_stdout,
    under_way,
    warn,
    working,
)

__all__ = [
    "began",
    "duration",
    "leave_line",
    "logger",
    "on_terminal",
    "progress",
    "shown",
    "to_stdout",
    "under_way",
    "warn",
    "working",
]
