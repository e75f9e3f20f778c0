"""One hash chain over runs and journals: every entry names the digest of what came before it.

An analysis's entries are its runs and the lines of its journal, in the order in which they came.
``head.json``, outside the folder of runs, holds the digest of the last entry of each analysis: what is
removed, changed, added or put in another order no longer leads there. Who can write to the whole store
can write all of it anew; a copy of the head that is kept elsewhere, signed or time-stamped, shows that.

Entries of stores that are older than the chain name nothing; the first that does names the digest of
them all. Reads nothing but JSON: no numerical library.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from bayesrtw.bounded import bytes_of
from bayesrtw.durable import only_writer, replace_file
from bayesrtw.errors import StoreError
from bayesrtw.living.plain import parsed
from bayesrtw.living.store import JOURNAL, LOCK, WAIT, Store, as_line, run_names, said

#: The file that holds the head, and what it says first.
HEAD, FORMAT = "head.json", "bayesrtw head of a store"


@dataclass(frozen=True, slots=True)
class ChainHead:
    """Where the chain of each analysis ends."""

    #: Analysis to the digest of its last entry.
    last: Mapping[str, str] = field(default_factory=dict)
    #: Analysis to the number of its entries.
    count: Mapping[str, int] = field(default_factory=dict)
    #: Analysis to the digest of an entry that is being added.
    coming: Mapping[str, str] = field(default_factory=dict)
    #: Digests that the index page may have: the one it has, and while it is written the next.
    index: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Entry:
    """A run or a line of a journal."""

    where: str  #: Path below the folder of its analysis, with the number of a line.
    digest: str  #: Of its bytes.
    before: str | None  #: Digest of what came before it; None if it is older than the chain.
    place: int  #: Number of the run, or of the line.


def read_head(path: Path) -> ChainHead | None:
    """Read a head; None where there is none."""
    try:
        if path.is_symlink():
            raise StoreError(f"{path}: is a symbolic link; it was not followed.")
        raw = bytes_of(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StoreError(f"{path}: cannot be read ({said(error)}).") from None
    try:
        return _decoded(parsed(raw))
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        why = f"{type(error).__name__}: {error}"
        raise StoreError(f"{path}: is not the head of a store ({why}).") from None


def _decoded(found: Any) -> ChainHead:
    if found["format"] != FORMAT or found["schema"] != 1:
        raise ValueError("it has another format")
    last, coming = ({str(k): str(v) for k, v in found[name].items()} for name in ("last", "coming"))
    count = {str(key): int(value) for key, value in found["count"].items()}
    return ChainHead(last, count, coming, tuple(map(str, found["index"])))


def written(head: ChainHead) -> bytes:
    """Write a head as its file holds it."""
    content = {
        "format": FORMAT,
        "schema": 1,
        "last": dict(head.last),
        "count": dict(head.count),
        "coming": dict(head.coming),
        "index": list(head.index),
    }
    return as_line(content).encode() + b"\n"


@contextmanager
def head_of(store: Store) -> Iterator["Changing"]:
    """Change the head of a store: one writer at a time, and the file appears whole."""
    path = store.folder / HEAD
    with only_writer(store.folder / LOCK, wait=WAIT, what=str(path)):
        yield Changing(path, read_head(path) or ChainHead())


@dataclass(slots=True)
class Changing:
    """A head that this process alone may change."""

    path: Path  #: Its file.
    head: ChainHead  #: What it says now.

    def write(self, head: ChainHead) -> None:
        """Put another head in its place."""
        replace_file(self.path, written(head))
        self.head = head


def before(store: Store, analysis: str) -> str:
    """Give the digest that the next entry of an analysis names; the caller is its only writer."""
    head = read_head(store.folder / HEAD) or ChainHead()
    if analysis in head.last and analysis not in head.coming:
        return head.last[analysis]
    found = entries(store, analysis)
    coming = head.coming.get(analysis)
    if any(each.digest == coming for each in found):
        return str(coming)  # its writer died between adding it and saying so
    if analysis in head.last:
        return head.last[analysis]
    if any(each.before is not None for each in found):
        raise StoreError(
            f"{store.folder / HEAD}: does not know runs/{analysis}, whose entries are chained; nothing was "
            "added. Restore it from a copy; `bayesrtw verify` says more."
        )
    return beginning(found)


@contextmanager
def linked(store: Store, analysis: str, named: str, digest: str) -> Iterator[None]:
    """Add an entry while the block runs: the head says before that it comes, and after that it came."""
    with head_of(store) as changing:
        head = changing.head
        last, coming = {**head.last, analysis: named}, {**head.coming, analysis: digest}
        known = head.count.get(analysis) if analysis not in head.coming else None
        told = len(entries(store, analysis)) if known is None else known
        count = {**head.count, analysis: told}
        changing.write(replace(head, last=last, coming=coming, count=count))
    yield
    with head_of(store) as changing:
        head = changing.head
        coming = {name: each for name, each in head.coming.items() if name != analysis}
        count = {**head.count, analysis: head.count[analysis] + 1}
        last = {**head.last, analysis: digest}
        changing.write(replace(head, last=last, count=count, coming=coming))


def digest_of(raw: bytes) -> str:
    """Give the digest of an entry."""
    return hashlib.sha256(raw).hexdigest()


def beginning(found: Sequence[Entry]) -> str:
    """Give the digest of all that is older than the chain."""
    older = sorted((each.where, each.digest) for each in found if each.before is None)
    return digest_of(as_line(older).encode())


def entries(store: Store, analysis: str) -> list[Entry]:
    """Read the entries of an analysis; what cannot be read names nothing."""
    folder, found = store.of(analysis), []
    for name in run_names(store, analysis):
        raw = _raw(folder / name / "run.json")
        found.append(Entry(name, digest_of(raw), _before(raw), int(name.split("-")[0])))
    for number, line in enumerate(_raw(folder / JOURNAL).split(b"\n"), 1):
        if line:
            where = f"{JOURNAL}, line {number}"
            found.append(Entry(where, digest_of(line), _before(line), number))
    return found


def _raw(path: Path) -> bytes:
    try:
        return b"" if path.is_symlink() or not path.is_file() else bytes_of(path)
    except OSError as error:
        raise StoreError(f"{path}: cannot be read ({said(error)}).") from None


def _before(raw: bytes) -> str | None:
    try:
        found: Any = parsed(raw)
    except ValueError:
        return None
    named = found.get("before") if isinstance(found, dict) else None
    return named if isinstance(named, str) else None


@dataclass(frozen=True, slots=True)
class Walk:
    """The chain of an analysis, walked from its beginning."""

    start: str  #: Digest of what is older than the chain.
    visited: tuple[Entry, ...]  #: Entries in the order of the chain.
    stray: tuple[Entry, ...]  #: Chained entries that it does not come to.
    older: int  #: Number of entries that are older than the chain.
    moved: bool  #: Whether what is older is not what the chain began from.

    def digests(self) -> tuple[str, ...]:
        """Digests of the beginning and of the entries, in order."""
        return (self.start, *(each.digest for each in self.visited))


def walk(found: Sequence[Entry]) -> Walk:
    """Follow a chain as far as it goes."""
    chained = [each for each in found if each.before is not None]
    after: dict[str, Entry] = {}
    for each in chained:
        after.setdefault(str(each.before), each)
    visited: list[Entry] = []
    at, moved = beginning(found), False
    if chained and at not in after:
        known = {each.digest for each in chained}
        starts = [each for each in chained if each.before not in known]
        moved = bool(starts)
        at = str(starts[0].before) if starts else at
    start = at
    while at in after:
        visited.append(after.pop(at))
        at = visited[-1].digest
    came = set(map(id, visited))
    stray = tuple(each for each in chained if id(each) not in came)
    return Walk(start, tuple(visited), stray, len(found) - len(chained), moved)


def breaks(store: Store, analysis: str, head: ChainHead) -> Iterator[tuple[str, str]]:
    """Say where the chain of an analysis is broken: a path below its folder, and a sentence."""
    found = entries(store, analysis)
    way = walk(found)
    last, coming = head.last.get(analysis), head.coming.get(analysis)
    if way.moved:
        yield "", "entries from before the chain began are not as they were when it began."
    for each in way.stray:
        yield each.where, "does not follow from what is there before it."
    for kind in (False, True):
        places = [each.place for each in way.visited if each.where.startswith(JOURNAL) is kind]
        if places != sorted(places):
            yield (
                JOURNAL if kind else "",
                "entries stand in another order than they were written in.",
            )
    digests = way.digests()
    if last is None and coming is None:
        if way.visited:
            yield "", "head.json does not know this analysis, whose entries are chained."
        return
    if digests[-1] in (last, coming):
        count = head.count.get(analysis)
        if not way.stray and coming is None and count != len(found):
            yield "", f"head.json counts {count} entries; there are {len(found)}."
        return
    if last in digests:
        for each in way.visited[digests.index(str(last)) :]:
            yield each.where, "was added past the head."
    elif not way.stray:
        count = head.count.get(analysis, 0)
        told = f"head.json ends at entry {count}, which is not there"
        yield "", f"{told}: a run or a line of the journal was removed or changed."


def older(store: Store, analysis: str) -> int:
    """Count the entries that no chain vouches for."""
    way = walk(entries(store, analysis))
    return way.older if not way.visited else 0


def not_vouched(store: Store, head: ChainHead) -> Iterator[tuple[str, str]]:
    """Hold a head that was kept elsewhere against a store."""
    for analysis, digest in sorted(head.last.items()):
        if digest not in walk(entries(store, analysis)).digests():
            count = head.count.get(analysis, 0)
            told = f"the kept head ends at entry {count}, which is not there or not as it was"
            yield f"runs/{analysis}", f"{told}: what came before it was removed or changed."
