"""`--version`: what runs here, from the packages' own notes; nothing of them is imported."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from importlib import metadata

import wae_tf

#: What a report of a fault must name.
_PACKAGES = ("tensorflow", "keras", "numpy")


def asked(arguments: Sequence[str]) -> bool:
    """Whether a command line asks for the version."""
    return any(argument in ("--version", "-version") for argument in arguments)


def text() -> str:
    """One line: this package's version, those of what it stands on, Python's."""
    found = [f"wae_tf {wae_tf.__version__}"]
    for package in _PACKAGES:
        try:
            found.append(f"{package} {metadata.version(package)}")
        except metadata.PackageNotFoundError:
            found.append(f"no {package}")
    return ", ".join([*found, f"Python {platform.python_version()}"])
