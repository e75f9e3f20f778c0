"""Mutated briefs and stores of runs: every changed byte is a fault, and no reader breaks."""

import hashlib
import json
import tempfile
from functools import cache
from pathlib import Path

from bayesrtw.errors import StoreError
from bayesrtw.living.index import entries_of, write_index
from bayesrtw.living.journal import journal, note, published
from bayesrtw.living.page import index_page
from bayesrtw.living.put import put
from bayesrtw.living.store import (
    analyses,
    as_line,
    drafting,
    find_run,
    open_store,
    run_names,
    writing,
)
from bayesrtw.living.verify import verify, vouched

#: What a value of JSON may turn into.
VALUES = (
    *("NaN", "-Infinity", "1e999", "null", "true", "[]", "{}", '""', '"\\ud800"', '"\\u202e"'),
    *("-1", "0", "9" * 400, "[" * 50_000, '{"a":' * 20_000, '"' + "x" * 100_000 + '"', "[[1]]"),
)
#: What reading an input may end in where nothing was mutated.
VALID = ("evidence", "an analysis", "a brief", "a store as it was")

BRIEF = Path(__file__).parents[2] / "data" / "evidence-brief"
CLASS = "benefit more likely than not"


def brief():
    """Files of the shipped brief."""
    return {f"evidence-brief/{f}": (BRIEF / f).read_bytes() for f in ("brief.toml", "claims.csv")}


def _run(opened, number):
    identity = {
        "analysis": str(number),
        "evidence": "e",
        "engine": {"kind": "exact"},
        "seed": 1,
        "versions": {},
    }
    run_id = hashlib.sha256(as_line(identity).encode()).hexdigest()
    concluded = {"name": CLASS, "benefit": 0.8, "harm": 0.2, "opposite": 0.3, "sceptical": 0.7}
    asked = {"of": "mu", "side": "above", "threshold": 0.0, "probability": 0.8}
    result = {
        **{"title": "T", "question": "Q", "class": CLASS, "conclusion": concluded, "failed": []},
        **{"headline": "H", "measure": "log_hazard_ratio", "line": [0.1, 0.2, 0.3], "unit": ""},
        **{
            "caveat": "",
            "studies": 3,
            "estimates": 3,
            "set_aside": [],
            "revision": 1,
            "version": 1,
        },
        **{"back": {"median": 1.2, "lower": 1.1, "upper": 1.3}, "dataset": "d", "registered": None},
    }
    with writing(opened, "a") as writer, drafting(writer) as draft:
        (draft / "synthesis.json").write_text(json.dumps({"estimands": {"pooled": asked}}))
        (draft / "analysis.json").write_text(json.dumps({"conclusion": {"probable": 0.9}}))
        (draft / "report.html").write_text("<p>T</p>")
        manifest = {
            **{"identity": identity, "status": "draft", "code": 0, "reasons": ["r"], "series": 1},
            **{"created": "2026-01-01T00:00:00+00:00", "baseline": None, "result": result},
            **{"inputs": {"analysis": "a", "evidence": "e"}, "every_days": None, "seconds": 0.1},
        }
        return put(writer, draft, run_id, manifest).name


@cache
def seed():
    """Files of a store with three runs, five lines of a journal and an index page."""
    with tempfile.TemporaryDirectory() as place:
        opened = open_store(Path(place) / "store", create=True)
        names = [_run(opened, number) for number in range(2)]
        with writing(opened, "a") as writer:
            note(writer, "published", run=names[1], by="Ann", reason="read")
            note(writer, "heartbeat", run=names[1], seen={"analysis": "a"}, fitted="", refit=False)
        names.append(_run(opened, 2))
        with writing(opened, "a") as writer:
            note(writer, "rejected", run=names[2], message="row 3")
        write_index(opened)
        return {
            f"store/{path.relative_to(opened.folder)}": path.read_bytes()
            for path in sorted(opened.folder.rglob("*"))
            if path.is_file()
        }


def mutate_json(raw, rng):
    """Change lines, values and keys of JSON, or of one line each."""
    lines = raw.decode("utf-8", errors="replace").split("\n")
    how = rng.randrange(6)
    row = rng.randrange(len(lines))
    if how == 0:
        lines.pop(row)
    elif how == 1:
        lines.append(rng.choice(lines))
    elif how == 2:
        rng.shuffle(lines)
    elif how == 3:
        lines[row] = rng.choice(VALUES)
    else:
        text = lines[row]
        spot = text.find(": ", rng.randrange(len(text) or 1))
        if spot >= 0:
            end = min((at for at in (text.find(c, spot) for c in ",}]") if at > 0), default=None)
            lines[row] = text[: spot + 2] + rng.choice(VALUES) + (text[end:] if end else ",")
    return "\n".join(lines).encode("utf-8", errors="replace")


def attempt(path):
    """Read a store in every way; a changed file is a fault, and so is one that is gone."""
    held = {
        f"store/{each.relative_to(path)}": each.read_bytes()
        for each in sorted(path.rglob("*"))
        if each.is_file()
    }
    opened = open_store(path)
    found = verify(opened)
    index_page(entries_of(opened))
    for name in analyses(opened):
        journal(opened, name)
        for run in run_names(opened, name):
            try:
                vouched(opened, find_run(opened, f"{name}/{run}"))
            except StoreError:
                continue
        published(opened, name)
    # A page that is missing deceives nobody; the lock holds nothing.
    idle = {"store/index.html"} if "store/index.html" not in held else set()
    idle |= {name for name in {*held, *seed()} if name.endswith(".lock")}
    changed = {name for name in {*held, *seed()} - idle if held.get(name) != seed().get(name)}
    assert not changed or any(each.severity == "fault" for each in found), sorted(changed)
    return "faults" if changed else "a store as it was"
