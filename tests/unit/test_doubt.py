"""Doubts: each rule finds what it is for and leaves alone what is right; faulty rows are quarantined.

The shipped data sets hold disagreements that a person found and wrote down; the rules must find them,
and find little else.
"""

import math
from collections import Counter
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from bayesrtw.analysis.catalog import open_dataset
from bayesrtw.doubt.inspect import doubts, in_words, inspect
from bayesrtw.doubt.rule import RULES, SEVERITIES
from bayesrtw.errors import EvidenceError
from bayesrtw.evidence.combine import combine
from bayesrtw.evidence.quality import Judgement, Judgements
from bayesrtw.evidence.table import Evidence
from bayesrtw.reading import read as reading
from bayesrtw.reading.read import read_csv, read_folder

HEAD = "study,outcome,benefit,follow_up_months,"
TOML = """
schema = 1
id = "trials"
version = 1
title = "Some trials"

[source]
citation = "Nobody 2020"

[[outcome]]
name = "at_work"
title = "at work"
benefit = "higher"
"""


def file(tmp_path, head, *rows):
    path = tmp_path / "my.csv"
    path.write_text(HEAD + head + "\n" + "".join(f"{row}\n" for row in rows))
    return path


def found(tmp_path, head, *rows, rule):
    return [each for each in inspect(file(tmp_path, head, *rows)).doubts if each.rule == rule]


def folder(tmp_path, studies, results, judgements=None):
    path = tmp_path / "trials"
    path.mkdir()
    (path / "dataset.toml").write_text(TOML)
    (path / "studies.csv").write_text(studies)
    (path / "results.csv").write_text(results)
    if judgements is not None:
        (path / "risk_of_bias.csv").write_text(judgements)
    return path


RATIO = "reported,estimate,ci_low,ci_high,"


@pytest.mark.parametrize(
    ("row", "count"),
    [
        ("hazard_ratio,0.74,0.48,1.32,", 1),
        ("hazard_ratio,0.72,0.46,1.11,", 0),
        # limits printed with one decimal: 1.15 would be centred
        ("risk_ratio,1.03,0.84,1.2,", 0),
        ("odds_ratio,1.05,0.74,1.43,", 0),
        ("mean_difference,-7,-16,1,", 0),
        ("mean_difference,5,1,20,", 1),
        ("log_odds_ratio,0.5,0.1,0.9,", 0),
    ],
)
def test_an_interval_off_its_estimate_is_a_doubt_unless_digits_explain_it(tmp_path, row, count):
    assert len(found(tmp_path, RATIO, "A,o,higher,6," + row, rule="interval-off-centre")) == count


def test_an_interval_off_its_estimate_says_what_would_fit(tmp_path):
    row = "A,o,higher,6,hazard_ratio,0.74,0.48,1.32,"
    (doubt,) = found(tmp_path, RATIO, row, rule="interval-off-centre")
    assert (doubt.severity, doubt.file, doubt.row) == ("doubt", "my.csv", 2)
    assert (doubt.column, doubt.value) == ("estimate, ci_low, ci_high", "0.74, 0.48, 1.32")
    assert doubt.message == (
        "my.csv: row 2 (study='A'): the interval is not centred on its estimate; found 0.74 (0.48 to "
        "1.32), centred on 0.796; a lower limit of 0.415 or an upper one of 1.14 would fit; correct it "
        "against the source, or leave the interval empty."
    )


def test_a_ratio_that_the_column_of_measures_names_is_centred_on_its_own_scale(tmp_path):
    path = tmp_path / "my.csv"
    for row, count in (("1.5,1.1,2.1", 0), ("1.2,1.1,2.9", 1)):
        path.write_text(
            f"study,measure,estimate,ci_low,ci_high\nA,hazard_ratio,{row}\nB,hazard_ratio,1.2,0.9,1.6\n"
        )
        rules = [each.rule for each in inspect(path).doubts]
        assert rules.count("interval-off-centre") == count


def test_a_ratio_typed_as_a_difference_is_recognised(tmp_path):
    row = "A,o,higher,6,mean_difference,2.21,1.12,4.41,"
    (doubt,) = found(tmp_path, RATIO, row, rule="interval-off-centre")
    assert (
        "on the log scale it is centred: if this is a ratio, name it in reported" in doubt.message
    )


def test_an_interval_without_its_estimate_is_a_fault(tmp_path):
    row = "A,o,higher,6,hazard_ratio,9,0.5,2,"
    (doubt,) = found(tmp_path, RATIO, row, rule="interval-excludes-estimate")
    assert (doubt.severity, doubt.row, doubt.column, doubt.value) == ("fault", 2, "estimate", "9")


@pytest.mark.parametrize(
    ("p", "count"),
    [(".003", 0), (".2", 1), ("<.01", 0), ("<.0001", 1), (">.05", 1), ("", 0), ("n.s.", 0)],
)
def test_a_p_value_is_held_against_the_interval(tmp_path, p, count):
    row = f"A,o,higher,6,hazard_ratio,1.9,1.2,2.8,{p}"
    assert len(found(tmp_path, RATIO + "p_value", row, rule="p-value-disagrees")) == count


def test_a_p_value_is_held_against_percentages_of_a_two_armed_trial(tmp_path):
    head, row = "reported,pct_t,pct_c,n,p_value", "A,o,higher,6,percentages,58,44,60,.0093"
    path = tmp_path / "my.csv"
    path.write_text(f"{HEAD}{head},estimate\n{row},\n")
    (doubt,) = [each for each in inspect(path).doubts if each.rule == "p-value-disagrees"]
    assert (
        "the p value .0093 does not fit the other numbers, which give about 0.27" in doubt.message
    )


COUNTS = "reported,estimate,ci_low,ci_high,events_t,n_t,events_c,n_c,adjusted"


@pytest.mark.parametrize(
    ("row", "severity"),
    [
        ("odds_ratio,6,2.2,16.4,24,40,8,40,", None),
        ("odds_ratio,5.2,1.8,15.0,24,40,8,40,", "doubt"),
        ("odds_ratio,5.2,1.8,15.0,24,40,8,40,yes", "note"),
        ("odds_ratio,1.1,0.5,2.42,24,40,8,40,yes", "doubt"),
        ("risk_ratio,3,1.53,5.88,24,40,8,40,", None),
    ],
)
def test_an_estimate_is_held_against_its_counts(tmp_path, row, severity):
    doubted = found(tmp_path, COUNTS, "A,o,higher,6," + row, rule="crude-disagrees")
    assert [each.severity for each in doubted] == ([severity] if severity else [])


def test_an_estimate_is_held_against_the_counts_of_another_row(tmp_path):
    counts, printed = "counts,,,,24,40,8,40,", "odds_ratio,5.2,1.8,15.0,,,,,"
    rows = [f"A,o,higher,6,{counts}", f"A,o,higher,6,{printed}", f"B,o,higher,6,{printed}"]
    (doubt,) = found(tmp_path, COUNTS, *rows, rule="crude-disagrees")
    assert doubt.row == 3
    assert "the counts of row 2 give a crude odds ratio of 6; the row gives 5.2" in doubt.message
    later = [rows[0].replace(",6,", ",12,"), rows[1]]
    assert found(tmp_path, COUNTS, *later, rule="crude-disagrees") == []


def test_an_estimate_turned_round_is_recognised(tmp_path):
    row = "A,o,higher,6,odds_ratio,0.167,0.061,0.456,24,40,8,40,"
    (doubt,) = found(tmp_path, COUNTS, row, rule="turned-round")
    assert "write reversed=yes if it is printed so, or correct the arms" in doubt.message


def test_an_interval_narrower_than_its_counts_allow_is_a_doubt(tmp_path):
    row = "A,o,higher,6,odds_ratio,6,4,9,24,40,8,40,"
    assert found(tmp_path, COUNTS, row, rule="se-too-small")


@pytest.mark.parametrize(
    ("row", "count"),
    [("58.3,11.1,21,36,4,36", 0), ("58,11,21,36,4,36", 0), ("18.8,50,33,176,5,10", 0),
     ("30.8,10.5,25,81,8,76", 1), ("40,20,25,50,5,50", 2)],
)  # fmt: skip
def test_percentages_are_held_against_counts(tmp_path, row, count):
    head = "pct_t,pct_c,events_t,n_t,events_c,n_c"
    row = "A,o,higher,6," + row
    assert len(found(tmp_path, head, row, rule="percentages-disagree")) == count


MEANS = "mean_t,sd_t,n_t,mean_c,sd_c,n_c,se_mean_t,se_mean_c"
OTHERS = [
    f"{name},days,lower,6,{m},20,50,30,22,50,,"
    for name, m in zip("BCDE", (28, 31, 26, 35), strict=True)
]


def test_standard_errors_typed_as_standard_deviations_are_recognised(tmp_path):
    wrong = "A,days,lower,6,29,2.9,50,33,3.1,50,,"
    (doubt,) = found(tmp_path, MEANS, *OTHERS, wrong, rule="sd-or-se")
    assert (doubt.row, doubt.column) == (6, "sd_t, sd_c")
    assert "if the source prints standard errors, write them in se_mean" in doubt.message


def test_standard_deviations_typed_as_standard_errors_are_recognised(tmp_path):
    wrong = "A,days,lower,6,29,,50,33,,50,20,22"
    (doubt,) = found(tmp_path, MEANS, *OTHERS, wrong, rule="sd-or-se")
    assert "1 / sqrt(n) times them would fit; if the source prints SDs" in doubt.message


@pytest.mark.parametrize(
    "row",
    ["A,days,lower,6,29,19,50,33,25,50,,", "A,days,lower,6,2.9,2,50,3.3,2.2,50,,",
     "A,days,lower,6,29,2.9,50,33,22,50,,"],
    ids=["alike", "another unit", "one arm only"],
)  # fmt: skip
def test_standard_deviations_that_differ_for_another_reason_are_left_alone(tmp_path, row):
    assert found(tmp_path, MEANS, *OTHERS, row, rule="sd-or-se") == []


@pytest.mark.parametrize(
    ("row", "rule"),
    [
        ("A,o,higher,6,log_hazard_ratio,0.5,0.1,30,30", "se-too-small"),
        ("A,o,higher,6,log_odds_ratio,0.5,0.3,30,30", "se-too-small"),
        ("A,o,higher,6,log_hazard_ratio,0.5,2.6,30,30", "se-too-large"),
        ("A,o,higher,6,log_hazard_ratio,0.5,0.3,30,30", None),
    ],
)
def test_standard_errors_are_held_against_the_number_of_people(tmp_path, row, rule):
    path = tmp_path / "my.csv"
    path.write_text(f"{HEAD}measure,effect,se,n_t,n_c\n{row}\n")
    rules = {each.rule for each in inspect(path).doubts} & {"se-too-small", "se-too-large"}
    assert rules == ({rule} if rule else set())


def test_more_people_than_the_study_has_are_a_doubt(tmp_path):
    head, row = "n,events_t,n_t,events_c,n_c", "A,o,higher,6,154,80,90,76,91"
    (doubt,) = found(tmp_path, head, row, rule="people-do-not-add-up")
    assert "n_t + n_c is 181; the study has 154 people" in doubt.message


@pytest.mark.parametrize(
    ("one", "two", "count"),
    [
        ("NCT 0123,100,2001,NL,", "nct0123,90,2003,NL,", 1),
        (",168,2018,NO,", ",168,2018,DK,", 0),
        (",168,2018,NO,", ",168,2018,,", 1),
        (",168,2018,NO,", ",168,,NO,", 0),
        (",12,2018,NO,", ",12,2018,NO,", 0),
        (",100,2001,NL,fam", ",90,2003,NL,fam", 1),
        (",100,2001,NL,fam", ",90,2003,NL,other", 0),
    ],
)
def test_one_trial_under_two_names_is_a_doubt_in_the_file_of_studies(tmp_path, one, two, count):
    studies = f"study,registration,n,year,country,trial_family\nA,{one}\nB,{two}\n"
    results = "study,outcome,effect,se\nA,at_work,0.1,0.3\nB,at_work,0.2,0.4\n"
    doubted = inspect(folder(tmp_path, studies, results)).doubts
    doubted = [each for each in doubted if each.rule == "same-trial-twice"]
    assert [(each.file, each.row) for each in doubted] == [("trials/studies.csv", 3)] * count


def test_two_studies_with_the_same_figures_are_a_doubt(tmp_path):
    rows = [f"{name},o,higher,6,hazard_ratio,0.74,0.48,1.14," for name in "AB"]
    assert [each.row for each in found(tmp_path, RATIO, *rows, rule="same-figures")] == [3]


def test_two_primary_rows_need_something_that_tells_them_apart(tmp_path):
    head = "effect,se,role,stratum,shared_control"
    rows = ["A,o,higher,6,0.1,0.2,primary,,", "A,o,higher,6,0.3,0.2,primary,,"]
    (doubt,) = found(tmp_path, head, *rows, rule="two-primary-rows")
    assert "rows 2, 3 are this study's on outcome 'o' at one follow-up" in doubt.message
    for second in ("12,0.3,0.2,primary,,", "6,0.3,0.2,secondary,,", "6,0.3,0.2,primary,women,"):
        rows[1] = "A,o,higher," + second
        assert found(tmp_path, head, *rows, rule="two-primary-rows") == []
    arms = [f"A,o,higher,6,0.{x},0.2,primary,,A-control" for x in (1, 3)]
    assert found(tmp_path, head, *arms, rule="two-primary-rows") == []


@pytest.mark.parametrize(("t", "c", "count"), [(88, 208, 0), (208, 88, 1), (73, 70, 0)])
def test_a_hazard_ratio_and_medians_point_the_same_way(tmp_path, t, c, count):
    row = f"A,o,higher,6,hazard_ratio,1.9,1.2,3.0,{t},{c}"
    head = RATIO + "median_t,median_c"
    assert len(found(tmp_path, head, row, rule="turned-round")) == count


def test_clear_results_for_benefit_and_harm_at_once_are_a_doubt(tmp_path):
    head, rows = "effect,se", ["A,work,higher,6,0.6,0.1", "A,days,lower,6,9,2"]
    (doubt,) = found(tmp_path, head, *rows, rule="direction-contradicted")
    assert "outcome 'days' points to harm, 'work' in row 2 the other way" in doubt.message
    rows[1] = "A,days,lower,6,-9,2"
    assert found(tmp_path, head, *rows, rule="direction-contradicted") == []


@pytest.mark.parametrize(
    ("outcome", "benefit", "measure", "count"),
    [
        ("sick_leave_days", "higher", "mean_difference", 1),
        ("sick_leave_days", "lower", "mean_difference", 0),
        ("sick_leave", "higher", "log_hazard_ratio", 0),
        ("at_work", "lower", "log_risk_ratio", 1),
        ("pain", "higher", "mean_difference", 0),
    ],
)
def test_an_unlikely_direction_is_a_doubt(tmp_path, outcome, benefit, measure, count):
    row = f"A,{outcome},{benefit},6,{measure},0.1,0.2"
    assert len(found(tmp_path, "measure,effect,se", row, rule="direction-unlikely")) == count


def test_what_is_missing_is_said_in_notes(tmp_path):
    path = tmp_path / "my.csv"
    path.write_text(
        "study,reported,estimate,events_t,n_t,events_c,n_c\n"
        "A,counts,,0,40,4,40\nB,risk_ratio,1.2,,,,\n"
    )
    by_rule = {each.rule: each for each in inspect(path).doubts}
    assert by_rule["direction-not-stated"].severity == "doubt"
    assert by_rule["zero-cells"].message == (
        "my.csv: a cell is zero, and a ratio has 0.5 added to each, in 1 of 2 rows (2)."
    )
    assert by_rule["no-standard-error"].row == 3
    assert by_rule["follow-up-missing"].value == "2 rows"
    assert "2 of 2 studies with results have no risk-of-bias judgement (A, B); used: none." in (
        by_rule["judgements-missing"].message
    )


def test_judgements_that_do_not_fit_are_doubts():
    frame = pd.DataFrame({"study": ["A"], "effect": [0.1], "se": [0.2], "design": ["cohort"]})
    rows = tuple(
        Judgement("A", "RoB 2", "2019", domain, word)
        for domain, word in (("selection", "high"), ("overall", "low"))
    )
    evidence = replace(Evidence.from_frame(frame), judgements=Judgements(rows))
    rules = {each.rule: each for each in doubts(evidence)}
    assert {"wrong-instrument", "overall-too-low"} <= set(rules)
    assert "no judgement by RoB 2 2019 of randomisation" in rules["judgements-missing"].message


def test_a_data_frame_is_checked_too():
    frame = pd.DataFrame(
        {"study": ["A"], "effect": [0.1], "se": [0.1], "ci_low": [0.0], "ci_high": [0.9]}
    )
    (doubt,) = [d for d in doubts(Evidence.from_frame(frame)) if d.rule == "interval-off-centre"]
    assert doubt.message.startswith("data frame: row 1 (study='A'): the interval is not centred")


#: Row, rule and severity of what people had found in the shipped trials (see known_disagreements in
#: its dataset.toml), and of what the rules found on top.
KNOWN = {
    ("e010", "interval-off-centre"): "doubt",
    ("e074", "interval-off-centre"): "doubt",
    ("e162", "interval-off-centre"): "doubt",
    ("e255", "interval-off-centre"): "doubt",
    ("e056", "crude-disagrees"): "note",
    ("e064", "crude-disagrees"): "note",
    ("e074", "crude-disagrees"): "note",
    ("e076", "crude-disagrees"): "note",
    ("e162", "crude-disagrees"): "doubt",
    ("e190", "crude-disagrees"): "doubt",
    ("e251", "crude-disagrees"): "note",
    ("e160", "percentages-disagree"): "doubt",
    ("e217", "percentages-disagree"): "doubt",
    ("e258", "percentages-disagree"): "doubt",
    ("e197", "people-do-not-add-up"): "doubt",
    ("e091", "p-value-disagrees"): "doubt",
    ("e049", "se-too-small"): "doubt",
    ("e051", "se-too-small"): "doubt",
    ("e063", "clusters-ignored"): "doubt",
    ("e182", "clusters-ignored"): "doubt",
}


def test_the_disagreements_known_of_the_shipped_trials_are_found_and_little_else():
    evidence = open_dataset("rtw-trials")
    ids = [str(value) for value in evidence.data["result"].to_numpy()]
    result = dict(zip(evidence.places.lines, ids, strict=True))
    every = doubts(evidence)
    single = [d for d in every if d.file.endswith("results.csv") and not d.value.endswith(" rows")]
    assert {(result[d.row], d.rule): d.severity for d in single} == KNOWN
    others = Counter((d.severity, d.rule) for d in every if d not in single)
    assert others == {
        ("doubt", "same-trial-twice"): 4,
        ("doubt", "arms-alike"): 1,
        ("note", "no-standard-error"): 1,
        ("note", "follow-up-missing"): 1,
        ("note", "zero-cells"): 1,
        ("note", "judgements-missing"): 1,
    }


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("cancer-rtw", {"two-primary-rows": 1, "people-do-not-add-up": 1, "clusters-ignored": 1}),
        ("published-pools", {"interval-off-centre": 1}),
    ],
)
def test_the_other_shipped_sets_have_few_doubts(name, expected):
    every = doubts(open_dataset(name))
    assert Counter(each.rule for each in every if each.severity == "doubt") == expected


def test_doubts_are_sorted_and_every_rule_is_explained():
    every = doubts(open_dataset("rtw-trials"))
    keys = [(SEVERITIES.index(each.severity), each.file, each.row) for each in every]
    assert keys == sorted(keys)
    assert {each.rule for each in every} <= set(RULES)
    for each in every:
        assert each.message.startswith(f"{each.file}: ")
        assert each.message.endswith(".")
        assert str(each) == f"{each.severity}: {each.message} [{each.rule}]"


def test_a_selection_keeps_the_lines_of_its_rows():
    evidence = open_dataset("rtw-trials")
    part = evidence.select(study="retake2024")
    assert part.places.lines == (74, 75)
    assert {each.row for each in doubts(part) if each.rule == "interval-off-centre"} == {75}


def test_joined_evidence_keeps_judgements_and_quarantined_rows():
    frame = pd.DataFrame({"study": ["A"], "effect": [0.1], "se": [0.2]})
    row = Judgement("A", "PEDro", "", "total", "5")
    one = replace(Evidence.from_frame(frame), quarantined=("x",), judgements=Judgements((row,)))
    both = combine(one, Evidence.from_frame(frame))
    assert (both.judgements.rows, both.quarantined) == ((row,), ("x",))


FLAT = "study,effect,se\nA,0.1,0.2\nB,x,0.2\nC,0.2,0\nA,0.1,0.2\nD,0.4,0.1,9\n"


def test_rows_with_faults_are_quarantined_and_named(tmp_path):
    path = tmp_path / "my.csv"
    path.write_text(FLAT)
    with pytest.raises(EvidenceError, match="4 faults:"):
        read_csv(path)
    evidence = read_csv(path, strict=False)
    assert evidence.data["study"].to_numpy().tolist() == ["A"]
    assert evidence.places.lines == (2,)
    assert len(evidence.quarantined) == 4
    for part in (
        "row 3 (study='B'): effect must be a number; found 'x'",
        "row 4 (study='C'): se must be positive; found 0",
        "row 5 (study='A'): repeats row 2",
        "row 6: has 4 cells; the header has 3",
    ):
        assert any(part in message for message in evidence.quarantined)


def test_clean_files_read_the_same_either_way(tmp_path):
    path = file(tmp_path, "effect,se", "A,o,higher,6,0.1,0.2", "B,o,higher,6,0.3,0.2")
    strict, lenient = read_csv(path), read_csv(path, strict=False)
    assert strict.digest() == lenient.digest()
    assert lenient.quarantined == ()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("study,effect,se\nA,x,1\nB,1,0\n", "2 faults:"),
        ("study,value\nA,1\n", "no column holds a result"),
        ("", "my.csv: is empty"),
        (
            "study,outcome,benefit,effect,se\nA,o,lower,1,1\nB,o,higher,2,1\nC,p,lower,3,1\n",
            "give an outcome one direction",
        ),
    ],
    ids=["no row is clean", "a column is missing", "empty", "an outcome with two directions"],
)
def test_what_concerns_more_than_rows_is_an_error_all_the_same(tmp_path, text, message):
    path = tmp_path / "my.csv"
    path.write_text(text)
    with pytest.raises(EvidenceError, match=message):
        read_csv(path, strict=False)
    assert inspect(path).evidence is None
    assert {each.severity for each in inspect(path).doubts} == {"fault"}


def test_the_results_of_a_quarantined_study_are_quarantined_too(tmp_path):
    studies = "study,year\nA,2001\nB,2002\nB,2003\n"
    results = "study,outcome,effect,se\nA,at_work,0.1,0.2\nB,at_work,0.2,0.2\nC,at_work,0.2,0.3\n"
    evidence = read_folder(folder(tmp_path, studies, results), strict=False)
    assert evidence.data["study"].to_numpy().tolist() == ["A"]
    assert [message.split(";")[0] for message in evidence.quarantined] == [
        "trials/studies.csv: rows 3 and 4 (study='B'): study 'B' stands twice",
        "trials/results.csv: row 4 (study='C'): study 'C' is not in trials/studies.csv",
        "trials/results.csv: row 3 (study='B'): study 'B' is not in trials/studies.csv",
    ]


def test_a_faulty_judgement_is_quarantined_and_the_results_stay(tmp_path):
    judgements = "study,instrument,domain,judgement\nA,RoB 2,overall,fine\nA,RoB 2,selection,low\n"
    results = "study,outcome,effect,se\nA,at_work,0.1,0.2\n"
    path = folder(tmp_path, "study\nA\n", results, judgements)
    with pytest.raises(EvidenceError, match="judgement is 'fine'"):
        read_folder(path)
    evidence = read_folder(path, strict=False)
    assert [row.domain for row in evidence.judgements.rows] == ["selection"]
    (fault,) = [each for each in inspect(path).doubts if each.severity == "fault"]
    assert (fault.file, fault.row, fault.column, fault.value) == (
        "trials/risk_of_bias.csv",
        2,
        "judgement",
        "fine",
    )


def test_a_cell_that_speaks_of_rows_does_not_mislead(tmp_path):
    path = tmp_path / "row 9.csv"
    path.write_text('study,effect,se\nit\'s row 2,\'in row 2\',1\n"B ""row 2""",1,1\n')
    (fault,) = [each for each in inspect(path).doubts if each.severity == "fault"]
    assert (fault.file, fault.row, fault.value) == ("row 9.csv", 2, "'in row 2'")


def test_a_rule_is_named_by_the_fault_and_not_by_words_in_its_cell(tmp_path):
    path = tmp_path / "my.csv"
    cell = "must be positive; repeats row 3; is missing"
    path.write_text(f"study,effect,se\nA,0.1,0.2\nB,{cell},0.1\n")
    (fault,) = [each for each in inspect(path).doubts if each.severity == "fault"]
    assert (fault.row, fault.column, fault.rule) == (3, "effect", "not-a-number")


def test_every_fault_of_a_row_has_its_place(tmp_path):
    head = "study,reported,estimate,ci_low,ci_high,events_t,n_t,events_c,n_c\n"
    path = tmp_path / "my.csv"
    path.write_text(
        head
        + "A,hazard_ratio,1,2,0.5,,,,\nB,hazzard,1,,,,,,\nC,counts,,,,9,5,1,5\nD,counts,,,,1,5,1,5\n"
    )
    places = [
        (d.row, d.column, d.value, d.rule) for d in inspect(path).doubts if d.severity == "fault"
    ]
    assert places == [
        (2, "ci_low", "2", "interval-upside-down"),
        (3, "reported", "hazzard", "not-allowed"),
        (4, "events_t", "9", "events-exceed-people"),
    ]


def test_findings_are_written_by_severity_and_file():
    lines = in_words(doubts(open_dataset("published-pools")))
    assert lines[0] == "doubt: 1 doubt: published-pools/results.csv"
    assert lines[1].startswith(
        "  1. published-pools/results.csv: row 26 (study='xu2023'): the interval"
    )
    assert lines[1].endswith(" [interval-off-centre]")
    assert lines[2] == "note: 2 notes: published-pools/results.csv"


def test_numbers_that_are_missing_raise_no_doubt():
    frame = pd.DataFrame({"study": ["A", "B"], "effect": [0.0, 0.1], "se": [0.1, 0.2]})
    assert {each.severity for each in doubts(Evidence.from_frame(frame, benefit="higher"))} == {
        "note"
    }
    empty = Evidence.from_frame(frame).rows(np.zeros(2, dtype=bool))
    assert doubts(empty) == ()


def test_a_file_that_cannot_be_read_is_a_fault(tmp_path):
    found_ = inspect(tmp_path)
    assert found_.evidence is None
    assert found_.doubts[0].rule == "unreadable"
    assert math.isclose(len(found_.doubts), 1)
    assert reading.attempt(tmp_path).faults[0].place.rows == ()
