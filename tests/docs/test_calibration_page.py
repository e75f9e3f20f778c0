"""The page of calibration counts what its tables hold."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "calibration.md").read_text(encoding="utf-8")
ROW = re.compile(r"^\| ([a-z-]+) \| (\d+) \| (exact|nuts) \| [\d,]+ \| (\d+) of (\d+) \|", re.M)


def test_the_sum_is_that_of_the_rows():
    rows = ROW.findall(PAGE)
    inside, whole = (sum(int(row[place]) for row in rows) for place in (3, 4))
    assert f"{inside} of {whole} quantities are inside" in PAGE
    assert rows


def test_no_revision_is_ahead_of_the_register():
    register = tomllib.loads((ROOT / "models" / "register.lock").read_text(encoding="utf-8"))
    for name, revision, *_ in ROW.findall(PAGE):
        assert int(revision) <= register[name]["revision"], name
