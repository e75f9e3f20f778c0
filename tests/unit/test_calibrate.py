"""What `bayesrtw calibrate` prints and writes, and what its pictures show."""

import json

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from bayesrtw.cli import main
from bayesrtw.engine.exact import Exact
from bayesrtw.engine.nuts import Nuts
from bayesrtw.errors import SpecError
from bayesrtw.plot.calibration import plot_calibration
from bayesrtw.plot.figure import BLUE, VERMILLION
from bayesrtw.question import calibrate as module
from bayesrtw.question.calibrate import Calibration, judge
from bayesrtw.report.calibration import verdict


def made_up(skew=1.0):
    rng = np.random.default_rng(2)
    pit = {"mu": rng.random(500), "tau": rng.random(500) ** skew}
    pit |= {f"theta[s{place}]": rng.random(500) for place in range(4)}
    return Calibration(name="made-up", engine=Exact(), seed=1, pit=pit, cells=0)


def test_a_table_says_what_is_outside_and_how_far():
    table = judge([made_up(skew=1.5)]).set_index("quantity")
    assert table["inside"].to_dict() == {name: name != "tau" for name in table.index}
    # P(U^1.5 <= x) - x is largest at (2/3)^3, where it is 0.148; the band is about 0.07 wide.
    assert 0.04 < table.loc["tau", "excess"] < 0.12
    assert table.loc["tau", "p_value"] < 1e-6
    assert np.allclose(table["error_95"], np.sqrt(0.95 * 0.05 / 500))
    text = verdict(table.reset_index(), [made_up(skew=1.5)], 0.99)
    assert "5 of 6 quantities are inside" in text
    assert "Worst: tau of made-up, exact." in text
    # Of more tests, each band is wider.
    assert judge([made_up()], tests=10**6)["inside"].all()
    with pytest.raises(SpecError, match=r"joint must lie in \(0, 1\)"):
        judge([made_up()], joint=1.0)


def test_coverage_of_ranks_counts_whole_cells():
    ranks = np.arange(200)
    found = Calibration(
        name="ranks", engine=Nuts(), seed=1, pit={"mu": (ranks + 1) / 200}, cells=200
    )
    row = judge([found]).iloc[0]
    assert row[["coverage_50", "coverage_80", "coverage_95"]].tolist() == [0.5, 0.8, 0.95]
    assert row["inside"]


def test_a_picture_has_a_panel_for_each_variable_and_names_what_is_outside():
    figure = plot_calibration(made_up(skew=1.5), title="Made up")
    panels = {axes.get_title(loc="left"): axes for axes in figure.axes}
    assert list(panels) == ["mu", "tau", "theta (4)"]
    assert figure.get_label() == "Made up"
    colours = {name: {line.get_color() for line in axes.lines[1:]} for name, axes in panels.items()}
    assert colours == {"mu": {BLUE}, "tau": {VERMILLION}, "theta (4)": {BLUE}}
    assert [text.get_text() for text in panels["tau"].texts] == ["outside: tau"]
    assert panels["tau"].get_label() == "tau: 1 outside the band."
    curve = panels["tau"].lines[1].get_ydata()
    assert 0.1 < np.max(curve) < 0.2
    assert curve[0] == curve[-1] == 0.0


def test_the_command_prints_a_table_and_writes_folders(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = ["calibrate", "sick-leave-days", "--replicates", "400", "--jobs", "1"]
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 0, result.output
    assert "9 of 9 quantities are inside their band of level 0.994444" in result.stdout
    assert "theta of 6 estimates" in result.stdout
    assert "sick-leave-days, exact: 400 of 400 replicates" in result.stderr
    folder = tmp_path / "calibration" / "sick-leave-days"
    names = sorted(item.name for item in folder.iterdir())
    assert names == ["exact.csv", "exact.json", "exact.png", "exact.svg"]
    content = json.loads((folder / "exact.json").read_text())
    assert content["replicates"] == 400
    assert content["quantities"]["tau"]["inside"] is True
    assert pd.read_csv(folder / "exact.csv").shape == (400, 10)
    again = CliRunner().invoke(main, [*words, "--json"])
    printed = json.loads(again.stdout)
    assert printed["calibrations"]["sick-leave-days/exact"] == content


def test_a_wrong_posterior_gives_an_exit_code_of_its_own(tmp_path, monkeypatch):
    right = module.settle

    def careless(batch, tolerance):
        solved = right(batch, tolerance)
        object.__setattr__(solved, "covariance", 0.3 * solved.covariance)
        return solved

    monkeypatch.setattr(module, "settle", careless)
    words = ["calibrate", "sick-leave-days", "--replicates", "500", "--jobs", "1", "--out"]
    result = CliRunner().invoke(main, [*words, str(tmp_path)])
    assert result.exit_code == 3
    assert "OUTSIDE by" in result.stdout


def test_a_folder_that_cannot_be_made_is_said_at_once(tmp_path):
    (tmp_path / "file").write_text("")
    words = ["calibrate", "sick-leave-days", "--out", str(tmp_path / "file" / "inside")]
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 1
    assert "cannot be written" in result.stderr
