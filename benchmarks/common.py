"""What several benchmarks share, for every interpreter that a contender runs under, Python 2.7 too."""

import argparse
import csv
import io
import json
import os
import subprocess
import sys
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


def program(main):
    """Run a benchmark and leave with its status; a mistake or Ctrl-C is a sentence (Python 3)."""
    from wae_tf.errors import UserError, sentence_of_a_file

    status, said = 1, None
    try:
        status = main()
    except KeyboardInterrupt:
        status, said = 130, "stopped."
    except UserError as error:
        status, said = error.status, str(error)
    except subprocess.CalledProcessError as error:
        said = "%s ended with status %d." % (" ".join(map(str, error.cmd)), error.returncode)
    except Exception as error:
        said = sentence_of_a_file(error)
        if said is None:
            raise
    if said is not None:
        sys.stderr.write("%s: %s\n" % (os.path.basename(sys.argv[0]), said))
    sys.exit(status)


def names(accepted):
    """Return a flag's type: accepted names with commas between, as a list."""

    def listed(text):
        unknown = [name for name in text.split(",") if name not in accepted]
        if unknown:
            raise argparse.ArgumentTypeError(
                "%s is not known; accepted: %s." % (",".join(unknown), ", ".join(accepted))
            )
        return text.split(",")

    return listed


def number(kind=int, least=1):
    """Return a flag's type: a number from `least` on."""

    def one(text):
        try:
            value = kind(text)
        except ValueError:
            value = None
        if value is None or not value >= least:
            what = "a whole number" if kind is int else "a number"
            raise argparse.ArgumentTypeError("%r is not %s from %d on." % (text, what, least))
        return value

    return one


def numbers(kind=int, least=1):
    """Return a flag's type: numbers from `least` on with commas between, as a list."""
    one = number(kind, least)
    return lambda text: [one(part) for part in text.split(",")]


def file_to_write(text):
    """Return the path of a flag's file, which is written hours later: a folder is refused now."""
    folder = os.path.dirname(os.path.abspath(text))
    if os.path.isdir(text) or not os.path.isdir(folder):
        raise argparse.ArgumentTypeError("%s is a folder, or in none that is there." % text)
    return text


def hold_to(path, settings):
    """Keep what the rows beside a file are measured with; with other settings they are not gone on with.

    A file that is not there yet is written, rows of before it are taken as they are.
    """
    if os.path.exists(path):
        with io.open(path) as file:
            before = json.load(file)
        for name in sorted(settings):
            if before.get(name) != settings[name]:
                sys.exit(
                    "--%s=%s: what lies beside %s is of %s; take another --out, or that."
                    % (name, settings[name], path, before.get(name))
                )
    with io.open(path, "w") as file:
        file.write(json.dumps(settings) + "\n")


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
