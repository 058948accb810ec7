"""metrics.json: a run's numbers by name, with a sum of them, changed by one process at a time."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from wae_tf.errors import RunError, first_line
from wae_tf.files import held_folder, read_text, write_atomically
from wae_tf.runs import measures
from wae_tf.runs.numbers import checksum, is_number, number

#: The key that says whether the others are as they were written.
CHECKSUM = "checksum"


class MetricsFile:
    """The file.

    Args:
        path: of it, in a folder that must be there before it is changed.
    """

    def __init__(self, path: Path):
        self.path = path
        self._changing = 0

    @contextlib.contextmanager
    def changing(self) -> Iterator[None]:
        """Within, no other process changes the file: two evaluations at once keep each other's numbers.

        `update` of this object may be called within.
        """
        with contextlib.ExitStack() as stack:
            if not self._changing:
                stack.enter_context(held_folder(self.path.parent, wait=True))
            self._changing += 1
            try:
                yield
            finally:
                self._changing -= 1

    def read(self) -> dict[str, float | None]:
        """The numbers; None is one that was not finite.

        Raises:
            RunError: they are not what was written, or no numbers.
        """
        if not self.path.exists():
            return {}
        try:
            known = json.loads(read_text(self.path))
            written = known.pop(CHECKSUM, None) if isinstance(known, dict) else None
            if written not in (None, checksum(known)):
                raise RunError(
                    f"{self.path} is not what was written: its checksum differs; remove it to go on."
                )
            if not isinstance(known, dict) or not all(map(is_number, known.values())):
                raise ValueError("not an object of numbers")
        except OSError as error:
            raise RunError(
                f"{self.path} cannot be read ({first_line(error)}); make it readable to go on."
            ) from error
        except (ValueError, RecursionError) as error:
            raise RunError(
                f"{self.path} cannot be read as a JSON object of numbers; remove it to go on."
            ) from error
        return measures.metrics_with_splits(known)

    def update(
        self, metrics: Mapping[str, float], drop: Sequence[str] = ()
    ) -> dict[str, float | None]:
        """Merges numbers into it, without those to drop, and returns all of them."""
        with self.changing():
            known = self.read()
            known |= {name: number(value) for name, value in metrics.items()}
            known = measures.metrics_with_splits(known)
            known = {name: value for name, value in known.items() if name not in drop}
            text = json.dumps({**known, CHECKSUM: checksum(known)}, indent=2, sort_keys=True)
            write_atomically(self.path, text + "\n")
        return known
