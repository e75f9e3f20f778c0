"""Summaries of findings in every format: numbers against the fit, layout, hostile words, refusals."""

import csv
import io
import json
import math
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from click.testing import CliRunner
from docx import Document
from docx.enum.section import WD_ORIENT
from docx.shared import Cm
from small_synthesis import small_synthesis

import bayesrtw as brw
from bayesrtw.analysis.findings import Findings, findings
from bayesrtw.cli import main
from bayesrtw.decision.baseline import StatedBaseline
from bayesrtw.decision.certainty_file import Confirmation
from bayesrtw.decision.stated import Decision
from bayesrtw.decision.zones import Zones
from bayesrtw.errors import OutputError, SpecError
from bayesrtw.report.findings import FORMATS, render_findings
from bayesrtw.report.record import record
from bayesrtw.report.render import render

NAMES = ("<script>alert(1)</script>", "=cmd|'/C calc'!A0", "C", "D", "E", "F")
STATED = Decision(
    baseline=StatedBaseline(
        risk=0.6, interval=(0.5, 0.7), day=365, shape=0.8, source="a <b>register</b>, 2024"
    ),
    zones=Zones(per_1000=(20, 50, 100)),
)


def small(decision: Decision = STATED):
    made = small_synthesis(
        NAMES, design=["rct"] * 4 + ["cohort"] * 2, n=[100, 80, 60, 40, 300, math.nan]
    )
    return replace(made, analysis=replace(made.analysis, decision=decision))


@pytest.fixture(scope="module")
def found() -> Findings:
    plain = small(Decision())
    return findings([small(), plain, small(Decision(zones=Zones(above_ratio=(1.1,))))])


def test_a_line_has_the_numbers_of_the_fit(found: Findings) -> None:
    line, told = found.rows[0].line, brw.predict(found.rows[0].synthesis)
    assert line.effect["mean effect"]["median"] == pytest.approx(math.exp(told["median"].iloc[0]))
    assert line.effect["new setting"]["lower"] == pytest.approx(math.exp(told["new_lower"].iloc[0]))
    assert line.people["designs"]["cohort"]["studies"] == 2
    assert line.people["known"] == 580
    assert list(line.absolute["mean effect"]) == ["more of 1000 by day 365", "days regained of 365"]
    assert sum(line.zones["mean effect"].values()) == pytest.approx(1.0)
    assert line.certainty.suggested.start == "low"
    assert "nobody stated from where a difference matters" in found.rows[1].line.sentence or (
        line.certainty.level == "very low"
    )
    assert found.rows[1].line.absolute == {}
    assert "Certainty: " in found.describe()


def test_every_format_holds_the_same_lines(found: Findings) -> None:
    raw = {kind: render_findings(found, kind) for kind in FORMATS}
    assert all(render_findings(found, kind) == raw[kind] for kind in FORMATS)
    record = json.loads(raw["json"])
    assert [row["certainty"]["level"] for row in record["rows"]] == [
        each.line.certainty.level for each in found.rows
    ]
    assert [own["domain"] for own in record["rows"][0]["certainty"]["domains"]] == [
        "risk of bias", "inconsistency", "indirectness", "imprecision", "publication bias",
    ]  # fmt: skip
    rows = list(csv.DictReader(io.StringIO(raw["csv"].decode())))
    assert [row["of"] for row in rows[:4]] == ["mean effect"] * 2 + ["new setting"] * 2
    own = found.rows[0].line.absolute["mean effect"]["more of 1000 by day 365"]
    assert float(rows[0]["difference"]) == pytest.approx(own["median"])
    assert rows[4]["difference"] == ""
    for text in (raw["md"].decode(), raw["html"].decode()):
        assert "Without the programme" in text
        assert "Needs a baseline, which nobody stated" in text
        assert f"{own['median']:+.0f}" in text.replace("\\", "")


def test_words_of_others_stay_words(found: Findings) -> None:
    page = render_findings(found, "html").decode()
    assert "<b>register" not in page
    assert "<script" not in page.split("</head>")[1]
    assert "default-src 'none'" in page
    assert "<b>register" not in render_findings(found, "md").decode().replace("\\<", "")


def test_the_word_document_lies_on_its_side_and_its_columns_fit(found: Findings) -> None:
    document = Document(io.BytesIO(render_findings(found, "docx")))
    [section] = document.sections
    assert section.orientation == WD_ORIENT.LANDSCAPE
    room = section.page_width - section.left_margin - section.right_margin
    [table] = document.tables
    # CT_TblPr of ECMA-376 is a sequence.
    order = ["tblStyle", "tblW", "tblBorders", "tblLayout", "tblLook"]
    assert [each.tag.rpartition("}")[2] for each in table._tbl.tblPr] == order
    assert [cell.text for cell in table.rows[0].cells] == [
        "Outcome", "Studies and participants", "Relative effect", "Without the programme",
        "Difference with it", "Certainty", "What it means",
    ]  # fmt: skip
    assert len(table.rows) == 4
    assert sum(cell.width for cell in table.rows[1].cells) <= room + Cm(0.01)


def test_what_a_person_confirmed_is_printed(found: Findings) -> None:
    one = small()
    own = Confirmation(
        analysis=one.analysis.id,
        revision=0,
        level="high",
        by="A. Panel",
        on=date(2026, 11, 30),
        why="We know more.",
    )
    told = findings([one], confirmed=[own])
    assert told.rows[0].line.certainty.level == "high"
    page = render_findings(told, "md").decode()
    assert "High (confirmed by A. Panel on 2026-11-30): We know more." in page
    assert "not confirmed by a person" not in page
    assert told.rows[0].line.certainty.suggested == found.rows[0].line.certainty.suggested
    with pytest.raises(SpecError, match="is at revision 0"):
        findings([one], confirmed=[replace(own, revision=4)])


def test_a_level_has_its_own_studies_and_its_own_confirmation() -> None:
    synthesis = brw.run(replace(brw.open_analysis("cancer-rtw"), variant=()))
    at = {"comparison": "physical"}
    pooled = Confirmation(
        analysis="cancer-rtw",
        revision=6,
        version=2,
        level="low",
        by="x",
        on=date(2026, 11, 30),
        why="y",
    )
    level = replace(pooled, at=at, level="moderate")
    told = findings([synthesis], at=at, confirmed=[pooled, level]).rows[0].line
    assert told.certainty.level == "moderate"
    # Burgio 2006, Jong 2018, Mijwel 2019 and van Waart 2015.
    assert sum(each["studies"] for each in told.people["designs"].values()) == 4
    assert told.effect["mean effect"]["median"] == pytest.approx(
        math.exp(brw.predict(synthesis, at=at)["median"].iloc[0])
    )
    assert findings([synthesis], confirmed=[pooled, level]).rows[0].line.certainty.level == "low"


def test_what_cannot_be_summarised_is_refused_with_the_analysis_named() -> None:
    with pytest.raises(SpecError, match="no analysis is given"):
        findings([])
    one = small(Decision(zones=Zones(below_ratio=(0.9,))))
    with pytest.raises(SpecError, match=f"{one.analysis.id}: .*use above_ratio"):
        findings([one])
    with pytest.raises(OutputError, match="format is 'pdf'"):
        render_findings(findings([small()]), "pdf")


def test_the_command_writes_what_is_asked_for(tmp_path: Path) -> None:
    text = (Path(brw.__file__).parents[1] / "models" / "sick-leave-days.toml").read_text("utf-8")
    own = tmp_path / "days.toml"
    changed = text.replace('id = "sick-leave-days"', 'id = "days"').replace(
        "registered = 2026-11-24\n", ""
    )
    own.write_text(changed.replace("\ndays = 5\n", "\ndays = [10, 20, 40]\n"), "utf-8")
    run = CliRunner()
    told = run.invoke(main, ["findings", str(own)])
    assert told.exit_code == 0, told.output
    assert "convenience sample" in told.output
    assert "small from 10, moderate from 20, large from 40 days regained" in told.output
    written = run.invoke(main, ["findings", str(own), "--out", str(tmp_path / "own.docx")])
    assert written.exit_code == 0
    assert len(Document(str(tmp_path / "own.docx")).tables) == 1
    terminal = run.invoke(main, ["findings", str(own), "--format", "docx"])
    assert terminal.exit_code == 1
    assert "give --out" in terminal.output
    other = run.invoke(main, ["findings", str(own), "--out", str(tmp_path / "own.pdf")])
    assert other.exit_code == 1
    assert "no format has the suffix .pdf; use .md, .html, .csv, .json, .docx" in other.output
    other = run.invoke(main, ["report", str(own), "--out", str(tmp_path / "own.pdf")])
    assert "no format has the suffix .pdf; use .html, .md, .docx, .json" in other.output
    assert not (tmp_path / "own.pdf").exists()
    odd = run.invoke(main, ["findings", str(own), "--at", "colour=red"])
    assert odd.exit_code == 1
    assert "no moderator of these analyses" in odd.output
    (tmp_path / "certainty.toml").write_text(
        '[[confirmation]]\nanalysis = "dayz"\nrevision = 1\nlevel = "low"\nby = "x"\n'
        'on = 2026-11-30\nwhy = "y"\n'
    )
    idle = run.invoke(main, ["findings", str(own), "--certainty", str(tmp_path)])
    assert idle.exit_code == 0
    assert "confirms nothing that is asked here; analyses in it: dayz." in idle.stderr
    (tmp_path / "certainty.toml").write_text(
        '[[confirmation]]\nanalysis = "days"\nrevision = 9\nlevel = "low"\nby = "x"\n'
        'on = 2026-11-30\nwhy = "y"\n'
    )
    refused = run.invoke(main, ["findings", str(own), "--certainty", str(tmp_path)])
    assert refused.exit_code == 1
    assert refused.output.startswith(
        "error: days: certainty.toml: the certainty of days is confirmed for revision 9"
    )
    assert refused.output.count("\n") == 1


def test_days_of_a_table_have_their_unit_from_the_command_line(tmp_path: Path) -> None:
    lines = ["study,md,se,n,benefit", "a,-12,5,200,lower", "b,-3,4,300,lower", "c,-20,9,120,lower"]
    (tmp_path / "days.csv").write_text("\n".join(lines))
    (tmp_path / "own.toml").write_text(
        'schema = 1\nid = "own"\ntitle = "Days"\nquestion = "Fewer?"\nseed = 1\n[evidence]\n'
        'dataset = "rtw-trials"\nmeasure = "mean_difference"\n[decision.zones]\ndays = 5\n[[term]]\n'
        'kind = "intercept"\nprior = { kind = "normal", mean = 0.0, sd = 40.0 }\n[[term]]\nkind = "common"\n'
    )
    asked = ["findings", str(tmp_path / "own.toml"), "--evidence", str(tmp_path / "days.csv")]
    asked += ["--columns", "md=effect", "--measure", "MD"]
    without = CliRunner().invoke(main, asked)
    assert without.exit_code == 1
    assert "of a table --unit days" in without.output
    with_it = CliRunner().invoke(main, [*asked, "--unit", "days"])
    assert with_it.exit_code == 0, with_it.output
    assert "days regained" in with_it.output


def test_a_report_says_what_its_analysis_states_for_a_decision() -> None:
    one = small()
    content = record(one, alternatives=False)
    told = findings([one]).rows[0].line
    assert [row["counted"] for row in content["decided"]["rows"]] == [
        *told.absolute["mean effect"]
    ] * 2
    for row in content["decided"]["rows"]:
        assert row["median"] == pytest.approx(told.absolute[row["of"]][row["counted"]]["median"])
    shares = [row["new setting"] for row in content["decided"]["zones"]]
    assert sum(shares) == pytest.approx(1.0)
    own = f"{told.absolute['mean effect']['more of 1000 by day 365']['median']:+.0f}"
    for kind in ("md", "html"):
        text = render(one, content, kind).decode().replace("\\", "")
        assert "For a decision" in text
        assert "with its uncertainty in every interval" in text
        assert own in text
    assert "<b>register" not in render(one, content, "html").decode().split("<script")[0]
    assert record(small(Decision()), alternatives=False)["decided"] is None
    odd = record(small(Decision(zones=Zones(below_ratio=(0.9,)))), alternatives=False)
    assert "use above_ratio" in odd["decided"]["missing"]
    assert "use above_ratio" in render(one, odd, "md").decode().replace("\\", "")
