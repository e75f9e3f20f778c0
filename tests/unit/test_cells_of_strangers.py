"""Cells, follow-ups, nameless effects and pairs of treatments, as reviewers write them.

Right are the numbers that a person reads in the cells.
"""

import math
import re

import numpy as np
import openpyxl
import pytest

from bayesrtw.analysis.catalog import open_dataset
from bayesrtw.doubt.inspect import beside, doubts
from bayesrtw.errors import EvidenceError

Z = 1.959963984540054


def opened(tmp_path, text, **options):
    path = tmp_path / "found.csv"
    path.write_text(text, encoding="utf-8")
    return open_dataset(path, **options)


def rules(found):
    return {each.rule for each in doubts(found)}


@pytest.mark.parametrize(
    ("head", "one", "two"),
    [
        ("HR (95% CI)", "0·82 (0·65–1·03)", "0·74 (0·55–0·99)"),
        ("HR (95% CI)", "0.82 (0.65, 1.03)", "0.74 (0.55, 0.99)a"),
        ("HR (95% CI)", "0.82 [0.65; 1.03]†", "0.74 [0.55; 0.99]ᵇ"),
        ("HR;IC à 95 %", "0,82;0,65 à 1,03", "0,74;0,55 à 0,99"),
        ("HR;IC del 95 % inferior;IC del 95 % superior", "0,82;0,65;1,03", "0,74;0,55;0,99"),
    ],
)
def test_ratios_with_intervals(tmp_path, head, one, two):
    mark = ";" if ";" in head else "\t"
    text = "".join(f"{s}{mark}{cells}\n" for s, cells in (("Study", head), ("A", one), ("B", two)))
    found = opened(tmp_path, text)
    np.testing.assert_allclose(found.data["effect"], np.log([0.82, 0.74]))
    widths = np.log([1.03 / 0.65, 0.99 / 0.55])
    np.testing.assert_allclose(found.data["se"], widths / 2 / Z)


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("–2.1 (–3.4 to –0.8)", "–1.0 (–2.5 to 0.5)"),
        ("–2.1 (–3.4 – –0.8)", "−1.0 (–2.5–0.5)"),
        ("-2.1 (-3.4--0.8)", "-1.0 (-2.5-0.5)"),
        ("–2,1 [–3,4; –0,8]", "–1,0 [–2,5; 0,5]"),
        ("–2,1 (–3,4 bis –0,8)", "–1,0 (–2,5 bis 0,5)"),
    ],
)
def test_dashes_before_numbers_are_minus_signs(tmp_path, one, two):
    found = opened(tmp_path, f"Study\tMD (95% CI)\nA\t{one}\nB\t{two}\n")
    np.testing.assert_allclose(found.data["effect"], [-2.1, -1.0])
    np.testing.assert_allclose(found.data["se"], np.array([2.6, 3.0]) / 2 / Z)


@pytest.mark.parametrize("head", ["log HR (SE)", "MD (s.e.)", "SMD (standard error)"])
def test_effects_with_their_standard_errors_in_one_cell(tmp_path, head):
    found = opened(tmp_path, f"Study,{head}\nA,-0.2 (0.15)\nB,–0.5 (0.2)\n")
    np.testing.assert_allclose(found.data["effect"], [-0.2, -0.5])
    np.testing.assert_allclose(found.data["se"], [0.15, 0.2])


@pytest.mark.parametrize(
    ("head", "cells", "months"),
    [
        ("Follow-up (months)", ("6", "12"), (6, 12)),
        ("Nachbeobachtung in Wochen", ("26", "52"), (26 * 7 / 30.4375, 52 * 7 / 30.4375)),
        ("Follow-up", ("6 months", "1 year"), (6, 12)),
        ("Follow-up", ("6", "12"), None),
        ("Lost to follow-up (%)", ("6", "12"), None),
        ("Person-years of follow-up", ("600", "1200"), None),
    ],
)
def test_lengths_of_follow_up_say_their_unit(tmp_path, head, cells, months):
    text = f"Study,{head},HR,lower,upper\n"
    text += "".join(f"{s},{c},1.2,0.9,1.6\n" for s, c in zip("AB", cells, strict=True))
    found = opened(tmp_path, text)
    if months is None:
        assert "follow_up_months" not in found.data
    else:
        np.testing.assert_allclose(found.data["follow_up_months"], months, rtol=1e-5)


NAMELESS = "Study,Effect size,SE\nA,1.2,0.15\nB,0.85,0.2\n"


def test_ratios_under_a_heading_that_does_not_tell_are_asked_for(tmp_path):
    with pytest.raises(EvidenceError, match=r"ratios or their logarithms; say which"):
        opened(tmp_path, NAMELESS, measure="OR")
    logs = opened(tmp_path, NAMELESS, columns={"Effect size": "effect"}, measure="OR")
    np.testing.assert_allclose(logs.data["effect"], [1.2, 0.85])
    columns = {"Effect size": "estimate", "SE": "se_log"}
    ratios = opened(tmp_path, NAMELESS, columns=columns, measure="OR")
    np.testing.assert_allclose(ratios.data["effect"], np.log([1.2, 0.85]))
    negative = NAMELESS.replace("0.85", "-0.16")
    assert math.isclose(opened(tmp_path, negative, measure="OR").data["effect"][1], -0.16)


def test_effects_that_may_be_ratios_are_doubted_where_no_measure_is_named(tmp_path):
    assert "scale-not-stated" in rules(opened(tmp_path, NAMELESS))
    assert "scale-not-stated" not in rules(opened(tmp_path, NAMELESS.replace("0.85", "-0.16")))
    assert "scale-not-stated" not in rules(opened(tmp_path, NAMELESS.replace("Effect size", "yi")))


def test_pairs_of_treatments_are_not_pooled_across_comparisons(tmp_path):
    head = "study,treat1,treat2,TE,seTE\n"
    text = f"{head}A,aspirin,clopidogrel,-0.2,0.1\nB,ticagrelor,aspirin,0.3,0.15\n"
    found = opened(tmp_path, text)
    assert set(found.outcomes) == {"aspirin vs clopidogrel", "ticagrelor vs aspirin"}
    assert "each row is 'treat1' against 'treat2'" in found.provenance.reading
    alike = opened(tmp_path, text.replace("ticagrelor,aspirin", "ticagrelor,clopidogrel"))
    assert set(alike.outcomes) == {"effect"}
    assert list(alike.data["comparison"].to_numpy())[1] == "ticagrelor vs clopidogrel"


def test_a_comparison_that_stands_first_is_doubted(tmp_path):
    head = "Study,Group 1,Group 2,OR,Lower,Upper\n"
    row = "{},Usual care,Programme,0.8,0.6,1.07\n"
    assert "comparison-first" in rules(opened(tmp_path, head + row.format("A") + row.format("B")))
    turned = (head + row.format("A") + row.format("B")).replace(
        "Usual care,Programme", "IPS,Usual care"
    )
    assert "comparison-first" not in rules(opened(tmp_path, turned))


def test_doubts_beside_a_result_name_studies_and_outcomes_in_words():
    said = " ".join(each.message for each in beside(open_dataset("rtw-trials")))
    assert "Skagseth 2020, Gismervik 2020, Aasdahl 2018 are one family" in said
    assert "rows 14 (Anema 2007, graded activity)" in said
    assert not re.search(r"[a-z]+20\d\d|study=|_rtw'", said)


def test_nothing_was_added_to_empty_cells_where_events_are_counted(tmp_path):
    found = opened(tmp_path, "study,events_t,n_t,events_c,n_c\nA,0,20,3,22\nB,5,60,9,58\n")
    assert ["0.5 added" in each.message for each in beside(found)] == [True]
    assert beside(found, counted=True) == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Study,RD (%),SE\nA,0.5,0.2\nB,-0.3,0.2\n", "called per cent, and holds 0.5 at most"),
        (
            "Study,Proportion T,N T,Proportion C,N C\nA,0.5,200,0.25,400\nB,0.4,500,0.3,1000\n",
            "shares",
        ),
        ("Study,% T,N T,% C,N C\nA,0.5,200,0.25,400\nB,0.4,500,0.3,1000\n", "shares"),
        # ARR: adjusted risk ratio, or absolute risk reduction
        ("Study,ARR,Lower,Upper\nA,0.35,0.25,0.49\nB,0.22,0.13,0.37\n", "no column known"),
    ],
)
def test_units_that_would_be_taken_for_others_are_asked_about(tmp_path, text, said):
    with pytest.raises(EvidenceError, match=said):
        opened(tmp_path, text)


def test_small_percentages_are_read_where_somebody_says_so(tmp_path):
    text = "Study,% T,N T,% C,N C\nA,0.5,200,0.25,400\nB,0.4,500,0.3,1000\n"
    columns = {"% T": "pct_t", "% C": "pct_c", "N T": "n_t", "N C": "n_c"}
    found = opened(tmp_path, text, columns=columns)
    np.testing.assert_allclose(found.data["effect"], np.log([0.5 / 0.25, 0.4 / 0.3]))


def test_shares_that_a_workbook_shows_as_percentages_are_percentages(tmp_path):
    book = openpyxl.Workbook()
    sheet = book.active
    for row in (["Study", "N T", "% T", "N C", "% C"], ["A", 34, 12 / 34, 36, 20 / 36]):
        sheet.append(row)
    for column in (3, 5):
        sheet.cell(2, column).number_format = "0.0%"
    book.save(tmp_path / "shares.xlsx")
    found = open_dataset(tmp_path / "shares.xlsx")
    np.testing.assert_allclose(found.data["effect"], np.log(12 / 34 / (20 / 36)))


MIXED = """Study,Measure,Effect (95% CI)
A,HR,0.82 (0.65 to 1.03)
B,OR,0.74 (0.55 to 0.99)
C,MD,-2.1 (-3.4 to -0.8)
"""


def test_ratios_beside_differences_under_one_heading_are_asked_for(tmp_path):
    with pytest.raises(
        EvidenceError, match=r"'Effect' does not say whether 0\.74 to 0\.82 are ratios"
    ):
        opened(tmp_path, MIXED)
    found = opened(tmp_path, MIXED, columns={"Effect": "estimate"})
    np.testing.assert_allclose(found.data["effect"], [math.log(0.82), math.log(0.74), -2.1])
    logs = MIXED.replace("0.82 (0.65 to 1.03)", "-0.2 (-0.43 to 0.03)").replace(
        "0.74 (0.55 to 0.99)", "-0.3 (-0.6 to -0.01)"
    )
    np.testing.assert_allclose(opened(tmp_path, logs).data["effect"], [-0.2, -0.3, -2.1])


def test_merged_cells_are_of_each_row_and_hidden_rows_are_said(tmp_path):
    book = openpyxl.Workbook()
    sheet = book.active
    for row in (
        ["Extraction"],
        ["Study", "Outcome", "RR", "CI low", "CI high"],
        ["A", "RTW", 1.2, 1.0, 1.44],
        [None, "Days", 1.1, 0.95, 1.27],
        ["B", "RTW", 1.3, 1.0, 1.69],
    ):
        sheet.append(row)
    sheet.merge_cells("A3:A4")
    sheet.merge_cells("A1:E1")
    sheet.row_dimensions[5].hidden = True
    book.save(tmp_path / "merged.xlsx")
    found = open_dataset(tmp_path / "merged.xlsx")
    assert list(found.data["study"].to_numpy()) == ["A", "A", "B"]
    assert (
        "merged cells are read in each of their rows; 1 hidden row is read too"
        in found.provenance.reading
    )


@pytest.mark.parametrize(
    ("head", "one", "two"),
    [
        ("log RR,log lower,log upper", "-0.2,-0.43,0.03", "-0.09,-0.36,0.18"),
        ("lnRR,lnLL,lnUL", "-0.2,-0.43,0.03", "-0.09,-0.36,0.18"),
        ("logRR,logCI_low,logCI_high", "-0.2,-0.43,0.03", "-0.09,-0.36,0.18"),
        ("ln(aRR),ln(lower),ln(upper)", "-0.2,-0.43,0.03", "-0.09,-0.36,0.18"),
        (
            "RR,lower,upper,log RR,log lower,log upper",
            "0.82,0.65,1.03,-0.2,-0.43,0.03",
            "0.91,0.7,1.2,-0.09,-0.36,0.18",
        ),
        # Limits of the ratio are none of its logarithm.
        ("RR,lower,upper,log RR,SE", "0.82,0.65,1.03,-0.2,0.117", "0.91,0.7,1.2,-0.09,0.138"),
        ("RR,lower,upper,log RR", "0.82,0.65,1.03,-0.2", "0.91,0.7,1.2,-0.09"),
        ("RR,95% CI,log RR,SE", "0.82,0.65-1.03,-0.2,0.117", "0.91,0.7-1.2,-0.09,0.138"),
        ("log RR,95% CI", "-0.2,-0.43 to 0.03", "-0.09,-0.36 to 0.18"),
    ],
)
def test_logarithms_go_with_their_own_limits(tmp_path, head, one, two):
    head = head.replace("aRR", "adjusted RR")
    found = opened(tmp_path, f"Study,{head}\nA,{one}\nB,{two}\n")
    assert found.measure.name == "log_risk_ratio"
    np.testing.assert_allclose(found.data["effect"], [-0.2, -0.09], atol=0.005)
    np.testing.assert_allclose(found.data["se"], [0.117, 0.138], atol=0.001)


@pytest.mark.parametrize(
    ("arm", "people"),
    [
        ("Events {} (%)", "N {}"),
        ("Events {}", "N {}"),
        ("Events {} n(%)", "N {}"),
        ("Deaths ({})", "Patients ({})"),
        ("Deaths {} (%)", "N {}"),
    ],
)
def test_counts_with_their_percentages_are_counts(tmp_path, arm, people):
    heads = [each.format(of) for of in ("treatment", "control") for each in (arm, people)]
    rows = "A,12 (24.0%),50,20 (40.0%),50\nB,10 (25%),40,14 (35%),40\n"
    found = opened(tmp_path, f"Study,{','.join(heads)}\n{rows}")
    for name, wanted in (("events_t", [12, 10]), ("events_c", [20, 14]), ("n_c", [50, 40])):
        np.testing.assert_array_equal(found.data[name], wanted)


@pytest.mark.parametrize(
    ("head", "one", "two"),
    [
        ("RR (%),Lower,Upper", "82,65,103", "74,55,99"),
        ("RR,Lower,Upper", "82%,65%,103%", "74%,55%,99%"),
        ("lg RR,Lower,Upper", "-0.0861861,-0.187087,0.0128372", "-0.130768,-0.259637,-0.00436481"),
        ("log2(RR),Lower,Upper", "-0.286304,-0.621488,0.0426443", "-0.434403,-0.862496,-0.0144996"),
    ],
)
def test_units_that_can_be_one_thing_alone_are_read(tmp_path, head, one, two):
    found = opened(tmp_path, f"Study,{head}\nA,{one}\nB,{two}\n")
    assert found.measure.name == "log_risk_ratio"
    np.testing.assert_allclose(found.data["effect"], np.log([0.82, 0.74]), rtol=1e-5)
    widths = np.log([1.03 / 0.65, 0.99 / 0.55])
    np.testing.assert_allclose(found.data["se"], widths / 2 / Z, rtol=1e-5)


@pytest.mark.parametrize(
    ("heading", "said"),
    [
        ("VE (%)", "called a reduction"),
        ("RRR", "called a reduction"),
    ],
)
def test_units_that_no_ratio_has_are_asked_about_where_columns_are_stated(tmp_path, heading, said):
    text = f"Study,{heading},lower,upper\nA,0.18,-0.03,0.35\nB,0.09,-0.18,0.3\n"
    with pytest.raises(EvidenceError, match=said):
        opened(tmp_path, text, columns={heading: "effect"}, measure="RR")


def test_differences_may_be_called_reductions(tmp_path):
    text = "Study,Reduction,lower,upper\nA,0.18,0.0,0.36\nB,0.09,-0.11,0.29\n"
    found = opened(tmp_path, text, columns={"Reduction": "effect"}, measure="RD")
    np.testing.assert_allclose(found.data["effect"], [0.18, 0.09])
