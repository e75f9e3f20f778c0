"""Tables as reviewers extract them: several numbers a cell, headings within, sums below, units of their own.

Right are the numbers that a person reads in the cells, and effects that are computed here from counts.
"""

import numpy as np
import openpyxl
import pytest
from click.testing import CliRunner
from openpyxl.styles import Font

from bayesrtw.analysis.catalog import open_dataset
from bayesrtw.cli import main
from bayesrtw.doubt.inspect import doubts
from bayesrtw.errors import EvidenceError

Z = 1.959963984540054
RATIOS = np.array([[1.2, 0.9, 1.6], [1.45, 1.05, 2.0]])
COUNTS = np.array([[12, 100, 8, 98], [30, 120, 22, 119]], dtype=float)
MEANS = np.array([[24.1, 5.2, 50, 26, 5.5, 51], [30.2, 7.1, 40, 33.3, 6.9, 42]])


def opened(tmp_path, text, end="csv", **options):
    path = tmp_path / f"found.{end}"
    path.write_text(text, encoding="utf-8")
    return open_dataset(path, **options)


def holds(found, effect, se, measure):
    there = np.isfinite(found.data["effect"].to_numpy())
    assert set(found.data["measure"].to_numpy()[there]) == {measure}
    np.testing.assert_allclose(found.data["effect"].to_numpy()[there], effect, atol=1e-9)
    np.testing.assert_allclose(found.data["se"].to_numpy()[there], se, atol=1e-9)


def are_ratios(found, measure):
    holds(found, np.log(RATIOS[:, 0]), np.log(RATIOS[:, 2] / RATIOS[:, 1]) / (2 * Z), measure)


def are_counts(found):
    a, n, c, m = COUNTS.T
    holds(found, np.log(a / n * m / c), np.sqrt(1 / a - 1 / n + 1 / c - 1 / m), "log_risk_ratio")


def are_means(found):
    a, s, n, c, t, m = MEANS.T
    holds(found, a - c, np.sqrt(s**2 / n + t**2 / m), "mean_difference")


@pytest.mark.parametrize(
    ("text", "measure"),
    [
        ("Study\tOR (95% CI); p\nA\t1.2 (0.9-1.6); p = 0.21\nB\t1.45 (1.05-2.0); p = 0.02\n", "odds"),
        ("Study\tOR (95% CI)\nA\t1.2 (0.9-1.6), p=0.21\nB\t1.45 (1.05-2.0), p<0.05\n", "odds"),
        ("Study\tResult\nA\tHR 1.20 (95% CI 0.90 to 1.60)\nB\tHR 1.45 (95% CI 1.05 to 2.00)\n", "hazard"),
        ("Study\tEffect size\nA\taHR = 1.20, 95% CI 0.90-1.60\nB\taHR = 1.45, 95% CI 1.05-2.00\n", "hazard"),
        ("Study\tOR {95% CI}\nA\t1.2 {0.9-1.6}\nB\t1.45 {1.05-2.0}\n", "odds"),
        ("Study\tHazard ratio (95 per cent CI)\nA\t1.2 (0.9 to 1.6)\nB\t1.45 (1.05 to 2.0)\n", "hazard"),
        ("Study\tHR\t95% CI\nA\t1.2\t0.9/1.6\nB\t1.45\t1.05/2.0\n", "hazard"),
        ("Study\tHR\t95% CI\nA\t1.2\tfrom 0.9 to 1.6\nB\t1.45\t1.05 and 2.0\n", "hazard"),
        ("Study,HR for RTW,95% CI LL,95% CI UL\nA,1.2,0.9,1.6\nB,1.45,1.05,2.0\n", "hazard"),
        ("Studie;Adjustierte OR;KI unten;KI oben\nA;1,2;0,9;1,6\nB;1,45;1,05;2\n", "odds"),
        ("Étude;HR ajusté;IC à 95%\nA;1,20;[0,90 - 1,60]\nB;1,45;[1,05 - 2,00]\n", "hazard"),
        ("Studie;OR;KI u;KI o\nA;1,2;0,9;1,6\nB;1,45;1,05;2\n", "odds"),
        ("Study\tHR (95% CrI)\nA\t1.2(0.9 -1.6)\nB\t1.45 [1.05 2.0] n.s.\n", "hazard"),
        ("Study\tHR 95%CI\nA\t1.2 0.9-1.6\nB\t1.45; 1.05 → 2.0\n", "hazard"),
        ("No,Study,HR,Lower,Upper\n,Exercise,,,\n1,A,1.2,0.9,1.6\n,CBT,,,\n2,B,1.45,1.05,2\n", "hazard"),
        ("study,hr,2.5%,97.5%\nA,1.2,0.9,1.6\nB,1.45,1.05,2.0\n", "hazard"),
        ("study,HR,HR_l,HR_u\nA,1.2,0.9,1.6\nB,1.45,1.05,2.0\n", "hazard"),
        ("Author, year;HR (95% CI)\nBerg, 2010;1.2 (0.9 to 1.6)\nVik, 2012;1.45 (1.05 to 2.0)\n", "hazard"),
        (
            (
                "Author/Year,Measure,Effect (95% CI)\n"
                "A,HR,1.20 (0.90 to 1.60)\n"
                "B,HR,1.45 (1.05 to 2.00)\n"
            ),
            "hazard"
        ),
        ("Study,RR (95% CI)\nA,120% (90% to 160%)\nB,145% (105% to 200%)\n", "risk"),
        ("Study,RR (%),Lower,Upper\nA,120,90,160\nB,145,105,200\n", "risk"),
        (
            (
                "| Study | HR | 95% CI |\n"
                "|:--|---|---:|\n"
                "| **A** | 1.2 | 0.9–1.6 |\n"
                "| B | *1.45* | 1.05–2.0 |\n"
            ),
            "hazard"
        ),
        ("  study   hr lower upper\n1     A 1.20  0.90   1.6\n2     B 1.45  1.05   2.0\n", "hazard"),
        (
            (
                "Study        HR    Lower  Upper\n"
                "Van Berg 10  1.20  0.90   1.60\n"
                "Vik          1.45  1.05   2.00\n"
            ),
            "hazard"
        ),
        ("Study,HR,Lower,Upper\nA,\u200b1.2,0.9,1.6\nB,1.45,1.05,2.0\n", "hazard"),
        (
            (
                "Study,HR,Lower,Upper,D1,D2,D3,D4,Overall\n"
                "A,1.2,0.9,1.6,Low,Low,Low,Low,Low\n"
                "B,1.45,1.05,2.0,Low,High,Low,Low,High\n"
            ),
            "hazard"
        ),
    ],
)  # fmt: skip
def test_ratios_with_their_intervals(tmp_path, text, measure):
    are_ratios(opened(tmp_path, text), f"log_{measure}_ratio")


@pytest.mark.parametrize(
    ("head", "one", "two"),
    [
        ("adjusted log OR,SE", "0.18,0.15", "0.37,0.16"),
        ("adj. log OR,SE (log OR)", "0.18,0.15", "0.37,0.16"),
        ("log aOR,SE", "0.18,0.15", "0.37,0.16"),
        ("log OR,OR 95% CI", "0.18,0.892-1.606", "0.37,1.058-1.981"),
        ("log2 OR,SE log2 OR", "0.259685,0.216404", "0.533797,0.230831"),
        ("log10(OR),SE", "0.0781733,0.0651442", "0.160689,0.0694871"),
    ],
)
def test_logarithms_of_ratios(tmp_path, head, one, two):
    found = opened(tmp_path, f"Study,{head}\nA,{one}\nB,{two}\n")
    assert found.measure.name == "log_odds_ratio"
    np.testing.assert_allclose(found.data["effect"], [0.18, 0.37], atol=1e-6)
    np.testing.assert_allclose(found.data["se"], [0.15, 0.16], atol=2e-4)


@pytest.mark.parametrize(
    "text",
    [
        "Study,Returned T (%),N T,Returned C (%),N C\nA,12 (12),100,8 (8),98\nB,30 (25),120,22 (18),119\n",
        "Study,Intervention,Control\nA,12.0% (12/100),8.2% (8/98)\nB,25.0% (30/120),18.5% (22/119)\n",
        (
            "Study,Intervention % (n/N),Control % (n/N)\n"
            "A,12.0 (12/100),8.2 (8/98)\n"
            "B,25.0 (30/120),18.5 (22/119)\n"
        ),
        "Study,Intervention,Control\nA,12/100 = 12%,8/98 = 8%\nB,30/120 [25%],22/119 [18%]\n",
        "Study,Events T,Events C\nA,12/100,8/98\nB,30/120,22/119\n",
        "study_id,event_t,n_t,event_c,n_c\nA,12,100,8,98\nB,30,120,22,119\n",
        "study,r1,n1,r2,n2\nA,12,100,8,98\nB,30,120,22,119\n",
        "Studie;IG n;IG N;KG n;KG N\nA;12;100;8;98\nB;30;120;22;119\n",
        "Study,Intervention,,Control,\n,n,N,n,N\nA,12,100,8,98\nB,30,120,22,119\n",
        (
            "Study,Treated events,Treated total,Untreated events,Untreated total\n"
            "A,12,100,8,98\n"
            "B,30,120,22,119\n"
        ),
        "Study,Arm,Events,N\nA,IPS,12,100\n,Control,8,98\nB,IPS,30,120\n,Control,22,119\n",
        "Study,Group,RTW\nA,IPS,12/100\nA,Control,8/98\nB,IPS,30/120\nB,Control,22/119\n",
        (
            "Study,Group,N,\"RTW, n (%)\"\n"
            "A,IPS,100,12 (12)\n"
            "A,Control,98,8 (8)\n"
            "B,IPS,120,30 (25)\n"
            "B,Control,119,22 (18)\n"
        ),
        (
            "Study / arm,Events,N\n"
            "Berg 2010,,\n"
            "IPS,12,100\n"
            "Control,8,98\n"
            "Vik 2012,,\n"
            "IPS,30,120\n"
            "Control,22,119\n"
        ),
        (
            "Study,Mean age T,SD age T,Events T,N T,Mean age C,SD age C,Events C,N C\n"
            "A,40,9,12,100,41,8,8,98\n"
            "B,42,9,30,120,40,9,22,119\n"
        ),
    ],
)  # fmt: skip
def test_counts(tmp_path, text):
    are_counts(opened(tmp_path, text))


@pytest.mark.parametrize(
    "text",
    [
        (
            "Étude;n intervention;Moyenne (ET) intervention;n contrôle;Moyenne (ET) contrôle\n"
            "A;50;24,1 (5,2);51;26 (5,5)\n"
            "B;40;30,2 (7,1);42;33,3 (6,9)\n"
        ),
        (
            "Estudio;n intervención;Media (DE) intervención;n control;Media (DE) control\n"
            "A;50;24,1 (5,2);51;26 (5,5)\n"
            "B;40;30,2 (7,1);42;33,3 (6,9)\n"
        ),
        (
            "Studie;n tiltak;Gjennomsnitt (SD) tiltak;n kontroll;Gjennomsnitt (SD) kontroll\n"
            "A;50;24,1 (5,2);51;26 (5,5)\n"
            "B;40;30,2 (7,1);42;33,3 (6,9)\n"
        ),
        "Study,n T,Mean [SD] T,n C,Mean [SD] C\nA,50,24.1 [5.2],51,26 [5.5]\nB,40,30.2 [7.1],42,33.3 [6.9]\n",
        "Study,Days T (M),SD T,n T,Days C (M),SD C,n C\nA,24.1,5.2,50,26,5.5,51\nB,30.2,7.1,40,33.3,6.9,42\n",
        "Study,n T,T mean ± SD,n C,C mean ± SD\nA,50,24.1 ± 5.2,51,26 ± 5.5\nB,40,30.2±7.1,42,33.3±6.9\n",
        (
            "Study\tIntervention: mean (SD), n\tControl: mean (SD), n\n"
            "A\t24.1 (5.2), n=50\t26 (5.5), n=51\n"
            "B\t30.2 (7.1), n=40\t33.3 (6.9), n=42\n"
        ),
        (
            "Study,Intervention mean (SD); n,Control mean (SD); n\n"
            "A,24.1 (5.2); 50,26 (5.5); 51\n"
            "B,30.2 (7.1); 40,33.3 (6.9); 42\n"
        ),
        (
            "Study,n T,Mean change (SD) T,n C,Mean change (SD) C\n"
            "A,50,24.1 (5.2),51,26 (5.5)\n"
            "B,40,30.2 (7.1),42,33.3 (6.9)\n"
        ),
    ],
)  # fmt: skip
def test_means(tmp_path, text):
    are_means(opened(tmp_path, text))


def test_an_effect_beside_what_its_heading_says(tmp_path):
    found = opened(tmp_path, "Study,MD ± SE\nA,-2.1 ± 0.7\nB,-1.0 ± 0.8\n")
    holds(found, [-2.1, -1.0], [0.7, 0.8], "mean_difference")
    with pytest.raises(EvidenceError, match=r"'-2.1 \(0.7\)', which is not understood"):
        opened(tmp_path, "Study,MD (SD)\nA,-2.1 (0.7)\nB,-1.0 (0.8)\n")


def test_measures_that_stand_in_cells(tmp_path):
    found = opened(tmp_path, "Study,Effect\nA,HR 1.2 (0.9-1.6)\nB,OR 1.45 (1.05-2.0)\n")
    assert list(found.data["measure"].to_numpy()) == ["log_hazard_ratio", "log_odds_ratio"]
    np.testing.assert_allclose(found.data["effect"], np.log(RATIOS[:, 0]))


def test_headings_within_are_no_studies(tmp_path):
    text = (
        "Study,HR,Lower,Upper\nExercise,,,\nA,1.2,0.9,1.6\nSubtotal (95% CI),1.2,0.9,1.6\n"
        "CBT\nB,1.45,1.05,2.0\n\"I² = 0%, p = 0.4\",,,\n"
    )  # fmt: skip
    found = opened(tmp_path, text)
    are_ratios(found, "log_hazard_ratio")
    assert list(found.data["subgroup"].to_numpy()) == ["Exercise", "CBT"]
    assert "'Exercise', 'CBT' are taken for headings" in found.provenance.reading
    # A study without a result is no heading: it does not stand first.
    found = opened(tmp_path, "Study,HR,Lower,Upper\nA,1.2,0.9,1.6\nC,,,\nB,1.45,1.05,2.0\n")
    assert list(found.data["study"].to_numpy()) == ["A", "C", "B"]


def test_arms_in_blocks_are_no_single_proportions(tmp_path):
    text = "Study,Events,N\nBerg 2010,,\nIPS,12,100\nControl,8,98\nVik 2012,,\nIPS,30,120\nTAU,22,119\n"
    found = opened(tmp_path, text)
    are_counts(found)
    assert list(found.data["study"].to_numpy()) == ["Berg 2010", "Vik 2012"]


@pytest.mark.parametrize(
    "name",
    ["Random effects", "Random-effects (REML)", "Effet global", "Overall RE estimate", "Σ", "Total N",
     "95% prediction interval", "Grand total", "Average effect", "Gesamt (k = 2)"],
)  # fmt: skip
def test_rows_that_pool_the_others_are_left_out(tmp_path, name):
    found = opened(
        tmp_path, f"Study,HR,Lower,Upper\nA,1.2,0.9,1.6\nB,1.45,1.05,2.0\n{name},1.31,1.06,1.62\n"
    )
    are_ratios(found, "log_hazard_ratio")
    assert any(name in limit for limit in found.provenance.limits)


@pytest.mark.parametrize("name", ["Random", "Fixed 2012", "Meta 2010", "Sumner", "All", "Average"])
def test_names_that_may_be_of_studies_stay(tmp_path, name):
    text = f"Study,HR,Lower,Upper\nA,1.2,0.9,1.6\nB,1.45,1.05,2.0\n{name},1.1,0.7,1.73\n"
    assert opened(tmp_path, text).size == 3


def test_a_row_that_is_the_others_pooled_is_doubted(tmp_path):
    y, se = np.log([1.2, 1.45, 0.95]), np.array([0.147, 0.164, 0.158])
    mean = np.average(y, weights=se**-2)
    rows = "".join(f"S{n},{a:.3f},{b}\n" for n, (a, b) in enumerate(zip(y, se, strict=True)))
    last = f"Average,{mean:.3f},{np.sum(se**-2) ** -0.5:.3f}\n"
    found = opened(tmp_path, f"Study,log HR,SE\n{rows}{last}")
    said = [each.message for each in doubts(found) if each.rule == "total-row"]
    assert len(said) == 1
    assert "Average" in said[0]
    assert "effect and interval are those of the others pooled" in said[0]
    assert not [
        d for d in doubts(opened(tmp_path, f"Study,log HR,SE\n{rows}")) if d.rule == "total-row"
    ]


def test_several_missing_numbers_a_cell_are_missing(tmp_path):
    text = (
        "Study,OR (95% CI)\nA,1.2 (0.9-1.6)\nC,NR (NR-NR)\nD,nicht berichtet\nB,1.45 (1.05-2.0)\n"
    )
    found = opened(tmp_path, text)
    are_ratios(found, "log_odds_ratio")
    assert found.size == 4


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            (
                "Study,RTW T,N T,RTW C,N C\n"
                "A,12,100,8,98\n"
                "B,30,120,22,119\n"
            ),
            r"'RTW T' and 'RTW C' do not say .*RTW T=events_t"
        ),
        (
            (
                "Study,Crude OR (95% CI),aOR (95% CI)\n"
                "A,1.2 (0.9-1.6),1.3 (0.9-1.9)\n"
                "B,1.45 (1.05-2.0),1.6 (1.1-2.3)\n"
            ),
            "several ways"
        ),
        (
            (
                "Study,Hepatitis C events,Hepatitis C n,Hepatitis B events,Hepatitis B n\n"
                "A,12,100,8,98\n"
                "B,30,120,22,119\n"
            ),
            "several ways|no column"
        ),
        (
            (
                "Study,RR (%),Lower,Upper\n"
                "A,0.82,0.65,1.03\n"
                "B,0.74,0.55,0.99\n"
            ),
            "is called per cent, and holds 0.82 at most"
        ),
        ("Study,HR,Lower,Upper\nA,1.2,0.9,1.6\n,1.45,1.05,2.0\n", "study must not be empty"),
    ],
)  # fmt: skip
def test_what_can_be_read_in_two_ways_is_asked(tmp_path, text, said):
    with pytest.raises(EvidenceError, match=said):
        opened(tmp_path, text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "Study,Events,N\nBerg,,\nIPS,12,100\nCBT,8,98\nVik,,\nIPS,30,120\nCBT,22,119\n",
            "arms, or studies",
        ),
        (
            "Study,Arm,Events,N\nBerg,1,12,100\nBerg,2,8,98\nVik,1,30,120\nVik,2,22,119\n",
            "'Arm' numbers the",
        ),
        (
            "Study,HR (control vs IPS),Lower,Upper\nA,1.2,0.9,1.6\nB,1.4,1.1,1.8\n",
            "against the programme; turn it",
        ),
    ],
)
def test_groups_that_may_stand_either_way_are_asked_about(tmp_path, text, said):
    with pytest.raises(EvidenceError, match=said):
        opened(tmp_path, text)


def test_levels_and_differences_of_risks_in_per_cent(tmp_path):
    text = "Study,HR,Lower,Upper,CI level\nA,1.2,0.9,1.6,95%\nB,1.45,1.05,2.0,90%\n"
    widths = np.log(RATIOS[:, 2] / RATIOS[:, 1]) / 2
    found = opened(tmp_path, text)
    np.testing.assert_allclose(found.data["se"], widths / [Z, 1.6448536269514722])
    found = opened(tmp_path, "Study,RD,95% CI\nA,4%,-5% to 13%\nB,7%,-4% to 18%\n")
    holds(found, [0.04, 0.07], np.array([0.18, 0.22]) / 2 / Z, "risk_difference")


def test_numbers_that_are_struck_through_are_asked_about(tmp_path):
    book = openpyxl.Workbook()
    for row in (["Study", "HR", "Lower", "Upper"], ["A", 1.2, 0.9, 1.6], ["B", 1.45, 1.05, 2.0]):
        book.active.append(row)
    book.active["B3"].font = Font(strike=True)
    book.save(tmp_path / "struck.xlsx")
    with pytest.raises(EvidenceError, match=r"cell B3 is struck through \('1\.45'\)"):
        open_dataset(tmp_path / "struck.xlsx")


def test_no_follow_up_at_all_is_doubted(tmp_path):
    text = "Study,HR,Lower,Upper,Follow-up (months)\nA,1.2,0.9,1.6,0\nB,1.45,1.05,2.0,12\n"
    assert "follow-up-impossible" in {each.rule for each in doubts(opened(tmp_path, text))}


def test_how_a_report_looks_is_nothing_without_a_report():
    found = CliRunner().invoke(main, ["run", "time-to-rtw", "--order", "year", "--no-report"])
    assert found.exit_code == 2
    assert "--order says how the forest plots of a report look" in found.output


TWO = "Berg,1.2,0.9,1.6\n{},1.45,1.05,2.0\n"


@pytest.mark.parametrize(
    "name",
    [
        "Sum M 2011",
        "Sum 2012",
        "Alt M (2010)",
        "Re D",
        "Fe V 2008",
        "Common D 2010",
        "Somme E. 2014",
        "Fixed M 2012",
        "Chi (2003)",
        "Tau (2010)",
        "Z: a trial",
        "Random Mh 2011",
        "Total Knee trial",
        "IPS trials 2012",
    ],
)
def test_names_of_studies_are_no_sums(tmp_path, name):
    found = opened(tmp_path, f"Study,HR,Lower,Upper\n{TWO.format(name)}")
    are_ratios(found, "log_hazard_ratio")
    assert found.data["study"].values.tolist() == ["Berg", name]


@pytest.mark.parametrize(
    "sums",
    [
        "I-V pooled HR",
        "D+L pooled HR",
        "M-H pooled",
        "RE Model",
        "Fixed, I-V",
        "Sum",
        "Subtotal 2010",
        "Tau² (DL) = 0.1",
    ],
)
def test_sums_of_programs_are_left_out(tmp_path, sums):
    text = f"Study,HR,Lower,Upper\n{TWO.format('Vik')}{sums!r},1.3,1.05,1.61\n".replace("'", '"')
    are_ratios(opened(tmp_path, text), "log_hazard_ratio")


@pytest.mark.parametrize(
    "text",
    [
        "Author,Year,HR,Lower,Upper\nTotal,2010,1.2,0.9,1.6\nSum,2012,1.45,1.05,2.0\nTotal,,1.3,1.05,1.61\n",
        "Population,Study ID,HR,Lower,Upper\nAll,1,1.2,0.9,1.6\nAll participants,2,1.45,1.05,2.0\n",
        "Study,Outcome,HR,Lower,Upper\nBerg,Sickness,1.2,0.9,1.6\n,Overall,1.45,1.05,2\nVik,Overall,,,\n",
        "Outcome,Study,HR,Lower,Upper\nRTW,Berg,1.2,0.9,1.6\nOverall,IPS trials 2012,1.45,1.05,2.0\n",
        # A part of the name of a scale is no logarithm of the effect.
        "Study,HR per log10 CRP,Lower,Upper\nBerg,1.2,0.9,1.6\nVik,1.45,1.05,2.0\n",
        "Study,HR adjusted for control,Lower,Upper\nBerg,1.2,0.9,1.6\nVik,1.45,1.05,2.0\n",
        "Study,Comparison,HR,Lower,Upper\nBerg,usual care,1.2,0.9,1.6\nVik,IPS vs usual care,1.45,1.05,2.0\n",
        "Study,OR (95% CI)\nBerg,aOR 1.2 (0.9-1.6)\nVik,OR 1.45 (1.05-2.0)\n",
        "Study,RR per cent,Lower,Upper\nBerg,120,90,160\nVik,145,105,200\n",
        "Study,HR IPS + usual care vs usual care,Lower,Upper\nBerg,1.2,0.9,1.6\nVik,1.45,1.05,2.0\n",
        "Study,HR usual care vs no intervention,Lower,Upper\nBerg,1.2,0.9,1.6\nVik,1.45,1.05,2.0\n",
        "Study,HR (high job control vs low job control),Lower,Upper\nBerg,1.2,0.9,1.6\nVik,1.45,1.05,2.0\n",
    ],
)
def test_rows_that_are_studies_stay(tmp_path, text):
    found = opened(tmp_path, text)
    are_ratios(found, next(iter(set(found.data["measure"].values.tolist()) - {"generic"})))


def test_sections_of_outcomes_whose_studies_are_the_same(tmp_path):
    a, b = "12,100,8,98", "30,120,22,119"
    text = (
        f"Study,Events T,N T,Events C,N C\nAt 6 months,,,,\nBerg,{a}\nAt 12 months,,,,\nBerg,{b}\n"
    )
    are_counts(opened(tmp_path, text))
    rows = ["Study|HR|Lower|Upper", "-|-|-|-", "IPS|||", "Berg|1.2|0.9|1.6", "Vik|1.45|1.05|2.0"]
    rows[1] = "---|---|---|---"
    text = "".join(f"| {' | '.join(row.split('|'))} |\n" for row in rows)
    are_ratios(opened(tmp_path, text, "md"), "log_hazard_ratio")


def test_events_with_their_people_in_parentheses(tmp_path):
    for head in ("Events T (N),Events C (N)", "T events (total),C events (total)"):
        are_counts(opened(tmp_path, f"Study,{head}\nBerg,12 (100),8 (98)\nVik,30 (120),22 (119)\n"))


def test_dashes_after_the_name_of_an_effect_are_minus_signs(tmp_path):
    for sign in ("", "= "):
        text = f"Study,Effect\nA,SMD {sign}–0.05 (–0.30 to 0.20)\nB,SMD {sign}–0.1 (–0.4 to 0.2)\n"
        holds(
            opened(tmp_path, text),
            [-0.05, -0.1],
            np.array([0.25, 0.3]) / Z,
            "standardised_mean_difference",
        )


def test_differences_in_units_that_are_logarithms_stay(tmp_path):
    found = opened(tmp_path, "Study,MD (log10 CRP),SE\nA,-0.2,0.1\nB,-0.1,0.07\n")
    holds(found, [-0.2, -0.1], [0.1, 0.07], "mean_difference")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Study,RD,Lower,Upper\nA,4%,-5%,13%\nB,0.07,-0.04,0.18\n", "some of its cells without"),
        ("Study,RD,SE\nA,4%,0.05\nB,7%,0.06\n", "'SE' without"),
        (
            "Study,HR (95% CI)\nA,OR 1.2 (0.9 to 1.6)\nB,1.4 (1.1 to 1.8)\nC,1.4 (1.1 to 1.8)\n",
            "'OR 1.2",
        ),
        (
            "Study,HR usual care vs IPS,Lower,Upper\nA,1.2,0.9,1.6\nB,1.4,1.1,1.8\n",
            "against the programme",
        ),
        (
            "Study,HR control vs IPS + TAU,Lower,Upper\nA,1.2,0.9,1.6\nB,1.4,1.1,1.8\n",
            "against the prog",
        ),
        (
            "Study,Comparison,HR,Lower,Upper\nA,usual care vs IPS,1.2,0.9,1.6\nB,IPS vs TAU,1.4,1.1,1.8\n",
            "in other rows, 'IPS vs TAU'",
        ),
        (
            "Study,HR,Lower,Upper\nOverall,1.2,0.9,1.6\nPooled,1.4,1.1,1.8\n",
            "all rows are called sums",
        ),
        ("Study,Design,HR,Lower,Upper\nA,RCT,1.2,0.9,1.6\n,RCT,1.4,1.1,1.8\n", "study"),
        ("Study,RD (%),SE\nBerg,4,0.02\nVik,7,0.03\n", "look like shares"),
        ("Study,RR (%),SE\nBerg,82,0.1\nVik,120,0.2\n", "look like shares"),
    ],
)
def test_cells_that_contradict_one_another_are_asked_about(tmp_path, text, said):
    with pytest.raises(EvidenceError, match=said):
        opened(tmp_path, text)


def test_what_only_the_analysis_of_returns_reads_is_named(tmp_path):
    text = (
        "study,measure,at,events_t,events_c,at_2,events_t_2,events_c_2,n_t,n_c\n"
        "A,log_hazard_ratio,90,20,15,180,40,30,100,98\nB,log_hazard_ratio,60,10,8,120,20,16,50,51\n"
    )
    path = tmp_path / "found.csv"
    path.write_text(text)
    shown = CliRunner().invoke(
        main, ["run", "--evidence", str(path), "--no-report", "--out", str(tmp_path / "out")]
    )
    assert "'events_c_2', 'events_t_2' are read by an analysis" in " ".join(shown.output.split())
    path.write_text(
        "study,measure,median_t,q1_t,q3_t,n_t,median_c,q1_c,q3_c,n_c\nA,log_hazard_ratio,80,40,150,60,100,50,190,58\n"
    )
    shown = CliRunner().invoke(main, ["check", str(path)])
    assert shown.exit_code == 0
    assert "pooled by an analysis whose likelihood is 'return_to_work'" in " ".join(
        shown.output.split()
    )
