"""The hashes and the version of a data set folder, written anew when its rows have changed."""

import hashlib
import json
import os
import re
from pathlib import Path
from typing import Any, Final, NamedTuple

from bayesrtw.bounded import toml_of
from bayesrtw.doubt.inspect import inspect
from bayesrtw.errors import EvidenceError, Faults, OutputError
from bayesrtw.reading.schema import FILES, parsed_toml, raw_bytes

#: Name of the file that is sealed.
DESCRIBED: Final = "dataset.toml"

#: Rule of the fault that sealing mends; see `bayesrtw.doubt.inspect`.
MENDED: Final = "changed-file"

_HEADING: Final = re.compile(r"\s*\[")
_VERSION: Final = re.compile(r"(\s*version\s*=\s*)\d+(.*)", re.DOTALL)
_FILES: Final = re.compile(r"\s*\[\s*files\s*\]\s*(#.*)?$")


class Sealed(NamedTuple):
    """What sealing did."""

    #: before, version: version of the data set before and after.
    before: int
    version: int
    #: Files whose hash was written anew, with those that lost theirs because they are gone.
    changed: tuple[str, ...]


def seal(folder: Path) -> Sealed:
    """Write the SHA-256 of every CSV file into dataset.toml, and raise its version if one had changed.

    Everything else in the file, comments included, stays as it is. First hashes, in a data set that
    declared none, do not raise the version: whether rows changed before cannot be known.
    """
    folder = folder.resolve()
    where = f"{folder.name}/{DESCRIBED}"
    raw = raw_bytes(folder / DESCRIBED, where)
    faults = Faults(EvidenceError)
    meta = parsed_toml(raw, where, faults)
    faults.raise_if_any()
    declared = dict(meta.get("files", {}))
    hashes = {
        name: hashlib.sha256(raw_bytes(folder / name, f"{folder.name}/{name}")).hexdigest()
        for name in FILES
        if (folder / name).is_file()
    }
    changed = tuple(
        name for name in {**hashes, **declared} if hashes.get(name) != declared.get(name)
    )
    faults.extend(
        dict.fromkeys(
            each.message
            for each in inspect(folder).doubts
            if each.severity == "fault" and each.rule != MENDED
        )
    )
    faults.raise_if_any()
    before = int(meta["version"])
    if not changed:
        return Sealed(before, before, ())
    version = before + 1 if declared else before
    text = _edited(raw.decode("utf-8-sig"), version, hashes)
    if _parsed(text) != {**meta, "version": version, "files": hashes}:
        raise EvidenceError(
            f"{where}: version or [files] is not written one key a line; write version = {version} and "
            f"the hashes by hand: {', '.join(f'{name} {digest}' for name, digest in hashes.items())}."
        )
    _replace(folder / DESCRIBED, text, where)
    return Sealed(before, version, changed)


def _edited(text: str, version: int, hashes: dict[str, str]) -> str:
    """Write version and hashes into the lines of a TOML file."""
    end = "\r\n" if "\r\n" in text else "\n"
    entries = [f"{json.dumps(name)} = {json.dumps(digest)}{end}" for name, digest in hashes.items()]
    lines: list[str] = []
    top, within, written, numbered = True, False, False, False
    for line in text.splitlines(keepends=True):
        if _HEADING.match(line):
            top, within = False, _FILES.match(line.rstrip("\r\n")) is not None
            if within:
                lines += [line, *entries]
                written = True
                continue
        found = _VERSION.fullmatch(line) if top and not numbered else None
        if found is not None:
            lines.append(f"{found[1]}{version}{found[2]}")
            numbered = True
        # Comments and empty lines between the old hashes stay.
        elif not within or not line.strip() or line.lstrip().startswith("#"):
            lines.append(line)
    if not written:
        last = "" if not lines or lines[-1].endswith("\n") else end
        lines += [last, end, f"[files]{end}", *entries]
    return "".join(lines)


def _parsed(text: str) -> dict[str, Any]:
    try:
        return toml_of(text)
    except ValueError:
        return {}


def _replace(path: Path, text: str, where: str) -> None:
    """Put a whole new file in the place of the old one."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        draft.write_bytes(text.encode())
        draft.chmod(path.stat().st_mode)
        draft.replace(path)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise OutputError(f"{where}: cannot be written ({error.strerror or error}).") from None
