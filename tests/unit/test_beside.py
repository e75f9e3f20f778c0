"""Subgroups, and syntheses beside each other."""

import math

import pandas as pd
import pytest
from matplotlib.axes import Axes
from scipy import stats

import bayesrtw as brw
from bayesrtw.errors import SpecError
from bayesrtw.question.beside import subgroups

FRAME = pd.DataFrame(
    {
        "study": list("ABCDE"),
        "effect": [0.4, 0.2, -0.1, 0.1, 0.3],
        "se": [0.1, 0.2, 0.1, 0.2, 0.3],
        "kind": ["x", "x", "y", "y", ""],
    }
)
COMMON = brw.Model(terms=(brw.Intercept(brw.prior.Flat()), brw.Common()))


def rows(measure: str = "log_hazard_ratio", benefit: str | None = "higher") -> brw.Evidence:
    return brw.Evidence.from_frame(FRAME, measure=measure, benefit=benefit)


def pooled(kept: pd.Series) -> tuple[float, float]:
    own = FRAME[kept]
    weight = own["se"] ** -2.0
    return float((weight * own["effect"]).sum() / weight.sum()), float(weight.sum() ** -0.5)


def test_subgroups_of_one_effect_are_weighted_means_and_their_difference_is_normal() -> None:
    found = subgroups(COMMON, rows(), by="kind")
    assert found.index.tolist() == ["x", "y", "all"]
    assert found["estimates"].tolist() == [2, 2, 5]
    (one, se_one), (two, se_two) = pooled(FRAME["kind"] == "x"), pooled(FRAME["kind"] == "y")
    assert found["mean"].tolist()[:2] == pytest.approx([one, two], abs=1e-12)
    assert found.loc["all", "sd"] == pytest.approx(pooled(FRAME["se"] > 0)[1], abs=1e-12)
    law = stats.norm(two - one, math.hypot(se_one, se_two))
    told = found.loc["y", ["difference", "difference_lower", "difference_upper"]].to_list()
    assert told == pytest.approx(law.ppf([0.5, 0.025, 0.975]), abs=1e-8)
    assert found.loc["y", "difference_probability"] == pytest.approx(law.sf(0), abs=1e-9)
    assert math.isnan(found.loc["x", "difference"])


def test_a_subgroup_is_what_its_rows_alone_give() -> None:
    model = brw.Model(
        terms=(
            brw.Intercept(brw.prior.Normal(0, 0.5)),
            brw.Exchangeable(brw.prior.HalfNormal(0.25)),
        )
    )
    found = subgroups(model, rows(), by="kind").loc["y"]
    alone = brw.Evidence.from_frame(
        FRAME[FRAME["kind"] == "y"], measure="log_hazard_ratio", benefit="higher"
    )
    mu = brw.summarise(brw.fit(model, alone, engine=brw.Exact(draws=0))).loc["mu"]
    for name in ("median", "lower", "upper", "probability"):
        assert found[name] == pytest.approx(mu[name], abs=1e-7)


def test_syntheses_stand_beside_each_other_with_a_picture() -> None:
    first = brw.run(rows())
    other = brw.run(
        brw.Evidence.from_frame(FRAME[:3], measure="log_hazard_ratio", benefit="higher")
    )
    for found in (brw.compare(first, other), brw.compare({"five": first, "three": other})):
        assert found["estimates"].tolist() == [5, 3]
        assert found["median"].iloc[0] == first.quantities.loc["mu", "median"]
        assert found["upper"].iloc[1] == other.quantities.loc["mu", "upper"]
        assert isinstance(found.plot(), Axes)
        assert found.describe().startswith("Results beside each other")
    assert found.index.tolist() == ["five", "three"]


def test_what_has_no_groups_or_one_scale_is_named() -> None:
    with pytest.raises(SpecError, match=r"by is 'kinds'; did you mean 'kind'"):
        subgroups(COMMON, rows(), by="kinds")
    with pytest.raises(SpecError, match="subgroups take a column of two values or more"):
        subgroups(COMMON, rows(), by="outcome")
    with pytest.raises(SpecError, match="syntheses are on different scales"):
        brw.compare(brw.run(rows()), brw.run(rows("log_odds_ratio")))
