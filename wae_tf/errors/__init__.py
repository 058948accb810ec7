"""A user's mistake: exceptions whose sentence main prints, never a traceback."""

from wae_tf.errors.sentences import (
    DataError,
    FlagError,
    KeywordError,
    RunError,
    UnknownKeywordError,
    UserError,
    first_line,
    of_a_file,
    printable,
    sentence_of_a_file,
)

__all__ = [
    "DataError",
    "FlagError",
    "KeywordError",
    "RunError",
    "UnknownKeywordError",
    "UserError",
    "first_line",
    "of_a_file",
    "printable",
    "sentence_of_a_file",
]
