"""The reporting checklist against the points of its publication, and against the page."""

import re

import pytest
from click.testing import CliRunner

from bayesrtw.cli import main
from bayesrtw.report.checklist import POINTS
from bayesrtw.report.render import page

#: Letters of each step in Table 1 of Kruschke (2021); of step 6 what the step asks for.
BARG = {
    "0": "AB",
    "1": "ABCDE",
    "2": "ABCD",
    "3": "ABC",
    "4": "ABCDE",
    "5": "ABCDE",
    "6": "ABCDEFGH",
}

#: Points whose subject is known from the table, and a word of it.
SUBJECTS = {
    "0.A": "Why Bayesian",
    "0.B": "Goals",
    "1.A": "Data",
    "1.B": "Likelihood",
    "1.C": "Prior",
    "1.D": "Formal specification",
    "1.E": "Prior predictive check",
    "2.A": "Software",
    "2.B": "Convergence",
    "2.C": "Resolution",
    "2.D": "not MCMC",
    "3.A": "Posterior predictive check",
    "3.B": "Summaries",
    "3.C": "Bayes factors",
    "4.A": "Why decide",
    "4.B": "Loss",
    "4.C": "practical equivalence",
    "4.D": "Bayes factors",
    "4.E": "Estimates",
    "5.A": "broad",
    "5.B": "informed",
    "5.C": "default",
    "5.D": "Bayes factors",
    "5.E": "decisions",
    "6.A": "install",
    "6.B": "Versions",
    "6.D": "humans",
    "6.G": "Posterior",
}


def test_the_checklist_has_the_points_of_the_publication() -> None:
    wanted = [f"{step}.{letter}" for step, letters in BARG.items() for letter in letters]
    assert [point for point, _, _ in POINTS] == wanted
    asks = {point: asked for point, _, asked in POINTS}
    for point, word in SUBJECTS.items():
        assert word in asks[point], point


@pytest.mark.parametrize("which", ["plain", "both_designs"])
def test_the_checklist_answers_every_point_and_says_where(
    which: str, request: pytest.FixtureRequest
) -> None:
    made, content = request.getfixturevalue(which)
    points = content["checklist"]
    assert [each["point"] for each in points] == [point for point, _, _ in POINTS]
    known = {"reported", "in part", "not reported", "does not apply", "left to the author"}
    assert {each["status"] for each in points} <= known
    assert all(each["text"] for each in points)
    said = {each["point"]: each["text"] for each in points}
    assert content["digest"] in said["6.C"]
    assert "half-normal(0.1)" in said["5.A"]
    status = {each["point"]: each["status"] for each in points}
    for point in ("0.A", "4.B", "4.C", "6.C", "6.E", "6.H"):
        assert status[point] == "left to the author"
    text = page(made, content)
    sections = set(re.findall(r'<section id="([^"]+)"', text))
    part = text[text.index('<section id="checklist"') :]
    for each in points:
        shown = [name for name in each["where"] if name in sections]
        answered = each["status"] in ("reported", "in part")
        assert bool(shown) == answered, each
        for name in shown:
            assert f'<a href="#{name}">' in part


def test_a_report_of_ones_own_names_its_files_and_counts_no_people_that_nobody_printed(
    tmp_path, monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my rows.csv").write_text(
        "study,reported,estimate,ci_low,ci_high,design\n"
        "A,hazard_ratio,1.2,0.9,1.6,rct\nB,hazard_ratio,1.0,0.8,1.25,rct\n"
    )
    assert CliRunner().invoke(main, ["new", "analysis", "mine"]).exit_code == 0
    words = ["report", "mine.toml", "--evidence", "my rows.csv", "--out", "mine.md"]
    assert CliRunner().invoke(main, words).exit_code == 0
    told = (tmp_path / "mine.md").read_text()
    assert "uv run bayesrtw run mine.toml --evidence 'my rows.csv'\n" in told
    assert "RCT: 2 studies, 2 estimates, number of people not given" in told
    assert "data frame" not in told
