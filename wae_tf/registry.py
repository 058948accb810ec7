"""Data sets, models, encoders, decoders, costs and modes, each registered where it is written.

    @register("cost", "huber", help="quadratic near zero, linear beyond", scale=0.05)
    def huber(images, reconstructions, logits): ...

Names, help and facts of the package's own entries are read from the text of its files, so that
`--help` and the check of flags import no TensorFlow; an entry's module is imported when it is used.
Modules from outside the package register the same way, when they are imported (`--plugins`).
"""

from __future__ import annotations

import ast
import dataclasses
import functools
import importlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from wae_tf.errors import FlagError, first_line
from wae_tf.errors.suggestions import did_you_mean

#: Each kind of entry: the flag that names one, and the folder of the package's own.
KINDS = {
    "dataset": ("dataset", "data"),
    "model": ("model", "models"),
    "encoder": ("encoder_arch", "networks"),
    "decoder": ("decoder_arch", "networks"),
    "cost": ("cost", "objective"),
    "mode": ("mode", "cli"),
}

_OF_ALL_BUT_MODES = ("needs", "because")
_OF_NETWORKS = ("check", "pictures", "unread", *_OF_ALL_BUT_MODES)
#: The facts that each kind knows; CONTRIBUTING.md says what they are.
FACTS = {
    "dataset": ("layout", "data_dir", "pixel_range", "flags", "splits", "check", "tfds", "tfds_file",
                *_OF_ALL_BUT_MODES),
    "model": ("presets_of", "off_prior", "options", *_OF_ALL_BUT_MODES),
    "encoder": ("last_layer", *_OF_NETWORKS),
    "decoder": _OF_NETWORKS,
    "cost": ("scale", "logits", *_OF_ALL_BUT_MODES),
    "mode": ("of_run", "images", "of_model", "instead_of_run", "flags", "settings"),
}  # fmt: skip

_Implementation = TypeVar("_Implementation", bound=Callable[..., Any])


@dataclasses.dataclass(frozen=True)
class Entry:
    """One thing that a flag can name.

    Attributes:
        kind: one of KINDS.
        name: what the flag's value is.
        help: what it is, in a few words.
        facts: what else was given to `register`; CONTRIBUTING.md lists what each kind knows.
        module: where it is written.
        implementation: the decorated function or class; None before its module is imported.
    """

    kind: str
    name: str
    help: str
    facts: Mapping[str, Any]
    module: str
    implementation: Any = None


#: Entries whose modules have been imported, by kind and name.
_imported: dict[tuple[str, str], Entry] = {}


def register(
    kind: str, name: str, *, help: str = "", **facts: Any
) -> Callable[[_Implementation], _Implementation]:
    """Makes a function or class the entry that a flag can name.

    In the package's own files the arguments are literals, for they are read without an import;
    an argument that is none (a function) is known after the import only.

    Args:
        kind: one of KINDS.
        name: the flag's value.
        help: what it is, in a few words.
        **facts: what the flags, their checks and the callers need to know; see CONTRIBUTING.md.

    Raises:
        ValueError: no such kind or fact, or the name belongs to another module's entry.
    """
    _check_kind(kind)
    for one in facts:
        if one not in FACTS[kind]:
            raise ValueError(
                f"{kind} {name!r} has a fact {one}, which is not known; accepted: "
                f"{', '.join(FACTS[kind])}" + did_you_mean(one, FACTS[kind])
            )

    def add(implementation: _Implementation) -> _Implementation:
        there = _entries(kind).get(name)
        if there is not None and there.module != implementation.__module__:
            raise ValueError(f"{kind} {name!r} is there already, in {there.module}")
        _imported[kind, name] = Entry(
            kind, name, help, facts, implementation.__module__, implementation
        )
        return implementation

    return add


def names(kind: str) -> tuple[str, ...]:
    """The names of a kind: the package's own by file and line, then those from outside."""
    return tuple(_entries(kind))


def entry(kind: str, name: str) -> Entry:
    """What is known of an entry without importing its module.

    Raises:
        FlagError: there is none of this name; the sentence lists those there are.
    """
    entries = _entries(kind)
    if name not in entries:
        raise FlagError(
            f"--{KINDS[kind][0]}={name} is not known; accepted: {', '.join(entries)}"
            + did_you_mean(name, entries)
        )
    return entries[name]


def fact(kind: str, name: str, fact: str, default: Any = None) -> Any:
    """A fact of an entry, or the default where its decorator does not name it."""
    return entry(kind, name).facts.get(fact, default)


def having(kind: str, fact: str, value: Any) -> list[str]:
    """The names of a kind's entries one of whose facts, several values, has this one."""
    return [name for name in names(kind) if value in entry(kind, name).facts.get(fact, ())]


def load(kind: str, name: str) -> Entry:
    """The entry with its implementation and all its facts; imports its module.

    Raises:
        FlagError: there is none of this name.
    """
    found = entry(kind, name)
    if found.implementation is None:
        importlib.import_module(found.module)
        found = _imported[kind, name]
    return found


def get(kind: str, name: str) -> Any:
    """The function or class of this name.

    Raises:
        FlagError: there is none of this name.
    """
    return load(kind, name).implementation


def load_plugins(modules: Sequence[str]) -> None:
    """Imports modules that register entries of their own.

    Args:
        modules: names as in an import statement.

    Raises:
        FlagError: a module is not there, or its import fails.
    """
    for module in modules:
        try:
            importlib.import_module(module)
        except Exception as error:  # whatever a module of the user's does
            why = first_line(error)
            if not isinstance(error, ImportError):
                why = f"{type(error).__name__}: {why}"
            raise FlagError(
                f"--plugins={module} cannot be imported ({why}); accepted: modules that Python finds "
                "in this folder or on PYTHONPATH, separated by commas."
            ) from error


def _check_kind(kind: str) -> None:
    if kind not in KINDS:
        raise ValueError(f"{kind!r} is no kind of entry; there are {', '.join(KINDS)}")


def _entries(kind: str) -> dict[str, Entry]:
    _check_kind(kind)
    imported = {name: entry for (of, name), entry in _imported.items() if of == kind}
    return {**_written(KINDS[kind][1]).get(kind, {}), **imported}


@functools.cache
def _written(folder: str) -> dict[str, dict[str, Entry]]:
    """The entries in the files of one of the package's folders, read as text: by kind and name."""
    found: dict[str, dict[str, Entry]] = {}
    for path in sorted((Path(__file__).parent / folder).glob("*.py")):
        text = path.read_text(encoding="utf-8")
        if "@register(" not in text:
            continue
        for statement in ast.parse(text).body:
            for decorator in getattr(statement, "decorator_list", ()):
                if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == "register":
                    entry = _read(decorator, f"{__package__}.{folder}.{path.stem}")
                    found.setdefault(entry.kind, {})[entry.name] = entry
    return found


def _read(decorator: ast.Call, module: str) -> Entry:
    kind, name = map(ast.literal_eval, decorator.args)
    facts: dict[str, Any] = {}
    for keyword in decorator.keywords:
        try:
            facts[str(keyword.arg)] = ast.literal_eval(keyword.value)
        except ValueError:  # a function, known once its module is imported
            continue
    return Entry(kind, name, facts.pop("help", ""), facts, module)
