"""The same seed gives the same bytes, in another process and with other hash seeds."""

import hashlib
import os
import subprocess
import sys

import pytest

from bayesrtw.analysis.catalog import open_analysis
from bayesrtw.analysis.run import run
from bayesrtw.reading.read import read_csv
from bayesrtw.report.folder import write_results

EVIDENCE = """study,label,measure,effect,se,programme
a,Ålesund 2001,log_hazard_ratio,0.10,0.10,x
b,Bergen 2002,log_hazard_ratio,0.35,0.20,y
c,Chur 2003,log_hazard_ratio,-0.05,0.15,x
d,Delft 2004,log_hazard_ratio,0.20,0.12,y
e,Essen 2005,log_hazard_ratio,0.15,0.30,x
"""
ANALYSIS = """
schema = 1
id = "small"
title = "A small analysis"
question = "Same bytes?"
seed = {seed}

[evidence]
dataset = "none"
measure = "log_hazard_ratio"

[[term]]
kind = "intercept"
prior = {{ kind = "normal", sd = 0.5 }}

[[term]]
kind = "categorical"
column = "programme"
prior = {{ kind = "normal", sd = 0.25 }}

[[term]]
kind = "exchangeable"
tau = {{ kind = "half_normal", scale = 0.25 }}
"""
TABLES = ("synthesis.json", "estimates.csv", "posterior.nc")
FILES = (*TABLES, "report.html", "forest.svg", "forest.png")


def digests(folder):
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    found = tmp_path_factory.mktemp("deterministic")
    (found / "mine.csv").write_text(EVIDENCE, encoding="utf-8")
    for name, seed in (("small", 7), ("other", 8)):
        text = ANALYSIS.format(seed=seed)
        (found / f"{name}.toml").write_text(text.replace('"small"', f'"{name}"'), encoding="utf-8")
    return found


@pytest.fixture(scope="module")
def here(folder):
    """What this process writes, for both seeds."""
    evidence = read_csv(folder / "mine.csv")
    return {
        name: digests(
            write_results(
                run(open_analysis(folder / f"{name}.toml"), evidence),
                folder / "here",
                source=evidence,
                report=True,
            )
        )
        for name in ("small", "other")
    }


@pytest.fixture(scope="module")
def there(folder):
    """What another process writes, whose hashes of text have another seed."""
    command = [sys.executable, "-m", "bayesrtw", "run", "small.toml", "--out", "there"]
    subprocess.run(
        [*command, "--evidence", "mine.csv"],
        cwd=folder,
        env=os.environ | {"PYTHONHASHSEED": "12345"},
        capture_output=True,
        check=True,
        timeout=120,
    )
    return digests(folder / "there" / "small")


@pytest.mark.parametrize("name", FILES)
def test_the_same_seed_gives_the_same_bytes(here, there, name):
    assert here["small"][name] == there[name]


def test_a_folder_of_results_holds_just_these_files(there):
    assert set(there) == set(FILES)


def test_another_seed_moves_the_draws_but_no_estimate(here):
    assert here["small"]["posterior.nc"] != here["other"]["posterior.nc"]
    assert here["small"]["estimates.csv"] == here["other"]["estimates.csv"]
