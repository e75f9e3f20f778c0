"""What the index page shows of each analysis of a store, and writing the page in its place."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from bayesrtw.durable import replace_file
from bayesrtw.errors import StoreError
from bayesrtw.living.chain import digest_of, head_of
from bayesrtw.living.journal import decisions, journal, published
from bayesrtw.living.page import MOST_RUNS, Shown, index_page
from bayesrtw.living.plain import misshapen
from bayesrtw.living.store import (
    MANIFEST,
    SHAPE,
    Run,
    Store,
    analyses,
    linked,
    read_run,
    run_names,
    said,
)

#: What is shown of a run.
SHOWN = ("created", "status", "code", "reasons", "result")
SHOWN_OF_RESULT = ("title", "question", "class", "headline", "measure", "line")


def entry_of(store: Store, analysis: str, *, most: int | None = None) -> Shown:
    """Read what is shown of an analysis."""
    names = run_names(store, analysis)
    history, faults = _readable(store, analysis, names[-(most or len(names)) :])
    if faults:
        return Shown(analysis, history, count=len(names), fault=_inside(store, faults[0]))
    try:
        decided = decisions(store, analysis)
        entries = journal(store, analysis).entries
        standing = _standing(history, decided)
        if standing is None and len(history) < len(names):
            earlier = published(store, analysis)
            if earlier is not None:
                history, standing = (earlier, *history), 0
    except StoreError as error:
        return Shown(analysis, history, count=len(names), fault=_inside(store, error))
    looked = str(entries[-1]["at"]) if entries else ""
    created = str(history[-1].manifest["created"]) if history else ""
    refused = _refused(entries, history)
    return Shown(
        analysis,
        history,
        standing,
        len(names),
        max(looked, created),
        refused,
        decided={name: str(entry.get("by", "")) for name, entry in decided.items()},
    )


def entries_of(store: Store, *, most: int | None = None) -> list[Shown]:
    """Read what is shown of every analysis; what cannot be read is among them."""
    found = [entry_of(store, name, most=most) for name in analyses(store)]
    links = [
        Shown(name, fault=f"runs/{name}: is a symbolic link; it was not followed.")
        for name in linked(store)
    ]
    kept = [entry for entry in found if entry.count or entry.fault]
    return sorted([*kept, *links], key=lambda entry: entry.analysis)


def _readable(
    store: Store, analysis: str, names: Sequence[str]
) -> tuple[tuple[Run, ...], list[StoreError]]:
    """Read runs; one that cannot be read does not hide the others."""
    history, faults = [], []
    for name in names:
        try:
            history.append(_shown(read_run(store, analysis, name)))
        except StoreError as error:
            faults.append(error)
    return tuple(history), faults


def _shown(run: Run) -> Run:
    """Give a run if it has what is shown of it."""
    lacking = misshapen(run.manifest, SHAPE, SHOWN)
    lacking = lacking or misshapen(run.manifest["result"], {}, SHOWN_OF_RESULT)
    if lacking:
        raise StoreError(f"{run.folder / MANIFEST}: is not the file of a run ({lacking}).")
    return run


def _inside(store: Store, error: StoreError) -> str:
    """Give a message with paths below the store: a page that is passed on does not tell where it lies."""
    return str(error).replace(f"{store.folder}/", "")


def _standing(history: Sequence[Run], decided: Mapping[str, Any]) -> int | None:
    """Give the place of the last run that was published."""
    for place in range(len(history) - 1, -1, -1):
        run = history[place]
        if run.manifest["status"] == "published" or run.name in decided:
            return place
    return None


def _refused(entries: Sequence[Mapping[str, Any]], history: Sequence[Run]) -> str:
    """Say why nothing came of the last look: the last entry refused something, and no run has come since."""
    if not entries or not history or entries[-1]["kind"] not in ("rejected", "failed"):
        return ""
    last = entries[-1]
    return str(last["message"]) if last.get("run") == history[-1].name else ""


def write_index(store: Store, removed: Sequence[str] = ()) -> None:
    """Write the index page of a store, in place of an earlier one."""
    path = store.folder / "index.html"
    try:
        if path.is_symlink():
            raise StoreError(f"{path}: is a symbolic link; nothing is written through it.")
        with head_of(store) as changing:
            found = entries_of(store, most=MOST_RUNS)
            page = index_page(found, removed).encode()
            own = digest_of(page)
            changing.write(replace(changing.head, index=(*changing.head.index[-1:], own)))
            replace_file(path, page)
            changing.write(replace(changing.head, index=(own,)))
    except OSError as error:
        raise StoreError(f"{path}: cannot be written ({said(error)}).") from None
