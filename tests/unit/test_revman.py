"""RevMan 5 files: what becomes of each kind of data, and what is refused.

Expected numbers of Fleiss1993.rm5 are RevMan's own (Fleiss1993_CR.csv, eight decimals) or a hand check
with its weights.
"""

import csv
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bayesrtw.analysis.catalog import open_dataset
from bayesrtw.engine import fit
from bayesrtw.engine.exact import Exact
from bayesrtw.errors import EvidenceError
from bayesrtw.model.heterogeneity import Common
from bayesrtw.model.moderator import Intercept
from bayesrtw.model.prior import Flat
from bayesrtw.model.spec import Model
from bayesrtw.posterior.summarise import summarise
from bayesrtw.reading.imported import findings
from bayesrtw.reading.revman import read_revman

FORMATS = Path(__file__).parent.parent / "formats"
FLEISS = FORMATS / "Fleiss1993.rm5"

HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n<COCHRANE_REVIEW DOI="10.1/x">'
STUDIES = (
    "<COVER_SHEET><TITLE>Made up</TITLE></COVER_SHEET><INCLUDED_STUDIES>"
    '<STUDY ID="a" NAME="Ærø 2001" YEAR="2001" DATA_SOURCE="PUB"><REFERENCE TYPE="X"/></STUDY>'
    '<STUDY ID="b" NAME="Bo 2002" YEAR="2002"/><STUDY ID="c" NAME="Bo 2002" YEAR="2003"/>'
    "</INCLUDED_STUDIES>"
)


def review(tmp_path, outcomes, head=HEAD):
    text = (
        f'{head}{STUDIES}<ANALYSES_AND_DATA><COMPARISON NO="3"><NAME>A versus B</NAME>{outcomes}'
        "</COMPARISON></ANALYSES_AND_DATA></COCHRANE_REVIEW>"
    )
    path = tmp_path / "made-up.rm5"
    path.write_text(text, encoding="utf-8")
    return path


def outcome(kind, attributes, rows, texts="<NAME>Work</NAME>"):
    return f'<{kind}_OUTCOME NO="1" {attributes}>{texts}{rows}</{kind}_OUTCOME>'


def columns(path, *names, **options):
    data = read_revman(path, **options).evidence.data
    return [data[name].to_numpy().tolist() for name in names]


def causes(path):
    return [cause.split(" [")[0] for cause in columns(path, "quarantined")[0]]


def flat_pool(evidence):
    """Pooled mean and SD without heterogeneity under a flat prior: the fixed-effect estimate."""
    model = Model(terms=(Intercept(Flat()), Common()))
    row = summarise(fit(model, evidence, engine=Exact(draws=0))).loc["mu"]
    return float(row["mean"]), float(row["sd"])


def test_effects_are_those_that_revman_displays():
    evidence = read_revman(FLEISS).evidence
    data = evidence.data
    aspirin = data["outcome"].to_numpy() == evidence.outcome_names[0]
    effect, se, printed = (
        data[name].to_numpy()[aspirin] for name in ("effect", "se", "review_estimate")
    )
    np.testing.assert_allclose(np.exp(effect), printed, rtol=1e-12)
    low = data["review_ci_low"].to_numpy()[aspirin]
    # RevMan takes 1.96 or 1.959964 for the quantile; they differ by 2e-5 of a standard error.
    np.testing.assert_allclose(np.exp(effect - 1.959964 * se), low, rtol=1e-5)


def test_mantel_haenszel_pool_by_hand_is_revmans():
    evidence = read_revman(FLEISS).evidence
    rows = evidence.select(outcome=evidence.outcome_names[0]).data
    weight = rows["review_weight"].to_numpy()
    pooled = np.sum(weight * np.exp(rows["effect"].to_numpy())) / np.sum(weight)
    assert pooled == pytest.approx(0.8968655609130709, rel=1e-12)
    a, n1, c, n0 = (rows[name].to_numpy() for name in ("events_t", "n_t", "events_c", "n_c"))
    by_hand = np.sum(a * (n0 - c) / (n1 + n0)) / np.sum((n1 - a) * c / (n1 + n0))
    assert pooled == pytest.approx(by_hand, rel=1e-12)


def test_inverse_variance_pools_are_those_of_a_hand_check():
    evidence = read_revman(FLEISS).evidence
    for name in evidence.outcome_names:
        rows = evidence.select(outcome=name)
        effect, se = rows.data["effect"].to_numpy(), rows.data["se"].to_numpy()
        weight = se**-2.0
        mean, sd = flat_pool(rows)
        assert mean == pytest.approx(np.sum(weight * effect) / np.sum(weight), rel=1e-10)
        assert sd == pytest.approx(np.sum(weight) ** -0.5, rel=1e-10)


def test_mean_differences_of_the_second_analysis_pool_to_what_revman_exported():
    with (FORMATS / "Fleiss1993_CR.csv").open(encoding="utf-8-sig", newline="") as file:
        exported = [row for row in csv.DictReader(file) if row["Outcome Number"] == "2"]
    evidence = read_revman(FLEISS).evidence
    rows = evidence.select(outcome=evidence.outcome_names[1]).data
    difference = rows["mean_t"].to_numpy() - rows["mean_c"].to_numpy()
    variance = sum(
        rows[f"sd_{arm}"].to_numpy() ** 2 / rows[f"n_{arm}"].to_numpy() for arm in ("t", "c")
    )
    frame = pd.DataFrame(
        {"study": rows["study"].to_numpy(), "effect": difference, "se": np.sqrt(variance)}
    )
    pooled, printed = exported[0], {row["Name"]: row for row in exported[1:]}
    for study, effect in zip(rows["study"].to_numpy(), difference, strict=True):
        assert effect == pytest.approx(float(printed[study]["Effect Estimate"]), abs=1e-8)
    mean, sd = flat_pool(type(evidence).from_frame(frame, measure="mean_difference"))
    assert mean == pytest.approx(float(pooled["Effect Estimate"]), abs=1e-8)
    assert mean - 1.95996398 * sd == pytest.approx(float(pooled["CI Start"]), abs=1e-7)


def test_graph_labels_give_the_direction_of_benefit_and_the_provenance_says_so():
    evidence = read_revman(FLEISS).evidence
    assert evidence.benefit == "lower"
    assert "Direction of benefit of 2 analyses: taken from the labels of their graphs." in (
        evidence.provenance.limits
    )
    assert read_revman(FLEISS, benefit="higher").evidence.benefit == "higher"


@pytest.mark.parametrize(
    ("left", "right", "benefit"),
    [
        ("Favours experimental", "Favours control", "lower"),
        ("Favours control", "Favours aspirin", "higher"),
        ("Favors usual care", "Favors treatment", "higher"),
        ("Favours usual care", "Favours more", ""),
        ("less", "more", ""),
    ],
)
def test_labels_decide_only_where_both_name_an_arm(tmp_path, left, right, benefit):
    texts = (
        "<NAME>Work</NAME><GROUP_LABEL_1>Aspirin</GROUP_LABEL_1><GROUP_LABEL_2>None</GROUP_LABEL_2>"
        f"<GRAPH_LABEL_1>{left}</GRAPH_LABEL_1><GRAPH_LABEL_2>{right}</GRAPH_LABEL_2>"
    )
    row = '<DICH_DATA STUDY_ID="a" EVENTS_1="1" TOTAL_1="9" EVENTS_2="2" TOTAL_2="9"/>'
    path = review(tmp_path, outcome("DICH", 'EFFECT_MEASURE="RR"', row, texts))
    evidence = read_revman(path).evidence
    assert evidence.benefit == benefit
    assert evidence.direction.sides == (left, right)
    said = any("No direction of benefit was stated" in text for text in evidence.provenance.limits)
    assert said == (right in ("Favours more", "more"))


def test_studies_are_named_apart_and_keep_their_years(tmp_path):
    rows = "".join(
        f'<DICH_DATA STUDY_ID="{key}" EVENTS_1="1" TOTAL_1="9" EVENTS_2="2" TOTAL_2="9"/>'
        for key in "abc"
    )
    path = review(tmp_path, outcome("DICH", 'EFFECT_MEASURE="RR"', rows))
    assert columns(path, "study", "year", "outcome") == [
        ["Ærø 2001", "Bo 2002", "Bo 2002 (c)"],
        [2001.0, 2002.0, 2003.0],
        ["3.1 Work"] * 3,
    ]


def test_subgroups_tell_the_rows_of_a_study_apart(tmp_path):
    row = (
        '<CONT_DATA STUDY_ID="a" MEAN_1="1" SD_1="2" TOTAL_1="9" MEAN_2="2" SD_2="3" TOTAL_2="8"/>'
    )
    rows = "".join(
        f'<CONT_SUBGROUP NO="{number}"><NAME>{name}</NAME>{row}</CONT_SUBGROUP>'
        for number, name in enumerate(("early", "late"))
    )
    path = review(tmp_path, outcome("CONT", 'EFFECT_MEASURE="MD" UNITS="days" TOTALS="SUB"', rows))
    evidence = read_revman(path).evidence
    assert evidence.data["estimate"].to_numpy().tolist() == ["Ærø 2001 (early)", "Ærø 2001 (late)"]
    assert evidence.unit == "days"
    assert any("no overall result for 1 analyses" in text for text in evidence.provenance.limits)


def test_contrasts_and_log_rank_numbers_are_taken_as_they_are(tmp_path):
    contrast = outcome(
        "IV",
        'LOG_DATA="YES"',
        '<IV_DATA STUDY_ID="a" ESTIMATE="-0.5" SE="0.2" EFFECT_SIZE="0.60653066"/>',
        "<NAME>Time</NAME><EFFECT_MEASURE>Hazard Ratio</EFFECT_MEASURE>",
    )
    log_rank = outcome(
        "IPD",
        'EFFECT_MEASURE="HR"',
        '<IPD_DATA STUDY_ID="a" O_E="-3" VAR="4"/><IPD_DATA STUDY_ID="b" O_E="1" VAR="0"/>',
    )
    unnamed = outcome("IPD", "", '<IPD_DATA STUDY_ID="a" O_E="2" VAR="5"/>')
    raw = outcome("IV", 'LOG_DATA="NO"', '<IV_DATA STUDY_ID="b" ESTIMATE="3" SE="1"/>')
    path = review(tmp_path, contrast + log_rank + unnamed + raw)
    measure, effect, se = columns(path, "measure", "effect", "se")
    assert measure == [
        "log_hazard_ratio",
        "log_hazard_ratio",
        "log_hazard_ratio",
        "log_peto_odds_ratio",
        "generic",
    ]
    np.testing.assert_allclose(effect, [-0.5, -0.75, np.nan, 0.4, 3.0])
    np.testing.assert_allclose(se, [0.2, 0.5, np.nan, 5**-0.5, 1.0])
    assert causes(path)[2] == "the variance of O - E is zero or missing"


def test_peto_odds_ratios_are_one_step_estimates(tmp_path):
    row = '<DICH_DATA STUDY_ID="a" EVENTS_1="1" TOTAL_1="409" EVENTS_2="0" TOTAL_2="409"/>'
    path = review(tmp_path, outcome("DICH", 'EFFECT_MEASURE="PETO_OR"', row))
    # Beaton 2022: RevMan displays 7.389056 (0.146618 to 372.4); V = 1/4 by hand.
    effect, se = columns(path, "effect", "se")
    assert np.exp(effect[0]) == pytest.approx(7.389056, rel=1e-6)
    assert se[0] == pytest.approx(2.0, rel=1e-12)
    assert np.exp(effect[0] - 1.959964 * se[0]) == pytest.approx(0.146618, rel=1e-5)


@pytest.mark.parametrize(
    "swap", ['SWAP_EVENTS="YES" EFFECT_MEASURE="RR"', 'EFFECT_MEASURE="Risk Ratio (Non-event)"']
)
def test_swapped_events_are_counted_as_the_review_does(tmp_path, swap):
    # Barišić 2008 in CD015711: 10/50 and 21/50 are displayed as 1.37931, the ratio of non-events.
    row = '<DICH_DATA STUDY_ID="a" EVENTS_1="10" TOTAL_1="50" EVENTS_2="21" TOTAL_2="50"/>'
    effect, events, note = columns(
        review(tmp_path, outcome("DICH", swap, row)), "effect", "events_t", "note"
    )
    assert np.exp(effect[0]) == pytest.approx(1.37931, rel=1e-6)
    assert events == [40.0]
    assert "swapped" in note[0]


def test_counts_are_not_swapped_where_the_display_follows_from_them_as_they_are(tmp_path):
    row = (
        '<DICH_DATA STUDY_ID="a" EVENTS_1="40" TOTAL_1="50" EVENTS_2="29" TOTAL_2="50" '
        'EFFECT_SIZE="1.37931"/>'
    )
    path = review(tmp_path, outcome("DICH", 'SWAP_EVENTS="YES" EFFECT_MEASURE="RR"', row))
    assert np.exp(columns(path, "effect")[0][0]) == pytest.approx(1.37931, rel=1e-6)


CAUSES = [
    ("RR", "0 9 0 9", "no events in either arm: the measure is undefined"),
    ("OR", "9 9 8 8", "everybody in both arms had the event: the measure is undefined"),
    ("RR", "1 0 2 9", "no people in an arm"),
    ("RR", "7 5 2 9", "events are not between 0 and the people of the arm"),
    ("RR", "-1 5 2 9", "events are not between 0 and the people of the arm"),
    ("RR", "x 5 2 9", "a cell holds no number"),
    ("RR", "inf 5 2 9", "a cell holds no number"),
    ("RR", "1e200 1e300 2 9", "a number is too large to compute with"),
    ("RR", " 5 2 9", "numbers are missing"),
    ("XX", "1 5 2 9", "the effect measure is not known"),
]


@pytest.mark.parametrize(("measure", "counts", "cause"), CAUSES)
def test_a_row_that_cannot_be_used_is_kept_beside_its_cause(tmp_path, measure, counts, cause):
    good = '<DICH_DATA STUDY_ID="b" EVENTS_1="1" TOTAL_1="9" EVENTS_2="2" TOTAL_2="9"/>'
    a, n1, c, n0 = counts.split(" ")
    bad = f'<DICH_DATA STUDY_ID="a" EVENTS_1="{a}" TOTAL_1="{n1}" EVENTS_2="{c}" TOTAL_2="{n0}"/>'
    path = review(
        tmp_path,
        outcome("DICH", f'EFFECT_MEASURE="{measure}"', bad)
        + outcome("DICH", 'EFFECT_MEASURE="RR"', good),
    )
    evidence = read_revman(path).evidence
    assert causes(path) == [cause, ""]
    assert np.isnan(evidence.data["effect"][0])
    assert np.isfinite(evidence.data["effect"][1])
    (finding,) = findings(evidence)
    assert finding.message == f"Not used (1), {cause}: Ærø 2001."
    assert evidence.quarantined[0].startswith(f"Analysis 3.1, row 1 (study='Ærø 2001'): {cause}")
    assert any(f"1: {cause}" in text for text in evidence.provenance.limits)
    assert f"events_c={c}" in columns(path, "quarantined")[0][0]


@pytest.mark.parametrize(
    ("means", "measure", "cause"),
    [
        ("5 0 9 6 2 9", "MD", "a standard deviation is zero or negative"),
        ("5 1 0 6 2 9", "MD", "no people in an arm"),
        ("5 1 2 6 2 1", "SMD", "too few people for a standardised mean difference"),
        ("-5 1 9 6 2 9", "ROM", "a ratio of means needs positive means"),
        (" 1 9 6 2 9", "SMD", "numbers are missing"),
    ],
)
def test_means_that_cannot_be_used(tmp_path, means, measure, cause):
    names = ("MEAN_1", "SD_1", "TOTAL_1", "MEAN_2", "SD_2", "TOTAL_2")
    cells = " ".join(f'{name}="{cell}"' for name, cell in zip(names, means.split(" "), strict=True))
    row = f'<CONT_DATA STUDY_ID="a" {cells}/>'
    assert causes(review(tmp_path, outcome("CONT", f'EFFECT_MEASURE="{measure}"', row))) == [cause]


def test_text_only_analyses_are_named(tmp_path):
    path = review(tmp_path, outcome("OTHER", "", '<OTHER_DATA STUDY_ID="a"/>'))
    assert causes(path) == ["the analysis holds text only"]


def test_displayed_effects_that_differ_are_known_disagreements(tmp_path):
    # RevMan does not correct a risk ratio of 3/3 and 2/2; CD004366, Orth 1979.
    row = '<DICH_DATA STUDY_ID="a" EVENTS_1="3" TOTAL_1="3" EVENTS_2="2" TOTAL_2="2" EFFECT_SIZE="1"/>'
    evidence = read_revman(review(tmp_path, outcome("DICH", 'EFFECT_MEASURE="RR"', row))).evidence
    assert evidence.provenance.disagreements == (
        "1 recomputed effects differ from the displayed ones by more than 0.1 %: 3.1 Work, Ærø 2001.",
    )


def test_judgements_come_along():
    imported = read_revman(FLEISS)
    assert imported.risk_of_bias.count == 12
    (judgement,) = imported.evidence.judgements.of("AMIS")
    assert (judgement.domain, judgement.judgement) == ("Allocation concealment?", "unclear risk")


def test_open_dataset_reads_it_by_its_ending():
    assert open_dataset(FLEISS).size == 12


BOMB = '<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;"><!ENTITY c "&b;&b;&b;">]>'


@pytest.mark.parametrize(
    "doctype",
    [BOMB, '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>', "<!DOCTYPE COCHRANE_REVIEW>"],
)
def test_entities_and_document_types_are_refused(tmp_path, doctype):
    head = f'<?xml version="1.0"?>{doctype}<COCHRANE_REVIEW>&c;'
    with pytest.raises(EvidenceError, match="declares a document type or entities"):
        read_revman(review(tmp_path, "", head))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is no well-formed XML: no element found"),
        (b"<COCHRANE_REVIEW>", "is no well-formed XML"),
        (b"<html/>", "is no RevMan 5 file: its root is 'html'; 'COCHRANE_REVIEW' is read"),
        (b'<?xml version="1.0" encoding="x-odd"?><COCHRANE_REVIEW/>', "is no well-formed XML"),
        (b"<COCHRANE_REVIEW/>", "holds no study rows in its analyses"),
        (b"study,effect,se\nA,1,1\n", "is no well-formed XML"),
    ],
)
def test_files_that_are_no_review(tmp_path, content, message):
    path = tmp_path / "x.rm5"
    path.write_bytes(content)
    with pytest.raises(EvidenceError, match=message):
        read_revman(path)
