"""The gallery: every picture has a script, and every script draws it."""

import runpy
from pathlib import Path

import pytest
from matplotlib.axes import Axes

import bayesrtw as brw

GALLERY = Path(__file__).parents[2] / "docs" / "gallery"
SCRIPTS = sorted(GALLERY.glob("plot_*.py"))

#: The calibration picture has its own page.
ELSEWHERE = {"plot_calibration"}


def test_every_picture_has_a_script_and_a_sentence():
    drawn = {name for name in brw.__all__ if name.startswith("plot_")} - ELSEWHERE
    assert drawn <= {path.stem for path in SCRIPTS}
    assert {f"describe_{name.removeprefix('plot_')}" for name in drawn} <= set(brw.__all__)


def test_scripts_open_with_a_title():
    for path in SCRIPTS:
        quote, title, rule, *_ = path.read_text(encoding="utf-8").splitlines()
        assert quote == '"""'
        assert rule == "=" * len(title)


@pytest.mark.slow
@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_scripts_draw(path):
    assert isinstance(runpy.run_path(str(path))["axes"], Axes)
