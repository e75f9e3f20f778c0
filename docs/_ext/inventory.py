"""Write the inventories of the neighbours from a table in the repository: no build asks a network."""

import tomllib
import zlib
from pathlib import Path


def mapping(table: Path, folder: Path) -> dict[str, tuple[str, str]]:
    """Write one ``objects.inv`` a project and say where each is.

    The table names only what these pages link to; a page that a project moves is one line here.
    """
    folder.mkdir(parents=True, exist_ok=True)
    found = {}
    for name, project in tomllib.loads(table.read_text(encoding="utf-8")).items():
        head = (
            "# Sphinx inventory version 2\n"
            f"# Project: {name}\n# Version: \n"
            "# The remainder of this file is compressed using zlib.\n"
        )
        lines = "".join(
            f"{target} py:{role} 1 {address} -\n"
            for target, (role, address) in project["objects"].items()
        )
        path = folder / f"{name}.inv"
        path.write_bytes(head.encode() + zlib.compress(lines.encode()))
        found[name] = (project["address"], str(path))
    return found
