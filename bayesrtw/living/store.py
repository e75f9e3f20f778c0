"""The append-only store of runs.

::

    STORE/store.json                        what this folder is, and the version of its layout
    STORE/head.json                         where the chain of each analysis ends
    STORE/runs/<analysis>/journal.jsonl     heartbeats and decisions, one a line
    STORE/runs/<analysis>/000007-3f9c.../   one run: run.json, run.sha256, and the files that it lists

A run's name is its place in the series, counted and not dated, and its identity: a hash of the
analysis, the evidence, the engine, the seed and the versions. Nothing is ever changed or deleted but
unfinished folders of writers that no longer run. Reads nothing but JSON: no numerical library.
"""

import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bayesrtw.bounded import bytes_of
from bayesrtw.durable import (
    only_writer,
    replace_file,
    sync_folder,
)
from bayesrtw.errors import StoreError
from bayesrtw.living.plain import misshapen, parsed

#: Version of the layout of stores and runs; readers refuse higher ones.
SCHEMA = 1

#: What store.json says first.
FORMAT = "bayesrtw store of runs"

#: A run's folder: place in the series, then the beginning of its identity.
RUN = re.compile(r"(\d{6,})-([0-9a-f]{16})")

#: Unfinished work of a writer.
PARTIAL = re.compile(r"\.partial-[\w-]+")

#: What an analysis's folder holds beside runs.
LOCK, JOURNAL = ".lock", "journal.jsonl"

#: Files of a run that the list of files cannot hold.
MANIFEST, SEAL = "run.json", "run.sha256"

#: Names in a store's folder that are its own; the lock is of the index page.
OWN = ("store.json", "runs", "index.html", "head.json", ".lock")

#: What a run's manifest holds, and what readers cannot do without.
SHAPE: dict[str, tuple[type, ...]] = {
    **dict.fromkeys(("schema", "sequence", "series", "code"), (int,)),
    **dict.fromkeys(("analysis", "run_id", "status", "created"), (str,)),
    **dict.fromkeys(("previous",), (dict, type(None))),
    **dict.fromkeys(("baseline", "before"), (str, type(None))),
    **dict.fromkeys(("identity", "files", "inputs", "result"), (dict,)),
    "reasons": (list,),
}
NEEDED = ("schema", "analysis", "sequence", "run_id", "previous", "identity", "status", "files")

#: Ids of analyses, which are names of folders: nothing that leads elsewhere, and nothing hidden.
ID = re.compile(r"(?!\.)[^/\\\x00-\x1f\x7f-\x9f\ud800-\udfff]{1,150}(?<!\.)")

#: Most digits of a place in a series that a person may write.
MOST_DIGITS = 12

#: Seconds that a writer waits for another one.
WAIT = 600.0


@dataclass(frozen=True, slots=True)
class Store:
    """A store that was opened."""

    folder: Path  #: Where it is.

    def of(self, analysis: str) -> Path:
        """Give the folder of an analysis's runs."""
        return self.folder / "runs" / analysis


@dataclass(frozen=True, slots=True)
class Run:
    """One stored run."""

    folder: Path  #: Where it is.
    manifest: Mapping[str, Any]  #: What ``run.json`` says.

    @property
    def name(self) -> str:
        """Name of the run: place in the series and identity."""
        return self.folder.name

    @property
    def sequence(self) -> int:
        """Place among the runs of its analysis, from 1."""
        return int(self.manifest["sequence"])


def now() -> str:
    """Give the time, for people: nothing is ordered by it."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def open_store(folder: Path, *, create: bool = False) -> Store:
    """Open a store."""
    marker = folder / "store.json"
    try:
        if not marker.is_file():
            if not create:
                raise StoreError(
                    f"{folder}: is no store; there is no store.json. `bayesrtw update --store {folder}` "
                    "makes one in a new or an empty folder."
                )
            _make(folder, marker)
        found = parsed(bytes_of(marker))
    except (OSError, ValueError) as error:
        if isinstance(error, StoreError):
            raise
        raise StoreError(f"{folder}: cannot be used as a store ({said(error)}).") from None
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        raise StoreError(
            f"{marker}: is not the file of a store; nothing was touched. Choose another --store."
        )
    schema = found.get("schema", 0)
    if not isinstance(schema, int) or schema > SCHEMA:
        raise StoreError(
            f"{folder}: was written by a later version (schema {schema!r}; this one reads {SCHEMA}); "
            "update bayesrtw. Nothing was touched."
        )
    if (folder / "runs").is_symlink():
        raise StoreError(
            f"{folder / 'runs'}: is a symbolic link; a store holds its own runs. Put the folder itself there."
        )
    return Store(folder)


def _make(folder: Path, marker: Path) -> None:
    if folder.exists() and any(not PARTIAL.fullmatch(item.name) for item in folder.iterdir()):
        # Another process may be making the same store: its marker is the last thing to appear.
        if marker.is_file():
            return
        raise StoreError(
            f"{folder}: holds other things and is no store; nothing was touched. Choose a new or an "
            "empty folder."
        )
    folder.mkdir(parents=True, exist_ok=True)
    replace_file(marker, as_line({"format": FORMAT, "schema": SCHEMA}).encode() + b"\n")


def check_id(analysis: str) -> None:
    """Refuse ids that are no names of folders of their own, before anything is made."""
    if not ID.fullmatch(analysis):
        raise StoreError(
            f"{analysis[:80]!r} is no id of an analysis: it names a folder, so it holds no / and no \\, does "
            "not begin or end with a full stop, and has at most 150 characters; name its file otherwise. "
            "Nothing was written."
        )


def analyses(store: Store) -> tuple[str, ...]:
    """Name the analyses that have a folder in a store."""
    root = store.folder / "runs"
    if not root.is_dir():
        return ()
    with os.scandir(root) as items:
        return tuple(sorted(item.name for item in items if item.is_dir(follow_symlinks=False)))


def linked(store: Store) -> tuple[str, ...]:
    """Name the symbolic links that lie where folders of analyses do; none is followed."""
    root = store.folder / "runs"
    if not root.is_dir():
        return ()
    with os.scandir(root) as items:
        return tuple(sorted(item.name for item in items if item.is_symlink()))


def run_names(store: Store, analysis: str) -> tuple[str, ...]:
    """Name the runs of an analysis without reading them."""
    folder = store.of(analysis)
    if folder.is_symlink() or not folder.is_dir():
        return ()
    with os.scandir(folder) as items:
        names = [
            item.name
            for item in items
            if RUN.fullmatch(item.name) and item.is_dir(follow_symlinks=False)
        ]
    return tuple(sorted(names, key=lambda name: (int(name.split("-")[0]), name)))


def read_run(store: Store, analysis: str, name: str) -> Run:
    """Read one run's manifest."""
    folder = store.of(analysis) / name
    try:
        for part in (MANIFEST, SEAL):
            if (folder / part).is_symlink():
                raise StoreError(
                    f"{folder / part}: is a symbolic link; it was not followed. `bayesrtw verify` says more."
                )
        raw = bytes_of(folder / MANIFEST)
        sealed = bytes_of(folder / SEAL).decode("ascii").strip()
        manifest = parsed(raw)
    except (OSError, ValueError) as error:
        if isinstance(error, StoreError):
            raise
        raise StoreError(
            f"{folder}: cannot be read ({said(error)}); `bayesrtw verify` says more. Nothing was touched."
        ) from None
    schema = manifest.get("schema") if isinstance(manifest, dict) else None
    lacking = misshapen(manifest, SHAPE, NEEDED)
    if schema is None or (lacking and schema == SCHEMA):
        raise StoreError(
            f"{folder / MANIFEST}: is not the file of a run ({lacking}); nothing was touched. Restore it "
            "from a copy."
        )
    if not isinstance(schema, int) or schema > SCHEMA:
        raise StoreError(
            f"{folder}: was written by a later version (schema {schema!r}; this one reads {SCHEMA}); "
            "update bayesrtw. Nothing was touched."
        )
    if hashlib.sha256(raw).hexdigest() != sealed:
        raise StoreError(
            f"{folder / MANIFEST}: is not as it was written; `bayesrtw verify` says more. Restore it from "
            "a copy; nothing was touched."
        )
    return Run(folder, manifest)


def runs(store: Store, analysis: str) -> tuple[Run, ...]:
    """Read the manifests of all runs of an analysis."""
    return tuple(read_run(store, analysis, name) for name in run_names(store, analysis))


def find_run(store: Store, name: str) -> Run:
    """Find a run by what a person writes."""
    analysis, _, rest = name.strip("/").removeprefix("runs/").partition("/")
    known = analyses(store)
    found: list[tuple[str, str]] = []
    if analysis in known:
        names = run_names(store, analysis)
        if rest in ("", "latest"):
            names = names[-1:]
        elif rest.isdecimal() and len(rest) <= MOST_DIGITS:
            names = tuple(each for each in names if int(each.split("-")[0]) == int(rest))
        else:
            names = tuple(each for each in names if each.startswith(rest) or _tail(each, rest))
        found = [(analysis, each) for each in names]
    elif not rest:
        found = [
            (own, each)
            for own in known
            for each in run_names(store, own)
            if each == name or _tail(each, name)
        ]
    if len(found) != 1:
        what = "names no run" if not found else f"names {len(found)} runs"
        raise StoreError(
            f"{name[:80]!r} {what} of {store.folder}; write ANALYSIS, ANALYSIS/NUMBER or ANALYSIS/NAME as "
            "`bayesrtw history` prints it."
        )
    return read_run(store, *found[0])


def _tail(name: str, start: str) -> bool:
    return len(start) >= 4 and name.split("-")[1].startswith(start)


@dataclass(frozen=True, slots=True)
class Writer:
    """The one process that may add to an analysis."""

    store: Store  #: The store.
    analysis: str  #: Id of the analysis.


@contextmanager
def writing(store: Store, analysis: str, *, wait: float = WAIT) -> Iterator[Writer]:
    """Be the one writer of an analysis while the block runs.

    Unfinished folders found here belong to writers that no longer run, since a living one would hold
    the lock; they are removed.
    """
    folder = store.of(analysis)
    check_id(analysis)
    try:
        for level in (folder.parent, folder):
            if level.is_symlink():
                raise StoreError(
                    f"{level}: is a symbolic link; nothing is written through it. Put the folder there."
                )
            if not level.is_dir():
                level.mkdir(exist_ok=True)
                sync_folder(level.parent)
        if (folder / LOCK).is_symlink():
            raise StoreError(f"{folder / LOCK}: is a symbolic link; nothing is written through it.")
        with only_writer(folder / LOCK, wait=wait, what=str(folder)):
            for item in folder.iterdir():
                if PARTIAL.fullmatch(item.name) and item.is_dir() and not item.is_symlink():
                    shutil.rmtree(item)
            yield Writer(store, analysis)
    except OSError as error:
        raise StoreError(
            f"{folder}: cannot be written ({said(error)}); nothing was added."
        ) from None


@contextmanager
def drafting(writer: Writer) -> Iterator[Path]:
    """Make a folder that no reader looks at, to be filled before it becomes a run."""
    draft = Path(tempfile.mkdtemp(prefix=".partial-", dir=writer.store.of(writer.analysis)))
    try:
        yield draft
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def as_line(content: object) -> str:
    """Write plain data as one line of JSON with sorted keys."""
    return json.dumps(content, sort_keys=True, ensure_ascii=False, allow_nan=False)


def said(error: Exception) -> str:
    """Say what an error of the system says, without its number and path."""
    return str(error.strerror) if isinstance(error, OSError) and error.strerror else str(error)
