"""The kernel against dense linear algebra: V is formed, inverted and conditioned on directly.

Both sides are exact up to rounding; the condition number of the matrices formed here stays below
1e6, so that 1e-9 relative is a tolerance that only a wrong formula can miss.
"""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy.stats import multivariate_normal

from bayesrtw.engine.cholesky import inverse
from bayesrtw.engine.exact import Exact
from bayesrtw.engine.place import NodePlace
from bayesrtw.engine.problem import Normals, pose
from bayesrtw.errors import EngineRefusal
from bayesrtw.evidence.covariance import Dependence
from bayesrtw.evidence.table import Evidence
from bayesrtw.model.design import build
from bayesrtw.model.heterogeneity import Exchangeable
from bayesrtw.model.likelihood import Correlation, NormalErrors
from bayesrtw.model.moderator import Intercept, Linear
from bayesrtw.model.prior import Beta, HalfNormal, Normal
from bayesrtw.model.spec import Model

FAMILY = ["a", "b", "a", "c", "b", "a", "d", "c", "a", "b", "e", "a"]
STUDY = ["s1", "s2", "s3", "s4", "s2", "s1", "s5", "s4", "s3", "s6", "s7", "s8"]


def evidence(dependent=False):
    rng = np.random.default_rng(5)
    count = len(FAMILY)
    se = rng.uniform(0.1, 0.6, count)
    frame = pd.DataFrame(
        {
            "study": STUDY,
            "family": FAMILY,
            "effect": rng.normal(30.0, 0.5, count),
            "se": se,
            "dose": rng.normal(size=count),
        }
    )
    found = Evidence.from_frame(frame)
    if not dependent:
        return found
    blocks = []
    for rows in ([0, 5], [1, 4]):
        covariance = np.outer(se[rows], se[rows]) * (0.4 + 0.6 * np.eye(2))
        blocks.append(Dependence(np.array(rows), covariance, "made up"))
    return Evidence(found.data, found.provenance, found.outcomes, tuple(blocks))


def model(levels, likelihood=None):
    names = {"": "tau", "study": "tau_study", "family": "tau_family"}
    return Model(
        terms=(
            Intercept(Normal(25.0, 10.0)),
            Linear("dose", Normal(0.0, 0.5), centre=False),
            *(Exchangeable(HalfNormal(0.5), by=by, name=names[by]) for by in levels),
        ),
        likelihood=likelihood or NormalErrors(),
    )


def dense(rows, levels, values, rho=None):
    """Mean and covariance of the data, and covariance of the random effects, by brute force."""
    data = rows.data
    count = rows.size
    columns = np.column_stack([np.ones(count), data["dose"].to_numpy()])
    sampling = np.diag(data["se"].to_numpy() ** 2)
    for block in rows.dependence:
        sampling[np.ix_(block.rows, block.rows)] = block.covariance
    if rho is not None:
        same = data["study"].to_numpy()[:, None] == data["study"].to_numpy()[None, :]
        outer = np.outer(data["se"].to_numpy(), data["se"].to_numpy())
        sampling = np.where(np.eye(count, dtype=bool), outer, np.where(same, rho * outer, 0.0))
    random = np.zeros((count, count))
    for by, value in zip(levels, values, strict=True):
        key = data[by].to_numpy() if by else np.arange(count)
        random += value**2 * (key[:, None] == key[None, :])
    return columns, sampling, random


CASES = [
    ((""), False),
    (("study",), False),
    (("", "study"), False),
    (("", "study", "family"), False),
    (("study", "family"), True),
    (("",), True),
    (("", "family"), True),
]


@pytest.mark.parametrize(("levels", "dependent"), CASES)
def test_conditional_and_effects_equal_dense_algebra(levels, dependent):
    levels = levels or ("",)
    rows = evidence(dependent)
    problem = pose(build(model(levels), rows))
    by_name = dict(zip([t.name for t in model(levels).terms[2:]], levels, strict=True))
    for values in ([0.3, 0.2, 0.7], [1e-9, 0.4, 2.0], [1.5, 1e-9, 1e-9], [4.0, 3.0, 10.0]):
        at = [np.array([value]) for value in values[: len(levels)]]
        given = problem.given(at)
        order = [by_name[name] for name in problem.names]
        columns, sampling, random = dense(rows, order, values[: len(levels)])
        m0, s0 = np.array([25.0, 0.0]), np.diag([100.0, 0.25])
        total = sampling + random
        y = rows.data["effect"].to_numpy()
        marginal = total + columns @ s0 @ columns.T
        log = multivariate_normal(columns @ m0, marginal).logpdf(y)
        assert_allclose(given.log_density[0], log, rtol=1e-9)
        inverse = np.linalg.inv(total)
        covariance = np.linalg.inv(np.linalg.inv(s0) + columns.T @ inverse @ columns)
        b = covariance @ (np.linalg.solve(s0, m0) + columns.T @ inverse @ y)
        assert_allclose(given.mean[0], b, rtol=1e-9)
        assert_allclose(given.covariance[0], covariance, rtol=1e-8)
        one = np.ones(1)
        whole = Normals(tuple(at), one, given, problem.design.precision, np.zeros(1, int), one)
        place = NodePlace(problem.design, problem.names, whole)
        mean, sd = (np.array(part)[:, 0] for part in zip(*place.theta, strict=True))
        joint = columns @ s0 @ columns.T + random
        kept = joint @ np.linalg.inv(joint + sampling)
        assert_allclose(mean, columns @ m0 + kept @ (y - columns @ m0), rtol=1e-9)
        assert_allclose(sd**2, np.diag(joint - kept @ joint), rtol=1e-7)
        share = place.shares[0]
        assert_allclose(share[:-1], (covariance @ columns.T @ inverse)[0], rtol=1e-8, atol=1e-12)
        assert_allclose(share.sum(), 1.0, rtol=1e-10)


def test_unknown_correlation_enters_the_covariance():
    likelihood = NormalErrors(Correlation("study", Beta(2.0, 2.0)))
    rows = evidence()
    problem = pose(build(model(("",), likelihood), rows))
    assert problem.names == ("tau", "rho")
    given = problem.given([np.array([0.3]), np.array([0.7])])
    columns, sampling, random = dense(rows, [""], [0.3], rho=0.7)
    marginal = sampling + random + columns @ np.diag([100.0, 0.25]) @ columns.T
    y = rows.data["effect"].to_numpy()
    log = multivariate_normal(columns @ np.array([25.0, 0.0]), marginal).logpdf(y)
    assert_allclose(given.log_density[0], log, rtol=1e-9)


def test_crossed_groups_are_refused():
    rng = np.random.default_rng(1)
    frame = pd.DataFrame(
        {
            "study": ["a", "a", "b", "b"],
            "team": ["x", "y", "x", "y"],
            "effect": rng.normal(size=4),
            "se": 0.2,
            "dose": 0.0,
        }
    )
    crossed = Model(
        terms=(
            Intercept(Normal(0.0, 1.0)),
            Exchangeable(HalfNormal(0.5), by="study", name="tau_study"),
            Exchangeable(HalfNormal(0.5), by="team", name="tau_team"),
        )
    )
    with pytest.raises(EngineRefusal, match="cross"):
        Exact().fit(crossed, Evidence.from_frame(frame), seed=1)


@pytest.mark.parametrize("width", [2, 3, 9])
def test_small_matrices_are_inverted_with_their_determinants(width):
    rng = np.random.default_rng(3)
    root = rng.normal(size=(4, 5, width, width + 3)) * 10.0 ** rng.uniform(-5, 5, (width, 1))
    matrix = root @ np.swapaxes(root, -1, -2)
    found, log_det = inverse(matrix)
    scale = 1.0 / np.sqrt(np.diagonal(matrix, axis1=-2, axis2=-1))
    eye = found @ matrix * (scale[..., None, :] / scale[..., :, None])
    assert_allclose(eye, np.broadcast_to(np.eye(width), matrix.shape), atol=1e-10)
    assert_allclose(log_det, np.linalg.slogdet(matrix)[1], rtol=1e-11)


def test_a_matrix_that_rounding_made_indefinite_is_still_inverted():
    # Beyond singular: there is no Cholesky factor, and elimination with pivots goes on, losing six digits.
    off = 1.0 + 2.0**-20
    matrix = np.array([[1.0, off, 0.0], [off, 1.0, 0.0], [0.0, 0.0, 1.0]])
    found, log_det = inverse(matrix)
    assert_allclose(found[0, 0], 1.0 / (1.0 - off**2), rtol=1e-9)
    assert_allclose(log_det, np.log(off**2 - 1.0), rtol=1e-9)
