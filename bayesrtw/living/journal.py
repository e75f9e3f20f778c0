"""What happened to an analysis beside runs: heartbeats, refusals, and who published a draft.

One line of JSON an entry, each with a check of itself. Reads nothing but JSON.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bayesrtw.bounded import bytes_of
from bayesrtw.durable import append_line
from bayesrtw.errors import StoreError
from bayesrtw.living.chain import before, digest_of, linked
from bayesrtw.living.plain import misshapen, parsed
from bayesrtw.living.store import (
    JOURNAL,
    Run,
    Store,
    Writer,
    as_line,
    now,
    read_run,
    run_names,
    said,
)
from bayesrtw.printed import plain

#: What lines of a journal hold, and what readers cannot do without, by their kind.
SHAPE: dict[str, tuple[type, ...]] = {
    **dict.fromkeys(("kind", "at", "fitted", "by", "reason", "message"), (str,)),
    **dict.fromkeys(("run", "before"), (str, type(None))),
    "seen": (dict,),
}
NEEDED: dict[str, tuple[str, ...]] = {
    "published": ("kind", "at", "run"),
    "heartbeat": ("kind", "at", "run", "seen", "fitted"),
    "rejected": ("kind", "at", "message"),
    "failed": ("kind", "at", "message"),
}


@dataclass(frozen=True, slots=True)
class Journal:
    """What happened to an analysis beside runs."""

    entries: tuple[Mapping[str, Any], ...]  #: Readable lines, in order.
    damaged: tuple[int, ...]  #: Numbers of the lines that are not as they were written, from 1.


def journal(store: Store, analysis: str) -> Journal:
    """Read what happened to an analysis beside runs."""
    path = store.of(analysis) / JOURNAL
    try:
        if path.is_symlink():
            raise StoreError(f"{path}: is a symbolic link; it was not followed.")
        raw = bytes_of(path) if path.exists() else b""
    except OSError as error:
        raise StoreError(f"{path}: cannot be read ({said(error)}).") from None
    entries, damaged = [], []
    *lines, torn = raw.split(b"\n")
    if torn:
        damaged.append(len(lines) + 1)  # every line that was written ends
    for number, line in enumerate((*lines, torn) if torn else lines, 1):
        try:
            entry = parsed(line)
            check = entry.pop("check")
        except (ValueError, AttributeError, KeyError, TypeError):
            damaged.append(number)
            continue
        if check == _check(entry) and not misshapen(entry, SHAPE, _needed(entry)):
            entries.append(entry)
        else:
            damaged.append(number)
    return Journal(tuple(entries), tuple(sorted({*damaged})))


def _needed(entry: Mapping[str, Any]) -> tuple[str, ...]:
    return NEEDED.get(str(entry.get("kind")), ("kind", "at"))


def published(store: Store, analysis: str) -> Run | None:
    """Give the run whose conclusion stands: the last that was published."""
    decided = decisions(store, analysis)
    for name in reversed(run_names(store, analysis)):
        found = read_run(store, analysis, name)
        if found.manifest["status"] == "published" or name in decided:
            return found
    return None


def decisions(store: Store, analysis: str) -> dict[str, Mapping[str, Any]]:
    """Give the drafts that somebody published."""
    entries = journal(store, analysis).entries
    return {str(entry["run"]): entry for entry in entries if entry["kind"] == "published"}


def note(writer: Writer, kind: str, **content: Any) -> None:
    """Append an entry to the journal of an analysis."""
    content = {name: _whole(each) for name, each in content.items()}
    named = before(writer.store, writer.analysis)
    entry = {"kind": kind, "at": now(), "before": named, **content}
    path = writer.store.of(writer.analysis) / JOURNAL
    if path.is_symlink():
        raise StoreError(f"{path}: is a symbolic link; nothing is written through it.")
    line = as_line({**entry, "check": _check(entry)})
    with linked(writer.store, writer.analysis, named, digest_of(line.encode())):
        append_line(path, line)


def _whole(content: Any) -> Any:
    """Give text without halves of characters, which no file holds."""
    return plain(content) if isinstance(content, str) else content


def _check(entry: Mapping[str, Any]) -> str:
    return hashlib.sha256(as_line(entry).encode()).hexdigest()[:16]
