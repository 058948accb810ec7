"""What several benchmarks share, for every interpreter that a contender runs under, Python 2.7 too."""

import argparse
import csv
import io
import os
import time


class Enough(Exception):
    """As many steps as asked for."""


class Unsaved(object):
    """Stands for the official saver during train(), whose own cannot take a listening session."""

    def save(self, *args, **named):
        """Save nothing."""


class Gate(object):
    """Where a contender that is warm waits for its turn on a device that several share.

    SPEED_GATE in the environment names a folder and a name in it, FOLDER/NAME; FOLDER/NAME.go opens.
    """

    def __init__(self):
        self.path = os.environ.get("SPEED_GATE")
        self.passed = False

    @property
    def due(self):
        """Whether to wait here."""
        return bool(self.path) and not self.passed

    def wait(self):
        """Say that this contender is warm, and wait."""
        io.open(self.path + ".warm", "w").close()
        while not os.path.exists(self.path + ".go"):
            time.sleep(0.05)
        self.passed = True


def parser(doc):
    """Return a parser that prints the file's first text as it stands."""
    return argparse.ArgumentParser(
        description=doc, formatter_class=argparse.RawDescriptionHelpFormatter
    )


def memory_mb(which="VmHWM"):
    """Return this process's memory: VmHWM, the most so far, or VmRSS, now.

    ru_maxrss begins with that of its parent.
    """
    with io.open("/proc/self/status") as status:
        lines = [line for line in status if line.startswith(which)]
    return int(lines[0].split()[1]) / 1024.0


def write_rows(path, rows, columns=None):
    """Write dicts as CSV (Python 3), a row each; by default the columns are those of the first."""
    with io.open(path, "w", newline="") as file:
        writer = csv.DictWriter(file, list(columns or rows[0]), restval="")
        writer.writeheader()
        writer.writerows(rows)


def markdown(head, rows):
    """Return a table as Markdown."""
    lines = [head, ["---"] * len(head)] + [list(row) for row in rows]
    return "\n".join("| %s |" % " | ".join(map(str, line)) for line in lines)
