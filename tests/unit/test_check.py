"""`bayesrtw check`: what it lists, where, and with which exit code."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from bayesrtw.cli import main

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
HEAD = "study,outcome,benefit,follow_up_months,reported,estimate,ci_low,ci_high,"


def file(tmp_path, *rows):
    path = tmp_path / "my.csv"
    path.write_text(HEAD + "\n" + "".join(f"{row}\n" for row in rows))
    return path


def call(*arguments, code=0):
    result = CliRunner().invoke(main, ["check", *map(str, arguments)])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert result.exit_code == code, result.output
    return result


def test_check_lists_the_doubts_of_what_it_is_given(tmp_path):
    path = file(tmp_path, "A,o,higher,6,hazard_ratio,0.74,0.48,1.32,")
    result = call(path)
    assert result.stdout == f"ok: {path}\n"
    assert "doubt: 1 doubt: my.csv\n  1. my.csv: row 2 (study='A'): the interval" in result.stderr
    assert result.stderr.endswith(f"{path}: 0 faults, 1 doubt, 1 note\n")


def test_check_takes_the_id_of_a_shipped_set():
    result = call("rtw-trials")
    assert result.stdout == "ok: rtw-trials\n"
    assert "rtw-trials: 0 faults, 20 doubts, 9 notes" in result.stderr


@pytest.mark.parametrize(
    ("row", "arguments", "code"),
    [
        ("A,o,higher,6,hazard_ratio,0.74,0.48,1.14,", ("--strict",), 0),
        ("A,o,higher,6,hazard_ratio,0.74,0.48,1.32,", (), 0),
        ("A,o,higher,6,hazard_ratio,0.74,0.48,1.32,", ("--strict",), 3),
        ("A,o,higher,6,hazard_ratio,9,0.48,1.32,", (), 1),
        ("A,o,higher,6,hazard_ratio,9,0.48,1.32,", ("--strict",), 1),
    ],
)
def test_exit_codes_tell_faults_from_doubts(tmp_path, row, arguments, code):
    call(file(tmp_path, row), *arguments, code=code)
    call(file(tmp_path, row), *arguments, "--json", code=code)


def test_exit_codes_are_documented():
    printed = " ".join(call("--help").stdout.split())
    assert (
        "Exit codes: 0 no faults; 1 faults; 2 the command was not understood; 3 doubts" in printed
    )


def test_check_prints_one_json_document(tmp_path):
    path = file(
        tmp_path,
        "A,o,higher,6,hazard_ratio,0.74,0.48,1.32,",
        "B,o,higher,6,hazard_ratio,0.74,x,1.32,",
    )
    result = call(path, "--json", code=1)
    document = json.loads(result.stdout)
    assert result.stderr == ""
    assert document["counts"] == {"faults": 1, "doubts": 1, "notes": 1}
    (checked,) = document["checked"]
    assert checked["name"] == str(path)
    first = checked["findings"][0]
    assert {key: first[key] for key in ("severity", "file", "row", "column", "value", "rule")} == {
        "severity": "fault",
        "file": "my.csv",
        "row": 3,
        "column": "ci_low",
        "value": "x",
        "rule": "not-a-number",
    }


def test_an_id_of_a_data_set_and_an_analysis_checks_both():
    document = json.loads(call("rtw-trials", "cancer-rtw", "--json").stdout)
    assert [each["name"] for each in document["checked"]] == [
        "rtw-trials",
        "cancer-rtw",
        "cancer-rtw",
    ]
    assert document["counts"] == {"faults": 0, "doubts": 25, "notes": 16}


@pytest.mark.parametrize(
    "name",
    ["at-work-components", "time-to-rtw-all-designs-components", "time-to-rtw-components"],
)
def test_analyses_of_components_say_what_one_study_tells(name):
    result = call(name)
    assert "Told by one study alone: 'component[" in result.stderr
