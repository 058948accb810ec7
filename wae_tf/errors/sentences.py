"""The exceptions that stand for a user's mistake, and sentences made of other errors."""

import errno
import os
import re

#: Of a write to a file that is open already; such an error carries no file's name.
_OF_A_DISK = (errno.ENOSPC, errno.EIO, errno.EROFS, errno.EFBIG, errno.EDQUOT)
#: How the standard library says that nothing can be written to any folder for temporary files.
_NO_ROOM = "No usable temporary directory"
_REASONS = {os.strerror(number) for number in errno.errorcode}


def printable(text: str) -> str:
    """Text in which a file's name can neither begin a line nor command the terminal."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def first_line(error: BaseException, most: int = 200) -> str:
    """What went wrong, to stand inside a sentence: the first line of an error's message that tells it.

    Keras's errors of layers begin with a line that only says where they were met.

    Args:
        error: any exception; an OSError's reason is told without its number and path.
        most: characters at most.

    Returns:
        A line without its full stop; the error's type where it has no message. One that is too long ends
        with its last whole sentence, or word.
    """
    text = getattr(error, "strerror", None) or getattr(error, "message", None) or str(error)
    plain = re.sub(r"\x1b\[\d*m", "", str(text))  # Keras sets that line in bold
    lines = [line for line in map(str.strip, plain.splitlines()) if line]
    if len(lines) > 1 and lines[0].startswith("Exception encountered when calling"):
        del lines[0]
    line = lines[0] if lines else type(error).__name__
    if len(line) > most:
        whole, _, part = line[:most].rpartition(". ")
        line = whole or part.rpartition(" ")[0] or part
    return line.rstrip(".")


def of_a_file(error: BaseException) -> tuple[str, str] | None:
    """The file and the reason of an error of the file system, TensorFlow's among them.

    TensorFlow's are no OSErrors; their message is "file; reason" with the system's own reason.

    Returns:
        None for any other error; an empty name where it is not known.
    """
    if isinstance(error, OSError):
        # NumPy's has neither number nor reason, but how many of its items were written.
        reason = str(error.strerror or "not all of it could be written, as on a full disk")
        full = error.errno in _OF_A_DISK or reason.startswith(_NO_ROOM)
        return (str(error.filename or ""), reason) if error.filename is not None or full else None
    line = re.sub(r"^\{\{.*?\}\} | \[Op:\w+\]$", "", first_line(error, most=2000))
    name, _, reason = line.rpartition("; ")
    system = type(error).__module__.startswith("tensorflow.") and reason in _REASONS
    return (name, reason) if system else None


def sentence_of_a_file(error: BaseException) -> str | None:
    """A sentence on a file that is there and may not be touched, or a full disk; None: another error."""
    found = of_a_file(error)
    if found is None:
        return None
    return f"{printable(found[0] or 'a file that is read or written')} cannot be used: {found[1]}."


class UserError(Exception):
    """A sentence for a person: names the flag, file or value, and what is accepted.

    `status` is the exit status of the command line: 2 for bad flags, 1 for bad data or a failed run.
    """

    status = 1

    def __str__(self) -> str:
        return printable(super().__str__())


class FlagError(UserError, ValueError):
    """A flag's value, or two flags together, cannot be used."""

    status = 2


class KeywordError(FlagError):
    """The same of a library's call: the sentence names keywords."""


class UnknownKeywordError(KeywordError, TypeError):
    """A keyword that is not one: a TypeError, as Python's own, besides."""


class DataError(UserError):
    """A file or folder of images cannot be used."""


class RunError(UserError):
    """A run cannot go on: non-finite loss, unwritable folder, another run in the folder."""
