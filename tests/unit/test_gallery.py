"""The gallery: every picture has a script, and every script draws it."""

import inspect
import runpy
from importlib import import_module
from pathlib import Path

import pytest
from matplotlib.axes import Axes

import bayesrtw

GALLERY = Path(__file__).parents[2] / "docs" / "gallery"
SCRIPTS = sorted(GALLERY.glob("plot_*.py"))

PLOTS = Path(bayesrtw.__file__).parent / "plot"


def test_every_picture_has_a_script_and_a_sentence():
    homes = {path.stem: import_module(f"bayesrtw.plot.{path.stem}") for path in PLOTS.glob("*.py")}
    drawn = {name for name, home in homes.items() if hasattr(home, f"plot_{name}")}
    assert len(drawn) > 25
    assert {f"plot_{name}" for name in drawn} <= {path.stem for path in SCRIPTS}
    for name in drawn:
        plot, tell = (getattr(homes[name], f"{verb}_{name}") for verb in ("plot", "describe"))
        asked = list(inspect.signature(tell).parameters)
        takes = list(inspect.signature(plot).parameters)
        assert set(asked) < set(takes), name
        assert "width_mm" in set(takes) - set(asked)
        assert all(f"\n{each}" in inspect.getdoc(plot).replace(", ", "\n") for each in takes), name


def test_scripts_open_with_a_title():
    for path in SCRIPTS:
        quote, title, rule, *_ = path.read_text(encoding="utf-8").splitlines()
        assert quote == '"""'
        assert rule == "=" * len(title)


@pytest.mark.slow
@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_scripts_draw(path):
    assert isinstance(runpy.run_path(str(path))["axes"], Axes)
