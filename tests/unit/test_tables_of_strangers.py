"""Tables with what others leave beside their results: groups, totals, designs, levels, occasions.

Right are the numbers that a person reads in the cells, and effects that are computed here from counts.
"""

import numpy as np
import pytest

from bayesrtw.analysis.catalog import open_dataset
from bayesrtw.errors import EvidenceError

#: Half the width of a normal interval, in standard errors.
Z = {
    68: 0.994457883209753,
    98: 2.3263478740408408,
    80: 1.2815515655446004,
    90: 1.6448536269514722,
    95: 1.959963984540054,
    99: 2.5758293035489004,
}

#: Events and people of two groups.
COUNTS = np.array([[12, 100, 8, 98], [30, 120, 22, 119], [45, 150, 40, 150]], dtype=float)


def opened(tmp_path, text, **options):
    path = tmp_path / "found.csv"
    path.write_text(text, encoding="utf-8")
    return open_dataset(path, **options)


def measures(found):
    return set(map(str, found.data["measure"].to_numpy()))


def effects():
    a, n, c, m = COUNTS.T
    return {
        "log_risk_ratio": np.log(a / n * m / c),
        "log_odds_ratio": np.log(a * (m - c) / (c * (n - a))),
        "risk_difference": a / n - c / m,
    }


def beside(values, head="study,TE,seTE,event.e,n.e,event.c,n.c"):
    rows = zip("ABC", values, COUNTS.astype(int), strict=True)
    lines = [f"{s},{v:.4f},0.3,{','.join(map(str, counts))}\n" for s, v, counts in rows]
    return head + "\n" + "".join(lines)


@pytest.mark.parametrize("measure", ["log_risk_ratio", "log_odds_ratio", "risk_difference"])
@pytest.mark.parametrize(
    "head",
    ["study,TE,seTE,event.e,n.e,event.c,n.c", "study,effect,se,events_t,n_t,events_c,n_c"],
)
def test_effects_without_a_name_are_of_the_measure_that_their_counts_give(tmp_path, measure, head):
    found = opened(tmp_path, beside(effects()[measure], head))
    assert measures(found) == {measure}
    assert f"is taken as {measure}" in found.provenance.reading
    np.testing.assert_allclose(found.data["effect"], effects()[measure], atol=5e-5)


def test_effects_that_their_counts_do_not_give_are_asked_about(tmp_path):
    found = opened(tmp_path, beside(-effects()["log_odds_ratio"]))
    assert measures(found) == {"generic"}
    assert "with its sign turned" in found.provenance.reading
    found = opened(tmp_path, beside(effects()["log_odds_ratio"] + [0.0, 0.0, 0.1]))
    assert measures(found) == {"generic"}
    assert "the measure of 'TE' is not known" in found.provenance.reading


def test_effects_beside_means_and_times(tmp_path):
    head = "study,n1i,m1i,sd1i,n2i,m2i,sd2i,yi,vi\n"
    means = "A,50,24.1,5.2,51,26.0,5.5,{},1.1\nB,40,30.2,7.1,42,33.3,6.9,{},2.4\n"
    found = opened(tmp_path, head + means.format(-1.9, -3.1))
    assert measures(found) == {"mean_difference"}
    pooled = [np.sqrt((49 * 5.2**2 + 50 * 5.5**2) / 99), np.sqrt((39 * 7.1**2 + 41 * 6.9**2) / 80)]
    d = np.array([-1.9, -3.1]) / pooled
    for corrected in (1, 0.99):
        found = opened(tmp_path, head + means.format(*np.round(corrected * d, 3)))
        assert measures(found) == {"standardised_mean_difference"}
    rates = np.log([12 / 100.5 * 98 / 8, 30 / 120 * 119 / 22])
    text = (
        "study,TE,seTE,event.e,time.e,event.c,time.c\n"
        "A,{:.3f},0.4,12,100.5,8,98\n"
        "B,{:.3f},0.3,30,120,22,119\n"
    )
    found = opened(tmp_path, text.format(*rates))
    assert measures(found) == {"log_rate_ratio"}
    assert "time.e=person_time_t" in found.provenance.reading


def test_a_hazard_ratio_beside_counts_is_pooled_and_not_the_counts(tmp_path):
    text = (
        "study,log_hazard_ratio,se,events_t,n_t,events_c,n_c\n"
        "A,0.3,0.1,50,100,40,98\n"
        "B,0.2,0.12,45,90,40,92\n"
    )
    found = opened(tmp_path, text)
    assert measures(found) == {"log_hazard_ratio"}
    np.testing.assert_allclose(found.data["effect"], [0.3, 0.2])
    np.testing.assert_allclose(found.data["se"], [0.1, 0.12])
    text = (
        "study,or,ci_low,ci_high,events_t,n_t,events_c,n_c\n"
        "A,1.6,0.6,4.2,12,100,8,98\n"
        "B,1.3,0.7,2.4,30,120,22,119\n"
    )
    found = opened(tmp_path, text)
    np.testing.assert_allclose(found.data["effect"], effects()["log_risk_ratio"][:2])
    assert "not used: effects from 'or'" in found.provenance.reading


@pytest.mark.parametrize(
    ("head", "cell", "level"),
    [
        ("Study,OR,99% CI", "{},{}-{}", 99),
        ("Study,OR,CI (90%)", "{},{}-{}", 90),
        ("Study,OR (98% CI)", '"{} ({} to {})"', 98),
        ("Study,OR,68% CI lower,68% CI upper", "{},{},{}", 68),
        ("Study,OR,80 % confidence interval", "{},({}; {})", 80),
        ("Study,OR", '"{} (90% CI: {} to {})"', 90),
        ("Study,OR", '"{} [99 % CI {}, {}]"', 99),
        ("Study,OR", '"{} (95% CI {} to {})"', 95),
    ],
)
def test_levels_of_intervals_in_headings_and_cells(tmp_path, head, cell, level):
    rows = np.array([[1.2, 0.9, 1.6], [1.45, 1.05, 2.0], [1.1, 0.8, 1.51]])
    text = head + "\n" + "".join(f"S{n},{cell.format(*row)}\n" for n, row in enumerate(rows))
    found = opened(tmp_path, text)
    right = np.log(rows[:, 2] / rows[:, 1]) / (2 * Z[level])
    np.testing.assert_allclose(found.data["se"], right, rtol=1e-9)


def test_levels_that_differ_between_cells_are_refused_by_row(tmp_path):
    text = (
        "Study,OR\n"
        'A,"1.2 (95% CI 0.9 to 1.6)"\n'
        'B,"1.4 (90% CI 1.1 to 1.8)"\n'
        'C,"1.1 (95% CI 0.8 to 1.5)"\n'
    )
    with pytest.raises(EvidenceError, match=r"row 3 .*90% CI"):
        opened(tmp_path, text)


def test_crude_and_adjusted_intervals_in_cells_are_asked_for(tmp_path):
    text = (
        "Study,Crude HR,Crude 95% CI,Adjusted HR,Adjusted 95% CI\n"
        "A,1.5,1.2-1.9,1.2,0.9-1.6\n"
        "B,1.7,1.3-2.2,1.4,1.1-1.8\n"
    )
    with pytest.raises(EvidenceError, match=r"effects of crude .* of adjusted"):
        opened(tmp_path, text)


def test_points_part_thousands_of_counts_whatever_their_group_is_called(tmp_path):
    text = (
        "Studie;Ereignisse CBT;N CBT;Ereignisse KG;N KG\nA;1.012;2.000;950;2.010\nB;30;120;22;119\n"
    )
    found = opened(tmp_path, text)
    right = np.sqrt([1 / 1012 - 1 / 2000 + 1 / 950 - 1 / 2010, 1 / 30 - 1 / 120 + 1 / 22 - 1 / 119])
    np.testing.assert_allclose(found.data["se"], right, rtol=1e-9)
    assert "'1.012' of 'Ereignisse CBT' is 1012" in found.provenance.reading


@pytest.mark.parametrize(
    "name",
    [
        "RE Model",
        "Meta-analysis",
        "D+L Overall (I-squared = 0%)",
        '"Overall, DL (I2 = 12%)"',
        "Combined estimate",
        "Totale",
        "Gesamteffekt (REML)",
    ],
)
def test_rows_that_pool_the_others_are_left_out_and_named(tmp_path, name):
    text = f"Study,HR,Lower,Upper\nA,1.2,0.9,1.6\nB,1.45,1.05,2.0\n{name},1.3,1.1,1.6\n"
    found = opened(tmp_path, text)
    assert found.size == 2
    assert any(name.strip('"') in limit for limit in found.provenance.limits)


@pytest.mark.parametrize(
    "name", ["Meta 2010", "Summaries of Berg", "Remodel", "Combined", "Overallt"]
)
def test_studies_whose_names_begin_alike_stay(tmp_path, name):
    text = f"Study,HR,Lower,Upper\nA,1.2,0.9,1.6\n{name},1.3,1.1,1.6\n"
    assert opened(tmp_path, text).size == 2


@pytest.mark.parametrize("first", ["No", "Subgroup"])
def test_rows_that_pool_the_others_are_known_by_the_name_of_their_study(tmp_path, first):
    rows = ["1,A,1.2,0.9,1.6", "1,Subtotal,1.3,1.1,1.6", "2,B,1.4,1.1,1.8", "2,Total,1.3,1.1,1.6"]
    text = "\n".join([f"{first},Study,HR,Lower,Upper", *rows]) + "\n"
    assert list(opened(tmp_path, text).data["study"].to_numpy()) == ["A", "B"]


@pytest.mark.parametrize(
    "head", ["Study,Measure,Effect,Lower,Upper", "study,measure,effect,ci_low,ci_high"]
)
def test_ratios_beside_a_column_of_measures_are_no_logarithms(tmp_path, head):
    text = f"{head}\nA,HR,1.2,0.9,1.6\nB,HR,1.45,1.05,2.0\n"
    if head.startswith(
        "study"
    ):  # its own heading says that effects are on the scale of the analysis
        with pytest.raises(EvidenceError, match="as those of ratios are"):
            opened(tmp_path, text)
    else:
        np.testing.assert_allclose(opened(tmp_path, text).data["effect"], np.log([1.2, 1.45]))
    found = opened(tmp_path, text, columns={head.split(",")[2]: "estimate"})
    np.testing.assert_allclose(found.data["effect"], np.log([1.2, 1.45]))
    assert measures(found) == {"log_hazard_ratio"}
    logs = f"{head}\nA,HR,0.18,-0.11,0.47\nB,HR,0.37,0.05,0.69\nC,OR,0.5,0.3,0.7\n"
    np.testing.assert_allclose(opened(tmp_path, logs).data["effect"], [0.18, 0.37, 0.5])


def test_headings_that_stand_again_are_left_out(tmp_path):
    head = "Study,HR,Lower,Upper\n"
    found = opened(tmp_path, f"{head}A,1.2,0.9,1.6\nB,1.45,1.05,2.0\n{head}C,1.1,0.8,1.51\n")
    np.testing.assert_allclose(found.data["effect"], np.log([1.2, 1.45, 1.1]))
    assert "headings stand again in 1 row" in found.provenance.reading


@pytest.mark.parametrize(
    ("heading", "year"),
    [
        ("Design", "Year"),
        ("Study Design", "Publication Year"),
        ("Studiendesign", "Jahr"),
        ("Diseño", "Año"),
        ("Type d'étude", "Année"),
        ("Disegno dello studio", "Anno"),
        ("Opzet", "Jaar"),
    ],
)
def test_designs_and_years_are_known_by_their_headings(tmp_path, heading, year):
    text = (
        f"Study,{heading},{year},HR,Lower,Upper\n"
        "A,RCT,2010,1.2,0.9,1.6\n"
        "B,Cluster-RCT,2012,1.4,1.1,1.8\n"
        "C,Cohort study,2013,1.1,0.8,1.5\n"
    )
    found = opened(tmp_path, text)
    assert list(found.data["design"].to_numpy()) == ["rct", "cluster_rct", "cohort"]
    np.testing.assert_allclose(found.data["year"], [2010, 2012, 2013])


def test_means_of_single_groups_are_no_effects(tmp_path):
    text = (
        "Study,Intervention mean (95% CI),N intervention,Control mean (95% CI),N control\n"
        "A,24.1 (22.6 to 25.6),50,26.0 (24.5 to 27.5),51\n"
        "B,30.2 (28.0 to 32.4),40,33.3 (31.2 to 35.4),42\n"
    )
    with pytest.raises(EvidenceError, match=r"means of single groups .* se_mean_t"):
        opened(tmp_path, text)
    text = (
        "Study,Mean T,SE T,N T,Mean C,SE C,N C\n"
        "A,24.1,0.7,50,26.0,0.8,51\n"
        "B,30.2,1.1,40,33.3,1.0,42\n"
    )
    found = opened(tmp_path, text)
    np.testing.assert_allclose(found.data["effect"], [-1.9, -3.1])
    np.testing.assert_allclose(found.data["se"], np.hypot([0.7, 1.1], [0.8, 1.0]))


def test_occasions_are_no_groups(tmp_path):
    text = "study,nei,nci,e1i,c1i,e2i,c2i\n1,119,122,16,20,11,12\n2,134,135,22,22,18,12\n"
    with pytest.raises(EvidenceError, match="no column holds a result"):
        opened(tmp_path, text)


def test_rows_that_compare_in_either_direction_are_refused(tmp_path):
    text = "studlab,treat1,treat2,TE,seTE\nA,CBT,none,0.3,0.1\nB,none,IPS,-0.2,0.12\n"
    with pytest.raises(EvidenceError, match=r"'none' stands first where the programme does"):
        opened(tmp_path, text)
    text = (
        "study,treat1,event1,n1,treat2,event2,n2\n"
        "A,placebo,8,98,CBT,12,100\n"
        "B,placebo,22,119,CBT,30,120\n"
    )
    with pytest.raises(EvidenceError, match=r"'treat1' is 'placebo'"):
        opened(tmp_path, text)
    stated = {"event2": "events_t", "n2": "n_t", "event1": "events_c", "n1": "n_c"}
    found = opened(tmp_path, text, columns=stated)
    np.testing.assert_allclose(found.data["effect"], effects()["log_risk_ratio"][:2])


def test_ratios_that_their_counts_turn_round_are_named(tmp_path):
    head = "Study,Events T,N T,Events C,N C,OR,CI low,CI high\n"
    turned = opened(
        tmp_path, f"{head}A,12,100,8,98,0.65,0.25,1.67\nB,30,120,22,119,0.68,0.36,1.27\n"
    )
    assert "'OR' is that of the groups beside it turned round" in turned.provenance.reading
    right = opened(tmp_path, f"{head}A,12,100,8,98,1.53,0.6,3.93\nB,30,120,22,119,1.47,0.79,2.74\n")
    assert "turned" not in right.provenance.reading


def test_risk_differences_in_percentage_points_are_refused(tmp_path):
    text = "Study,RD,SE\nA,3.84,4.2\nB,6.51,5.3\n"
    with pytest.raises(EvidenceError, match=r"divide percentage points .* by 100"):
        opened(tmp_path, text)


@pytest.mark.parametrize(
    "text",
    [
        "Study,OR (97.5% CI)\nA,1.2 (0.9-1.6)\nB,1.45 (1.05-2.0)\n",
        "Study,OR,97.5% CI\nA,1.2,0.9-1.6\nB,1.45,1.05-2.0\n",
        "Study,OR,97.5% CI lower,97.5% CI upper\nA,1.2,0.9,1.6\nB,1.45,1.05,2.0\n",
        'Study,OR\nA,"1.2 (97.5% CI 0.9 to 1.6)"\nB,"1.45 (97.5% CI 1.05 to 2.0)"\n',
    ],
)
def test_levels_that_are_not_known_are_refused(tmp_path, text):
    with pytest.raises(EvidenceError, match=r"interval of 97\.5 %; .* ci_level, 0\.975"):
        opened(tmp_path, text)


def test_a_ratio_with_the_error_of_its_logarithm_and_its_interval(tmp_path):
    text = "Study,HR,SE(log HR),CI low,CI high\nA,1.2,0.147,0.9,1.6\nB,1.45,0.164,1.05,2.0\n"
    found = opened(tmp_path, text)
    np.testing.assert_allclose(found.data["effect"], np.log([1.2, 1.45]))
    np.testing.assert_allclose(found.data["se"], [0.147, 0.164])


@pytest.mark.parametrize("odd", ["", "Review", "Trial", "RCT in a cohort"])
def test_designs_that_are_not_known_make_no_trials(tmp_path, odd):
    text = f"Study,Design,HR,Lower,Upper\nA,RCT,1.2,0.9,1.6\nB,{odd},1.4,1.1,1.8\n"
    found = opened(tmp_path, text)
    assert "design" not in found.data
    assert "'Design' is not taken as design" in found.provenance.reading


@pytest.mark.parametrize(
    ("word", "design"),
    [
        ("Cohort study (prospective)", "cohort"),
        ("Observational", "non_randomised"),
        ("Non-randomised trial", "non_randomised"),
        ("Cluster randomized controlled trial", "cluster_rct"),
        ("Cross-over RCT", "crossover_rct"),
        ("randomised", "rct"),
    ],
)
def test_designs_in_words(tmp_path, word, design):
    text = f"Study,Design,HR,Lower,Upper\nA,RCT,1.2,0.9,1.6\nB,{word},1.4,1.1,1.8\n"
    assert list(opened(tmp_path, text).data["design"].to_numpy()) == ["rct", design]


def test_add_ons_and_rows_of_one_direction_are_read(tmp_path):
    head = "study,treatment1,treatment2,hr,ci_low,ci_high\n"
    text = f"{head}A,IPS+CBT,CBT,1.2,0.9,1.6\nB,CBT,usual care,1.45,1.05,2.0\n"
    np.testing.assert_allclose(opened(tmp_path, text).data["effect"], np.log([1.2, 1.45]))
    with pytest.raises(EvidenceError, match="differ in direction"):
        opened(tmp_path, f"{head}A,IPS,CBT,1.2,0.9,1.6\nB,CBT,IPS,1.45,1.05,2.0\n")


def test_an_outcome_that_is_overall_sums_up_nothing(tmp_path):
    head = "Outcome,Study,HR,Lower,Upper\n"
    text = f"{head}Overall,A,1.2,0.9,1.6\nOverall,B,1.4,1.1,1.8\nTotal,2 studies,1.3,1.1,1.6\n"
    assert list(opened(tmp_path, text).data["study"].to_numpy()) == ["A", "B"]


def test_the_error_of_a_logarithm_is_no_effect(tmp_path):
    rows = "A,0.3,0.21\nB,0.2,0.35\nC,0.25,0.18\n"
    with pytest.raises(EvidenceError, match="no column holds a result"):
        opened(tmp_path, "study,se,SE log RR\n" + rows)


def test_an_error_that_is_the_logarithms_goes_before_one_that_does_not_say(tmp_path):
    rows = "A,1.21,0.3,0.31\nB,1.35,0.2,0.21\nC,0.98,0.25,0.26\n"
    found = opened(tmp_path, "study,RR,se,SE log RR\n" + rows)
    np.testing.assert_allclose(found.data["effect"], np.log([1.21, 1.35, 0.98]), rtol=1e-12)
    np.testing.assert_allclose(found.data["se"], [0.31, 0.21, 0.26])
