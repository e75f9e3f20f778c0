"""Robust standard errors of repeated estimates, against clubSandwich's and against matrices in full."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from scipy import linalg

import bayesrtw as brw
from bayesrtw.question.robust import cr2

SEEN = json.loads(
    (Path(__file__).parent / "metafor_threelevel_konstantopoulos2011.json").read_text("utf-8")
)
Array = NDArray[np.float64]


def split(values: Array, study: Array) -> list[Array]:
    return [values[study == name] for name in np.unique(study)]


def in_full(y: Array, phi: Array, study: Array) -> tuple[float, float, float]:
    """The estimator as Pustejovsky and Tipton write it, with matrices of all rows."""
    count = len(y)
    w, x = np.linalg.inv(phi), np.ones((count, 1))
    m = np.linalg.inv(x.T @ w @ x)
    left = np.eye(count) - x @ m @ x.T @ w
    meat, columns = 0.0, []
    for name in np.unique(study):
        own = study == name
        d = linalg.cholesky(phi[np.ix_(own, own)])
        b = d @ (left[own] @ phi @ left[own].T) @ d.T
        a = d.T @ linalg.pinvh(linalg.sqrtm(b).real) @ d
        p = left[own].T @ a.T @ w[np.ix_(own, own)] @ x[own] @ m
        columns.append(p[:, 0])
        meat += float(p[:, 0] @ y) ** 2
    p = np.column_stack(columns)
    spread = p.T @ phi @ p
    return (
        float((m @ x.T @ w @ y)[0]),
        float(np.sqrt(meat)),
        float(np.trace(spread) ** 2 / (spread**2).sum()),
    )


def test_three_levels_are_those_of_clubsandwich() -> None:
    data = SEEN["data"]
    fit = next(each for each in SEEN["fits"] if each.get("robust") == "CR2_clubSandwich")
    district = np.array(data["district"])
    between, within = fit["sigma2"]
    blocks = [
        np.diag(v + within) + between for v in split(np.array(data["sei"], float) ** 2, district)
    ]
    found = cr2(split(np.array(data["yi"], float), district), blocks)
    assert found == pytest.approx((fit["beta"], fit["se"], fit["ddf"]), abs=1e-9)


def test_any_covariance_is_as_with_matrices_in_full() -> None:
    rng = np.random.default_rng(7)
    study = np.repeat(np.arange(6), [1, 4, 2, 1, 5, 3])
    blocks = []
    for each in split(study, study):
        factor = rng.normal(size=(len(each), len(each) + 2))
        blocks.append(factor @ factor.T / len(each) + 0.1 * np.eye(len(each)))
    y = rng.normal(size=len(study))
    told = cr2(split(y, study), blocks)
    assert told == pytest.approx(in_full(y, linalg.block_diag(*blocks), study), rel=1e-9)


def test_the_table_has_it_where_estimates_repeat() -> None:
    data = SEEN["data"]
    frame = pd.DataFrame({"effect": data["yi"], "se": data["sei"], "study": data["district"]})
    frame["study"] = frame["study"].map("D{}".format)
    model = brw.Model(terms=(brw.Intercept(brw.prior.Normal(0, 1)), brw.Common()))
    found = brw.classical(model, brw.Evidence.from_frame(frame))
    row, reml = found.loc["REML, robust (CR2)"], found.loc["REML"]
    y, v = frame["effect"].to_numpy(float), frame["se"].to_numpy() ** 2
    want = in_full(y, np.diag(v + float(reml["tau2"])), frame["study"].to_numpy())
    assert row[["estimate", "se", "df"]].to_list() == pytest.approx(want, rel=1e-9)
    assert row["estimate"] == pytest.approx(reml["estimate"], abs=1e-12)
    assert "11 studies that repeat" in row["differs"]
    once = brw.classical(model, brw.Evidence.from_frame(frame.assign(study=frame.index.map(str))))
    assert "REML, robust (CR2)" not in once.index
