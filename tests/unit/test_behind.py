"""What stands behind an answer, worked out here anew from the priors' own formulas."""

import io
import math

import pytest
from rich.console import Console
from small_synthesis import small_synthesis

from bayesrtw.report import text
from bayesrtw.report.record import record


@pytest.fixture(scope="module")
def content() -> dict:  # type: ignore[type-arg]
    return record(small_synthesis(("A", "B", "C", "D")))


def test_priors_say_what_95_per_cent_of_them_means_on_the_reported_scale(
    content: dict,  # type: ignore[type-arg]
) -> None:
    mean, spread = content["behind"]["priors"]
    # normal(0, 0.5), half-normal(0.25): quantiles of a standard normal from tables
    assert mean["back_transformed"]["lower"] == pytest.approx(math.exp(-0.5 * 1.959964), rel=1e-6)
    assert mean["back_transformed"]["upper"] == pytest.approx(math.exp(0.5 * 1.959964), rel=1e-6)
    assert spread["lower"] == pytest.approx(0.25 * 0.0313380, rel=1e-4)
    assert spread["upper"] == pytest.approx(0.25 * 2.2414027, rel=1e-6)
    assert spread["reach"]["upper"] == pytest.approx(math.exp(1.96 * 0.25 * 2.2414027), rel=1e-6)
    assert mean["weight"] == content["weights"]["prior"]


def test_the_terminal_says_what_the_record_says(content: dict) -> None:  # type: ignore[type-arg]
    shown = io.StringIO()
    made = small_synthesis(("A", "B", "C", "D"))
    text.show(made, content, Console(file=shown, width=200))
    said = shown.getvalue()
    assert (
        "Prior of μ: normal(mean = 0, sd = 0.5): 95 % of it says HR 0.38 to 2.66"
        in said.replace("\u00a0", " ")
    )
    assert "Prior of tau: half-normal(0.25)" in said
    assert "Prior against data: " in said
    for each in content["behind"]["conflicts"]:
        assert each["prior"] >= 0.05, "below it nothing is said"
