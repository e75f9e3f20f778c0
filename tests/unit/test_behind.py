"""What stands behind an answer, worked out here anew from the priors' own formulas."""

import io
import math

import pytest
from docx import Document
from PIL import Image as PILImage
from rich.console import Console
from small_synthesis import small_synthesis

import bayesrtw as brw
from bayesrtw.analysis.default import default_analyses
from bayesrtw.analysis.run import run
from bayesrtw.evidence.measure import MEASURES
from bayesrtw.evidence.participants import participants
from bayesrtw.report import text
from bayesrtw.report.behind import behind_of
from bayesrtw.report.block import Tabular, plain
from bayesrtw.report.numbers import Printer
from bayesrtw.report.record import record
from bayesrtw.report.render import page, render
from bayesrtw.report.studies import evidence
from bayesrtw.report.word import Image, render_docx


@pytest.fixture(scope="module")
def content() -> dict:  # type: ignore[type-arg]
    return record(small_synthesis(("A", "B", "C", "D")))


def test_priors_say_what_95_per_cent_of_them_means_on_the_reported_scale(
    content: dict,  # type: ignore[type-arg]
) -> None:
    mean, spread = content["behind"]["priors"]
    # normal(0, 0.5), half-normal(0.25): quantiles of a standard normal from tables
    assert mean["back_transformed"]["lower"] == pytest.approx(math.exp(-0.5 * 1.959964), rel=1e-6)
    assert mean["back_transformed"]["upper"] == pytest.approx(math.exp(0.5 * 1.959964), rel=1e-6)
    assert spread["lower"] == pytest.approx(0.25 * 0.0313380, rel=1e-4)
    assert spread["upper"] == pytest.approx(0.25 * 2.2414027, rel=1e-6)
    assert spread["reach"]["upper"] == pytest.approx(math.exp(1.96 * 0.25 * 2.2414027), rel=1e-6)
    assert mean["weight"] == content["weights"]["prior"]


def test_the_terminal_says_what_the_record_says(content: dict) -> None:  # type: ignore[type-arg]
    shown = io.StringIO()
    made = small_synthesis(("A", "B", "C", "D"))
    text.show(made, content, Console(file=shown, width=200))
    said = shown.getvalue()
    assert (
        "Prior of μ: normal(mean = 0, sd = 0.5): 95 % of it says HR 0.38 to 2.66"
        in said.replace("\u00a0", " ")
    )
    assert "Prior of tau (SD): half-normal(0.25)" in said
    assert "Prior against data: " in said
    for each in content["behind"]["conflicts"]:
        assert each["prior"] >= 0.05, "below it nothing is said"


#: Cells as two spreadsheets hold them: intervals beside their ratios, counts with and without the event.
RATIOS = (
    "study,HR,lower,upper\nLambeek 2010,1.9,1.2,2.8\nB 2012,0.74,0.48,1.16\nC 2014,1.02,0.87,1.19\n"
    "Overall,1.1,0.9,1.3\n"
)
BCG = "trial,tpos,tneg,cpos,cneg\nAronson,4,119,11,128\nFerguson,6,300,29,274\n"


def test_intervals_as_printed_and_doubts_stand_where_they_are_looked_for(tmp_path) -> None:
    """Lambeek 2010 prints 1.9 (1.2 to 2.8); the normal error of the model makes 1.24 to 2.90 of it."""
    table = tmp_path / "found.csv"
    table.write_text(RATIOS)
    found = brw.open_dataset(table)
    made = run(default_analyses(found)[0], found)
    content = record(made, alternatives=False)
    raw = Document(io.BytesIO(render(made, content, "docx")))
    cells = [[cell.text for cell in row.cells] for each in raw.tables for row in each.rows]
    printed = [row for row in cells if row[0] == "Lambeek 2010"]
    assert all("1.9 (1.2 to 2.8)" in row for row in printed)
    assert printed
    chances = {cell for row in cells for cell in row if cell.startswith("P(above")}
    assert any("\u00a0=\u00a0" in cell for cell in chances), "a chance stands on one line"
    shown = page(made, content)
    doubt = "Row 5 (&#39;Overall&#39;) sums up other rows and was left out."
    assert shown.index(doubt) < shown.index("Summary")
    out = io.StringIO()
    text.show(made, content, Console(file=out, width=300))
    assert out.getvalue().count("sums up other rows") == 1
    assert out.getvalue().count("Direction: No direction of benefit was stated") == 1


def test_people_with_and_without_the_event_are_all_people(tmp_path) -> None:
    table = tmp_path / "bcg.csv"
    table.write_text(BCG)
    assert participants(brw.open_dataset(table))["known"] == 4 + 119 + 11 + 128 + 6 + 300 + 29 + 274


def test_parts_that_nobody_tells_are_in_the_supplement_of_a_paper(content: dict) -> None:  # type: ignore[type-arg]
    """Long lists of what may be would make five pages of the evidence table of one."""
    told = {"parts_t": "exercise", "parts_t_unclear": "education+contact"}
    rows = [{**row, "moderators": told} for row in content["rows"]]
    section = evidence({**content, "rows": rows}, Printer.of(content))
    heads = next(each for each in section.blocks if isinstance(each, Tabular)).head
    aside = {plain(head.text, Printer.of(content)): head.aside for head in heads}
    assert (aside["parts t"], aside["parts t unclear"]) == (False, True)


def test_a_mean_that_leaves_rows_with_an_indicator_apart_says_so() -> None:
    # The forest plot's note says the same: with non-randomised studies apart, the mean is that of the trials.
    behind = behind_of(
        run(brw.open_analysis("time-to-rtw-all-designs")), MEASURES["log_hazard_ratio"]
    )
    assert behind["mean"].endswith(", where 'non-randomised' does not apply")


def test_a_tall_picture_leaves_room_for_its_heading_and_caption_on_a_page(
    content: dict,  # type: ignore[type-arg]
) -> None:
    tall = io.BytesIO()
    PILImage.new("RGB", (170, 400)).save(tall, "PNG")
    image = Image(tall.getvalue(), "Under it.", "What it shows.", "pictures")
    (shape,) = Document(io.BytesIO(render_docx(content, [image]))).inline_shapes
    assert shape.height.cm <= 29.7 - 4 - 4
    assert shape.width / shape.height == pytest.approx(170 / 400, rel=1e-4)
