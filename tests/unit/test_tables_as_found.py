"""Tables as people keep them: marks in cells, words of several languages, what a cell cannot be.

Right are the numbers that a person reads in the cells; those of pooled results are computed in the test.
"""

import numpy as np
import pytest

from bayesrtw.analysis.catalog import open_dataset
from bayesrtw.errors import EvidenceError

#: Half the width of a normal interval of 90 % and of 95 %, in standard errors.
Z90, Z95 = 1.6448536269514722, 1.959963984540054

RATIOS = np.array([[1.2, 0.9, 1.6], [1.4, 1.1, 1.8], [0.95, 0.7, 1.3]])


def opened(tmp_path, text, encoding="utf-8", **options):
    path = tmp_path / "found.csv"
    path.write_bytes(text.encode(encoding))
    return open_dataset(path, **options)


def errors(z=Z95, rows=RATIOS):
    return (np.log(rows[:, 2]) - np.log(rows[:, 1])) / (2 * z)


def three(head, form, mark=","):
    lines = [
        form.format(*row).replace(".", ",") if mark == ";" else form.format(*row) for row in RATIOS
    ]
    return f"{head}\n" + "".join(f"S{n}{mark}{line}\n" for n, line in enumerate(lines))


@pytest.mark.parametrize(
    ("text", "measure"),
    [
        (three("Study;HR (95% CI)", "{} ({}; {})", ";"), "log_hazard_ratio"),
        (three("Studie;OR (95%-KI)", "{} ({}–{})", ";"), "log_odds_ratio"),
        (three('Study,"RR [95% CI]"', '"{} [{}, {}]"'), "log_risk_ratio"),
        (three("Study,HR,CI_lo,CI_hi", "{},{},{}"), "log_hazard_ratio"),
        (three("Study,HR,95% CI low,95% CI high", "{}†,{},{}*"), "log_hazard_ratio"),
        (three("Étude;Rapport de cotes;IC 95 % inf;IC 95 % sup", "{};{};{}", ";"), "log_odds_ratio"),
        (three("Studio;RR;IC inferiore;IC superiore", "{};{};{}", ";"), "log_risk_ratio"),
        (three("Estudo;Risco relativo;IC 95% inferior;IC 95% superior", "{};{};{}", ";"), "log_risk_ratio"),
        (three("Studie;Hazardkvot;KI nedre;KI övre", "{};{};{}", ";"), "log_hazard_ratio"),
        (three("Badanie;Iloraz szans;Dolna granica CI;Górna granica CI", "{};{};{}", ";"), "log_odds_ratio"),
    ],
)  # fmt: skip
def test_ratios_and_their_intervals_are_found(tmp_path, text, measure):
    found = opened(tmp_path, text)
    np.testing.assert_allclose(found.data["effect"], np.log(RATIOS[:, 0]), rtol=1e-12)
    np.testing.assert_allclose(found.data["se"], errors(), rtol=1e-12)
    assert set(found.data["measure"].to_numpy()) == {measure}


@pytest.mark.parametrize(
    "text",
    [
        three("Study,RR,90% CI lower,90% CI upper", "{},{},{}"),
        three("Study,RR (90% CI)", "{} ({} to {})"),
    ],
)
def test_an_interval_has_the_level_of_its_heading(tmp_path, text):
    found = opened(tmp_path, text)
    np.testing.assert_allclose(found.data["se"], errors(Z90), rtol=1e-12)
    assert "intervals of 90 %" in found.provenance.reading


MEANS = "A,50,12.5 ({}),48,15.0 ({})\nB,80,11.0 ({}),82,12.2 ({})\n"


def test_a_mean_stands_beside_what_its_heading_says(tmp_path):
    head = "Study,N intervention,Mean ({0}) intervention,N control,Mean ({0}) control\n"
    spread = (4.1, 4.4, 3.9, 4.0)
    right = [
        np.hypot(4.1 / np.sqrt(50), 4.4 / np.sqrt(48)),
        np.hypot(3.9 / np.sqrt(80), 4 / np.sqrt(82)),
    ]
    found = opened(tmp_path, head.format("SD") + MEANS.format(*spread))
    np.testing.assert_allclose(found.data["se"], right, rtol=1e-12)
    found = opened(tmp_path, head.format("SE") + MEANS.format(0.58, 0.635, 0.436, 0.442))
    np.testing.assert_allclose(
        found.data["se"], np.hypot([0.58, 0.436], [0.635, 0.442]), rtol=1e-12
    )


def test_quartiles_and_ranges_are_no_confidence_intervals(tmp_path):
    rows = "A,50,60 (30-110),48,80 (45-150)\nB,80,55 (25-100),82,62 (35-120)\n"
    head = "Study,n intervention,Median (IQR) intervention,n control,Median (IQR) control\n"
    cells = opened(tmp_path, head + rows).data
    assert cells["q1_t"].to_numpy().tolist() == [30, 25]
    assert cells["q3_c"].to_numpy().tolist() == [150, 120]
    with pytest.raises(EvidenceError, match=r"'60 \(30-110\)', which is not understood"):
        opened(tmp_path, head.replace("IQR", "range") + rows)


def test_counts_with_percentages_and_percentages_alone(tmp_path):
    head = 'Study,N intervention,"Intervention, n (%)",N control,"Control, n (%)"\n'
    found = opened(tmp_path, head + "A,100,12 (12.0),100,20 (20%)\nB,85,8 (9.4),83,15 (18.1)\n")
    assert found.data["events_t"].to_numpy().tolist() == [12, 8]
    head = "Study,n intervention,RTW intervention (%),n control,RTW control (%)\n"
    found = opened(tmp_path, head + "A,100,62%,100,50%\nB,80,55%,82,50%\n")
    right = np.log([0.62 / 0.50, 0.55 / 0.50])
    np.testing.assert_allclose(found.data["effect"], right, rtol=1e-12)
    cells = (
        'Study,Intervention n/N,Control n/N\nA,"1,204/13,598","1,350/12,867"\nB,62/590,248/601\n'
    )
    assert opened(tmp_path, cells).data["n_t"].to_numpy().tolist() == [13598, 590]


CRUDE = (
    "Study,Crude OR,Crude lower,Crude upper,Adjusted OR,Adj lower,Adj upper\n"
    "A,1.5,1.1,2.05,1.3,0.95,1.78\nB,1.2,0.9,1.6,1.1,0.8,1.5\n"
)


def test_crude_and_adjusted_are_asked_for_and_a_stated_column_keeps_its_measure(tmp_path):
    with pytest.raises(EvidenceError, match=r"several ways: effects of crude .* of adjusted"):
        opened(tmp_path, CRUDE)
    stated = {"Adjusted OR": "estimate", "Adj lower": "ci_low", "Adj upper": "ci_high"}
    found = opened(tmp_path, CRUDE, columns=stated)
    assert set(found.data["measure"].to_numpy()) == {"log_odds_ratio"}
    np.testing.assert_allclose(found.data["effect"], np.log([1.3, 1.1]), rtol=1e-12)


def test_results_that_are_not_used_are_named_with_the_option_that_uses_them(tmp_path):
    text = "studlab,event.e,n.e,event.c,n.c,TE,seTE\nA,12,100,20,100,-0.51,0.34\nB,8,85,15,83,-0.65,0.41\n"
    found = opened(tmp_path, text)
    assert (
        "not used: events and people of two groups (--columns event.e=events_t,event.c=events_c"
        in found.provenance.reading
    )


def test_cells_that_fail_are_named_before_what_follows_from_them(tmp_path):
    head = "study,cases exposed,time exposed,cases control,time control\n"
    with pytest.raises(EvidenceError, match=r"may be 1200 or 1\.200"):
        opened(tmp_path, head + 'A,12,"1,200",20,1180\n')


@pytest.mark.parametrize(
    "total",
    ["Pooled OR (random effects)", "Overall odds ratio", "Summary effect", "Overall (I2 = 20%)"],
)
def test_a_row_that_pools_the_others_is_no_study(tmp_path, total):
    text = f"Study,OR,LL,UL\nA,1.2,0.9,1.6\nB,1.4,1.1,1.8\n{total},1.3,1.05,1.6\n"
    found = opened(tmp_path, text)
    assert found.size == 2
    assert total in found.provenance.limits[0]


def test_counts_in_words_standard_errors_of_logarithms_and_three_arms(tmp_path):
    found = opened(
        tmp_path, "Study,Intervention,Control\nA,12 of 100,20 of 100\nB,8 of 85,15 of 83\n"
    )
    assert found.data["n_c"].to_numpy().tolist() == [100, 83]
    found = opened(tmp_path, "Study,log(HR),SE of log(HR)\nA,0.18,0.15\nB,0.34,0.13\n")
    assert found.data["se"].to_numpy().tolist() == [0.15, 0.13]
    assert set(found.data["measure"].to_numpy()) == {"log_hazard_ratio"}
    head = "Study,n1,mean1,sd1,n2,mean2,sd2,n3,mean3,sd3\n"
    with pytest.raises(EvidenceError, match="one row a study with columns for three arms"):
        opened(tmp_path, head + "A,50,12.5,4.1,48,15,4.4,49,13,4\nB,80,11,3.9,82,12.2,4,,,\n")
