"""The page of measures lists what there is, with a source for every equation."""

import importlib.util
import math
import re
import sys
from pathlib import Path

import numpy as np
import pytest

from bayesrtw.evidence.measure import MEASURES
from bayesrtw.evidence.route import ROUTES
from bayesrtw.model.defaults import TABLE

EXT = Path(__file__).parents[2] / "docs" / "_ext"


@pytest.fixture(scope="module")
def pages():
    sys.path.insert(0, str(EXT))
    try:
        spec = importlib.util.spec_from_file_location("pages", EXT / "pages.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(EXT))
    return module


def test_every_measure_has_its_section(pages):
    page = pages.measures()
    for name, measure in MEASURES.items():
        section = page.split(f"\n``{name}``\n")[1].split("\n.. _measure")[0]
        assert f"**{measure.title}** ({measure.abbreviation})" in section
        assert section.count("* From ") == sum(of == name for _, of in ROUTES)
        if name in TABLE:
            assert TABLE[name].why in section
        assert re.search("judgement|Cochrane reviews", section)


@pytest.mark.parametrize("route", ROUTES, ids="-".join)
def test_every_equation_has_a_source(pages, route):
    said = pages.equation(ROUTES[route], route[1])
    named = r"doi:10\.|Borenstein \d|Cochrane Handbook \d|\(\d{4}\)|Anscombe 1948"
    if route != ("medians", "log_ratio_of_medians"):  # worked out here, which it says
        assert re.search(named, said), said
    assert said


def test_inverses_are_those_of_the_links(pages):
    """The words of the page, as Python."""
    written = {
        "nothing": lambda x: x,
        "exp": math.exp,
        "1 / (1 + exp(-x))": lambda x: 1 / (1 + math.exp(-x)),
        "tanh": math.tanh,
        "sin squared": lambda x: math.sin(x) ** 2,
    }
    for measure in MEASURES.values():
        inverse = written[pages.INVERSES[measure.link.name]]
        found = [float(measure.back(x)) for x in (0.1, 0.7, 1.3)]
        assert np.allclose(found, [inverse(x) for x in (0.1, 0.7, 1.3)], rtol=1e-14)
