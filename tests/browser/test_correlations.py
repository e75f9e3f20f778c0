"""The controls of a page of correlations print them on the scale that people read."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pages import Visit, made

import bayesrtw as brw
from bayesrtw.analysis.default import default_analyses
from bayesrtw.analysis.run import run
from bayesrtw.report.numbers import Printer

pytestmark = pytest.mark.browser


def test_a_study_left_out_gives_what_a_new_run_gives(
    visit: Callable[..., Visit], tmp_path: Path
) -> None:
    table = tmp_path / "rows.csv"
    table.write_text("study,r,n\nA,0.5,90\nB,0.2,120\nC,0.31,80\nD,0.25,200\n")
    evidence = brw.open_dataset(table)
    (analysis,) = default_analyses(evidence)
    report = made(run(analysis, evidence), tmp_path)
    found = visit(report.path)
    places = Printer.of(report.content).places

    def shown() -> list[str]:
        cells = [f'#now [data-cell="answers/0/{end}"]' for end in range(3)]
        return [found.page.inner_text(cell) for cell in cells]

    start = shown()
    found.page.select_option("#knob-left", label="A")
    fresh = run(analysis, evidence.rows(np.arange(evidence.size) > 0)).estimates.iloc[0].to_dict()
    wanted = [float(fresh[f"{end}_back"]) for end in ("median", "lower", "upper")]
    assert shown() == [f"{value:.{places}f}" for value in wanted]
    assert shown() != start
    assert found.said == []
