"""JSON of others as plain data: strict, bounded, and of the shape that its readers need."""

import json
from collections.abc import Mapping
from typing import Any, NoReturn

#: Most bytes of a file of JSON that is read.
MOST_BYTES = 64_000_000


def parsed(raw: bytes) -> Any:
    """Parse JSON; ValueError says why it is none: numbers that JSON lacks, halves of characters, depth."""
    if len(raw) > MOST_BYTES:
        raise ValueError(f"it has {len(raw) / 1e6:.0f} MB; at most {MOST_BYTES / 1e6:.0f} are read")
    try:
        text = raw.decode()
        found = json.loads(text, parse_constant=_refuse)
        if "\\u" in text or "\\U" in text:
            json.dumps(found, ensure_ascii=False).encode()
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except UnicodeEncodeError:
        raise ValueError("it holds half a character") from None
    return found


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number of JSON")


def misshapen(found: Any, shape: Mapping[str, tuple[type, ...]], need: tuple[str, ...]) -> str:
    """Say what an object of JSON lacks; empty if it has what is needed, each of a type that fits."""
    if not isinstance(found, dict):
        return "is no object"
    for name in need:
        if name not in found:
            return f"lacks {name!r}"
    for name, kinds in shape.items():
        held = found.get(name)
        if name in found and (
            not isinstance(held, kinds) or (isinstance(held, bool) and bool not in kinds)
        ):
            return f"has {name!r} of another type"
    return ""
