"""Files that are on the disk when a function returns, and one writer at a time.

A file or a folder is written under a name that no reader looks at, flushed to the disk, and renamed:
whatever happens in between, readers see all of it or nothing.
"""

import os
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bayesrtw.errors import OutputError, StoreError

#: Seconds between two attempts to become the one writer.
PAUSE = 0.02

#: How names of unfinished files and folders begin.
DRAFT = ".partial-"

#: Seconds in which a draft may not be held by its writer yet.
FRESH = 60.0

#: Refuses to open a file through a symbolic link, where the platform can.
NO_LINK = getattr(os, "O_NOFOLLOW", 0)


def write_synced(path: Path, content: bytes) -> None:
    """Write a file and flush it to the disk."""
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Flush the names in a folder to the disk, where the platform can."""
    if sys.platform == "win32":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_tree(folder: Path) -> None:
    """Flush every file and folder below a folder to the disk, the folder itself last."""
    for place, _, names in os.walk(folder, topdown=False):
        for name in names:
            handle = os.open(Path(place) / name, os.O_RDWR)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)
        sync_folder(Path(place))


def replace_file(path: Path, content: bytes, *, sync: bool = True) -> None:
    """Put a file in the place of an earlier one: readers see the old or the new, never half."""
    draft = path.with_name(f"{DRAFT}{os.getpid()}-{os.urandom(4).hex()}")
    try:
        if sync:
            write_synced(draft, content)
        else:
            draft.write_bytes(content)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    if sync:
        sync_folder(path.parent)


def write_whole(path: Path, content: bytes) -> None:
    """Write a file that a person named: whole or not at all; what is no file, such as a device, as it is."""
    place = path.resolve()
    if place.exists() and not place.is_file():
        place.write_bytes(content)
    else:
        replace_file(place, content, sync=False)


@contextmanager
def writing(place: Path | str, remedy: str = "; choose another --out") -> Iterator[None]:
    """Say of a place that a person named that it cannot be written, and why."""
    try:
        yield
    except OSError as error:
        why = error.strerror or error
        raise OutputError(f"{place}: cannot be written ({why}){remedy}.") from None


@contextmanager
def draft_folder(parent: Path) -> Iterator[Path]:
    """Make a folder that no reader looks at, to be filled and put in its place; those of the dead go."""
    for item in parent.glob(f"{DRAFT}*"):
        if not item.is_symlink() and item.is_dir() and _left(item):
            shutil.rmtree(item, ignore_errors=True)
    place = parent / f"{DRAFT}{os.getpid()}-{os.urandom(4).hex()}"
    place.mkdir()
    handle = os.open(place, os.O_RDONLY) if sys.platform != "win32" else None
    try:
        if handle is not None:
            _taken(handle)
        yield place
    finally:
        if handle is not None:
            os.close(handle)
        shutil.rmtree(place, ignore_errors=True)


def _left(folder: Path) -> bool:
    """Whether nobody holds a draft any more; one that was made this minute may not be held yet."""
    if sys.platform == "win32":
        return False
    try:
        handle = os.open(folder, os.O_RDONLY | NO_LINK)
    except OSError:
        return False
    try:
        return time.time() - os.fstat(handle).st_mtime > FRESH and _taken(handle)
    finally:
        os.close(handle)


def append_line(path: Path, line: str) -> None:
    """Append one line to a file, whole or not at all; the caller is the only writer."""
    how = os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0)
    handle = os.open(path, how | NO_LINK, 0o666)
    try:
        before = os.fstat(handle).st_size
        torn = False
        if before:
            os.lseek(handle, -1, os.SEEK_END)
            torn = os.read(handle, 1) != b"\n"
        content = (b"\n" if torn else b"") + line.encode() + b"\n"
        try:
            if os.write(handle, content) != len(content):
                raise OSError(28, "No space left on device")  # noqa: TRY301 - undone right below
            os.fsync(handle)
        except OSError:
            os.ftruncate(handle, before)
            raise
    finally:
        os.close(handle)


@contextmanager
def only_writer(path: Path, *, wait: float, what: str) -> Iterator[None]:
    """Be the only writer while the block runs; the system lets go when a process dies."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | NO_LINK, 0o666)
    try:
        until = time.monotonic() + wait
        while not _taken(handle):
            if time.monotonic() >= until:
                raise StoreError(
                    f"{what}: another process has been writing for {wait:g} s; wait for it, or raise --wait."
                )
            time.sleep(PAUSE)
        yield
    finally:
        os.close(handle)


def _taken(handle: int) -> bool:
    """Try to take the lock of an open file."""
    try:
        if sys.platform == "win32":
            import msvcrt  # noqa: PLC0415

            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl  # noqa: PLC0415

            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    return True


def umask() -> int:
    """Give the permissions that this process takes from what it makes."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
