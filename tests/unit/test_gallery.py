"""The gallery: every picture has a script, and every script draws it."""

import runpy
from pathlib import Path

import pytest
from matplotlib.axes import Axes

import bayesrtw as brw

GALLERY = Path(__file__).parents[2] / "docs" / "gallery"
SCRIPTS = sorted(GALLERY.glob("plot_*.py"))

#: Pictures of several panels, each of which carries its own sentence as its label.
PANELS = {"plot_calibration"}


def test_every_picture_has_a_script_and_a_sentence():
    drawn = {name for name in brw.__all__ if name.startswith("plot_")}
    assert drawn <= {path.stem for path in SCRIPTS}
    said = {f"describe_{name.removeprefix('plot_')}" for name in drawn - PANELS}
    assert said <= set(brw.__all__)


def test_scripts_open_with_a_title():
    for path in SCRIPTS:
        quote, title, rule, *_ = path.read_text(encoding="utf-8").splitlines()
        assert quote == '"""'
        assert rule == "=" * len(title)


@pytest.mark.slow
@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_scripts_draw(path):
    assert isinstance(runpy.run_path(str(path))["axes"], Axes)
