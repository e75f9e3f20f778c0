"""The closed vocabulary: components by role and kind, to and from plain tables, and digests.

A component is a frozen dataclass. Its fields are its settings, so a TOML table with a ``kind`` and
the settings describes it completely: nothing is imported by path and no file can run code.
"""

import dataclasses
import difflib
import functools
import hashlib
import inspect
import json
import math
import numbers
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any, Union, get_args, get_origin, get_type_hints

from bayesrtw.errors import Fault, Faults, SpecError, Whereabouts

_KINDS: dict[str, dict[str, type]] = {}
_ROLE_OF_PROTOCOL: dict[object, str] = {}
_HOME_OF_ROLE: dict[str, str] = {}


def role[T](name: str, home: str) -> Callable[[type[T]], type[T]]:
    """Declare a protocol as the type of a role, so that fields annotated with it decode."""

    def declare(protocol: type[T]) -> type[T]:
        _ROLE_OF_PROTOCOL[protocol] = name
        _HOME_OF_ROLE[name] = home
        _KINDS.setdefault(name, {})
        return protocol

    return declare


def component[T](role_name: str, kind: str) -> Callable[[type[T]], type[T]]:
    """Register a frozen dataclass under a role and a kind; what it does not say of a method its role says."""

    def register(cls: type[T]) -> type[T]:
        for protocol, name in _ROLE_OF_PROTOCOL.items():
            offered: set[str] = getattr(protocol, "__protocol_attrs__", set())
            if name != role_name:
                continue
            lacks = sorted(each for each in offered if not hasattr(cls, each))
            if lacks:
                raise SpecError(
                    f"{cls.__name__} cannot be the {role_name} {kind!r}: it does not state "
                    f"{', '.join(lacks)}; see the protocol of the role."
                )
            for each in offered:
                own = inspect.getattr_static(cls, each)
                if isinstance(own, types.FunctionType | property) and not own.__doc__:
                    own.__doc__ = inspect.getattr_static(protocol, each).__doc__
        found = checked(cls)
        _KINDS.setdefault(role_name, {})[kind] = found
        return found

    return register


def checked[T](cls: type[T]) -> type[T]:
    """Let a dataclass say which setting is not what it is annotated with, when it is made from Python.

    Parameters
    ----------
    cls
        A dataclass. Fields of a role or of several of one are held against its protocol, those of one plain
        type or of named choices against these; a list in place of a tuple is made one.

    Returns
    -------
    type
        The class; making one raises SpecError with the setting, what was found and what is allowed.
    """
    made: Callable[..., None] = cls.__init__
    names = [f.name for f in dataclasses.fields(cls) if f.init and not f.kw_only]  # type: ignore[arg-type]

    hints: dict[str, Any] = {}

    @functools.wraps(made)
    def init(self: T, *args: object, **settings: object) -> None:
        if not hints:  # Only now is every name that annotations hold known.
            hints.update(get_type_hints(cls))
        place = [
            _held(cls, name, hints[name], value) for name, value in zip(names, args, strict=False)
        ]
        rest = {
            name: _held(cls, name, hints[name], value) if name in hints else value
            for name, value in settings.items()
        }
        made(self, *place, *args[len(place) :], **rest)

    cls.__init__ = init  # type: ignore[assignment,method-assign]
    return cls


def _held(cls: type, name: str, hint: Any, value: object) -> object:
    """Give the value of a setting, a list as a tuple; SpecError where it is not what is annotated."""
    options = get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)
    if value is None and type(None) in options:
        return value
    rest = [option for option in options if option is not type(None)]
    if len(rest) > 1:
        return value
    one, several = rest[0], get_origin(rest[0]) is tuple
    if several and isinstance(value, list):
        value = tuple(value)
    inner = get_args(one)[0] if several else one
    if several and not isinstance(value, tuple):
        if inner in _ROLE_OF_PROTOCOL:
            several_of = f"a tuple of {_ROLE_OF_PROTOCOL[inner]}s"
            raise SpecError(f"{cls.__name__}: {name} {_found(value)}; give {several_of}.")
        return value
    each_of: tuple[object, ...] = value if several else (value,)  # type: ignore[assignment]
    for each in each_of:
        must_be(inner, each, f"{cls.__name__}: {name}")
    if inner in (int, float):
        # Numbers of other libraries are written, hashed and calculated with otherwise.
        each_of = tuple(e if isinstance(e, int | float) else inner(e) for e in each_of)
        return each_of if several else each_of[0]
    return value


def must_be(hint: Any, value: object, name: str) -> None:
    """Raise SpecError where a value, called by a name, is not what an annotation says."""
    allowed = _not_allowed(hint, value)
    if allowed:
        raise SpecError(f"{name} {_found(value)}; {allowed}")


def _found(value: object) -> str:
    plain = value is None or isinstance(value, str | numbers.Number)
    return f"is {value!r}" if plain else f"holds {type(value).__name__}"


def _not_allowed(hint: Any, value: object) -> str:
    """Say what is allowed where a value is not; nothing where it is, or where nothing is known of it."""
    wanted = _ROLE_OF_PROTOCOL.get(hint)
    if wanted is not None:
        cls: Any = type(value)
        if _plays(hint, cls):
            return ""
        return f"give one of {_HOME_OF_ROLE[wanted]}."
    if get_origin(hint) is typing.Literal:
        choices = [str(choice) for choice in get_args(hint)]
        return "" if value in get_args(hint) else suggestion(str(value), choices)
    kind = _NUMBERS.get(hint)
    if kind is None or (isinstance(value, kind) and not isinstance(value, bool)):
        return ""
    return f"give {_PLAIN[hint]}."


@functools.cache
def _plays(protocol: type, cls: type) -> bool:
    """Whether a class states all that the protocol of a role asks for."""
    offered: set[str] = getattr(protocol, "__protocol_attrs__", set())
    return all(hasattr(cls, each) for each in offered)


def kinds(role_name: str) -> Mapping[str, type]:
    """Give the components of a role."""
    return dict(sorted(_KINDS[role_name].items()))


def role_of(hint: object) -> str | None:
    """Give the role that a protocol stands for."""
    return _ROLE_OF_PROTOCOL.get(hint)


def described(cls: type) -> dict[str, str]:
    """Read what a class says about its settings.

    Parameters
    ----------
    cls
        A class with a numpydoc section ``Parameters``.

    Returns
    -------
    dict
        Name to text in one line; settings that share an entry share its text.
    """
    found: dict[str, str] = {}
    names: list[str] = []
    section = ""
    lines = (inspect.getdoc(cls) or "").splitlines()
    for line, below in zip(lines, [*lines[1:], ""], strict=True):
        if below and set(below) == {"-"}:
            section = line
        elif section != "Parameters" or not line.strip() or set(line) == {"-"}:
            continue
        elif line.startswith(" "):
            found |= {name: f"{found.get(name, '')} {line.strip()}".strip() for name in names}
        else:
            names = [name.strip() for name in line.split(":")[0].split(",")]
    return found


def kind_of(value: object) -> str:
    """Give the kind under which a component's class is registered."""
    for table in _KINDS.values():
        for kind, cls in table.items():
            if type(value) is cls:
                return kind
    raise SpecError(f"{type(value).__name__} is not a registered component.")


def suggestion(name: str, choices: Sequence[str]) -> str:
    """Say what may have been meant, and what the choices are."""
    hint = meant(name, choices)
    return f"{hint}{' ' * bool(hint)}Choices: {', '.join(sorted(choices))}."


def meant(name: str, choices: Sequence[str]) -> str:
    """Say what may have been meant."""
    near = difflib.get_close_matches(name, choices, n=1, cutoff=0.6)
    return f"did you mean {near[0]!r}?" if near else ""


def decode[T](
    cls: type[T], table: object, *, where: str, faults: Faults, path: str = ""
) -> T | None:
    """Build a dataclass from a plain table, noting every fault on the way."""
    before = len(faults.found)
    at = _At(where, path, faults)
    if not isinstance(table, Mapping):
        at.note(f"must be a table; found {table!r}")
        return None
    settings = dict(table)
    target: type = cls
    if cls in _ROLE_OF_PROTOCOL:
        choices = _KINDS[_ROLE_OF_PROTOCOL[cls]]
        kind = settings.pop("kind", None)
        if not isinstance(kind, str) or kind not in choices:
            found = f"is {kind!r}" if kind is not None else "is missing"
            hint = suggestion(kind if isinstance(kind, str) else "", list(choices))
            at.key("kind").note(found, hint)
            return None
        target = choices[kind]
    hints = get_type_hints(target)
    fields = {f.name: f for f in dataclasses.fields(target) if f.init}
    for name in settings:
        if name not in fields:
            at.key(name).note("is not known", suggestion(name, list(fields)))
    values: dict[str, Any] = {}
    for name, f in fields.items():
        if name in settings:
            values[name] = _value(hints[name], settings[name], at.key(name))
        elif f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING:
            at.key(name).note("is missing", "add it")
    if len(faults.found) > before:
        return None
    try:
        return typing.cast("T", target(**values))
    except SpecError as error:
        faults.add(Fault(f"{path}: {error}" if path else str(error), place=at.place))
        return None


@dataclasses.dataclass(frozen=True, slots=True)
class _At:
    """Where a value stands in a file, and who collects its faults."""

    where: str
    path: str
    faults: Faults

    @property
    def place(self) -> Whereabouts:
        return Whereabouts(self.where, column=self.path)

    def key(self, name: object) -> "_At":
        return _At(self.where, f"{self.path}.{name}" if self.path else str(name), self.faults)

    def item(self, place: int) -> "_At":
        return _At(self.where, f"{self.path}[{place}]", self.faults)

    def note(self, found: str, remedy: str = "") -> None:
        text = f"{self.path} {found}".lstrip()
        self.faults.add(Fault(text, "", remedy, "not-well-formed", self.place))


def _value(hint: Any, raw: object, at: _At) -> Any:
    origin = get_origin(hint)
    if origin in (Union, types.UnionType):
        options = [option for option in get_args(hint) if option is not type(None)]
        if len(options) > 1 and not isinstance(raw, str):
            # Text or a number: what is not text is held against the other.
            options = [option for option in options if option is not str]
        # One number or several: a list is held against the list.
        lists = [option for option in options if get_origin(option) is tuple]
        if lists and len(lists) < len(options):
            options = lists if isinstance(raw, list) else [o for o in options if o not in lists]
        return _value(options[0], raw, at)
    if origin is tuple:
        if not isinstance(raw, list):
            at.note(f"must be a list; found {raw!r}")
            return ()
        inner = get_args(hint)[0]
        return tuple(_value(inner, item, at.item(place)) for place, item in enumerate(raw))
    if origin is Mapping:
        if not isinstance(raw, dict):
            at.note(f"must be a table; found {raw!r}")
            return {}
        inner = get_args(hint)[1]
        return {key: _value(inner, item, at.key(key)) for key, item in raw.items()}
    if hint is Any:
        return raw
    if origin is typing.Literal:
        if raw not in get_args(hint):
            allowed = [str(choice) for choice in get_args(hint)]
            at.note(f"is {raw!r}", suggestion(str(raw), allowed))
        return raw
    if dataclasses.is_dataclass(hint) or hint in _ROLE_OF_PROTOCOL:
        found = typing.cast("type", hint)
        return decode(found, raw, where=at.where, faults=at.faults, path=at.path)
    return _scalar(hint, raw, at)


#: What a field of a plain type holds.
_NUMBERS: dict[object, type] = {int: numbers.Integral, float: numbers.Real, str: str}

#: What a field of each plain type accepts, in words.
_PLAIN: dict[type, str] = {
    str: "text",
    int: "a whole number",
    float: "a finite number",
    bool: "true or false",
    date: "a date such as 2026-11-22",
}


def _scalar(hint: Any, raw: object, at: _At) -> Any:
    if hint is float and type(raw) is int:
        return float(raw)
    if type(raw) is hint and not (isinstance(raw, float) and not math.isfinite(raw)):
        return raw
    at.note(f"must be {_PLAIN[hint]}; found {raw!r}")
    return None


def encode(value: object) -> Any:
    """Turn a value into plain tables, lists and scalars: the inverse of `decode`."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        table: dict[str, Any] = {}
        if _is_component(value):
            table["kind"] = kind_of(value)
        for f in dataclasses.fields(value):
            inner = getattr(value, f.name)
            if inner is not None:
                table[f.name] = encode(inner)
        return table
    if isinstance(value, tuple | list):
        return [encode(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): encode(item) for key, item in sorted(value.items())}
    return value


def _stated(value: object) -> Any:
    """Encode without the settings that have their default, so that a new setting changes no hash."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        table = {"kind": kind_of(value)} if _is_component(value) else {}
        for f in dataclasses.fields(value):
            inner = getattr(value, f.name)
            default = f.default_factory() if callable(f.default_factory) else f.default
            if inner is not None and inner != default:
                table[f.name] = _stated(inner)
        return table
    if isinstance(value, tuple | list):
        return [_stated(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): _stated(item) for key, item in sorted(value.items())}
    return value


def _is_component(value: object) -> bool:
    return any(type(value) is cls for group in _KINDS.values() for cls in group.values())


def digest(value: object) -> str:
    """Hash a value by its settings alone: key order, comments and layout do not count.

    Settings that have their default do not count either: writing a default out changes nothing, and
    a setting that a later version adds leaves old hashes as they are.
    """
    text = json.dumps(_stated(value), sort_keys=True, default=str, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()
