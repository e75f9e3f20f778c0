"""Tables as reviewers have them, from their cells to the pooled value.

Values are those of a REML fit (Viechtbauer 2005, doi:10.3102/10769986030003261) that this file does
by a search over tau², beside values that were computed outside this project to the digits given; the last
digit of those is the tolerance. Each table has others of its kind beside it.
"""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy.optimize import minimize_scalar

import bayesrtw as brw


def reml(evidence):
    """Pooled mean and its standard error; tau² maximises the restricted likelihood."""
    effect, se = (evidence.data[name].to_numpy() for name in ("effect", "se"))

    def lost(log_variance):
        weight = 1.0 / (se**2 + np.exp(log_variance))
        mean = weight @ effect / weight.sum()
        fit = weight @ (effect - mean) ** 2 - np.log(weight).sum() + np.log(weight.sum())
        return float(fit)

    grid = np.linspace(-25.0, 8.0, 400)
    near = grid[np.argmin([lost(each) for each in grid])]
    best = minimize_scalar(lost, bounds=(near - 0.5, near + 0.5), method="bounded").x
    weight = 1.0 / (se**2 + np.exp(best))
    return weight @ effect / weight.sum(), weight.sum() ** -0.5


def opened(folder, text, **stated):
    path = folder / "table.csv"
    path.write_text(text, encoding="utf-8")
    return brw.open_dataset(path, strict=False, **stated)


ZEROS = (
    "study,effect,se\nA,0,0\nB,0,0\nC,-0.52,0.74\nD,0.75,0.35\nE,0.33,0.47\nF,-1.24,1.32\nG,0,0\n"
)
VARIANCES = [0.0256, 0.0225, 0.0081, 0.0100, 0.0144, 0.0225]
EFFECTS = [0.26, 0.44, 0.05, 0.55, 0.31, 0.38]


def columns(names, *values):
    """Write columns as a CSV file."""
    table = pd.DataFrame(dict(zip(names.split(), values, strict=True)))
    return table.to_csv(index=False)


@pytest.mark.parametrize("names", ["study yi vi", "study effect variance", "Study TE varTE"])
def test_variances_become_standard_errors(tmp_path, names):
    evidence = opened(tmp_path, columns(names, list("ABCDEF"), EFFECTS, VARIANCES))
    assert_allclose(evidence.data["se"], np.sqrt(VARIANCES), rtol=1e-12)
    assert_allclose(reml(evidence), (0.3252, 0.0823), atol=5e-5)


@pytest.mark.parametrize("missing", ["NA", "", "-", "n.a.", "."])
def test_missing_cells_of_columns_that_a_row_does_not_need_leave_it_in(tmp_path, missing):
    text = (
        "study,effect,se,n_t,n_c,mean_t,sd_t,mean_age\nAsh 2004,0.61,0.21,24,NA,0.66,NA,14.1\n"
        "Birch 2009,0.18,0.15,41,40,NA,NA,NA\nCedar 2013,0.92,0.30,13,NA,NA,NA,22.5\n"
        "Elm 2017,0.40,0.12,NA,NA,NA,NA,30.2\nFir 2020,0.27,0.18,30,NA,0.55,0.21,18.0\n"
    )
    evidence = opened(tmp_path, text.replace("NA", missing))
    assert_allclose(reml(evidence), (0.3947, 0.0909), atol=5e-5)
    assert_allclose(evidence.data["mean_age"], [14.1, np.nan, 22.5, 30.2, 18.0])


@pytest.mark.parametrize(
    "text",
    [
        "study,effect,n,measure\nA,-0.11,52,{0}\nB,0.47,120,{0}\nC,0.31,48,{0}\nD,0.26,60,{0}\n",
        "study,effect,n_t,n_c,measure\nA,-0.11,26,26,{0}\nB,0.47,60,60,{0}\nC,0.31,24,24,{0}\nD,0.26,30,30,{0}\n",
    ],
)
def test_a_standardised_difference_and_its_people_give_a_standard_error(tmp_path, text):
    evidence = opened(tmp_path, text.format("standardised_mean_difference"))
    d, n = np.array([-0.11, 0.47, 0.31, 0.26]), np.array([52.0, 120, 48, 60])
    # Two equal groups: Borenstein et al. (2009), Introduction to Meta-Analysis, eq. 4.20.
    assert_allclose(evidence.data["se"], np.sqrt(4 / n + d**2 / (2 * n)), rtol=1e-12)
    assert_allclose(evidence.data["se"][1:], [0.1851, 0.2904, 0.2593], atol=5e-5)


def test_observed_minus_expected_gives_the_common_hazard_ratio(tmp_path):
    text = (
        "study,o_minus_e,variance,measure\nT1,-6.2,14.8,log_hazard_ratio\nT2,1.9,8.1,log_hazard_ratio\n"
        "T3,-10.4,40.2,log_hazard_ratio\nT4,-2.2,21.7,log_hazard_ratio\n"
    )
    evidence = opened(tmp_path, text)
    weight = evidence.data["se"].to_numpy() ** -2.0
    mean = float(weight @ evidence.data["effect"].to_numpy() / weight.sum())
    assert_allclose((mean, weight.sum() ** -0.5), (-0.19929, 0.10859), atol=5e-6)


def test_changes_of_two_groups_are_standardised_by_the_sd_before(tmp_path):
    text = (
        "study,mean_baseline_t,sd_baseline_t,mean_final_t,sd_final_t,n_t,mean_baseline_c,sd_baseline_c,"
        "mean_final_c,sd_final_c,n_c,correlation\n"
        "A,30.1,14.8,38.2,11.9,21,23.4,13.5,20.0,14.9,20,0.50\n"
        "B,23.2,3.2,26.5,4.0,48,24.7,4.0,25.2,3.4,44,0.62\n"
        "C,53.0,14.2,75.1,4.9,12,55.2,17.0,60.1,17.6,12,0.80\n"
    )
    evidence = opened(tmp_path, text)
    assert_allclose(evidence.data["effect"], [0.7682, 0.8919, 1.1793], atol=5e-5)
    assert_allclose(evidence.data["se"], [0.3251, 0.2098, 0.3962], atol=5e-5)
    assert_allclose(reml(evidence), (0.9090, 0.1610), atol=5e-5)


def test_ratios_without_a_scale_are_pooled_on_it_when_told(tmp_path):
    text = (
        "study,estimate,ci_low,ci_high\nA,2.20,1.15,4.20\nB,1.55,0.85,2.83\nC,1.48,1.10,1.99\n"
        "D,1.80,1.08,3.00\nE,0.92,0.60,1.41\n"
    )
    mean, se = reml(opened(tmp_path, text, measure="HR"))
    found = np.exp([mean, mean - 1.96 * se, mean + 1.96 * se])
    assert_allclose(found, (1.462, 1.11, 1.92), atol=5e-3)


def test_a_flat_mean_and_a_wide_uniform_tau_are_integrated(tmp_path):
    effect = [
        0.21,
        0.14,
        0.37,
        0.26,
        0.31,
        0.02,
        0.17,
        0.06,
        0.29,
        0.02,
        -0.08,
        0.36,
        0.01,
        0.16,
        0.22,
        0.05,
    ]
    se = [
        0.1,
        0.05,
        0.14,
        0.12,
        0.1,
        0.13,
        0.08,
        0.06,
        0.13,
        0.04,
        0.14,
        0.11,
        0.09,
        0.04,
        0.08,
        0.13,
    ]
    evidence = opened(
        tmp_path, columns("study effect se", [f"s{i}" for i in range(16)], effect, se)
    )
    assert_allclose(reml(evidence), (0.1471, 0.0288), atol=5e-5)
    model = brw.Model(
        terms=(brw.Intercept(brw.prior.Flat()), brw.Exchangeable(brw.prior.Uniform(1000.0)))
    )
    found = brw.summarise(brw.fit(model, evidence, engine=brw.Exact(draws=0)))
    assert_allclose(found.loc["mu", ["mean", "sd"]].astype(float), (0.147180, 0.032663), atol=1e-6)
    assert float(found.loc["tau", "mean"]) == pytest.approx(0.084240, abs=1e-6)


def test_a_standard_error_typed_as_sd_changes_the_pooled_value(tmp_path):
    head = "study,measure,mean_t,sd_t,n_t,mean_c,sd_c,n_c\n"
    rows = (
        "Ames 2009,{0},21.4,8.1,44,24.9,8.4,46\nBoyd 2012,{0},19.8,7.5,61,22.0,7.9,58\n"
        "Cole 2015,{0},22.7,8.13,50,25.8,8.47,49\nDunn 2018,{0},20.3,8.8,38,23.9,8.0,40\n"
        "Earl 2020,{0},18.9,7.7,72,21.1,8.3,70\n"
    ).format("standardised_mean_difference")
    right = opened(tmp_path, head + rows)
    assert float(right.data["effect"][2]) == pytest.approx(-0.371, abs=5e-4)
    assert_allclose(reml(right), (-0.341, 0.088), atol=5e-4)


@pytest.mark.parametrize("missing", ["0,0", "0.0,0.00", "0,NA"])
def test_zeros_for_missing_numbers_are_not_pooled(tmp_path, missing):
    evidence = opened(tmp_path, ZEROS.replace("0,0\n", f"{missing}\n"))
    usable = np.isfinite(evidence.data["se"].to_numpy())
    assert evidence.data["study"].to_numpy()[usable].tolist() == ["C", "D", "E", "F"]
    assert_allclose(reml(evidence.rows(usable)), (0.2992, 0.3228), atol=5e-5)


def test_identical_lines_of_many_estimates_stay_in(tmp_path):
    text = f"study,effect,se\n{3 * 'P,-5.17,1.9\n'}P,-8.05,2.16\nQ,1.2,0.9\nR,2.1,1.1\n"
    evidence = opened(tmp_path, text)
    assert evidence.size == 6
    assert evidence.quarantined == ()
