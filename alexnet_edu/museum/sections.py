"""The text of a 2012 file as sections whose values know their line. Nothing that a file names is imported or run."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeVar

from alexnet_edu.errors import AlexNetError

__all__ = ["FLOAT_MAX", "INT_MAX", "NetworkFileError", "Notes", "Section", "read_sections"]

_MAX_BYTES = 1 << 18  # the largest file of the release has 78 kB
_LONGEST_NAME = 100
_COMMENT = re.compile(r"(^|\s)[;#].*$")
_HEADER = re.compile(r"\[([^\]]+)\]")
_EQUALS = re.compile(r"[:=]")
_REQUIRED: Final[Any] = object()
# What a number in a file can be: in 2012 it became a C int or float.
INT_MAX = 2**31 - 1
FLOAT_MAX = 3.4028234663852886e38
T = TypeVar("T")


class NetworkFileError(AlexNetError):
    """A mistake in a network file: the message names the file, the line and the section."""


@dataclass
class Notes:
    """What could not be reproduced: each sentence once, with the layers that it is true of."""

    found: dict[str, dict[str, None]] = field(default_factory=dict)

    def add(self, sentence: str, *layers: str) -> None:
        """Notes ``sentence`` about some layers, or without a name about the whole network."""
        self.found.setdefault(sentence, {}).update(dict.fromkeys(layers))

    def lines(self) -> tuple[str, ...]:
        """One line per sentence: ``conv1a, conv1b: ...``."""
        return tuple(f"{', '.join(names)}: {text}" if names else text for text, names in self.found.items())


@dataclass
class Section:
    """One ``[name]`` of a file. Keys are in lower case, as Python 2's ConfigParser reads them.

    Attributes:
        file: the file's name, for messages.
        name: what stands between the brackets.
        line: the line of the header, from 1.
        values: the text and the line of each key.
    """

    file: str
    name: str
    line: int
    values: dict[str, tuple[str, int]] = field(default_factory=dict)

    def __contains__(self, key: str) -> bool:
        return key.lower() in self.values

    def error(self, problem: str, key: str = "") -> NetworkFileError:
        """An error that says ``problem``, with the line of ``key`` or, where that is missing, of the header."""
        line = self.values.get(key.lower(), ("", self.line))[1]
        return NetworkFileError(f"{self.file}, line {line}, [{self.name}]: {problem}")

    def get(self, key: str, kind: type[T], default: T = _REQUIRED) -> T:
        """The value of ``key`` as ``int``, ``float``, ``bool`` or ``str``.

        Raises:
            NetworkFileError: it is missing and has no default, or is not of that kind.
        """
        return self.get_list(key, kind, 1, [default])[0] if default is not _REQUIRED else self.get_list(key, kind, 1)[0]

    def get_list(self, key: str, kind: type[T], count: int, default: Sequence[T] = _REQUIRED) -> tuple[T, ...]:
        """The comma-separated values of ``key``, one per input, of which there are ``count``.

        Raises:
            NetworkFileError: it is missing and has no default, has another number of values, or one of another kind.
        """
        if key not in self:
            if default is _REQUIRED:
                raise self.error(f"{key} is missing; a layer of this type needs it.")
            return tuple(default)
        text = self.values[key.lower()][0]
        words = [word.strip() for word in text.split(",")] if count > 1 or kind is not str else [text]
        if len(words) != count:
            raise self.error(f"{key} needs {count} values, one per input, not {len(words)}.", key)
        try:
            return tuple(_CONVERT[kind](word) for word in words)
        except ValueError:
            raise self.error(f"{key} = {text[:60]} is not {_WANTED[kind]}.", key) from None

    def at_least(self, key: str, values: Sequence[float], least: float) -> None:
        """Raises NetworkFileError when a value of ``key`` is below ``least``."""
        for value in values:
            if value < least:
                raise self.error(f"{key} = {value} is below {least}, the least that makes sense.", key)


def _whole(word: str) -> int:
    value = int(word)
    if "_" in word or abs(value) > INT_MAX:
        raise ValueError(word)
    return value


def _number(word: str) -> float:
    value = float(word)
    if "_" in word or not abs(value) <= FLOAT_MAX:  # nan too
        raise ValueError(word)
    return value


def _flag(word: str) -> bool:
    flags = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}
    if word.lower() not in flags:
        raise ValueError(word)
    return flags[word.lower()]


_CONVERT: dict[type, Callable[[str], Any]] = {int: _whole, float: _number, bool: _flag, str: str}
_WANTED = {
    int: f"a whole number of at most {INT_MAX:,}",
    float: f"a number of at most {FLOAT_MAX:.2g}",
    bool: "true or false",
}


def read_sections(source: str | Path, role: str, notes: Notes) -> dict[str, Section]:
    """The sections of a file in order, by name.

    Args:
        source: a path, or the text itself (a string that has a line break or starts with ``[``, ``#`` or ``;``).
        role: what messages call it, such as ``"layer file"``.
        notes: takes what is odd but readable: a section or a key that stands in the file twice.

    Raises:
        AlexNetError: the file can't be read, or is larger than any network file of 2012.
        NetworkFileError: a line is neither a section, nor ``key = value``, nor a comment.
    """
    text, file = _load(source, role)
    sections: dict[str, Section] = {}
    section, key = None, ""
    for number, raw in enumerate(text.split("\n"), 1):
        line = _COMMENT.sub("", raw).strip()
        if header := _HEADER.fullmatch(line):
            name, key = header[1].strip(), ""
            if len(name) > _LONGEST_NAME:
                problem = f"the name of the section is longer than {_LONGEST_NAME} characters."
                raise NetworkFileError(f"{file}, line {number}: {problem}")
            if name in sections:
                notes.add(f"{file}, line {number}: the section stands there twice; the later values count.", name)
            section = sections.setdefault(name, Section(file, name, number))
        elif line and section is None:
            raise NetworkFileError(f"{file}, line {number}: the file has to start with a [section], not {line[:40]!r}.")
        elif line and section is not None:
            key = _read_value(section, line, number, key if raw[0].isspace() else "", notes)
    if not sections:
        raise NetworkFileError(f"{file}, line 1: there is no [section] in it; this is not a 2012 network file.")
    return sections


def _read_value(section: Section, line: str, number: int, continued: str, notes: Notes) -> str:
    """Takes ``key = value``, or the next line of the value of ``continued``, into a section; the key."""
    if (sign := _EQUALS.search(line)) and sign.start():
        key, text = line[: sign.start()].rstrip().lower(), line[sign.end() :].lstrip()
        if section.values.get(key, (text, 0))[0] != text:
            notes.add(f"{section.file}, line {number}: {key} stands there twice; the later value counts.", section.name)
        section.values[key] = (text, number)
        return key
    if not continued:
        problem = f"{line[:40]!r} is neither [section] nor key = value."
        raise NetworkFileError(f"{section.file}, line {number}, [{section.name}]: {problem}")
    text, first = section.values[continued]
    section.values[continued] = (f"{text} {line}", first)
    return continued


def _load(source: str | Path, role: str) -> tuple[str, str]:
    """The text, and the name to call it by."""
    if isinstance(source, str) and ("\n" in source or source.lstrip().startswith(("[", "#", ";")) or not source):
        return _cleaned(source, role), role
    path = Path(source)
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_BYTES + 1)
    except (OSError, ValueError) as problem:
        reason = getattr(problem, "strerror", None) or problem
        shown = repr(str(source)[:200])
        raise AlexNetError(f"The {role} {shown} can't be read ({reason}); give a path or the text.") from None
    name = _printable(path.name)
    return _cleaned(data.decode("utf-8", errors="replace"), f"{role} {name}"), name


def _cleaned(text: str, what: str) -> str:
    """The text in lines of characters that a message or a drawing can show."""
    if len(text) > _MAX_BYTES:
        raise AlexNetError(f"The {what} is larger than {_MAX_BYTES >> 10} KiB; no network file of 2012 is.")
    return "\n".join(map(_printable, text.replace("\r\n", "\n").split("\n")))


def _printable(line: str) -> str:
    """The line with a space for each tab and the like, and a question mark for each control character and its kind."""
    if line.isprintable():
        return line
    return "".join(c if c.isprintable() else " " if c.isspace() else "?" for c in line)
