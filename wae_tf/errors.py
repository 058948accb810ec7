"""The one exception that stands for a user's mistake: main prints its sentence, never a traceback."""


def printable(text: str) -> str:
    """Text in which a file's name can neither begin a line nor command the terminal."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def first_line(error: BaseException, most: int = 200) -> str:
    """What went wrong, to stand inside a sentence: the first line of an error's message.

    Args:
        error: any exception; an OSError's reason is told without its number and path.
        most: characters at most.

    Returns:
        A line without its full stop; the error's type where it has no message.
    """
    text = getattr(error, "strerror", None) or getattr(error, "message", None) or str(error)
    lines = str(text).strip().splitlines() or [type(error).__name__]
    return lines[0][:most].rstrip(".")


class UserError(Exception):
    """A sentence for a person: names the flag, file or value, and what is accepted.

    `status` is the exit status of the command line: 2 for bad flags, 1 for bad data or a failed run.
    """

    status = 1

    def __str__(self) -> str:
        return printable(super().__str__())


class FlagError(UserError):
    """A flag's value, or two flags together, cannot be used."""

    status = 2


class DataError(UserError):
    """A file or folder of images cannot be used."""


class RunError(UserError):
    """A run cannot go on: non-finite loss, unwritable folder, another run in the folder."""
