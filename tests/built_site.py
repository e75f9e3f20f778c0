"""The built pages, for the tests that read them: where they are, and whether they are of this code."""

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SITE = ROOT / "docs" / "_build" / "html"
BUILD = "uv run --group docs sphinx-build -W docs docs/_build/html"


def why_not() -> str:
    """Say why the pages cannot be tested; empty where they can."""
    index = SITE / "searchindex.js"  # is written last
    if not index.exists():
        return f"the pages are not built: {BUILD}"
    sources = [
        path
        for folder in ("bayesrtw", "models", "data", "docs")
        for path in (ROOT / folder).rglob("*.*")
        if not {"_build", "generated", "__pycache__"} & set(path.parts) and path.is_file()
    ]
    if max(path.stat().st_mtime for path in sources) > index.stat().st_mtime:
        return f"the pages are older than what they are built from: {BUILD}"
    return ""


where_built = pytest.mark.skipif(bool(why_not()), reason=why_not())
