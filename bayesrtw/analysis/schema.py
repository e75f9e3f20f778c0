"""The layout of an analysis file as JSON Schema, from the dataclasses that decode it."""

import dataclasses
import types
import typing
from collections.abc import Mapping
from datetime import date
from typing import Any, Union, get_args, get_origin, get_type_hints

from bayesrtw.analysis.spec import SCHEMA, Analysis
from bayesrtw.registry import described, kinds, role_of

#: The dialect that the schema is written in.
DIALECT = "https://json-schema.org/draft/2020-12/schema"

#: Plain types and what JSON Schema calls them. TOML dates reach a validator as text.
_PLAIN: dict[object, dict[str, Any]] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
    date: {"type": "string", "format": "date"},
    Any: {},
}


def json_schema() -> dict[str, Any]:
    """Describe every key of an analysis file, for editors and validators.

    What it allows is what `bayesrtw.analysis.spec.parse` decodes: keys, kinds and types. Rules between
    values, such as a scale that must be positive, are the package's own to check.

    Returns
    -------
    dict
        A JSON Schema (draft 2020-12); components stand under ``$defs`` as ``role.kind``.

    Examples
    --------
    >>> json_schema()["properties"]["seed"]["type"]
    'integer'
    """
    definitions: dict[str, Any] = {}
    top = _table(Analysis, definitions)
    return {
        "$schema": DIALECT,
        "title": f"bayesrtw analysis, layout {SCHEMA}",
        **top,
        "$defs": dict(sorted(definitions.items())),
    }


def _table(cls: type, definitions: dict[str, Any], kind: str = "") -> dict[str, Any]:
    """Describe a dataclass as an object without unknown keys."""
    hints = get_type_hints(cls)
    says = described(cls)
    properties: dict[str, Any] = {"kind": {"const": kind}} if kind else {}
    required = ["kind"] if kind else []
    for field in dataclasses.fields(cls):
        found = _value(hints[field.name], definitions)
        if field.name in says:
            found = {"description": says[field.name], **found}
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            required.append(field.name)
        elif isinstance(field.default, str | int | float | bool):
            found = {**found, "default": field.default}
        properties[field.name] = found
    return {
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }


def _value(hint: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    """Describe what a field's type accepts, as `bayesrtw.registry.decode` does."""
    origin = get_origin(hint)
    if origin in (Union, types.UnionType):
        options = [option for option in get_args(hint) if option is not type(None)]
        described = [_value(option, definitions) for option in options]
        return described[0] if len(described) == 1 else {"anyOf": described}
    if origin is tuple:
        return {"type": "array", "items": _value(get_args(hint)[0], definitions)}
    if origin is Mapping:
        return {"type": "object", "additionalProperties": _value(get_args(hint)[1], definitions)}
    if origin is typing.Literal:
        return {"enum": list(get_args(hint))}
    role = role_of(hint)
    if role is not None:
        return _role(role, definitions)
    if dataclasses.is_dataclass(hint):
        cls = typing.cast("type", hint)
        return _referred(cls.__name__, cls, definitions)
    return dict(_PLAIN[hint])


def _role(role: str, definitions: dict[str, Any]) -> dict[str, Any]:
    """Describe a component: a table whose kind is one of the role's."""
    choices = [
        _referred(f"{role}.{kind}", cls, definitions, kind) for kind, cls in kinds(role).items()
    ]
    return {"type": "object", "required": ["kind"], "oneOf": choices}


def _referred(name: str, cls: type, definitions: dict[str, Any], kind: str = "") -> dict[str, Any]:
    """Describe a dataclass once and refer to it."""
    if name not in definitions:
        definitions[name] = {}  # so that a table that holds itself ends
        definitions[name] = _table(cls, definitions, kind)
    return {"$ref": f"#/$defs/{name}"}
