"""What the index page shows of each analysis of a store, and writing the page in its place."""

from collections.abc import Mapping, Sequence
from typing import Any

from bayesrtw.errors import StoreError
from bayesrtw.living.durable import only_writer, replace_file
from bayesrtw.living.journal import decisions, journal, published
from bayesrtw.living.page import MOST_RUNS, Entry, index_page
from bayesrtw.living.store import (
    LOCK,
    WAIT,
    Run,
    Store,
    analyses,
    read_run,
    run_names,
    said,
)


def entry_of(store: Store, analysis: str, *, most: int | None = None) -> Entry:
    """Read what is shown of an analysis.

    Parameters
    ----------
    store, analysis
        Which.
    most
        Read no more than so many of its last runs, and the one that stands; None reads all.

    Returns
    -------
    Entry
        With what is wrong, if it cannot be read.
    """
    try:
        names = run_names(store, analysis)
        history = tuple(read_run(store, analysis, name) for name in names[-(most or len(names)) :])
        decided = decisions(store, analysis)
        entries = journal(store, analysis).entries
        standing = _standing(history, decided)
        if standing is None and len(history) < len(names):
            earlier = published(store, analysis)
            if earlier is not None:
                history, standing = (earlier, *history), 0
    except StoreError as error:
        # A page that is passed on does not tell where the store lies.
        return Entry(analysis, fault=str(error).replace(f"{store.folder}/", ""))
    looked = str(entries[-1]["at"]) if entries else ""
    created = str(history[-1].manifest["created"]) if history else ""
    refused = _refused(entries, history)
    return Entry(analysis, history, standing, len(names), max(looked, created), refused)


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
    """Write the index page of a store, in place of an earlier one.

    Parameters
    ----------
    store
        The store.
    removed
        Analyses that are not among those that exist any more.

    Raises
    ------
    StoreError
        If it cannot be written.
    """
    path = store.folder / "index.html"
    try:
        if path.is_symlink():
            raise StoreError(f"{path}: is a symbolic link; nothing is written through it.")
        with only_writer(store.folder / LOCK, wait=WAIT, what=str(path)):
            found = [entry_of(store, name, most=MOST_RUNS) for name in analyses(store)]
            replace_file(path, index_page(found, removed).encode())
    except OSError as error:
        raise StoreError(f"{path}: cannot be written ({said(error)}).") from None
