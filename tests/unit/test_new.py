"""Drafts: what is written is valid, and nothing that exists is touched."""

import pytest
from click.testing import CliRunner

from bayesrtw.analysis.catalog import open_analysis, open_dataset
from bayesrtw.cli import main
from bayesrtw.evidence.measure import MEASURES
from bayesrtw.model.defaults import TABLE


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def call(*words):
    return CliRunner().invoke(main, ["new", *words])


@pytest.mark.parametrize("measure", [*TABLE, "mean_difference"])
def test_a_drafted_analysis_is_read_with_the_default_priors(here, measure):
    assert call("analysis", "mine", "--measure", measure).exit_code == 0
    drafted = open_analysis(here / "mine.toml")
    assert measure in MEASURES
    assert drafted.evidence.measure == measure
    if measure in TABLE:
        assert drafted.term[0].prior == TABLE[measure].mu
        assert drafted.term[1].tau == TABLE[measure].tau


def test_a_drafted_data_set_is_read_and_says_that_it_is_invented(here):
    assert call("dataset", "mine").exit_code == 0
    evidence = open_dataset(here / "mine")
    assert evidence.size == 1
    assert evidence.data["effect"].item() == 0.0
    assert "invented" in evidence.provenance.caveat


def test_nothing_is_overwritten(here):
    (here / "mine.toml").write_text("mine")
    found = call("analysis", "mine")
    assert found.exit_code == 1
    assert "exists already" in found.output
    assert (here / "mine.toml").read_text() == "mine"
    call("dataset", "rows")
    assert call("dataset", "rows").exit_code == 1


@pytest.mark.parametrize("name", ["Mine", "a b", "../mine", ""])
def test_a_name_that_is_no_id_is_refused(here, name):
    assert call("analysis", name).exit_code == 1
    assert call("dataset", name).exit_code == 1
    assert list(here.iterdir()) == []


def test_an_unknown_measure_is_refused_with_a_hint(here):
    found = call("analysis", "mine", "--measure", "log_hazard_ration")
    assert found.exit_code == 1
    assert "did you mean 'log_hazard_ratio'?" in found.output
