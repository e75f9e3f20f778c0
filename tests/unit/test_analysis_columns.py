"""What an analysis says of the headings of a table counts wherever the table is opened."""

import json

import pytest
from click.testing import CliRunner
from numpy.testing import assert_allclose

import bayesrtw as brw
from bayesrtw.analysis.schema import json_schema
from bayesrtw.cli import main
from bayesrtw.errors import EvidenceError
from bayesrtw.living import store, update

ROWS = "who,A,B,benefit\n" + "".join(f"S{n},{0.1 * n},0.{n + 1},lower\n" for n in range(1, 6))

TOML = """
schema = 1
id = "{id}"
title = "Headings"
question = "Are they read?"
seed = 1

[evidence]
dataset = "{data}"
measure = "generic"

[[term]]
kind = "intercept"
prior = {{ kind = "normal", sd = 1.0 }}

[[term]]
kind = "exchangeable"
tau = {{ kind = "half_normal", scale = 0.5 }}

[engine]
kind = "exact"
draws = 10
"""
COLUMNS = '\n[columns]\nwho = "study"\nA = "effect"\nB = "se"\n'


@pytest.fixture
def written(tmp_path):
    (tmp_path / "rows.csv").write_text(ROWS)
    for name, more in (("told", COLUMNS), ("silent", "")):
        text = TOML.format(id=name, data=tmp_path / "rows.csv") + more
        (tmp_path / f"{name}.toml").write_text(text)
    return tmp_path


def test_headings_are_those_of_the_analysis(written):
    synthesis = brw.run(brw.open_analysis(written / "told.toml"))
    assert_allclose(synthesis.evidence.data["effect"], [0.1, 0.2, 0.3, 0.4, 0.5])
    assert_allclose(synthesis.evidence.data["se"], [0.2, 0.3, 0.4, 0.5, 0.6])
    with pytest.raises(EvidenceError):
        brw.run(brw.open_analysis(written / "silent.toml"))


def test_the_command_line_reads_and_overrules_them(written):
    def pooled(*words):
        done = CliRunner().invoke(
            main,
            f"run {written / 'told.toml'} --json --no-report --out {written / 'out'}".split()
            + list(words),
        )
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout)["told"]["estimates"]

    rows = str(written / "rows.csv")
    own = pooled("--evidence", rows)
    assert own == pooled()
    turned = pooled("--evidence", rows, "--columns", "who=study,B=effect,A=se")
    assert turned != own


def test_a_living_analysis_reads_them(written):
    where = written / "store"
    store.open_store(where, create=True)
    update.renew(update.Task(name=str(written / "told.toml"), store=where, report=False))
    assert store.find_run(store.open_store(where), "told").manifest["status"] == "published"


def test_they_are_settings_and_stand_in_the_schema(written):
    told, silent = (brw.open_analysis(written / f"{name}.toml") for name in ("told", "silent"))
    assert told.digest != silent.digest
    found = json_schema()["properties"]["columns"]
    assert found["additionalProperties"] == {"type": "string"}
    assert "yi" in found["description"]
