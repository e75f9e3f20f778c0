"""The page of parts counts what the data set says, and its agreement is Cohen's."""

import importlib.util
from pathlib import Path

import pytest

EXT = Path(__file__).parents[2] / "docs" / "_ext"


@pytest.fixture(scope="module")
def parts():
    spec = importlib.util.spec_from_file_location("parts", EXT / "parts.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_kappa_is_that_of_an_example_worked_by_hand(parts):
    # 45 yes-yes, 15 yes-no, 25 no-yes, 15 no-no: 0.60 alike, 0.54 by chance
    pairs = 45 * [("yes", "yes")] + 15 * [("yes", "no")]
    pairs += 25 * [("no", "yes")] + 15 * [("no", "no")]
    assert parts.kappa(pairs) == pytest.approx((0.60 - 0.54) / 0.46)
    assert parts.kappa([("no", "no")]) is None


def test_the_page_counts_every_study_once_in_each_arm(parts):
    page = parts.page()
    first = page.split("``coordination``\n", 1)[1].splitlines()[1:7]
    numbers = [int(line.split("- ")[1]) for line in first]
    assert sum(numbers[:3]) == sum(numbers[3:]) == 138
    assert "coded once, by this project" in page.lower()
