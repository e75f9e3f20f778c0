"""Paragraphs for a paper and tables as files: numbers are those of the record, printed once more here."""

import csv
import io
import re
from typing import Any

import pytest
from openpyxl import load_workbook
from small_synthesis import small_synthesis

import bayesrtw as brw
from bayesrtw.analysis.default import default_analyses
from bayesrtw.analysis.run import run
from bayesrtw.report import prose
from bayesrtw.report.record import record
from bayesrtw.report.tables import tables

HOSTILE = "=cmd|' /C calc'!A0 & 50 % of_x"


@pytest.fixture(scope="module")
def content() -> dict[str, Any]:
    return record(small_synthesis((HOSTILE, "B", "C", "D")), alternatives=False)


def test_paragraphs_have_the_numbers_of_the_record(content: dict[str, Any]) -> None:
    said, mean = prose.results(content), content["estimates"]["mu"]
    back = mean["back_transformed"]
    ends = f"{back['median']:.2f} (95 % CrI {back['lower']:.2f} to {back['upper']:.2f})"
    assert f"The pooled hazard ratio was {ends}" in said
    assert f"a benefit with probability {mean['probability']:.2f}" in said
    assert said.startswith("4 studies gave 4 estimates.")
    how = prose.methods(content)
    assert "We pooled 4 estimates of the hazard ratio from 4 studies" in how
    assert "The prior of the heterogeneity SD (tau) was half-normal(0.25)" in how
    assert "The analysis was not registered." in how
    assert how.count("\n") == said.count("\n") == 1


def test_counts_are_said_in_words_and_means_have_their_unit(tmp_path) -> None:
    table = tmp_path / "table.csv"
    table.write_text("study,events,n\nA,12,120\nB,8,85\nC,0,60\nD,30,210\n")
    evidence = brw.open_dataset(table)
    said = prose.methods(record(run(default_analyses(evidence)[0], evidence), alternatives=False))
    assert "Events were taken as binomial (logit link); nothing was added to empty cells." in said
    table.write_text("study,effect,se,measure\nA,-3,1,mean_difference\nB,-2,1,mean_difference\n")
    evidence = brw.open_dataset(table, unit="days")
    said = prose.results(record(run(default_analyses(evidence)[0], evidence), alternatives=False))
    assert re.search(r"The pooled mean difference was −\d\.\d days \(95 % CrI", said)
    assert re.search(r"In a new setting the effect would be −\d\.\d days", said)


def test_tables_are_the_same_in_every_format_and_run_in_none(content: dict[str, Any]) -> None:
    found = tables(content)
    name = "explore-estimates-reported-and-shrunken-towards-the-others"
    rows = list(csv.reader(io.StringIO(found[f"{name}.csv"].decode())))
    assert rows[1][0] == f"'{HOSTILE}"
    latex = found[f"{name}.tex"].decode()
    assert r"\& 50 \% of\_x & " in latex
    assert latex.count("\\\\") == len(rows)
    book = load_workbook(io.BytesIO(found["tables.xlsx"]))
    sheet = next(each for each in book if each["A2"].value == f"'{HOSTILE}")
    assert [[cell.value or "" for cell in row] for row in sheet] == rows
    assert len(book.sheetnames) == sum(each.endswith(".csv") for each in found)


def test_spreads_are_called_as_the_questions_call_them(tmp_path) -> None:
    table = tmp_path / "table.csv"
    table.write_text("study,effect,se\nA,0.1,0.1\nA,0.2,0.1\nB,0.3,0.2\nB,0.1,0.2\nC,0.2,0.1\n")
    evidence = brw.open_dataset(table)
    made = record(run(default_analyses(evidence)[0], evidence), alternatives=False)
    assert "heterogeneity SD between studies (tau_study)" in prose.methods(made)
    assert "The heterogeneity SD within studies (tau) was" in prose.results(made)


def test_forest_plots_take_columns_by_the_headings_of_the_table(tmp_path) -> None:
    table = tmp_path / "table.csv"
    table.write_text("Study,HR,Lower,Upper,Year\nA,0.8,0.6,1.1,2009\nB,0.9,0.7,1.2,2001\n")
    evidence = brw.open_dataset(table)
    made = run(default_analyses(evidence)[0], evidence)
    axes = brw.plot_forest(made, order="Year", columns=["Year"])
    height = {text.get_text(): text.get_position()[1] for text in axes.texts}
    assert height["2001"] > height["2009"]
