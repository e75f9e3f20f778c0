"""Every `>>>` of a docstring runs, and what the reference names has an example somewhere."""

import doctest
import importlib
import tomllib
from pathlib import Path

import pytest

import bayesrtw as brw
from bayesrtw import registry

ROOT = Path(__file__).parents[2]
MODULES = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    for path in (ROOT / "bayesrtw").rglob("*.py")
    if ">>> " in path.read_text(encoding="utf-8")
)

#: What a reader meets inside other examples and does not make by hand, with where.
MET_ELSEWHERE = {
    "Analysis": "open_analysis",
    "Synthesis": "run",
    "Group": "Categorical, on the page of analysis files",
    "Nuts": "engines, as a component",
    "bias": "its classes are components",
    "likelihood": "its classes are components",
    "selection": "the same",
    "prior": "its classes are components",
    "terms": "its classes are components",
}


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_a_module_give_what_they_say(name):
    failed, tried = doctest.testmod(importlib.import_module(name))
    assert failed == 0
    assert tried > 0


def test_every_public_name_has_an_example():
    described = tomllib.loads((ROOT / "docs/components.toml").read_text(encoding="utf-8"))
    assert brw.Analysis  # its module registers every component
    components = {registry.kinds(role)[kind] for role, table in described.items() for kind in table}
    gallery = {path.stem for path in (ROOT / "docs/gallery").glob("plot_*.py")}
    written = " ".join(path.read_text("utf-8") for path in (ROOT / "docs/gallery").glob("*.py"))
    bare = []
    for name in set(brw.__all__) - set(MET_ELSEWHERE):
        thing = getattr(brw, name)
        texts = [thing.__doc__ or ""]
        texts += [getattr(value, "__doc__", "") or "" for value in vars(thing).values()]
        shown = (
            any(">>> " in text for text in texts)
            or name in gallery
            or f"brw.{name}(" in written
            or thing in components
        )
        if not shown:
            bare.append(name)
    assert sorted(bare) == []
