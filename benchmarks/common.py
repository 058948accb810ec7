"""What several benchmarks share, for every interpreter that a contender runs under, Python 2.7 too."""

import argparse
import csv
import io
import json
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


def mark(step):
    """Note that a contender has done so many steps, in the file that SPEED_MARKS in the environment names."""
    path = os.environ.get("SPEED_MARKS")
    if path:
        with io.open(path, "ab") as file:
            file.write(("%d %.6f\n" % (step, time.time())).encode("ascii"))


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


def matrix_rate(multiply, size):
    """Return operations a second of multiply(), a product of size^2 matrices waited for: the best of 12."""
    multiply()
    rates = []
    for _ in range(12):
        began = time.perf_counter()
        multiply()
        rates.append(2 * size**3 / (time.perf_counter() - began))
    return max(rates)


def print_speed(marks, began, peak_mb, operations_a_second, gpu_mb=0.0):
    """Print a contender's line of JSON: seconds a step, the first quarter left out.

    marks: (step, time) after each call, the first one's first. began: time of the start, if SPEED_BEGAN in
    the environment says none. gpu_mb: the most that it had allocated on a GPU.
    """
    import numpy as np

    steps, times = np.array(marks).T
    each = np.diff(times) / np.diff(steps)
    each = each[(len(each) + 3) // 4 :]
    result = {
        "seconds": float(np.median(each)),
        "mean": float(np.mean(each)),
        "first": float(times[0]) - float(os.environ.get("SPEED_BEGAN", began)),
        "peak_mb": peak_mb,
        "gpu_mb": gpu_mb,
        "matrix_gflops": operations_a_second / 1e9,
    }
    print(json.dumps(result))


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
