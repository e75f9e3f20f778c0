"""Bias priors from judgements: the shipped table against its sources, and what rows get from it.

Numbers of the sources are repeated here from print: ROBES (doi:10.1093/aje/kwx344), Page et al. 2016
(doi:10.1371/journal.pone.0159267) and MetaBLIND (doi:10.1136/bmj.l6802), so that a typing error in the
table cannot pass. Tolerance 5e-4: the table has four digits.
"""

import csv
import tomllib
from dataclasses import replace
from importlib.resources import files
from math import log, sqrt

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

import bayesrtw as brw
from bayesrtw.analysis.query import select
from bayesrtw.errors import EvidenceError, SpecError
from bayesrtw.evidence.bias_prior import (
    ADJUSTED_FOR,
    BiasCell,
    bias_moments,
    overridden,
    read_cells,
    shipped_cells,
)
from bayesrtw.evidence.quality import INSTRUMENTS, Judgement, Judgements

COCHRANE = "Cochrane risk of bias tool 1 (CD001822.pub3)"
CELLS = {cell.key: cell for cell in shipped_cells()}


def interval_se(low, high):
    return (log(high) - log(low)) / (2 * 1.959964)


def evidence(
    design="rct", adjusted="", judgements=(), measure="log_hazard_ratio", benefit="higher"
):
    frame = pd.DataFrame(
        {
            "study": ["a", "b"],
            "effect": [0.1, 0.3],
            "se": 0.1,
            "design": design,
            "adjusted_for": adjusted,
        }
    )
    found = brw.Evidence.from_frame(frame, measure=measure, benefit=benefit)
    return replace(found, judgements=Judgements(tuple(judgements)))


def judged(domain, word, instrument="RoB 2", version="2019", study="a", assessor=""):
    return Judgement(study, instrument, version, domain, word, assessor)


@pytest.mark.parametrize(
    ("instrument", "domain", "word", "ratio"),
    [
        (COCHRANE, "random sequence generation", "high", 0.91),
        (COCHRANE, "allocation concealment", "unclear", 0.92),
        (COCHRANE, "blinding of outcome assessors", "high", 0.87),
        ("PEDro scale", "concealed allocation", "no", 0.92),
        ("Schandelmaier 2012, own form of nine items", "RTW outcome assessor blinded", "N", 0.87),
        ("RoB 2", "randomisation", "high", 0.90),
        ("RoB 2", "measurement", "high", 0.87),
        ("ROBINS-I", "measurement", "serious", 0.87),
    ],
)
def test_means_are_minus_the_log_of_the_printed_ratios(instrument, domain, word, ratio):
    versions = {"RoB 2": "2019", "ROBINS-I": "2016"}
    cell = CELLS["any", instrument, versions.get(instrument, ""), domain, word]
    assert cell.mean == pytest.approx(-log(ratio), abs=5e-4)
    assert "doi:" in cell.source


def test_spreads_follow_from_the_printed_intervals():
    # ROBES .86-.98 for sequence and concealment; BRANDO tau .06 between trials and .05 between reviews.
    wanted = sqrt(interval_se(0.86, 0.98) ** 2 + 0.06**2 + 0.05**2)
    for domain in ("random sequence generation", "allocation concealment"):
        assert CELLS["any", COCHRANE, "", domain, "high"].sd == pytest.approx(wanted, abs=5e-4)
    # MetaBLIND, blinding of those who provide care: 1.01 (.84-1.19).
    deviations = CELLS["any", "RoB 2", "2019", "deviations", "high"]
    assert deviations.sd == pytest.approx(interval_se(0.84, 1.19), abs=2e-3)


def test_the_table_holds_every_word_of_every_listed_instrument():
    for instrument in INSTRUMENTS:
        for domain, words in instrument.domains.items():
            for word in words:
                cell = CELLS["any", instrument.name, instrument.version, domain, word]
                assert cell.excluded == (word == "critical")


def test_every_cell_says_where_it_comes_from_and_why():
    assert all(cell.source and cell.note for cell in shipped_cells())


def test_the_vocabulary_of_adjustment_is_that_of_the_data_sets():
    for name in ("rtw-trials", "rapid-rtw-cohort"):
        text = files("bayesrtw.data").joinpath(name, "dataset.toml").read_text("utf-8")
        field = next(f for f in tomllib.loads(text)["field"] if f["name"] == "adjusted_for")
        assert tuple(field["words"]) == ADJUSTED_FOR


@pytest.mark.parametrize(
    ("adjusted", "sd"),
    [
        ("none", sqrt(0.10**2 + 0.12**2 + 0.08**2 + 0.12**2)),
        ("not_stated", sqrt(0.10**2 + 0.12**2 + 0.08**2 + 0.12**2)),
        ("", sqrt(0.10**2 + 0.12**2 + 0.08**2 + 0.12**2)),
        ("programme_type;not_stated", sqrt(0.10**2 + 0.12**2 + 0.08**2)),
        ("propensity;not_stated", sqrt(0.10**2 + 0.06**2 + 0.04**2 + 0.12**2)),
        ("propensity;prior_absence", sqrt(0.10**2 + 0.04**2 + 0.12**2)),
        ("prior_absence;diagnosis;programme_type", 0.10),
        ("instrument", 0.15),
        ("allocation_rule", 0.05),
        ("age_sex;work", sqrt(0.10**2 + 0.12**2 + 0.08**2 + 0.12**2)),
    ],
)
def test_what_a_cohort_was_adjusted_for_narrows_its_bias(adjusted, sd):
    found = bias_moments(evidence("cohort", adjusted), shipped_cells())
    assert_allclose(np.sqrt(found.variance), sd, rtol=1e-12)
    assert_allclose(found.mean, 0)


def test_nothing_adjusted_has_the_spread_that_is_registered_for_non_randomised_studies():
    found = bias_moments(evidence("non_randomised", "none"), shipped_cells())
    assert 0.2 <= np.sqrt(found.variance[0]) <= 0.25


def test_domains_are_summed_and_a_study_without_judgement_gets_the_default_of_its_design():
    rows = [judged("measurement", "high"), judged("randomisation", "some_concerns")]
    found = bias_moments(evidence(judgements=rows), shipped_cells())
    assert_allclose(found.mean, [-log(0.87) - log(0.90) / 2, 0.035], atol=5e-4)
    assert_allclose(found.variance, [0.10**2 + 0.085**2, 0.10**2])
    assert found.how == (
        "RoB 2 2019: measurement high, randomisation some_concerns",
        "no judgement: default of rct",
    )
    assert (found.judged, found.unjudged, found.partial) == (("a",), ("b",), ("a",))


def test_two_assessors_are_averaged_and_their_disagreement_counts():
    rows = [judged("measurement", "high", assessor="A"), judged("measurement", "low", assessor="B")]
    found = bias_moments(evidence(judgements=rows), shipped_cells())
    mean = CELLS["any", "RoB 2", "2019", "measurement", "high"].mean
    assert found.mean[0] == pytest.approx(mean / 2)
    assert found.variance[0] == pytest.approx(0.10**2 / 2 + (mean / 2) ** 2)


def test_an_overall_judgement_counts_only_where_no_domain_was_judged():
    alone = bias_moments(evidence(judgements=[judged("overall", "high")]), shipped_cells())
    assert alone.mean[0] == pytest.approx(log(1.15), abs=5e-4)
    rows = [judged("overall", "high"), judged("measurement", "low")]
    assert bias_moments(evidence(judgements=rows), shipped_cells()).mean[0] == 0


def test_critical_leaves_a_study_out():
    rows = [judged("confounding", "critical", "ROBINS-I", "2016")]
    found = bias_moments(evidence("cohort", judgements=rows), shipped_cells())
    assert list(found.excluded) == [True, False]
    assert np.isinf(found.variance[0])
    assert found.how[0] == "left out: ROBINS-I 2016, confounding critical"


def test_an_instrument_that_the_table_does_not_map_changes_nothing_and_is_named():
    rows = [judged("overall class", "high-quality RCT", "Home-made", "")]
    found = bias_moments(evidence(judgements=rows), shipped_cells())
    assert found.unmapped == {"Home-made": 1}
    assert found.unjudged == ("a", "b")
    assert_allclose(found.mean, 0.035)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"judgements": [judged("measurement", "hihg")]},
            "study 'a': RoB 2 2019 judged measurement 'hihg', a word that the table of bias priors does "
            "not have; did you mean 'high'",
        ),
        (
            {"judgements": [judged("measuremnt", "high")]},
            "'measuremnt' is no domain of RoB 2 2019; did you mean 'measurement'",
        ),
        (
            {"design": "quasi"},
            "design 'quasi' has no default in the table of bias priors; Choices: cl",
        ),
        (
            {"design": "cohort", "adjusted": "prior_abscence"},
            "adjusted_for holds 'prior_abscence' in row 'a'; did you mean 'prior_absence'",
        ),
        (
            {"measure": "standardised_mean_difference"},
            "are ratios of events; found measure 'standardised_mean_difference'",
        ),
    ],
)
def test_words_that_mean_nothing_are_errors(settings, message):
    with pytest.raises(EvidenceError, match=message):
        bias_moments(evidence(**settings), shipped_cells())


def test_shipped_evidence_says_how_few_studies_were_judged():
    analysis = brw.open_analysis("time-to-rtw-all-designs")
    rows = select(analysis.evidence, brw.open_dataset("rtw-trials")).evidence
    found = bias_moments(rows, shipped_cells())
    assert found.judged == ("lambeek2010", "hlobil2005", "verbeek2002")
    assert len(found.unjudged) == len(set(rows.data["study"].to_numpy())) - 3
    assert found.unmapped == {"Mikkelsen & Rosholm 2018, quality class": 2}
    assert found.unadjusted == ("martin2013", "anema2004")
    sd = dict(zip(rows.data["study"].to_numpy(), np.sqrt(found.variance), strict=True))
    assert sd["skarpaas2019"] < sd["anema2004"]


HEADER = "design,instrument,version,domain,judgement,mean,sd,excluded,source,note\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("design,domain\nrct,design\n", "9 faults|column 'judgement' is missing"),
        (
            HEADER + "rct,,,design,no_judgement,x,0.1,,s,n\n",
            "mean is 'x' and sd '0.1' in row 2; wri",
        ),
        (
            HEADER + "rct,,,design,no_judgement,0,-1,,s,n\n",
            "row 2: .* sd finite and >= 0; found 0.0 and",
        ),
        (HEADER + "rct,,,design,no_judgement,0,nan,,s,n\n", "mean must be finite and sd finite"),
        (HEADER + "rct,,,design,no_judgement,0,,,s,n\n", "mean is '0' and sd '' in row 2; write"),
        (HEADER + ",,,design,no_judgement,0,0,,s,n\n", "names neither an instrument nor a design"),
        (
            HEADER + "rct,,,design,no_judgement,0,0,no,s,n\n",
            "excluded is 'no' in row 2; write yes, or",
        ),
        (HEADER + 2 * "rct,,,design,no_judgement,0,0,,s,n\n", "row 3 repeats row 2"),
    ],
)
def test_a_table_that_cannot_be_read_says_why(text, message):
    with pytest.raises(EvidenceError, match=message):
        read_cells(text.encode(), "mine.csv")


def test_a_cell_of_ones_own_replaces_the_shipped_one():
    own = BiasCell("design", "no_judgement", 0.0, 0.0, design="rct", source="mine")
    found = bias_moments(evidence(), overridden(shipped_cells(), [own]))
    assert_allclose(found.variance, 0)
    with pytest.raises(SpecError, match="names neither an instrument nor a design"):
        BiasCell("design", "no_judgement")


def test_the_file_is_plain_csv_with_one_row_a_cell():
    resource = files("bayesrtw.data").joinpath("bias-priors", "bias_priors.csv")
    rows = list(csv.DictReader(resource.read_text("utf-8").splitlines()))
    assert len(rows) == len(shipped_cells()) == len(CELLS)
