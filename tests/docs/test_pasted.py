"""Blocks of the first pages, pasted in order: commands into a shell, Python into one session.

A reader stands in a clone; here that is an empty folder which sees the `docs` and `tests` of the
repository and nothing else, so that what is written lands there. `uv run` finds the project and leaves
its environment alone.
"""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pandas as pd
import pytest

ROOT = Path(__file__).parents[2]

#: The uv that runs the tests, or one on the path.
UV = os.environ.get("UV") or shutil.which("uv")

#: Page, what a reader has when he comes to it, and the files that are there when he is through.
PAGES = {
    "docs/index.md": ({}, []),
    "docs/start/first-answer.md": ({}, ["results/time-to-rtw/synthesis.json"]),
    "docs/start/spreadsheet.md": ({}, ["results/index.html"]),
    "docs/start/cochrane.md": ({}, ["fleiss/dataset.toml", "results/index.html"]),
    "README.md": (
        {"frame": pd.DataFrame({"study": list("ABC"), "effect": [0.3, 0.1, 0.2], "se": [0.1] * 3})},
        ["forest.svg"],
    ),
}


def blocks(page):
    """Give the code of a page in order: (language, text)."""
    text = page.read_text("utf-8")
    text = re.sub(r"(?<=\{code-cell\} python\n)---\n.*?^---\n", "", text, flags=re.S | re.M)
    found = re.findall(r"^```(?:\{code-cell\} )?(bash|python)\n(.*?)^```", text, re.S | re.M)
    return [
        (language, "\n".join(line for line in code.splitlines() if not line.startswith(":")))
        for language, code in found
        if "remove-cell" not in code
    ]


@pytest.fixture
def clone(tmp_path, monkeypatch):
    for name in ("docs", "tests"):
        (tmp_path / name).symlink_to(ROOT / name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("UV_PROJECT", str(ROOT))
    monkeypatch.setenv("UV_NO_SYNC", "1")
    monkeypatch.setenv("PATH", f"{Path(UV).parent}{os.pathsep}{os.environ['PATH']}")
    return tmp_path


def pasted(code, folder):
    """Run commands in a shell that stops at the first one that fails."""
    found = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", code],
        cwd=folder, env=os.environ, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert found.returncode == 0, f"{code}\n{found.stdout}\n{found.stderr}"


@pytest.mark.skipif(UV is None, reason="uv is not installed; the pages call it")
@pytest.mark.parametrize("name", PAGES)
def test_the_blocks_of_a_page_run_pasted_in_order(name, clone):
    session, left = PAGES[name]
    session = dict(session)
    ran = 0
    for language, code in blocks(ROOT / name):
        if language == "bash":
            pasted(code, clone)
        else:
            exec(compile(code, name, "exec"), session)
        ran += 1
    assert ran > 0
    missing = [path for path in left if not (clone / path).exists()]
    assert missing == []
