"""Absolute effects against figures worked out elsewhere: Weibull curves with a median of 90 days."""

import math

import pytest

from bayesrtw.decision.risks import per_thousand, risk
from bayesrtw.errors import SpecError


@pytest.mark.parametrize(
    ("baseline", "wanted"), [(0.799, 0.866), (0.881, 0.930), (0.940, 0.970), (0.986, 0.995)]
)
def test_hazard_ratio_moves_a_risk_as_a_weibull_curve_does(baseline: float, wanted: float) -> None:
    assert risk("log_hazard_ratio", math.log(1.25), baseline) == pytest.approx(wanted, abs=1.1e-3)


def test_other_ratios_move_a_risk_as_their_definitions_say() -> None:
    assert per_thousand("log_risk_ratio", math.log(1.5), 0.2) == pytest.approx(100)
    assert risk("log_risk_ratio", math.log(3), 0.5) == 1.0
    new = risk("log_odds_ratio", math.log(2), 0.25)
    assert new / (1 - new) == pytest.approx(2 * 0.25 / 0.75)
    assert risk("risk_difference", -0.3, 0.1) == 0.0
    with pytest.raises(SpecError, match="moves no risk"):
        risk("mean_difference", 1.0, 0.5)
    with pytest.raises(SpecError, match="baseline must lie"):
        risk("log_risk_ratio", 0.0, 1.0)
