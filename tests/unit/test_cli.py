"""The command line: what it prints where, its exit codes, and that no traceback reaches anybody."""

import json
import re
import shutil
import subprocess
import sys

import pandas as pd
import pytest
from click.testing import CliRunner

from bayesrtw.analysis import catalog
from bayesrtw.analysis.catalog import open_analysis
from bayesrtw.cli import main
from bayesrtw.printed import numbered

EFFECTS = "study,effect,se\nA,0.1,0.1\nB,0.3,0.2\nC,0.2,0.1\nD,0.4,0.1\nE,0.0,0.2\n"
KEYS = {"mean", "sd", "median", "lower", "upper", "ci_prob", "probability"}
TOML = """
schema = 1
id = "mine"
title = "Mine"
question = "Does it?"
seed = 7

[evidence]
dataset = "mine.csv"
measure = "generic"

[[term]]
kind = "intercept"
prior = { kind = "normal", sd = 0.5 }

[[term]]
kind = "exchangeable"
tau = { kind = "half_normal", scale = 0.25 }
"""


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.csv").write_text(EFFECTS)
    (tmp_path / "mine.toml").write_text(TOML)
    return tmp_path


def call(*arguments, code=0):
    """Run a command; anything but a plain exit is a traceback for a user, and fails."""
    result = CliRunner().invoke(main, list(map(str, arguments)))
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.output
    return result


def test_help_names_the_commands():
    printed = call("--help").stdout
    for name in ("check", "list", "run"):
        assert f"\n  {name} " in printed
    assert "--evidence" in call("run", "--help").stdout


def test_list_names_every_analysis_and_data_set():
    printed = call("list").stdout
    for name in (*catalog.analysis_ids(), *catalog.dataset_ids(), *catalog.brief_ids()):
        assert f"  {name} " in printed
    assert "138 studies (14 without a readable result), 259 results" in printed


def test_check_says_ok_of_everything_shipped():
    result = call("check")
    names = [*catalog.dataset_ids(), *catalog.brief_ids(), *catalog.analysis_ids()]
    assert result.stdout.splitlines() == [f"ok: {name}" for name in names]
    assert result.stderr == ""


def test_check_reads_the_files_it_is_given(here):
    result = call("check", "mine.csv", "mine.toml")
    assert result.stdout == "ok: mine.csv\nok: mine.toml\n"


def test_check_names_every_file_with_faults(here):
    (here / "bad.csv").write_text("study,effect,se\nA,x,-1\n")
    (here / "bad.toml").write_text(TOML.replace("half_normal", "halfnormal").replace("seed", "sed"))
    result = call("check", "bad.csv", "mine.csv", "bad.toml", code=1)
    assert result.stdout == "ok: mine.csv\n"
    for part in (
        "fault: 2 faults:",
        "bad.csv: row 2 (study='A'): effect must be a number; found 'x'",
        "fault: 3 faults:",
        "bad.toml: sed is not known; did you mean 'seed'?",
        "bad.toml: seed is missing; add it.",
        "bad.toml: term[1].tau.kind is 'halfnormal'; did you mean 'half_normal'?",
    ):
        assert part in result.stderr


def test_a_file_that_cannot_be_read_does_not_take_the_others(here):
    (here / "bad.toml").write_text(TOML.replace("seed", "sed"))
    (here / "torn.toml").write_text("id = ")
    words = ("bad.toml", "mine.toml", "torn.toml", "--no-report", "--json", "--out", "out")
    result = call("run", *words, code=1)
    assert list(json.loads(result.stdout)) == ["mine"]
    assert (here / "out" / "mine" / "synthesis.json").is_file()
    assert "bad.toml: sed is not known; did you mean 'seed'?" in result.stderr
    assert "torn.toml" in result.stderr
    assert "error: 2 of 3 failed: bad.toml, torn.toml" in result.stderr
    alone = call("run", "bad.toml", "--no-report", "--out", "none", code=1)
    assert "sed is not known" in alone.stderr
    assert not (here / "none").exists()


def test_check_register_writes_the_register(tmp_path, monkeypatch):
    folder = tmp_path / "models"
    shutil.copytree(str(catalog.models_folder()), folder)
    (folder / "register.lock").write_text("")
    monkeypatch.setattr(catalog, "models_folder", lambda: folder)
    assert "fault: models/at-work.toml: is not in register.lock" in call("check", code=1).stderr
    assert call("check", "--register").stdout.startswith("written: register.lock\nok: ")
    assert (folder / "register.lock").read_text() == catalog.register_text()


def test_run_prints_the_answer_and_writes_a_folder(here):
    result = call("run", "mine.toml")
    assert (
        "Mine\nmine (not registered)  Does it?\n5 estimates of 5 studies: pooled" in result.stdout
    )
    assert "pooled" in result.stdout
    assert "[1/1] mine written to results/mine" in result.stderr
    assert (here / "results" / "mine" / "synthesis.json").is_file()


def test_notes_are_counted_or_listed(here):
    assert "notes in synthesis.json, or with --notes" in call("run", "mine.toml").stdout
    result = call("run", "mine.toml", "--notes")
    assert "note: " in result.stdout
    assert "notes in" not in result.stdout


def test_square_brackets_in_a_name_are_printed(here):
    (here / "mine.toml").write_text(TOML + '[[estimand]]\nname = "a [/b] [red]"\nof = "mu"\n')
    assert "  a [/b] [red]  " in call("run", "mine.toml").stdout


def test_json_is_one_document_with_every_figure_of_every_estimate(here):
    result = call("run", "mine.toml", "cancer-rtw", "--json", "--out", "out", "--no-report")
    found = json.loads(result.stdout)
    assert list(found) == ["mine", "cancer-rtw"]
    for name, document in found.items():
        assert document["id"] == name
        assert {"mu", "tau", "theta_new"} <= set(document["estimates"])
        for estimate in (*document["estimates"].values(), *document["estimands"].values()):
            assert set(estimate) >= KEYS
            assert estimate["ci_prob"] == 0.95
            assert estimate["lower"] < estimate["median"] < estimate["upper"]
        for quantity, estimate in document["estimates"].items():
            chance = estimate["probability"]
            assert chance is None if quantity.startswith("tau") else 0 <= chance <= 1
        written = (here / "out" / name / "synthesis.json").read_text(encoding="utf-8")
        assert json.loads(written) == document
    assert found["cancer-rtw"]["evidence"]["estimates"] == 13
    assert found["cancer-rtw"]["digest"] == catalog.register()["cancer-rtw"]["digest"]
    assert list(found["cancer-rtw"]["variants"]) == ["half-normal heterogeneity"]


def test_evidence_without_an_id_is_pooled_by_outcome_and_measure(here):
    (here / "two.csv").write_text(
        "study,outcome,benefit,measure,effect,se\nA,at_work,higher,log_risk_ratio,0.1,0.1\n"
        "B,days,lower,mean_difference,-3,2\nC,days,lower,mean_difference,-4,2\n"
    )
    result = call("run", "--evidence", "two.csv", "--json")
    found = json.loads(result.stdout)
    assert list(found) == ["at-work-log-risk-ratio", "days-mean-difference"]
    assert {document["registered"] for document in found.values()} == {None}
    assert found["days-mean-difference"]["benefit"] == "lower"
    assert found["days-mean-difference"]["estimates"]["mu"]["probability"] > 0.5
    checks = {f["check"] for f in found["at-work-log-risk-ratio"]["findings"]}
    assert "one-estimate" in checks
    alone = json.loads(call("run", "two.csv", "--json").stdout)
    days = "days-mean-difference"
    assert alone[days]["estimates"] == found[days]["estimates"]


def test_evidence_may_stand_in_for_that_of_an_analysis(here):
    (here / "other.csv").write_text(EFFECTS.replace("A,0.1", "A,0.9"))
    there = json.loads(call("run", "mine.toml", "--json").stdout)
    other = json.loads(call("run", "mine.toml", "--json", "--evidence", "other.csv").stdout)
    assert other["mine"]["estimates"]["mu"]["mean"] > there["mine"]["estimates"]["mu"]["mean"]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["run", "nothing"], 1, "error: no analysis 'nothing'; Choices: at-work, "),
        (["run", "time-to-rt"], 1, "did you mean 'time-to-rtw'? Choices: "),
        (["run", "nothing.toml"], 1, "error: nothing.toml: cannot be read (No such file or direc"),
        (["run", "--evidence", "nothing.csv"], 2, "Path 'nothing.csv' does not exist."),
        (["run", "mine.toml", "--out", "mine.csv"], 2, "Directory 'mine.csv' is a file."),
        (["run", "mine.toml", "--out", "mine.csv/x"], 1, "mine.csv/x: cannot be written (Not a di"),
        (["run", "--evidence", "."], 1, "dataset.toml: cannot be read (No such file or directory)"),
        (
            ["run", "--evidence", "empty.csv"],
            1,
            "error: empty.csv: is empty; give a header row and",
        ),
        (
            ["run", "--evidence", "head.csv"],
            1,
            "error: head.csv: has a header and no rows; give one row a result.",
        ),
        (["run", "--evidence", "mine.toml"], 1, "error: "),
        (
            ["run", "at-work", "--evidence", "mine.csv"],
            1,
            "error: at-work: mine.csv: no column 'design'; Choices: bound, conversion, doubts, effect, ",
        ),
        (["run", "bin.toml"], 1, "error: bin.toml: must be UTF-8 text; byte 0 is not."),
        (["run", "gone.toml"], 1, "no data set 'gone.csv', and no such file or folder; Choices: "),
        (
            ["run", "mine.toml", "sub/mine.toml"],
            1,
            "error: analyses 'mine' are asked for twice; each has one folder of results: leave one out",
        ),
        (
            ["check", "lost.toml"],
            1,
            "fault: lost: variant 'v': term.nothing.sd leads nowhere at 'nothing'; Choices: exch",
        ),
        (["runx"], 2, "No such command 'runx'"),
        (["run", "--jsn"], 2, "No such option"),
        (["check", "nothing"], 2, "Path 'nothing' does not exist."),
    ],
)
def test_what_cannot_be_done_is_one_message_and_an_exit_code(here, arguments, code, message):
    (here / "empty.csv").write_text("")
    (here / "head.csv").write_text("study,effect,se\n")
    (here / "bin.toml").write_bytes(b"\xff\xfe")
    (here / "gone.toml").write_text(
        TOML.replace('"mine"', '"gone"').replace("mine.csv", "gone.csv")
    )
    (here / "sub").mkdir()
    shutil.copy(here / "mine.toml", here / "sub" / "mine.toml")
    (here / "lost.toml").write_text(
        TOML.replace('"mine"', '"lost"')
        + '[[variant]]\nname = "v"\nset = { "term.nothing.sd" = 1 }\n'
    )
    result = call(*arguments, code=code)
    assert result.stdout == ""
    assert message in " ".join(result.stderr.split())
    assert not list(here.glob("results*"))


def test_one_failure_does_not_stop_the_others(here):
    (here / "gone.toml").write_text(
        TOML.replace('"mine"', '"gone"').replace("mine.csv", "gone.csv")
    )
    result = call("run", "gone.toml", "mine.toml", "--json", code=1)
    assert list(json.loads(result.stdout)) == ["mine"]
    assert "error: gone: no data set 'gone.csv'" in " ".join(result.stderr.split())
    assert "error: 1 of 2 failed: gone" in result.stderr


def test_a_folder_that_is_no_result_is_left_alone(here):
    (here / "results" / "mine").mkdir(parents=True)
    (here / "results" / "mine" / "thesis.txt").write_text("mine")
    result = call("run", "mine.toml", code=1)
    assert "results/mine: exists and holds no synthesis; nothing was written." in " ".join(
        result.stderr.split()
    )
    assert (here / "results" / "mine" / "thesis.txt").read_text() == "mine"


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["run", "--evidence", "bad.csv"], 1, "se must be positive; found 0; leave the cell empty"),
        (["check", "nothing.toml"], 2, "Path 'nothing.toml' does not exist."),
    ],
)
def test_a_process_of_its_own_ends_with_a_message_too(here, arguments, code, message):
    (here / "bad.csv").write_text("study,effect,se\nA,1,0\n")
    command = [sys.executable, "-m", "bayesrtw", *arguments]
    found = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert found.returncode == code
    assert message in " ".join(found.stderr.split())
    assert "Traceback" not in found.stderr
    assert found.stdout == ""


def test_an_analysis_outside_the_register_is_not_called_registered(here):
    result = call("run", "mine.toml")
    assert "(registered" not in result.stdout


def test_jobs_and_dask_exclude_each_other():
    result = CliRunner().invoke(main, ["run", "at-work", "--jobs", "2", "--dask", "tcp://x:1"])
    assert result.exit_code == 1
    assert "--jobs and --dask are both given" in result.stderr


@pytest.mark.parametrize("command", ["predict", "export"])
@pytest.mark.usefixtures("here")
def test_a_table_alone_is_asked_by_its_default_analysis(tmp_path, command):
    (tmp_path / "t.csv").write_text("study,yi,vi\nA,0.1,0.04\nB,0.3,0.02\n")
    out = ["--to", "csv"] if command == "export" else []
    call(command, "t.csv", *out)
    (tmp_path / "two.csv").write_text(
        "study,yi,vi,outcome\nA,0.1,0.04,x\nB,0.3,0.02,x\nA,0.1,0.04,y\nB,0.3,0.02,y\n"
    )
    refused = call(command, "two.csv", *out, code=1)
    assert "two.csv: 2 analyses would pool it: 'x-generic', 'y-generic'; `bayesrtw run` with" in (
        refused.stderr
    )


def test_what_is_shipped_is_listed_as_json():
    found = json.loads(call("list", "--json").stdout)
    assert found["analyses"]["time-to-rtw"]["revision"] >= 2
    assert found["datasets"]["rtw-trials"]["results"] == 259
    assert list(found["briefs"]) == ["evidence-brief"]


def test_commands_that_write_answer_as_json(tmp_path):
    draft = call("new", "analysis", "first", "--in", tmp_path, "--json")
    assert json.loads(draft.stdout) == {"written": [str(tmp_path / "first.toml")]}
    table = tmp_path / "counts.csv"
    table.write_text(
        "study,events_t,n_t,events_c,n_c\nA,3,10,2,11\nB,4,12,0,12\n", encoding="utf-8"
    )
    brought = call("import", table, "--to", tmp_path / "mine", "--json")
    found = json.loads(brought.stdout)
    assert (found["outcomes"], found["studies"], found["usable"]) == (1, 2, 2)
    assert any("No direction of benefit" in limit for limit in found["limits"])
    sent = call("export", table, "--to", "csv", "--out", tmp_path, "--json")
    [file] = json.loads(sent.stdout)["written"]
    assert pd.read_csv(file)["study"].tolist() == ["A", "B"]


def test_a_report_as_json_is_given_alone():
    refused = call("report", "ips-employment", "--json", "--methods", code=2)
    assert "give it alone" in refused.stderr


@pytest.mark.parametrize(("count", "said"), [(0, "0 faults"), (1, "1 fault"), (2, "2 faults")])
def test_one_is_not_several(count, said):
    assert numbered(count, "fault") == said
    assert numbered(count, "study", "studies").endswith("study" if count == 1 else "studies")


def test_every_moderator_of_a_draft_serves_as_it_stands(here):
    rows = "".join(
        f"{study},0.{place},0.1,{2000 + place},{'ab'[place % 2]},{'cohort' if place > 5 else 'rct'},"
        "log_hazard_ratio,higher\n"
        for place, study in enumerate("ABCDEFGH")
    )
    heads = "study,effect,se,year,programme_type,design,measure,benefit\n"
    (here / "two.csv").write_text(heads + rows)
    call("new", "analysis", "draft", "--dataset", "two.csv")
    text = (here / "draft.toml").read_text()
    stated = re.sub(r"(?m)^# (?=\[\[|\w+ = )", "", text)
    assert stated.count("[[term]]") == text.count("[[term]]") == 5
    (here / "draft.toml").write_text(stated)
    model = open_analysis(here / "draft.toml").model
    assert {each.column for each in model.moderators} >= {"programme_type", "year"}
    call("check", "draft.toml")
