"""What a user types, as Hydra reads it: text as text, whatever is in it, and entries of open mappings without ``+``."""

import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dist2_robot.cli.defaults import defaults, suggest
from dist2_robot.cli.hydra_text import elements, inside, is_quoted, quoted, quoted_text, read
from dist2_robot.cli.kinds import OPEN, Kind, default_of, kind_of, open_mapping
from dist2_robot.errors import InputError

FLAGS = ("--cfg", "-c", "--multirun", "-m", "--hydra-help", "--info", "--package", "-p", "--resolve", "--version")
SWEEP = ("--multirun", "-m")
_WITH_WORD = ("--cfg", "-c", "--info", "--package", "-p")  # another word may follow
_OF_TEXT = (Kind.TEXT, Kind.PATH)
_OF_TEXTS = {Kind.TEXTS: Kind.TEXT, Kind.NAMES: Kind.TEXT, Kind.PATHS: Kind.PATH}  # kinds and those of their elements
_SPECIAL = re.compile(r"~?[+]*hydra[./=]")


def hydra_arguments(arguments: Sequence[str], command: str) -> list[str]:
    """Return the arguments of a command as Hydra takes them.

    An option that is text gets what was typed: ``output=20260901``, ``task=don't``, ``dataset.root=[a,1e5]``. What
    Hydra cannot read is text, too, and is refused where no text may be. An entry of an open mapping is added to it.

    Args:
        arguments: As typed.
        command: Name of the command's YAML file in ``conf``, e.g. ``train``.

    Raises:
        InputError: An argument is no option, or could mean several things.
    """
    standard = defaults(command, arguments)
    options = _Options(standard, command, any(argument in SWEEP for argument in arguments))
    written = []
    for number, argument in enumerate(arguments):
        before = arguments[number - 1] if number else ""
        if argument.startswith("-"):
            _check_flag(argument, standard)
            written.append(argument)
        elif "=" in argument or argument.startswith("~"):
            written.append(options.write(argument))
        elif before in _WITH_WORD:
            written.append(argument)
        else:
            raise InputError(_no_option(argument, before))
    return written


def _check_flag(argument: str, standard: Mapping[str, Any]) -> None:
    """Raise InputError for a flag that Hydra lacks: it would print a page about its own."""
    flag, _, value = argument.partition("=")
    if flag not in FLAGS:
        key = flag.lstrip("-")
        near = suggest(key, standard)
        raise InputError(f"there is no flag '{flag}': options are {key}={value or '...'}.{near} See --help")


def _no_option(argument: str, before: str) -> str:
    if "=" not in before:
        return f"'{argument}' is no option: options are {argument}=VALUE. See --help"
    one = shlex.quote(f"{before} {argument}")
    return f"'{argument}' is no option; if it belongs to what is before it, put both in quotes: {one}"


class _Options:
    """Writes options for Hydra.

    Args:
        standard: Options of the command and their defaults.
        command: Name of its YAML file.
        sweeps: Whether several values are a sweep.
    """

    def __init__(self, standard: Mapping[str, Any], command: str, sweeps: bool) -> None:
        self.standard, self.command, self.sweeps = standard, command, sweeps

    def write(self, argument: str) -> str:
        """Return one argument as Hydra takes it."""
        key, _, value = argument.partition("=")
        if _SPECIAL.match(argument):
            return argument
        option = key.lstrip("+~")
        opened = open_mapping(option, self.standard, self.command)
        if key.startswith("~"):
            return self._without(argument, option)
        if read(f"{key}=0") is None and opened is None:
            raise InputError(f"there is no option '{option}'.{suggest(option, self.standard)} See --help")
        if opened is None:
            return f"{key}={','.join(self._values(self._kind(option), value, option))}"
        mapping, kind = opened
        if mapping == option:
            return f"++{option}={','.join(self._values(kind, value, option))}"
        values = self._values(self._kind_of_entry(kind, option, value), value, option)
        if kind is Kind.MAPPING:
            return f"++{option}={','.join(values)}"
        entries = [f"{{{option.removeprefix(f'{mapping}.')}: {one}}}" for one in values]
        return f"++{mapping}={','.join(entries)}"

    def _without(self, argument: str, option: str) -> str:
        if "." in option:  # an entry of an open mapping, or such as a term of a loss
            return argument
        raise InputError(f"'{argument}' takes away what the command needs: leave it out, or give {option}=...")

    def _values(self, kind: Kind, value: str, option: str) -> list[str]:
        """Return a value, or the several of a sweep."""
        hydra = read(f"key={value}")
        is_sweep = hydra is not None and hydra.is_sweep_override()
        if not self.sweeps:
            if is_sweep:
                raise InputError(_several(option, value, kind))
            return [self._element(kind, value, option)]
        if hydra is not None and is_sweep and not getattr(hydra.value(), "simple_form", False):
            return [value]  # by a function such as choice()
        return [self._element(kind, one, option) for one in elements(value)]

    def _kind(self, option: str) -> Kind:
        return kind_of(option, default_of(option, self.standard), self.command)

    def _element(self, kind: Kind, value: str, option: str) -> str:
        """Return one value, in quotes if Hydra would not read it as what it is."""
        value = value.strip(" \t")
        if is_quoted(value):
            return value
        if kind in _OF_TEXTS and (listed := inside(value, "[")) is not None:
            return f"[{','.join(self._element(_OF_TEXTS[kind], one, '') for one in elements(listed) if one)}]"
        if kind in _OF_TEXT or kind in _OF_TEXTS:
            return self._text(kind, value, option)
        if kind in OPEN and (entries := inside(value, "{")) is not None:
            return f"{{{','.join(self._entry(kind, one, option) for one in elements(entries, ',:') if one)}}}"
        hydra = read(f"key={value}")
        return quoted_text(value) if hydra is None else value

    def _entry(self, kind: Kind, entry: str, mapping: str) -> str:
        """Return an entry of an open mapping."""
        name, colon, value = entry.partition(":")
        option = f"{mapping}.{name.strip()}"
        return f"{name}{colon} {self._element(self._kind_of_entry(kind, option, value.strip()), value, option)}"

    def _kind_of_entry(self, kind: Kind, option: str, value: str) -> Kind:
        """Return what an entry of an open mapping of some kind takes."""
        if kind is Kind.TEXT_BY_NAME:
            return Kind.TEXTS
        own = self._kind(option)
        return Kind.MAPPING if own in (Kind.ANY, Kind.GROUP) and value.startswith("{") else own

    def _text(self, kind: Kind, value: str, option: str) -> str:
        if kind in (Kind.PATH, Kind.PATHS) and (value == "~" or value.startswith("~/")):
            return quoted_text(str(Path(value).expanduser()))
        hydra = read(f"key={value}")
        if hydra is None:
            return quoted_text(value)
        read_as = hydra.value()
        if isinstance(read_as, list | dict):
            raise InputError(f"{option or 'an entry'} must be text, got {value}: {_as_text(option, value)}")
        is_none = read_as is None and option and default_of(option, self.standard) is None
        return value if isinstance(read_as, str) or is_none else quoted_text(value)


def _several(option: str, value: str, kind: Kind) -> str:
    """Return what several values may mean."""
    ways = ["with --multirun (-m) they are a sweep"]
    if kind in (*_OF_TEXTS, Kind.LIST, Kind.ANY):
        ways.append(f"a list is {shlex.quote(f'{option}=[{value}]')}")
    if kind in _OF_TEXT or kind in _OF_TEXTS:
        ways.append(_as_text(option, value))
    return f"{option}={value} has several values: {'; '.join(ways)}"


def _as_text(option: str, value: str) -> str:
    one = f"{option}={quoted(value, mark=chr(34))}"
    return f"if all of it is one text, write {shlex.quote(one)}"
