"""The one exception that stands for a user's mistake: main prints its sentence, never a traceback."""


def printable(text: str) -> str:
    """Text in which a file's name can neither begin a line nor command the terminal."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


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
