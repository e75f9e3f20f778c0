"""What files of others may cost: regular files alone, and bounds on bytes, cells, keys and depth."""

import re
import stat
import tomllib
from pathlib import Path
from typing import Any, Final

from bayesrtw.printed import plain

#: Most bytes of a file that is read whole.
MOST_FILE: Final = 200_000_000

#: Most bytes of a TOML file: a data set of 100,000 studies describes its columns in a hundredth of that.
MOST_TOML: Final = 4_000_000

#: Most keys that dots join in one name, and most tables within one another: no layout here has five.
MOST_KEYS: Final = 30

#: Most cells of a table: 100,000 rows of 50 columns, some 400 MB while they are read.
MOST_CELLS: Final = 5_000_000

#: The most columns of a table: what each means is looked for, which takes 0.25 ms.
MOST_COLUMNS: Final = 5_000

#: A key as TOML writes it, and the dot after it.
_KEY: Final = r"(?:[\w-]+|\"[^\"\n]{0,99}\"|'[^'\n]{0,99}')[ \t]*\.[ \t]*"
_DOTTED: Final = re.compile(r"(?<![\w\"'-])(?:" + _KEY + f"){{{MOST_KEYS}}}")


def bytes_of(path: Any, most: int = MOST_FILE) -> bytes:
    """Read a whole file."""
    if isinstance(path, Path):
        regular(path, most)
        with path.open("rb") as file:
            raw = file.read(most + 1)
        if len(raw) > most:
            raise OSError(27, f"it has more than {most / 1e6:.0f} MB, which are read at most")
        return raw
    return bytes(path.read_bytes())


def regular(path: Path, most: int = MOST_FILE) -> None:
    """Refuse what is no regular file, or too large."""
    found = path.stat()
    if stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError(21, "Is a directory")
    if not stat.S_ISREG(found.st_mode):
        raise OSError(22, "it is a pipe or a device; give a file")
    if found.st_size > most:
        size = f"{found.st_size / 1e6:.0f} MB"
        raise OSError(27, f"it has {size}; at most {most / 1e6:.0f} MB are read")


def toml_of(text: str) -> dict[str, Any]:
    """Parse TOML."""
    if len(text) > MOST_TOML:
        raise ValueError(f"it has {len(text) / 1e6:.0f} MB; at most {MOST_TOML / 1e6:.0f} are read")
    if _DOTTED.search(text):
        raise ValueError(f"more than {MOST_KEYS} keys are joined by dots")
    try:
        return {plain(key): _plain(each) for key, each in tomllib.loads(text).items()}
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _plain(found: Any) -> Any:
    if isinstance(found, str):
        return plain(found)
    if isinstance(found, dict):
        return {plain(key): _plain(each) for key, each in found.items()}
    return [_plain(each) for each in found] if isinstance(found, list) else found


def too_many(text: str, mark: str = ",") -> str:
    """Say that a table has too many cells or columns; empty if it has not."""
    count = text.count(mark) + text.count("\n")
    if count > MOST_CELLS:
        return f"has {count:,} cells; at most {MOST_CELLS:,} are read"
    wide = 1 + max((line.count(mark) for line in text.splitlines()), default=0)
    return f"has {wide:,} columns; at most {MOST_COLUMNS:,} are read" if wide > MOST_COLUMNS else ""
