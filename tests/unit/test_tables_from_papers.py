"""Tables as papers print them: each gives the numbers worked out by hand, or is asked about."""

import math

import numpy as np
import pytest
from openpyxl import Workbook

from bayesrtw.analysis.catalog import open_dataset
from bayesrtw.doubt.inspect import doubts
from bayesrtw.errors import EvidenceError

Z = 1.959964


def opened(tmp_path, text, name="paper.csv"):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return open_dataset(path)


def holds(found, effect, se):
    values = [found.data[name].to_numpy() for name in ("effect", "se")]
    np.testing.assert_allclose(values, [effect, se], atol=5e-4)


#: Three ratios: 0.82 (0.65 to 1.03), 0.74 (0.55 to 0.99), 1.05 (0.80 to 1.38).
RATIOS = ([math.log(x) for x in (0.82, 0.74, 1.05)], [0.1174, 0.1499, 0.1391])

#: 12 of 50 against 20 of 48, and 30 of 120 against 41 of 118, as log risk ratios.
COUNTS = (
    [math.log(12 / 50 * 48 / 20), math.log(30 / 120 * 118 / 41)],
    [math.sqrt(1 / 12 - 1 / 50 + 1 / 20 - 1 / 48), math.sqrt(1 / 30 - 1 / 120 + 1 / 41 - 1 / 118)],
)


@pytest.mark.parametrize(
    "cell",
    [
        "{} ({}~{})", "{}（{}–{}）", "{} ({}‒{})", "{} (95%-KI: {} bis {})", "{} (CI {} to {})",
        "{} (CI95%: {}-{})", "{}; 95% CI {}–{}; p=0.12", "HR {}; 95% CI {}-{}; p=0.12",
    ],
)  # fmt: skip
def test_intervals_in_a_cell(tmp_path, cell):
    three = (("0.82", "0.65", "1.03"), ("0.74", "0.55", "0.99"), ("1.05", "0.80", "1.38"))
    rows = "".join(f"S{n}\t{cell.format(*each)}\n" for n, each in enumerate(three))
    holds(opened(tmp_path, f"Study\tHR (95% CI)\n{rows}"), *RATIOS)


def test_what_stands_before_an_interval_takes_no_digit_of_it(tmp_path):
    found = opened(tmp_path, "Study,OR\nA,1.5 (95% 1.2-1.9)\nB,1.4 (95% 1.1-1.8)\n")
    assert found.data["ci_low"].to_numpy().tolist() == [1.2, 1.1]


@pytest.mark.parametrize("sign", ["⁻", "‒", "- "])
def test_other_minus_signs(tmp_path, sign):
    text = "Study\tMD (95% CI)\nA\t-3.2 (-6.3 to -0.1)\nB\t-1.0 (-2.1 to 0.1)\n"
    found = opened(tmp_path, text.replace("-", sign))
    holds(found, [-3.2, -1.0], [6.2 / (2 * Z), 2.2 / (2 * Z)])


@pytest.mark.parametrize(
    "head",
    [
        "Study,HR,95% CI,\n,,Lower,Upper\n",
        "Study,HR,95% CI,\n",
        "Study,HRa,95% CI lower,95% CI upper\n",
        "Study*,HR†,95% CI lower‡,95% CI upper‡\n",
    ],
)
def test_headings_over_two_columns_and_with_footnotes(tmp_path, head):
    rows = "A,0.82,0.65,1.03\nB,0.74,0.55,0.99\nC,1.05,0.80,1.38\n"
    holds(opened(tmp_path, head + rows), *RATIOS)


def test_remarks_without_a_heading_are_left_out(tmp_path):
    rows = "A,0.82,0.65,1.03,see table 2\nB,0.74,0.55,0.99,\nC,1.05,0.80,1.38,\n"
    found = opened(tmp_path, "Study,HR,Lower,Upper,\n" + rows)
    holds(found, *RATIOS)
    assert "remarks without a heading, such as 'see table 2', left out" in found.provenance.reading


@pytest.mark.parametrize(
    ("control", "programme"),
    [
        ("Vanlig oppfølging", "Tiltak"),
        ("Übliche Versorgung", "IPS"),
        ("Témoin", "TCC"),
        ("Atención habitual", "TCC"),
        ("Usual care", "CBT plus usual care"),
        ("Treatment as usual (TAU)", "TAU + CBT"),
        ("Minimal intervention", "A programme"),
        ("KG", "VG"),
        ("Zuwarten", "Intervention"),
    ],
)
def test_arms_are_compared_with_the_comparison_group(tmp_path, control, programme):
    rows = f"A;{programme};12;50\nA;{control};20;48\nB;{control};41;118\nB;{programme};30;120\n"
    found = opened(tmp_path, "Study;Arm;Events;N\n" + rows)
    holds(found, *COUNTS)
    assert set(found.data["comparison"].to_numpy()) == {f"{programme} vs {control}"}


def test_arms_of_which_none_is_a_comparison_group_are_asked_about(tmp_path):
    text = "Study,Arm,Events,N\nA,X,12,50\nA,Y,20,48\nB,X,30,120\nB,Y,41,118\n"
    with pytest.raises(EvidenceError, match="nothing says whether 'Y' or 'X' is what the other"):
        opened(tmp_path, text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        # The correlation of a crossover is no result.
        (
            "Study,Mean T,SD T,Mean C,SD C,n,r\nA,14.2,3.3,16,3.6,48,0.5\n",
            "no column holds a result",
        ),
        # The mean of one group is no effect.
        (
            "Study,Mean T,SE T,N T,Mean C,SD C,N C\nA,14.2,0.47,50,16,3.6,48\n",
            "'Mean T': means of single groups and no effects",
        ),
        (
            "Study,OR,Lower,Upper,Reference group\nA,0.82,0.65,1.03,Control\nB,1.35,1.0,1.8,Intervention\n",
            "'Reference group' is 'Intervention' and, in other rows, 'Control'",
        ),
        (
            "Study,OR,Lower,Upper,Reference group\nA,0.82,0.65,1.03,Intervention\n",
            "'Reference group' is 'Intervention', so that effects are of the other group; turn it",
        ),
        (
            "Study,Comparison,OR,Lower,Upper\nA,control vs CBT,0.82,0.65,1.03\n",
            "'Comparison' is 'control vs CBT' in every row; turn it",
        ),
        ("Study,HR (95% CI)\nA,RR 0.82 (0.65-1.03)\n", "holds 'RR 0.82 .*', which is not understood"),
        ("Study,MD (days),SE\nA,-4.1 days,2.0\n", "holds '-4.1 days', which is not understood"),
    ],
)  # fmt: skip
def test_what_would_be_another_number_is_asked_about(tmp_path, text, said):
    with pytest.raises(EvidenceError, match=said):
        opened(tmp_path, text)


def test_a_comparison_that_is_meant_the_other_way_can_be_stated(tmp_path):
    path = tmp_path / "paper.csv"
    path.write_text("Study,Comparison,OR,Lower,Upper\nA,control vs CBT,0.82,0.65,1.03\n")
    found = open_dataset(path, columns={"OR": "estimate"})
    holds(found, [math.log(0.82)], [0.1174])


@pytest.mark.parametrize(
    "text",
    [
        "Study,Events T,N T,Events C,N C\nA,24%,50,41.666667%,48\nB,25%,120,34.745763%,118\n",
        "Study,Returned T,Not returned T,Returned C,Not returned C\nA,12,38,20,28\nB,30,90,41,77\n",
        "Studie;Arbeit ja IG;Arbeit nein IG;Arbeit ja KG;Arbeit nein KG\nA;12;38;20;28\nB;30;90;41;77\n",
        "Study,tdeath,tnodeath,cdeath,cnodeath\nA,12,38,20,28\nB,30,90,41,77\n",
        "Study,Dead T,Alive T,Dead C,Alive C\nA,12,38,20,28\nB,30,90,41,77\n",
        "Study,Events T,N T,Events C,N C\nA,12,n=50,20,n=48\nB,30,n=120,41,n=118\n",
    ],
)
def test_counts(tmp_path, text):
    holds(opened(tmp_path, text), *COUNTS)


def test_sections_with_the_same_studies_are_outcomes(tmp_path):
    rows = "Study,OR,Lower,Upper\nA,0.82,0.65,1.03\nB,0.74,0.55,0.99\n"
    found = opened(tmp_path, f"Return to work,,,\n{rows},,,\nSick leave,,,\n{rows}")
    outcomes = ["Return to work", "Return to work", "Sick leave", "Sick leave"]
    assert found.data["outcome"].to_numpy().tolist() == outcomes


def test_studies_without_numbers_are_no_headings(tmp_path):
    found = opened(tmp_path, "Study,OR,Lower,Upper\nAlm 2001,,,\nBerg 2004,0.74,0.55,0.99\n")
    assert found.data["study"].to_numpy().tolist() == ["Alm 2001", "Berg 2004"]


def test_limits_that_a_workbook_shows_without_percent_signs_are_shares(tmp_path):
    book = Workbook()
    sheet = book.active
    for row in (
        ["Study", "RD", "Lower", "Upper"],
        ["A", -0.177, -0.359, 0.006],
        ["B", -0.1, -0.2, 0.0],
    ):
        sheet.append(row)
    for cell in ("B2", "B3"):
        sheet[cell].number_format = "0.0%"
    book.save(tmp_path / "paper.xlsx")
    holds(open_dataset(tmp_path / "paper.xlsx"), [-0.177, -0.1], [0.365 / (2 * Z), 0.2 / (2 * Z)])


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("Study,Design,Events T,N T,Events C,N C\nA,Cluster RCT,12,50,20,48\n", "clusters-ignored"),
        ("Study,ICC,Events T,N T,Events C,N C\nA,0.05,12,50,20,48\n", "clusters-ignored"),
        (
            "Study,OR,Lower,Upper\nA (men),0.82,0.65,1.03\nA (women),0.74,0.55,0.99\nA (all),0.8,0.7,0.9\n",
            "total-row",
        ),
    ],
)
def test_what_counts_people_too_often_is_doubted(tmp_path, text, rule):
    assert [each.rule for each in doubts(opened(tmp_path, text))].count(rule) == 1


def test_errors_that_allow_for_groups_are_not_doubted(tmp_path):
    text = "Study,Design,OR,Lower,Upper\nA,Cluster RCT,0.82,0.65,1.03\n"
    assert "clusters-ignored" not in [each.rule for each in doubts(opened(tmp_path, text))]


def test_the_column_of_arms_may_have_any_name(tmp_path):
    rows = "A,intervention,12,50\nA,comparator,20,48\nB,intervention,30,120\nB,Comparator,41,118\n"
    found = opened(tmp_path, "Study,Given,Events,N\n" + rows)
    holds(found, *COUNTS)
    assert set(found.data["comparison"].to_numpy()) == {"intervention vs comparator"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Study,Unit,MD,SE\nA,days,-2,1\nB,weeks,-1,0.4\n", "'Unit' is days and weeks"),
        (
            "Study,d,SE,Direction\nA,0.2,0.1,favours control\nB,0.3,0.2,favours intervention\n",
            "'Direction' names both groups beside effects of 'd' on one side of 0",
        ),
        ("Study,OR (89% CrI)\nA,0.82 (0.65-1.03)\n", "of an interval of 89 %"),
    ],
)
def test_columns_beside_effects_may_contradict_them(tmp_path, text, said):
    with pytest.raises(EvidenceError, match=said):
        opened(tmp_path, text)


def test_columns_beside_effects_may_agree_with_them(tmp_path):
    text = "Study,OR,Lower,Upper,Favours\nA,0.82,0.65,1.03,Intervention\nB,1.35,1.01,1.82,Control\n"
    holds(opened(tmp_path, text), [math.log(0.82), math.log(1.35)], [0.1174, 0.1502])
    text = "Study,Outcome,Unit,MD,SE\nA,Pain,points,-2,1\nA,Leave,days,-1,0.4\n"
    holds(opened(tmp_path, text), [-2, -1], [1, 0.4])
