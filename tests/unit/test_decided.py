"""Claims beside decision numbers, and equity by PROGRESS-Plus: against the same rows pooled by hand."""

import math
from dataclasses import replace

import pandas as pd
import pytest

import bayesrtw as brw
from bayesrtw.analysis.against import spoken_to
from bayesrtw.analysis.decided import decided_claims
from bayesrtw.decision.baseline import StatedBaseline
from bayesrtw.decision.certainty import LEVELS
from bayesrtw.decision.equity import FACTORS, equity
from bayesrtw.decision.stated import Decision
from bayesrtw.decision.zones import Zones, zone_probabilities


@pytest.fixture(scope="module")
def held() -> tuple:
    decision = Decision(zones=Zones(days=(5, 10, 20)))
    analysis = replace(brw.open_analysis("sick-leave-days"), decision=decision, variant=())
    brief = brw.open_brief("evidence-brief")
    return brief, analysis, decided_claims(brief, analysis), brw.run(analysis)


def test_each_claim_has_the_numbers_of_the_rows_that_speak_to_it(held: tuple) -> None:
    brief, analysis, found, synthesis = held
    rows = synthesis.evidence
    told = 0
    for claim in brief.claims:
        has, about = spoken_to(brief, claim, analysis, rows)
        row = found.loc[claim.name]
        if not (has & about).any():
            assert row["suggested"] == ""
            assert math.isnan(row["median"])
            assert row["equity"] == "no row speaks to it"
            continue
        told += 1
        own = rows.rows(has & about)
        mean = brw.predict(analysis.model, own).iloc[0]
        # Fewer days of sick leave are days regained.
        assert row["median"] == pytest.approx(-mean["median"])
        assert row["new_upper"] == pytest.approx(-mean["new_lower"])
        zones = zone_probabilities(analysis.model, own, zones=analysis.decision.zones)
        assert row["matters"] == pytest.approx(zones.loc["mean effect", "matters"])
        assert row["new_harms"] == pytest.approx(zones.loc["new setting", "harms"])
        assert row["counted"] == "days regained"
        assert row["suggested"] in LEVELS
    assert told >= 5


def test_what_the_brief_holds_stands_beside_and_is_not_changed(held: tuple) -> None:
    brief, analysis, found, _ = held
    before = pd.DataFrame(brw.hold_against(brief, analysis))
    for name in ("says", "certainty", "studies", "reading", "why"):
        assert found[name].tolist() == before[name].tolist()
    assert "low in the brief" in found.describe()
    assert "convenience sample" in found._repr_html_()


def test_equity_says_what_rows_tell_and_where_they_are_silent() -> None:
    frame = pd.DataFrame(
        {
            "study": ["A", "A", "B", "C"],
            "effect": [0.1, 0.2, 0.3, 0.1],
            "se": 0.1,
            "country": ["Norway", "Norway", "", "Canada"],
            "note": [
                "Nurses, women.",
                "",
                "A workplace of men and women",
                "People without contract",
            ],
            "condition": ["msk", "msk", "mixed", "unclear"],
        }
    )
    found = equity(brw.Evidence.from_frame(frame, measure="log_hazard_ratio", benefit="higher"))
    table = found.table
    assert table.loc["place of residence", ["studies", "of", "told"]].tolist() == [
        2,
        3,
        "Canada 1, Norway 1",
    ]
    assert table.loc["gender and sex", "told"] == "A: “women” in note; B: “men” in note"
    assert table.loc["occupation", "told"] == "C: “without contract” in note"
    assert table.loc["disability and illness", "told"] == "msk 1"
    assert found.silent == (
        "race, ethnicity, culture and language", "religion", "education", "socioeconomic status",
        "social capital", "age",
    )  # fmt: skip
    assert "Education: the rows say nothing of it." in found.describe()


def test_a_column_counts_before_words() -> None:
    frame = pd.DataFrame(
        {
            "study": ["A", "B"],
            "effect": [0.1, 0.2],
            "se": 0.1,
            "sex": ["female", ""],
            "note": ["", "men"],
        }
    )
    found = equity(brw.Evidence.from_frame(frame, measure="log_hazard_ratio", benefit="higher"))
    assert found.table.loc["gender and sex", "told"] == "female 1"
    assert len(FACTORS) == len(found.table) == 10


def test_equity_of_the_shipped_trials_names_its_silence(held: tuple) -> None:
    found = equity(held[3].evidence)
    assert {"education", "religion", "race, ethnicity, culture and language"} <= set(found.silent)
    assert "convenience sample" in found.describe()


def test_an_analysis_of_parts_is_asked_what_the_parts_of_a_claim_add() -> None:
    brief = brw.open_brief("evidence-brief")
    decision = Decision(
        baseline=StatedBaseline(risk=0.3, source="x"), zones=Zones(above_ratio=(1.05,))
    )
    analysis = replace(brw.open_analysis("at-work-components"), decision=decision, variant=())
    found, before = decided_claims(brief, analysis), brw.hold_against(brief, analysis)
    asked = before.index[before["median"].notna()]
    assert len(asked) >= 2
    for name in asked:
        # P(benefit beyond a ratio of 1.05) lies below P(benefit) of the same parts.
        assert found.loc[name, "matters"] < before.loc[name, "probability"]
        assert found.loc[name, "suggested"] == ""
        ratio = math.exp(before.loc[name, "median"])
        assert found.loc[name, "median"] == pytest.approx(300 * (ratio - 1))
    others = found.index.difference(asked)
    assert found.loc[others, "matters"].isna().all()
