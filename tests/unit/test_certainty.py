"""Suggested certainty against normal posteriors whose intervals are known, and what people confirm."""

from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

import bayesrtw as brw
from bayesrtw.decision.baseline import StatedBaseline
from bayesrtw.decision.certainty import (
    DOMAINS,
    Suggested,
    Suggestion,
    imprecision,
    inconsistency,
    indirectness,
    information,
    publication_bias,
    risk_of_bias,
    starting,
)
from bayesrtw.decision.certainty_file import Confirmation, confirmations, settled
from bayesrtw.decision.change import Change, as_difference, as_ratio, of_1000
from bayesrtw.decision.zones import Zones
from bayesrtw.errors import SpecError
from bayesrtw.evidence.measure import measure_named
from bayesrtw.evidence.quality import Judgement, Judgements
from bayesrtw.evidence.table import Provenance
from bayesrtw.posterior.kernels import Kernels

DAYS = as_difference(measure_named("mean_difference"), "higher", "days")
ZONES = Zones(difference=(5, 10, 20))


def normal(mean: float, sd: float, scale=DAYS) -> Change:
    return Change(Kernels(np.ones(1), np.array([mean]), np.array([sd])), scale)


@pytest.mark.parametrize(
    ("mean", "sd", "down"),
    [
        (12.0, 1.0, 0),  # 10 to 14: a benefit beyond 5 and precise
        (8.0, 2.0, 1),  # 4 to 12 crosses 5
        (0.0, 1.5, 0),  # -3 to 3 lies between -5 and 5
        (0.0, 4.0, 2),  # -8 to 8 crosses both
        (-8.0, 2.0, 1),  # -12 to -4 crosses -5
        (30.0, 5.0, 1),  # 20 to 40 crosses none, with less information than a planned trial
    ],
)
def test_imprecision_counts_the_thresholds_of_importance_that_the_interval_crosses(
    mean, sd, down
) -> None:
    assert imprecision(normal(mean, sd), ZONES).down == down


def test_the_size_of_information_is_that_of_a_planned_trial() -> None:
    # A trial of 80 % power for 5 days at 5 % on two sides has a standard error of 5 / 2.8016.
    se = 5 / (norm.ppf(0.975) + norm.ppf(0.8))
    assert information(normal(0, se), 5.0) == pytest.approx(1.0)
    assert information(normal(0, 2 * se), 5.0) == pytest.approx(0.25)
    ratio = as_ratio(measure_named("log_risk_ratio"), "higher")
    assert information(normal(0.0, np.log(1.25) / 2.801585, ratio), 1.25) == pytest.approx(
        1.0, rel=1e-5
    )


def test_a_threshold_that_no_effect_reaches_is_said_to_be_out_of_reach() -> None:
    # From 500 of 1000 no odds ratio makes 600 more.
    points = StatedBaseline(risk=0.5, source="a register").points()
    scale = of_1000(measure_named("log_odds_ratio"), "higher", points)
    found = imprecision(normal(0.3, 0.1, scale), Zones(per_1000=600))
    assert found.down == 0
    assert found.number is None
    assert "no effect goes as far as 600, so that no benefit can be important" in found.reason


def test_without_zones_the_interval_is_held_against_no_effect_and_says_so() -> None:
    found = imprecision(normal(1.0, 1.0), Zones())
    assert found.down == 1
    assert "no smallest important effect is stated" in found.reason
    assert imprecision(normal(3.0, 1.0), Zones()).down == 0


def test_inconsistency_is_what_differences_between_settings_add() -> None:
    # The same doubt of the mean and of a new setting is imprecision alone.
    alike = inconsistency(normal(2.0, 3.0), normal(2.0, 3.0), Zones())
    assert alike.down == 0
    assert alike.number == pytest.approx(norm.cdf(0, 2, 3))
    apart = inconsistency(normal(2.0, 0.5), normal(2.0, 3.0), Zones())
    assert apart.down == 1
    assert "0.25" in apart.reason
    assert inconsistency(normal(8.0, 1.0), normal(8.0, 12.0), ZONES).down == 1
    assert inconsistency(normal(2.0, 1.0), normal(2.0, 12.0), ZONES).down == 2
    # Of harms the opposite sign is a benefit.
    worse = inconsistency(normal(-2.0, 1.0), normal(-2.0, 12.0), ZONES)
    assert worse.number == pytest.approx(norm.sf(5, -2, 12))
    # The opposite sign is rare here, and another zone is not: between trivial and a benefit.
    zone = inconsistency(normal(4.9, 0.05), normal(4.9, 5.8), ZONES)
    assert zone.down == 1


def rows(**columns) -> brw.Evidence:
    frame = pd.DataFrame(
        {"study": list("ABCD"), "effect": [0.1, 0.2, 0.3, 0.2], "se": [0.1] * 4, **columns}
    )
    return brw.Evidence.from_frame(frame, measure="log_risk_ratio", benefit="higher")


SHARES = np.array([0.4, 0.3, 0.2, 0.1])


def test_the_designs_say_where_the_level_starts() -> None:
    assert starting(rows(design=["rct", "cluster_rct", "rct", "rct"]), SHARES)[0] == "high"
    level, why = starting(rows(design=["rct", "rct", "cohort", "cohort"]), SHARES)
    assert level == "low"
    assert "2 studies are not randomised and hold 30 % of the information" in why
    assert starting(rows(), SHARES)[0] == "low"


def test_indirectness_is_the_share_of_others() -> None:
    evidence = rows(condition=["msk", "mental", "msk", "cancer"])
    assert indirectness(evidence, SHARES, {}).down is None
    for values, share, down in (
        (("msk", "mental"), 0.1, 0), (("mental", "cancer"), 0.6, 1), (("cancer",), 0.9, 2),
    ):  # fmt: skip
        found = indirectness(evidence, SHARES, {"condition": values})
        assert (found.down, found.number) == (down, pytest.approx(share))
    odd = indirectness(evidence, SHARES, {"condition": ("msk", "Mental")})
    assert odd.reason.endswith("No row says condition Mental.")
    with pytest.raises(SpecError, match="'sex', which is no column"):
        indirectness(evidence, SHARES, {"sex": ("female",)})


def judged(words: dict[str, str]) -> brw.Evidence:
    from dataclasses import replace  # noqa: PLC0415

    made = tuple(
        Judgement(study=study, instrument="RoB 2", version="2019", domain="overall", judgement=word)
        for study, word in words.items()
    )
    return replace(rows(), judgements=Judgements(made))


def test_risk_of_bias_is_the_share_of_studies_at_high_risk_and_what_they_change() -> None:
    few = risk_of_bias(judged({"D": "high"}), SHARES, before="benefit", without="benefit")
    assert few.down is None
    most = risk_of_bias(judged({"A": "high", "B": "high"}), SHARES, before="benefit", without=None)
    assert (most.down, most.number) == (1, pytest.approx(0.7))
    some = {"A": "low", "B": "low", "C": "high"}
    assert risk_of_bias(judged(some), SHARES, before="benefit", without="benefit").down == 0
    moved = risk_of_bias(judged(some), SHARES, before="benefit", without="trivial")
    assert moved.down == 1
    assert "without them the mean effect is trivial in place of benefit" in moved.reason
    rung = Suggestion(domain="risk of bias", down=1, reason="A rung has another class.")
    assert risk_of_bias(rows(), None, before="benefit", without=None, adjusted=rung) is rung
    same = Suggestion(domain="risk of bias", down=0, reason="The class stays.")
    kept = risk_of_bias(rows(), None, before="benefit", without=None, adjusted=same)
    assert kept.down is None
    assert kept.reason.startswith("The class stays.")


def test_publication_bias_is_how_much_selection_would_change_the_class() -> None:
    assert publication_bias("", None, "").down is None
    assert publication_bias("published", 0.6, "x").down == 1
    assert publication_bias("published", 0.4, "x").down == 0
    assert publication_bias("published", None, "x").down == 0
    assert publication_bias("published", float("nan"), "x").down is None


def suggested(*down: int | None, start: str = "high") -> Suggested:
    domains = tuple(
        Suggestion(domain=domain, down=own, reason="because")
        for domain, own in zip(DOMAINS, down, strict=True)
    )
    return Suggested(start=start, why="All are randomised.", domains=domains)


def test_levels_go_down_by_domains_and_not_below_the_lowest() -> None:
    assert suggested(0, 1, 0, 1, 0).level == "low"
    assert suggested(2, 2, 2, 2, 2).level == "very low"
    assert suggested(0, 0, 0, 1, 0, start="low").level == "very low"
    one = suggested(None, 1, 0, 2, 0)
    assert one.open == ("risk of bias",)
    assert one.lowered == "one level for inconsistency, two levels for imprecision"


CONFIRMED = Confirmation(
    analysis="own",
    revision=2,
    version=4,
    level="low",
    by="A. Panel",
    on=date(2026, 11, 30),
    why="Few people.",
)


def settle(every, *, version: int = 4, retrieved: str = "2026-11-22", revision: int = 2):
    origin = Provenance(dataset="d", version=version, retrieved=retrieved)
    return settled(
        suggested(None, 1, 0, 0, 0), every, analysis="own", revision=revision, provenance=origin
    )


def test_what_nobody_confirmed_is_labelled() -> None:
    found = settle(())
    assert found.level == "moderate"
    assert found.said == (
        "Moderate at most (suggested, not confirmed by a person; not assessed: risk of bias)"
    )


def test_what_a_person_confirmed_is_printed_and_its_age_is_said() -> None:
    assert settle([CONFIRMED]).said == "Low (confirmed by A. Panel on 2026-11-30)"
    newer = settle([CONFIRMED], version=5)
    assert newer.level == "low"
    assert "older than the evidence: version 4 was judged, this is version 5" in newer.said
    later = settle([CONFIRMED], retrieved="2026-12-24")
    assert "older than the evidence, which was retrieved on 2026-12-24" in later.said
    from dataclasses import replace  # noqa: PLC0415

    again = replace(CONFIRMED, on=date(2026, 12, 1), level="very low")
    assert settle([again, CONFIRMED]).level == "very low"
    # Of two of one day the last in the file holds.
    assert settle([CONFIRMED, replace(CONFIRMED, level="high")]).level == "high"
    assert settle([replace(CONFIRMED, level="high"), CONFIRMED]).level == "low"
    assert settle([replace(CONFIRMED, analysis="another")]).confirmed is None
    # What was judged of a level is not said of the pooled mean.
    assert settle([replace(CONFIRMED, at={"comparison": "physical"})]).confirmed is None


def test_a_confirmation_of_another_revision_is_refused() -> None:
    with pytest.raises(
        SpecError, match="confirmed for revision 2, and the analysis is at revision 3"
    ):
        settle([CONFIRMED], revision=3)
    with pytest.raises(
        SpecError, match="confirmed for version 4 of the rows, and these are version 3"
    ):
        settle([CONFIRMED], version=3)


FILE = """
[[confirmation]]
analysis = "own"
revision = 2
version = 4
level = "low"
by = "A. Panel"
on = 2026-11-30
why = "Few people."
"""


def test_confirmations_are_read_from_a_file_or_the_folder_that_holds_it(tmp_path: Path) -> None:
    (tmp_path / "certainty.toml").write_text(FILE, "utf-8")
    assert confirmations(tmp_path) == confirmations(tmp_path / "certainty.toml") == (CONFIRMED,)
    with pytest.raises(SpecError, match="there is no such file"):
        confirmations(tmp_path / "other")


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (('"low"', '"lowish"'), "level is 'lowish'"),
        (('"A. Panel"', '" "'), "by is empty"),
        (('"Few people."', '""'), "why is empty"),
        (("revision = 2\n", ""), "revision"),
        (("by =", "who ="), "who"),
        (("on = 2026-11-30", "on = soon"), "is not TOML"),
    ],
)
def test_a_file_of_confirmations_that_is_none_is_refused(tmp_path, wrong, said) -> None:
    place = tmp_path / "certainty.toml"
    place.write_text(FILE.replace(*wrong), "utf-8")
    with pytest.raises(SpecError, match=rf"certainty\.toml(?s:.*){said}"):
        confirmations(place)
