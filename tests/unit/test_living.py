"""The scheduled re-analysis from the command line: codes, drafts, corrections, signatures, replay."""

import hashlib
import json
import math
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

import bayesrtw as brw
from bayesrtw.cli import main
from bayesrtw.living import fresh, refit, store, update
from bayesrtw.living.inputs import gather
from bayesrtw.report import figures

TOML = """
schema = 1
id = "mine"
title = "Mine"
question = "Does it?"
seed = 7
revision = 1

[evidence]
dataset = "mine.csv"
measure = "log_hazard_ratio"

[[term]]
kind = "intercept"
prior = { kind = "normal", sd = 0.5 }

[[term]]
kind = "exchangeable"
tau = { kind = "half_normal", scale = 0.25 }

[schedule]
every_days = 30
"""
HEAD = "benefit,result,study,measure,effect,se,corrects,withdrawn,extracted_by,signed_by\n"
ROWS = [
    "r1,A,log_hazard_ratio,0.10,0.10,,,,",
    "r2,B,log_hazard_ratio,0.20,0.12,,,,",
    "r3,C,log_hazard_ratio,0.05,0.10,,,,",
    "r4,D,log_hazard_ratio,0.15,0.15,,,,",
]


def write(rows):
    text = HEAD + "\n".join(f"higher,{row}" for row in rows) + "\n"
    Path("mine.csv").write_text(text, encoding="utf-8")


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.toml").write_text(TOML)
    write(ROWS)
    # Figures are not what these tests are about, and cost a second each.
    monkeypatch.setattr(figures, "figures", lambda *_: {})
    monkeypatch.setattr(figures, "forests", lambda *_: {})
    return tmp_path


def call(*arguments, code=0):
    result = CliRunner().invoke(main, [*map(str, arguments), "--store", "store"])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert result.exit_code == code, result.output
    return result


def bring(code=0):
    """Update, and give the one outcome."""
    printed = json.loads(call("update", "mine.toml", "--json", code=code).stdout)
    assert printed["code"] == code
    return printed["outcomes"][0]


def last():
    opened = store.open_store(Path("store"))
    return store.find_run(opened, "mine")


def difference():
    return json.loads(call("diff", "mine", "--json").stdout)


def test_a_series_from_the_first_run_to_a_changed_conclusion(here):
    assert bring()["state"] == "first"
    assert bring()["state"] == "heartbeat"
    assert last().manifest["result"]["class"] == "probably a benefit"
    # A new study moves numbers and not the class.
    write([*ROWS, "r5,E,log_hazard_ratio,0.12,0.10,,,,"])
    done = bring(code=10)
    assert (done["status"], done["conclusion"]) == ("published", "probably a benefit")
    found = difference()
    assert [row["study"] for row in found["inputs"]["added"]] == ["E"]
    assert found["label"] == "new results"
    shares = found["attribution"]["shares"]
    assert list(shares) == ["data"]
    assert shares["data"]["mean"] == pytest.approx(found["attribution"]["total"]["mean"], abs=1e-12)
    [left] = found["left_out"]
    assert left["mean"] == pytest.approx(shares["data"]["mean"], abs=1e-9)
    assert 0.3 < found["surprise"][0]["tail"] <= 1
    # Two studies against it change the class: a draft, which nothing but a person publishes.
    against = [f"r{6 + i},{name},log_hazard_ratio,-0.35,0.10,,,," for i, name in enumerate("FGH")]
    write([*ROWS, "r5,E,log_hazard_ratio,0.12,0.10,,,,", *against])
    done = bring(code=30)
    assert done["status"] == "draft"
    assert any("conclusion: 'probably a benefit' to" in reason for reason in done["reasons"])
    assert any("is surprising: tail probability" in reason for reason in done["reasons"])
    assert bring()["state"] == "heartbeat"
    listed = json.loads(call("history", "--json").stdout)["mine"]["runs"]
    assert [run["stands"] for run in listed] == [False, True, False]
    assert "is a draft and waits for a person" in (here / "store" / "index.html").read_text()
    call("publish", "mine/2", "--by", "Ann", code=1)
    said = call("publish", "mine", "--by", "\udcff", code=1).stderr
    assert "--by and --reason must be text; found bytes that are no UTF-8." in said
    call("publish", "mine", "--by", "Ann", "--reason", "three trials agree")
    listed = json.loads(call("history", "--json").stdout)["mine"]["runs"]
    assert [run["stands"] for run in listed] == [False, False, True]
    assert [run["status"] for run in listed] == ["published"] * 3
    assert "; published by Ann]" in call("history").stdout
    assert call("verify").stdout == "3 runs, 0 faults, 0 notes\n"
    assert "numbers have the same digits" in call("replay", "mine/2").stdout
    text = call("diff", "mine").stdout
    assert "**The conclusion changed: probably a benefit to" in text


def test_a_change_of_class_alone_has_its_own_code(here):
    write([row.replace("0.10,0.10", "0.02,0.10").replace("0.20,", "0.08,") for row in ROWS])
    bring()
    before = last().manifest["result"]["class"]
    write(
        [
            *(row.replace("0.10,0.10", "0.02,0.10").replace("0.20,", "0.08,") for row in ROWS),
            "r5,E,log_hazard_ratio,0.30,0.10,,,,",
        ]
    )
    done = bring(code=20)
    assert (before, done["conclusion"]) == ("benefit more likely than not", "probably a benefit")
    assert done["status"] == "draft"


def test_rows_that_the_analysis_does_not_pool_change_nothing(here):
    bring()
    (here / "mine.csv").write_text((here / "mine.csv").read_text() + "\n\n")
    done = bring()
    assert done["state"] == "heartbeat"
    assert "nothing that this analysis pools" in done["text"]
    assert bring()["text"] == "nothing is due"


def test_a_correction_is_a_new_row(here):
    bring()
    write([*ROWS, "r5,B,log_hazard_ratio,0.02,0.12,r2,,,"])
    bring(code=40)  # the row that was replaced is set aside, and said
    found = difference()
    [corrected] = found["inputs"]["corrected"]
    assert (corrected["id"], corrected["by"], corrected["how"]) == ("r2", "r5", "by a new row")
    assert {"field": "effect", "old": 0.2, "new": 0.02} in corrected["fields"]
    assert found["conflicts"] == []
    assert found["label"] == "corrections"


def test_a_correction_in_place_is_a_conflict_and_a_draft(here):
    bring()
    write([ROWS[0], ROWS[1].replace("0.20", "0.19"), *ROWS[2:]])
    done = bring(code=30)
    assert done["status"] == "draft"
    assert "Rows were changed in place (B)" in difference()["conflicts"][0]


def test_a_withdrawn_study_triggers_a_run_without_it(here):
    bring()
    write([*ROWS[:3], ROWS[3].replace(",,,,", ",,retracted 2026,,")])
    done = bring(code=40)
    assert any("withdrawn: retracted 2026" in reason for reason in done["reasons"])
    assert difference()["inputs"]["gone_studies"] == ["D"]
    assert last().manifest["result"]["studies"] == 3


def test_what_a_machine_extracted_waits_for_a_signature(here):
    bring()
    machine = "r5,E,log_hazard_ratio,0.12,0.10,,,machine reader 2,"
    write([*ROWS, machine])
    done = bring(code=40)
    assert any("signed by nobody (machine reader 2)" in reason for reason in done["reasons"])
    assert not any("numbers moved" in reason for reason in done["reasons"])
    assert last().manifest["result"]["studies"] == 4
    write([*ROWS, machine + "Ann"])
    bring(code=10)
    assert last().manifest["result"]["studies"] == 5


def test_evidence_with_faults_is_rejected_and_the_last_run_stands(here):
    bring()
    write([*ROWS, "r5,E,log_hazard_ratio,0.12,-0.10,,,,"])
    done = bring(code=40)
    assert done["state"] == "rejected"
    assert "se" in done["text"]
    assert bring(code=40)["state"] == "rejected"  # it says so until somebody mends it
    write(ROWS)
    assert bring()["state"] == "heartbeat"
    assert last().sequence == 1


def test_a_changed_analysis_needs_a_revision_and_opens_a_series(here):
    bring()
    (here / "mine.toml").write_text(TOML.replace("sd = 0.5", "sd = 0.2"))
    done = bring(code=30)
    assert done["status"] == "draft"
    assert "its revision is still 1" in difference()["conflicts"][0]
    (here / "mine.toml").write_text(
        TOML.replace("sd = 0.5", "sd = 0.2").replace("revision = 1", "revision = 2")
    )
    bring(code=10)
    found = difference()
    assert found["label"] == "method revision"
    assert last().manifest["series"] == 2
    shares = found["attribution"]["shares"]
    assert list(shares) == ["prior"]
    assert shares["prior"]["mean"] == pytest.approx(
        found["attribution"]["total"]["mean"], abs=1e-12
    )


def test_one_failing_analysis_does_not_stop_the_others(here):
    (here / "other.toml").write_text(
        TOML.replace('"mine"', '"other"').replace("mine.csv", "gone.csv")
    )
    (here / "third.toml").write_text("schema = 1\nid = ")
    result = call("update", "other.toml", "third.toml", "mine.toml", "--json", code=1)
    states = {done["analysis"]: done["state"] for done in json.loads(result.stdout)["outcomes"]}
    assert states == {"other": "rejected", "third": "failed", "mine": "first"}
    assert call("update", "mine.toml").stdout == "1 analysis: 1 no change\n"


def test_an_error_that_nobody_foresaw_is_told_and_does_not_stop_the_others(here, monkeypatch):
    (here / "other.toml").write_text(TOML.replace('"mine"', '"other"'))
    real = refit.run

    def broken(analysis, source):
        if analysis.id == "other":
            raise ZeroDivisionError("of something")
        return real(analysis, source)

    monkeypatch.setattr(refit, "run", broken)
    result = call("update", "other.toml", "mine.toml", "--json", "--jobs", "1", code=1)
    first, second = json.loads(result.stdout)["outcomes"]
    assert (first["state"], second["state"]) == ("failed", "first")
    assert "an error of bayesrtw itself (ZeroDivisionError: of something)" in first["text"]
    assert "in broken" in first["trace"]
    assert "in broken" in result.stderr
    assert call("verify").stdout
    assert store.run_names(store.open_store(Path("store")), "other") == ()


def test_without_a_report_everything_else_is_stored(here):
    call("update", "mine.toml", "--no-report")
    stored = set(last().manifest["files"])
    assert {"diff.md", "posterior.nc", "synthesis.json", "inputs/mine.toml"} <= stored
    assert "report.html" not in stored
    assert "report.html" not in (here / "store" / "index.html").read_text()
    assert call("verify").exit_code == call("replay", "mine").exit_code == 0
    assert bring()["state"] == "heartbeat"
    write([*ROWS, "r5,E,log_hazard_ratio,0.12,0.10,,,,"])
    bring(code=10)
    assert "report.html" in last().manifest["files"]
    assert f"{last().name}/report.html" in (here / "store" / "index.html").read_text()


def test_an_analysis_that_was_removed_keeps_its_runs_and_is_named(here):
    bring()
    opened = store.open_store(Path("store"))
    assert update.removed(opened, ["other.toml"], ("time-to-rtw",)) == ["mine"]
    assert "mine  (not among the shipped analyses)" in call("history").stdout


def test_registered_variants_say_how_robust_the_class_is(here):
    question = '[[estimand]]\nname = "pooled"\nof = "mu"\n'
    variants = (
        '[[variant]]\nname = "wide"\nset = { "term.intercept.prior.sd" = 5.0 }\n'
        '[[variant]]\nname = "all but certain"\nset = { "term.intercept.prior.sd" = 0.001 }\n'
    )
    (here / "mine.toml").write_text(f"{TOML}\n{question}\n{variants}")
    bring()
    found = difference()["conclusion"]["robustness"]
    # Under a prior that allows no effect both sides are as likely.
    assert found == {"variants": 2, "same": 1, "others": {"all but certain": "unclear"}}
    told = "1 of 2 registered variants give the same class (all but certain: unclear)."
    assert told in call("diff", "mine").stdout


def test_an_update_says_what_one_more_trial_could_change(here):
    bring()
    found = difference()["conclusion"]
    analysis, rows = brw.open_analysis("mine.toml"), brw.open_dataset("mine.csv")
    table = brw.outlook(analysis.model, rows, analysis.conclusion, now=found["new"])
    expected = table.loc["of median precision", ["se", "change", "narrower"]].to_dict()
    then = found["outlook"].pop("then")
    assert then == table.loc["of median precision", "then"]
    assert found["outlook"] == pytest.approx(expected, abs=1e-6)
    told = (
        f"One more trial of median precision (SE {expected['se']:.3g}) would change the class with"
    )
    assert told in call("diff", "mine").stdout


def test_history_lists_what_can_be_read_and_names_what_cannot(here):
    bring()
    write([*ROWS, "r5,E,log_hazard_ratio,0.12,0.10,,,,"])
    bring(code=10)
    runs = here / "store" / "runs"
    (runs / "notes").mkdir()
    (runs / "elsewhere").symlink_to(here)
    manifest = last().folder / "run.json"
    raw = json.dumps({**json.loads(manifest.read_text()), "schema": 9}).encode()
    manifest.write_bytes(raw)
    (manifest.parent / "run.sha256").write_text(hashlib.sha256(raw).hexdigest() + "\n")
    before = sorted(runs.rglob("*"))
    told = call("history", code=1)
    assert (
        " 000001-" in told.stdout
    )  # readable, and not said to stand while a later one cannot be read
    assert "notes" not in told.stdout
    later = f"runs/mine/{manifest.parent.name}: was written by a later version (schema 9; this one reads 1)"
    assert f"error: {later}; update bayesrtw. Nothing was touched." in told.stderr
    assert "error: runs/elsewhere: is a symbolic link; it was not followed." in told.stderr
    checked = call("verify", code=1).stderr
    assert f"fault: {later}" in checked
    assert "note: runs/notes: was not written by this program; it stays as it is." in checked
    assert "fault: runs/elsewhere: is a symbolic link that leaves the store" in checked
    assert "was written by a later version" in call("update", "mine.toml", code=1).stderr
    assert sorted(runs.rglob("*")) == before


def test_the_schedule_and_a_clock_that_went_back_make_it_due(here):
    bring()
    opened = store.open_store(Path("store"))
    inputs = gather("mine.toml")
    now = datetime.now(UTC)
    assert fresh.standing(opened, inputs, at=now + timedelta(days=29)).reasons == ()
    late = fresh.standing(opened, inputs, at=now + timedelta(days=31))
    assert late.scheduled
    assert late.reasons == ("it was last fitted 31 days ago, and is due every 30",)
    back = fresh.standing(opened, inputs, at=now - timedelta(days=400))
    assert back.reasons == ("the clock has gone back since it was last fitted",)
    forced = json.loads(call("update", "mine.toml", "--force", "--json").stdout)["outcomes"][0]
    assert (forced["state"], forced["text"]) == ("refit", "fitted again; the numbers agree")
    assert last().sequence == 1


def test_evidence_that_returns_to_an_earlier_state_is_a_run_of_its_own(here):
    bring()
    write([*ROWS, "r5,E,log_hazard_ratio,0.12,0.10,,,,"])
    bring(code=10)
    write(ROWS)
    bring(code=10)
    opened = store.open_store(Path("store"))
    first, _, third = store.runs(opened, "mine")
    assert first.manifest["run_id"] == third.manifest["run_id"]
    assert difference()["inputs"]["gone_studies"] == ["E"]


def test_texts_of_evidence_are_data_on_every_page(here):
    (here / "mine.toml").write_text(
        TOML.replace('title = "Mine"', 'title = "<script>alert(1)</script>|@all"')
    )
    write([*ROWS[:3], ROWS[3].replace(",D,", ",<img src=x>,")])
    bring()
    page = (here / "store" / "index.html").read_text()
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;|@all" in page
    assert "<script>" not in call("diff", "mine").stdout
    assert "\\|&#64;all" in call("diff", "mine").stdout


def test_two_runs_are_compared_and_runs_of_two_analyses_are_not(here):
    bring()
    write([*ROWS, "r5,E,log_hazard_ratio,0.12,0.10,,,,"])
    bring(code=10)
    stored = difference()
    again = json.loads(call("diff", "mine/1", "mine/2", "--json").stdout)
    for key in ("results", "surprise", "inputs", "attribution"):
        assert again[key] == stored[key]
    assert all(math.isfinite(entry["change"]) for entry in stored["results"])


def test_a_run_that_was_tampered_with_is_not_replayed(here):
    bring()
    path = last().folder / "inputs" / "evidence" / "mine.csv"
    path.write_text(path.read_text().replace("0.20", "0.90"))
    assert "is not as it was written" in call("replay", "mine", code=1).stderr
    assert "1 fault," in call("verify", code=1).stdout


def test_help_documents_the_exit_codes():
    printed = " ".join(CliRunner().invoke(main, ["update", "--help"]).stdout.split())
    assert "20 the class of the conclusion changed: a draft waits for a person" in printed
    assert "30 conflict or surprise" in printed


def test_a_fit_that_its_engine_refuses_is_a_gate_and_stores_nothing(here):
    bring()
    by = "".join(
        f'[[term]]\nkind = "exchangeable"\nby = "{column}"\nname = "{column}_sd"\n'
        'tau = { kind = "half_normal", scale = 0.25 }\n'
        for column in ("result", "signed_by", "extracted_by")
    )
    text = TOML.replace("revision = 1", "revision = 2") + by + '[engine]\nkind = "exact"\n'
    (here / "mine.toml").write_text(text)
    done = bring(code=50)
    assert done["state"] == "gate"
    assert "hyperparameters" in done["text"]
    assert last().manifest["result"]["class"] == "probably a benefit"
