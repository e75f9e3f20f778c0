"""What happened to an analysis beside runs: heartbeats, refusals, and who published a draft.

One line of JSON an entry, each with a check of itself. Reads nothing but JSON.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bayesrtw.errors import StoreError
from bayesrtw.living.durable import append_line
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


@dataclass(frozen=True, slots=True)
class Journal:
    """What happened to an analysis beside runs.

    Attributes
    ----------
    entries
        Readable lines, in order.
    damaged
        Numbers of the lines that are not as they were written, from 1.
    """

    entries: tuple[Mapping[str, Any], ...]
    damaged: tuple[int, ...]


def journal(store: Store, analysis: str) -> Journal:
    """Read what happened to an analysis beside runs."""
    path = store.of(analysis) / JOURNAL
    try:
        if path.is_symlink():
            raise StoreError(f"{path}: is a symbolic link; it was not followed.")
        raw = path.read_bytes() if path.exists() else b""
    except OSError as error:
        raise StoreError(f"{path}: cannot be read ({said(error)}).") from None
    entries, damaged = [], []
    for number, line in enumerate(raw.split(b"\n"), 1):
        if not line:
            continue
        try:
            entry = json.loads(line)
            check = entry.pop("check")
        except (ValueError, AttributeError, KeyError):
            damaged.append(number)
            continue
        if check == _check(entry):
            entries.append(entry)
        else:
            damaged.append(number)
    return Journal(tuple(entries), tuple(damaged))


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
    entry = {"kind": kind, "at": now(), **content}
    path = writer.store.of(writer.analysis) / JOURNAL
    if path.is_symlink():
        raise StoreError(f"{path}: is a symbolic link; nothing is written through it.")
    append_line(path, as_line({**entry, "check": _check(entry)}))


def _check(entry: Mapping[str, Any]) -> str:
    return hashlib.sha256(as_line(entry).encode()).hexdigest()[:16]
