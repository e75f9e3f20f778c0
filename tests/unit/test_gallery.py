"""The gallery: every picture has a script, and every script draws it."""

import runpy
from pathlib import Path

import pytest
from matplotlib.axes import Axes

import bayesrtw

GALLERY = Path(__file__).parents[2] / "docs" / "gallery"
SCRIPTS = sorted(GALLERY.glob("plot_*.py"))

PLOTS = Path(bayesrtw.__file__).parent / "plot"


def test_every_picture_has_a_script_and_a_sentence():
    written = {path.stem: path.read_text("utf-8") for path in PLOTS.glob("*.py")}
    drawn = {name for name, text in written.items() if f"def plot_{name}(" in text}
    assert len(drawn) > 15
    assert {f"plot_{name}" for name in drawn} <= {path.stem for path in SCRIPTS}
    assert [name for name in drawn if f"def describe_{name}(" not in written[name]] == []


def test_scripts_open_with_a_title():
    for path in SCRIPTS:
        quote, title, rule, *_ = path.read_text(encoding="utf-8").splitlines()
        assert quote == '"""'
        assert rule == "=" * len(title)


@pytest.mark.slow
@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_scripts_draw(path):
    assert isinstance(runpy.run_path(str(path))["axes"], Axes)
