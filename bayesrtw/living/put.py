"""A filled draft becomes a run: it appears whole, or not at all, and the chain goes on with it."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bayesrtw.bounded import bytes_of
from bayesrtw.durable import sync_folder, sync_tree, umask, write_synced
from bayesrtw.errors import StoreError
from bayesrtw.living.chain import before, digest_of, linked
from bayesrtw.living.store import MANIFEST, SCHEMA, SEAL, Run, Writer, read_run, run_names


def put(writer: Writer, draft: Path, run_id: str, manifest: Mapping[str, Any]) -> Run:
    """Turn a filled draft into a run: it appears whole, or not at all."""
    names = run_names(writer.store, writer.analysis)
    sequence = int(names[-1].split("-")[0]) + 1 if names else 1
    folder = writer.store.of(writer.analysis) / f"{sequence:06d}-{run_id[:16]}"
    previous = None
    if names:
        last = read_run(writer.store, writer.analysis, names[-1])
        sealed = bytes_of(last.folder / SEAL).decode("ascii").strip()
        previous = {"name": last.name, "sha256": sealed}
    named = before(writer.store, writer.analysis)
    full = {
        "schema": SCHEMA,
        "analysis": writer.analysis,
        "sequence": sequence,
        "run_id": run_id,
        "previous": previous,
        "before": named,
        **manifest,
        "files": _files(draft),
    }
    raw = (json.dumps(full, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()
    write_synced(draft / MANIFEST, raw)
    write_synced(draft / SEAL, (hashlib.sha256(raw).hexdigest() + "\n").encode())
    draft.chmod(0o777 & ~umask())
    sync_tree(draft)
    if folder.exists() or folder.is_symlink():
        raise StoreError(f"{folder}: is in the way; nothing was touched. Move it out of the store.")
    with linked(writer.store, writer.analysis, named, digest_of(raw)):
        draft.rename(folder)
        sync_folder(folder.parent)
    return Run(folder, full)


def _files(folder: Path) -> dict[str, list[Any]]:
    """List the files below a folder with hash and size."""
    found: dict[str, list[Any]] = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            raw = path.read_bytes()
            name = path.relative_to(folder).as_posix()
            found[name] = [hashlib.sha256(raw).hexdigest(), len(raw)]
    return found
