"""The shipped analyses of parts, against sums over a dense grid of both heterogeneity SDs.

Covariances of the estimates are formed and inverted at every point; the rows, their parts and their groups
are read from the data set's columns, and nothing of the model or the engine is used. Rules of Gauss and
Legendre on ranges that hold all but 1e-10 of the posterior. Parts that one arm leaves open are there or not:
every completion of the rows is a model of its own, weighed by a beta-binomial of the arms that say so.
"""

from dataclasses import replace
from functools import cache
from itertools import product

import numpy as np
import pytest
from scipy.special import betaln, logsumexp
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
    return brw.run(replace(brw.open_analysis(name), variant=()))


def _parts(cell: str) -> set[str]:
    return {part.strip() for part in cell.split("+")} - {"none"}


def _completions(rows: brw.Evidence) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Parts, designs of all that open parts may be (completion, row, part), and logs of their weights."""
    arms, may = (
        [[_parts(cell) for cell in rows.data[f"parts_{side}{end}"].to_numpy()] for side in "tc"]
        for end in ("", "_unclear")
    )
    open_ = [
        (row, side, part)
        for row in range(rows.size)
        for side in (0, 1)
        for part in sorted(may[side][row] - may[1 - side][row])
    ]
    known = sorted(set().union(*arms[0], *arms[1], {part for *_, part in open_}))
    bits = np.array(list(product((0, 1), repeat=len(open_)))).reshape(2 ** len(open_), -1)
    told = [
        [float(part in a) - float(part in b) for part in known] for a, b in zip(*arms, strict=True)
    ]
    x, log = np.repeat(np.array(told)[None], len(bits), axis=0), np.zeros(len(bits))
    for place, (row, side, part) in enumerate(open_):
        x[:, row, known.index(part)] += bits[:, place] * (1 - 2 * side)
    for side, part in {(side, part) for _, side, part in open_}:
        own = [place for place, each in enumerate(open_) if each[1:] == (side, part)]
        # An arm that stands in several rows of its study is one arm.
        each = {
            (study, frozenset(has), frozenset(open_too))
            for study, has, open_too in zip(
                rows.data["study"].to_numpy(), arms[side], may[side], strict=True
            )
        }
        yes = 1 + sum(part in has for _, has, _ in each)
        no = 2 + len(each) - yes - sum(part in open_too for *_, open_too in each)
        there = bits[:, own].sum(axis=1)
        log += betaln(yes + there, no + len(own) - there) - betaln(yes, no)
    assert logsumexp(log) == pytest.approx(0.0, abs=1e-12)
    return known, x, log


@pytest.mark.parametrize(
    ("name", "by", "prior", "with_", "without", "completions"),
    [
        pytest.param(
            "time-to-rtw-components",
            "trial_family",
            _half_normal,
            "coordination + multidisciplinary_team + workplace_contact + workplace_meeting",
            "coordination + multidisciplinary_team",
            2**9,
            marks=pytest.mark.slow,
        ),
        (
            "at-work-components",
            "study",
            _inverse_gamma,
            "coordination + multidisciplinary_team + workplace_contact + work_modification",
            "coordination + multidisciplinary_team",
            1,
        ),
    ],
)
def test_the_workplace_in_a_programme_is_that_of_a_dense_grid(
    name, by, prior, with_, without, completions
):
    synthesis = _run(name)
    rows = synthesis.evidence
    data = {key: rows.data[key].to_numpy() for key in ("effect", "se", by)}
    known, x, completed = _completions(rows)
    assert len(x) == completions
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
    log, mean, sd = (np.empty((len(outers), len(inners), len(x))) for _ in range(3))
    columns = np.hstack(list(x))
    for i, outer in enumerate(outers):
        for j, inner in enumerate(inners):
            v = sampling + np.diag(np.full(len(y), inner**2)) + outer**2 * same
            lower = np.linalg.cholesky(v)
            white = np.linalg.solve(lower, np.column_stack([y, columns]))
            seen = white[:, 1:].reshape(len(y), len(x), -1).transpose(1, 2, 0)
            precision = seen @ np.swapaxes(seen, 1, 2) + np.eye(len(known)) / 0.25**2
            pull = seen @ white[:, 0]
            covariance = np.linalg.inv(precision)
            centre = (covariance @ pull[..., None])[..., 0]
            log[i, j] = 0.5 * np.sum(pull * centre, axis=1) - 0.5 * np.linalg.slogdet(precision)[1]
            log[i, j] -= np.sum(np.log(np.diag(lower))) + 0.5 * white[:, 0] @ white[:, 0]
            log[i, j] += log_outer[i] + log_inner[j] + completed
            mean[i, j], sd[i, j] = centre @ asked, np.sqrt(asked @ (covariance @ asked).T)
    weight = np.exp(log - log.max())
    weight /= weight.sum()
    row = synthesis.estimates.loc["with the workplace against without"]
    # Sums over completions are interpolated between nodes of the SDs.
    near = 1e-7 if completions == 1 else 1e-6
    centre = np.sum(weight * mean)
    assert row["mean"] == pytest.approx(centre, abs=near)
    spread = np.sqrt(np.sum(weight * (sd**2 + (mean - centre) ** 2)))
    assert row["sd"] == pytest.approx(spread, abs=near)
    assert row["probability"] == pytest.approx(np.sum(weight * norm.cdf(mean / sd)), abs=near)
    for end, level in (("lower", 0.025), ("upper", 0.975)):
        below = np.sum(weight * norm.cdf((row[end] - mean) / sd))
        assert below == pytest.approx(level, abs=near)


@pytest.mark.parametrize(
    ("name", "rows"),
    [
        pytest.param(
            "time-to-rtw-components",
            {
                "mean of the programmes": (1.13, 0.98, 1.31, 0.95),
                "work modification": (1.43, 0.97, 2.06, 0.96),
                "with the workplace against without": (1.03, 0.71, 1.51, 0.57),
            },
            marks=pytest.mark.slow,
        ),
        (
            "at-work-components",
            {
                "mean of the programmes": (1.16, 1.03, 1.30, 0.99),
                "contact with the workplace": (1.24, 0.95, 1.64, 0.95),
                "with the workplace against without": (1.18, 0.80, 1.78, 0.80),
            },
        ),
    ],
)
def test_the_pages_of_parts_say_what_is_registered(name, rows):
    # As they stand in the changelog; a change of rows, parts or model moves them.
    found = _run(name).estimates
    for question, numbers in rows.items():
        row = found.loc[question]
        ends = [float(np.exp(row[end])) for end in ("median", "lower", "upper")]
        assert [*ends, row["probability"]] == pytest.approx(numbers, abs=0.0051)
