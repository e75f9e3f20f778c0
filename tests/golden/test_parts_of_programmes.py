"""The shipped analyses of parts, against sums over a dense grid of both heterogeneity SDs.

Covariances of the estimates are formed and inverted at every point; the rows, their parts and their groups
are read from the data set's columns, and nothing of the model or the engine is used. Rules of Gauss and
Legendre on ranges that hold all but 1e-10 of the posterior.
"""

from functools import cache

import numpy as np
import pytest
from scipy.stats import halfnorm, invgamma, norm

import bayesrtw as brw


def _rule(low: float, high: float, count: int = 40) -> tuple[np.ndarray, np.ndarray]:
    x, weight = np.polynomial.legendre.leggauss(count)
    return low + 0.5 * (high - low) * (x + 1.0), np.log(0.5 * (high - low) * weight)


def _half_normal() -> tuple[np.ndarray, np.ndarray]:
    tau, log = _rule(0.0, 2.2)
    return tau, log + halfnorm.logpdf(tau, scale=0.5)


def _inverse_gamma() -> tuple[np.ndarray, np.ndarray]:
    u, log = _rule(-5.0, 2.5, 48)
    return np.exp(u), log + u + invgamma.logpdf(np.exp(u), 1.5, scale=0.26)


@cache
def _run(name: str) -> brw.Synthesis:
    return brw.run(brw.open_analysis(name))


def _parts(cell: str) -> set[str]:
    return {part.strip() for part in cell.split("+")} - {"none"}


@pytest.mark.parametrize(
    ("name", "by", "prior", "with_", "without"),
    [
        (
            "time-to-rtw-components",
            "trial_family",
            _half_normal,
            "coordination + multidisciplinary_team + workplace_contact + workplace_meeting",
            "coordination + multidisciplinary_team",
        ),
        (
            "at-work-components",
            "study",
            _inverse_gamma,
            "coordination + multidisciplinary_team + workplace_contact + work_modification",
            "coordination + multidisciplinary_team",
        ),
    ],
)
def test_the_workplace_in_a_programme_is_that_of_a_dense_grid(name, by, prior, with_, without):
    synthesis = _run(name)
    rows = synthesis.evidence
    data = {key: rows.data[key].to_numpy() for key in ("effect", "se", "parts_t", "parts_c", by)}
    arms = [[_parts(cell) for cell in data[side]] for side in ("parts_t", "parts_c")]
    known = sorted(set().union(*arms[0], *arms[1]))
    x = np.array(
        [
            [float(part in a) - float(part in b) for part in known]
            for a, b in zip(*arms, strict=True)
        ]
    )
    sampling = np.diag(data["se"].astype(float) ** 2)
    for block in rows.dependence:
        sampling[np.ix_(block.rows, block.rows)] = block.covariance
    same = data[by][:, None] == data[by][None, :]
    asked = np.array([float(p in _parts(with_)) - float(p in _parts(without)) for p in known])
    y, (outers, log_outer), (inners, log_inner) = (
        data["effect"].astype(float),
        prior(),
        _rule(0, 1.2),
    )
    log_inner = log_inner + halfnorm.logpdf(inners, scale=0.25)
    log, mean, sd = (np.empty((len(outers), len(inners))) for _ in range(3))
    for i, outer in enumerate(outers):
        for j, inner in enumerate(inners):
            v = sampling + np.diag(np.full(len(y), inner**2)) + outer**2 * same
            whole = v + 0.25**2 * x @ x.T
            solved = np.linalg.solve(whole, np.column_stack([y, x]))
            log[i, j] = -0.5 * (np.linalg.slogdet(whole)[1] + y @ solved[:, 0])
            log[i, j] += log_outer[i] + log_inner[j]
            mean[i, j] = 0.25**2 * asked @ x.T @ solved[:, 0]
            variance = 0.25**2 * (asked @ asked) - 0.25**4 * asked @ x.T @ solved[:, 1:] @ asked
            sd[i, j] = np.sqrt(variance)
    weight = np.exp(log - log.max())
    weight /= weight.sum()
    row = synthesis.estimates.loc["with the workplace against without"]
    centre = np.sum(weight * mean)
    assert row["mean"] == pytest.approx(centre, abs=1e-7)
    spread = np.sqrt(np.sum(weight * (sd**2 + (mean - centre) ** 2)))
    assert row["sd"] == pytest.approx(spread, abs=1e-7)
    assert row["probability"] == pytest.approx(np.sum(weight * norm.cdf(mean / sd)), abs=1e-7)
    for end, level in (("lower", 0.025), ("upper", 0.975)):
        below = np.sum(weight * norm.cdf((row[end] - mean) / sd))
        assert below == pytest.approx(level, abs=1e-7)


def test_the_pages_of_parts_say_what_is_registered():
    # As they stand in the changelog; a change of rows, parts or model moves them.
    wanted = {
        "time-to-rtw-components": {
            "mean of the programmes": (1.11, 0.97, 1.28, 0.93),
            "work modification": (1.40, 0.95, 2.01, 0.96),
            "with the workplace against without": (0.96, 0.67, 1.40, 0.42),
        },
        "at-work-components": {
            "mean of the programmes": (1.16, 1.03, 1.30, 0.99),
            "contact with the workplace": (1.24, 0.95, 1.64, 0.95),
            "with the workplace against without": (1.18, 0.80, 1.78, 0.80),
        },
    }
    for name, rows in wanted.items():
        found = _run(name).estimates
        for question, numbers in rows.items():
            row = found.loc[question]
            ends = [float(np.exp(row[end])) for end in ("median", "lower", "upper")]
            assert [*ends, row["probability"]] == pytest.approx(numbers, abs=0.0051)
