"""Run again when the evidence in a folder changes: polling, by content, once it has settled."""

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bayesrtw.errors import EvidenceError

#: Files in a watched folder; more is a mistake, e.g. a home folder.
MOST_FILES = 20_000


@dataclass(frozen=True, slots=True)
class Pace:
    """How often a watch looks."""

    poll: float = 2.0  #: Seconds between two looks.
    settle: float = 1.0  #: Seconds for which nothing may change before anything is run.
    #: Seconds after which it runs even if nothing changed, for what a schedule makes due.
    at_least: float = 86_400.0


def watch(
    folder: Path,
    run: Callable[[], None],
    *,
    pace: Pace,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Run once, and again whenever the content of a folder has changed and settled.

    Ends by `KeyboardInterrupt`, or whatever `run` and `sleep` raise.
    """
    seen, started = "", float("-inf")
    while True:
        quick = glance(folder)
        if clock() - started >= pace.at_least or quick != seen:
            quick = _settled(folder, quick, pace, sleep)
            seen, started = quick, clock()
            run()
        sleep(pace.poll)


def _settled(folder: Path, quick: str, pace: Pace, sleep: Callable[[float], None]) -> str:
    """Wait until two looks, `settle` seconds apart, see the same."""
    while True:
        sleep(pace.settle)
        again = glance(folder)
        if again == quick:
            return again
        quick = again


def glance(folder: Path) -> str:
    """Hash names and contents of the files in a folder."""
    if not folder.is_dir():
        raise EvidenceError(f"{folder}: is no folder any more; nothing can be watched there.")
    sha = hashlib.sha256()
    paths = [
        path
        for path in sorted(folder.rglob("*"))
        if not any(part.startswith(".") for part in path.relative_to(folder).parts)
    ]
    if len(paths) > MOST_FILES:
        raise EvidenceError(
            f"{folder}: holds {len(paths)} files; a watched folder has at most {MOST_FILES}."
        )
    for path in paths:
        try:
            content = path.read_bytes() if path.is_file() else b""
        except OSError:
            # Gone or locked between the listing and now: an editor is at work, and the next look sees.
            content = b"\0unreadable"
        sha.update(f"{path.relative_to(folder).as_posix()}\0{len(content)}\0".encode() + content)
    return sha.hexdigest()
