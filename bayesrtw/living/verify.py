"""Whether a store is as it was written: every byte, every link, every name. Nothing is changed."""

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from bayesrtw.bounded import bytes_of
from bayesrtw.errors import StoreError
from bayesrtw.living.chain import (
    HEAD,
    ChainHead,
    breaks,
    digest_of,
    not_vouched,
    older,
    read_head,
    written,
)
from bayesrtw.living.journal import decisions, journal
from bayesrtw.living.store import (
    FORMAT,
    JOURNAL,
    LOCK,
    MANIFEST,
    OWN,
    PARTIAL,
    RUN,
    SCHEMA,
    SEAL,
    Run,
    Store,
    analyses,
    as_line,
    read_run,
    run_names,
    said,
)


@dataclass(frozen=True, slots=True)
class Oddity:
    """Something in a store that is not as it was written."""

    where: str  #: Path below the store.
    #: ``"fault"`` if something cannot be trusted; ``"note"`` if something else lies there.
    severity: Literal["fault", "note"]
    message: str  #: One sentence.

    def __str__(self) -> str:
        return f"{self.severity}: {self.where}: {self.message}"


def verify(store: Store, kept: ChainHead | None = None) -> list[Oddity]:
    """Check every run, journal, page and name of a store, and hold it against a head kept elsewhere."""
    found: list[Oddity] = []
    try:
        try:
            head = read_head(store.folder / HEAD)
        except StoreError as error:
            head = None
            found.append(Oddity(HEAD, "fault", _less(str(error), store, HEAD)))
        else:
            if head is not None and bytes_of(store.folder / HEAD) != written(head):
                found.append(Oddity(HEAD, "fault", "is not as it was written."))
            if head is None and any(older(store, name) for name in analyses(store)):
                text = (
                    "there is none: no chain vouches for what is here; the next update begins one."
                )
                found.append(Oddity(HEAD, "note", text))
        found += _pages(store, head or ChainHead())
        marker = bytes_of(store.folder / "store.json")
        if marker != as_line({"format": FORMAT, "schema": SCHEMA}).encode() + b"\n":
            found.append(Oddity("store.json", "fault", "is not as it was written."))
        found += _links(store)
        found += _foreign(store, store.folder, lambda name: name in OWN)
        runs = store.folder / "runs"
        if runs.is_dir():
            known = analyses(store)
            found += _foreign(store, runs, lambda name: name in known)
            found += _strangers(store, known)
        for analysis in analyses(store):
            found += _analysis(store, analysis, head or ChainHead())
        for analysis in sorted({*(head or ChainHead()).last} - {*analyses(store)}):
            text = "is gone; head.json knows its entries."
            found.append(Oddity(f"runs/{analysis}", "fault", text))
        if kept is not None:
            found += [Oddity(where, "fault", text) for where, text in not_vouched(store, kept)]
    except OSError as error:
        raise StoreError(f"{store.folder}: cannot be read ({said(error)}).") from None
    return found


def verify_run(run: Run) -> list[Oddity]:
    """Check the files of one run against its list."""
    where = f"runs/{run.manifest['analysis']}/{run.name}"
    found = []
    listed: dict[str, Any] = run.manifest["files"]
    for name, told in listed.items():
        if not (isinstance(told, list) and len(told) == 2):
            found.append(Oddity(f"{where}/{name}", "fault", "is listed without digest and size."))
            continue
        sha, size = told
        path = run.folder / name
        if not _inside(path, run.folder):
            found.append(
                Oddity(f"{where}/{name}", "fault", "leads out of the run; it was not read.")
            )
        elif not path.is_file():
            found.append(Oddity(f"{where}/{name}", "fault", "is missing."))
        elif path.stat().st_size != size or _digest(path) != sha:
            found.append(Oddity(f"{where}/{name}", "fault", "is not as it was written."))
    sealed = hashlib.sha256(bytes_of(run.folder / MANIFEST)).hexdigest()
    if bytes_of(run.folder / SEAL) != f"{sealed}\n".encode():
        found.append(Oddity(f"{where}/{SEAL}", "fault", "is not as it was written."))
    own = {*listed, MANIFEST, SEAL}
    for path in sorted(run.folder.rglob("*")):
        name = path.relative_to(run.folder).as_posix()
        if name not in own and (path.is_symlink() or not path.is_dir()):
            found.append(Oddity(f"{where}/{name}", "note", "was not written by this program."))
    identity = hashlib.sha256(as_line(run.manifest["identity"]).encode()).hexdigest()
    if identity != run.manifest["run_id"] or not run.name.endswith(identity[:16]):
        found.append(Oddity(where, "fault", "its name is not the identity of its inputs."))
    if run.sequence != int(run.name.split("-")[0]):
        found.append(Oddity(where, "fault", "its name is not its place in the series."))
    return found


def vouched(store: Store, run: Run) -> None:
    """Refuse to build on a run, or on the chain behind it, that is not as it was written."""
    analysis = str(run.manifest["analysis"])
    faults = [str(each) for each in verify_run(run) if each.severity == "fault"]
    head = read_head(store.folder / HEAD) or ChainHead()
    faults += [f"runs/{analysis}: {where} {text}" for where, text in breaks(store, analysis, head)]
    damaged = journal(store, analysis).damaged
    faults += [f"{JOURNAL}: line {number} is not as it was written." for number in damaged]
    if faults:
        raise StoreError(
            f"{run.folder}: nothing is compared with it, since the store is not as it was written "
            f"({faults[0]}) Restore it from a copy; `bayesrtw verify` says more. Nothing was added."
        )


def _digest(path: Path) -> str:
    """Give the SHA-256 of a file of any size, a piece of it at a time."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _pages(store: Store, head: ChainHead) -> Iterator[Oddity]:
    """Hold the index page against what was written, or, where nobody noted that, against the runs."""
    path = store.folder / "index.html"
    if path.is_symlink() or not path.is_file():
        if path.exists() and not path.is_symlink():
            yield Oddity(path.name, "fault", "is no file of its own; move it out of the store.")
        elif head.index:
            yield Oddity(path.name, "note", "is missing; the next update writes it.")
        return
    page = bytes_of(path)
    if head.index:
        if digest_of(page) not in head.index:
            text = "is not the page that was written; the next update writes it anew."
            yield Oddity(path.name, "fault", text)
        return
    names = [run_names(store, name)[-1:] for name in analyses(store)]
    absent = [name for last in names for name in last if name.encode() not in page]
    if absent:
        yield Oddity(
            path.name, "fault", f"does not show {absent[0]}, the last run of its analysis."
        )


def _analysis(store: Store, analysis: str, head: ChainHead) -> Iterator[Oddity]:
    folder = store.of(analysis)
    yield from _foreign(
        store, folder, lambda name: name in (LOCK, JOURNAL) or bool(RUN.fullmatch(name))
    )
    last: Run | None = None
    broken = False
    for name in run_names(store, analysis):
        where = f"runs/{analysis}/{name}"
        try:
            run = read_run(store, analysis, name)
        except StoreError as error:
            yield Oddity(where, "fault", _less(str(error), store, where))
            last, broken = None, True
            continue
        yield from verify_run(run)
        yield from _concluded(where, run)
        if not broken:
            yield from _chained(where, run, last)
        last, broken = run, False
    for place, text in breaks(store, analysis, head):
        yield Oddity(f"runs/{analysis}/{place}".rstrip("/"), "fault", text)
    try:
        yield from _referred(store, analysis)
        lines = journal(store, analysis).damaged
    except StoreError as error:
        where = f"runs/{analysis}/{JOURNAL}"
        yield Oddity(where, "fault", _less(str(error), store, where))
        return
    for number in lines:
        yield Oddity(
            f"runs/{analysis}/{JOURNAL}", "fault", f"line {number} is not as it was written."
        )


def _concluded(where: str, run: Run) -> Iterator[Oddity]:
    """Recompute a run's class from the probabilities that it stored, and hold its page against them."""
    from bayesrtw.living.recomputed import contradicted  # noqa: PLC0415 - needs numerical libraries
    from bayesrtw.living.told import untold  # noqa: PLC0415 - the same

    if "result" in run.manifest:
        for text in (*contradicted(run), *untold(run)):
            yield Oddity(where, "fault", text)


def _referred(store: Store, analysis: str) -> Iterator[Oddity]:
    """Hold what the journal says of runs, and runs of what was published, against one another."""
    names = run_names(store, analysis)
    where = f"runs/{analysis}/{JOURNAL}"
    told = {str(entry["run"]) for entry in journal(store, analysis).entries if entry.get("run")}
    for name in sorted(told - {*names}):
        yield Oddity(where, "fault", f"tells of the run {name}, which is not there.")
    decided = decisions(store, analysis)
    held: dict[str, str] = {}
    for name in names:
        try:
            manifest = read_run(store, analysis, name).manifest
        except StoreError:
            continue
        base = manifest.get("baseline")
        if base in held and held[base] != "published" and base not in decided:
            text = f"does not publish {base}, which {name} was compared with as published."
            yield Oddity(where, "fault", text)
        held[name] = str(manifest["status"])


def _chained(where: str, run: Run, last: Run | None) -> Iterator[Oddity]:
    """Hold a run's word about the one before it against that one."""
    previous = run.manifest["previous"]
    if previous is None and last is None:
        return
    if previous is None or last is None or previous["name"] != last.name:
        told = previous["name"] if previous else "none"
        yield Oddity(where, "fault", f"the run before it was {told}, and is not there.")
    elif bytes_of(last.folder / SEAL).decode("ascii").strip() != previous["sha256"]:
        yield Oddity(where, "fault", f"the run before it, {last.name}, was written anew since.")


def _less(message: str, store: Store, where: str) -> str:
    """Take the path away that a message begins with and that is told beside it."""
    return message.removeprefix(f"{store.folder / where}").removeprefix("/").removeprefix(": ")


def _strangers(store: Store, known: tuple[str, ...]) -> Iterator[Oddity]:
    """Name folders among those of analyses that no writer made: they have neither runs nor its lock."""
    for name in known:
        if not run_names(store, name) and not (store.of(name) / LOCK).exists():
            yield Oddity(
                f"runs/{name}", "note", "was not written by this program; it stays as it is."
            )


def _foreign(store: Store, folder: Path, own: Any) -> Iterator[Oddity]:
    for item in sorted(folder.iterdir()):
        where = item.relative_to(store.folder).as_posix()
        if item.is_symlink() or own(item.name):
            continue
        if PARTIAL.fullmatch(item.name):
            yield Oddity(where, "note", "unfinished work of a writer; the next update removes it.")
        else:
            yield Oddity(where, "note", "was not written by this program; it stays as it is.")


def _links(store: Store) -> Iterator[Oddity]:
    """Name symbolic links; none is followed."""
    for place, folders, files in os.walk(store.folder):
        for name in sorted([*folders, *files]):
            path = Path(place) / name
            if not path.is_symlink():
                continue
            where = path.relative_to(store.folder).as_posix()
            out = "" if _inside(path, store.folder) else " that leaves the store"
            yield Oddity(where, "fault", f"is a symbolic link{out}; it was not followed.")


def _inside(path: Path, folder: Path) -> bool:
    return path.resolve().is_relative_to(folder.resolve())
