"""Shrinkage of many moderators: importance sampling from the priors, and what other verbs say."""

from functools import lru_cache

import numpy as np
import pandas as pd
import pytest

import bayesrtw as brw
from bayesrtw.errors import EngineRefusal, EvidenceError, SpecError
from bayesrtw.model import prior

COUNT = 12
DRAWS = 400_000


def frame():
    rng = np.random.default_rng(21)
    found = pd.DataFrame({"study": [f"s{place}" for place in range(COUNT)], "se": 0.15})
    found["x"], found["z"] = rng.normal(10, 3, COUNT).round(2), rng.normal(0, 1, COUNT).round(2)
    found["kind"] = ["a", "b"] * 6
    scaled = (found["x"] - found["x"].mean()) / found["x"].std(ddof=0)
    found["effect"] = (0.1 + 0.35 * scaled + rng.normal(0, 0.15, COUNT)).round(3)
    return found


def columns():
    data = frame()
    numbers = [(data[name] - data[name].mean()) / data[name].std(ddof=0) for name in ("x", "z")]
    marks = [(data["kind"] == level) - 0.5 for level in "ab"]
    return np.column_stack([*numbers, *marks])


def horseshoe(rng):
    """Draws of the coefficients from the prior, by its definition."""
    local = np.abs(rng.standard_cauchy((DRAWS, 4)))
    free = (0.05 * np.abs(rng.standard_cauchy((DRAWS, 1))) * local) ** 2
    slab = (4 * 0.5**2 / 2) / rng.gamma(2.0, size=(DRAWS, 1))
    return rng.normal(size=(DRAWS, 4)) * np.sqrt(slab * free / (slab + free))


def r2d2(rng):
    r = rng.beta(1.0, 1.0, size=(DRAWS, 1))
    q = rng.dirichlet(np.full(4, 0.5), size=DRAWS)
    return rng.normal(size=(DRAWS, 4)) * 0.25 * np.sqrt(r / (1 - r) * q)


TERMS = {
    "horseshoe": (
        brw.terms.Horseshoe(("x", "z"), scale=0.05, slab=0.5, levels=("kind",)),
        horseshoe,
    ),
    "r2d2": (brw.terms.R2D2(("x", "z"), spread=0.25, levels=("kind",)), r2d2),
}


def model(term):
    return brw.Model(terms=(brw.Intercept(prior.Normal(0, 0.5)), term, brw.Common()))


@lru_cache
def fitted(name):
    return brw.fit(model(TERMS[name][0]), brw.Evidence.from_frame(frame()), seed=5)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["horseshoe", "r2d2"])
def test_the_posterior_is_that_of_importance_sampling(name):
    _, drawn = TERMS[name]
    data, rng = frame(), np.random.default_rng(77)
    b = drawn(rng)
    # The mean is normal given them: integrated by hand, so that weights are even.
    residual = data["effect"].to_numpy() - b @ columns().T
    variance = 1.0 / (COUNT / 0.15**2 + 0.5**-2)
    pull = residual.sum(axis=1) / 0.15**2
    log = -0.5 * (residual**2).sum(axis=1) / 0.15**2 + 0.5 * variance * pull**2
    weight = np.exp(log - log.max())
    weight /= weight.sum()
    size = 1.0 / np.sum(weight**2)
    assert size > 1_000
    mean = weight @ b
    sd = np.sqrt(weight @ (b - mean) ** 2)
    found = brw.summarise(fitted(name))
    # NUTS keeps at least 400 effective draws by its gates.
    error = sd * np.sqrt(1.0 / 400 + 1.0 / size)
    labels = ["x (per SD)", "z (per SD)", "kind[a]", "kind[b]"]
    for place, label in enumerate(labels):
        own = found.loc[f"beta[{label}]"]
        assert abs(own["mean"] - mean[place]) < 4 * error[place]
        assert own["sd"] == pytest.approx(sd[place], rel=0.25)


@pytest.mark.slow
def test_predictions_answer_by_the_draws_and_other_verbs_refuse():
    term, _ = TERMS["r2d2"]
    rows = brw.Evidence.from_frame(frame())
    tree = fitted("r2d2")
    source = tree["posterior"].dataset
    gap = (16.0 - frame()["x"].mean()) / frame()["x"].std(ddof=0)
    beta = {
        label: source["beta"].sel(moderator=label).to_numpy()
        for label in source["moderator"].to_numpy()
    }
    marks = 0.5 * beta["kind[a]"] - 0.5 * beta["kind[b]"]
    expected = source["mu"].to_numpy() + gap * beta["x (per SD)"] + marks
    from bayesrtw.engine.drawn import FromDraws  # noqa: PLC0415

    found = brw.predict(FromDraws(model(term), rows, tree), at={"x": 16.0, "kind": "a"}).iloc[0]
    assert found["mean"] == pytest.approx(expected.mean(), abs=1e-9)
    assert found["sd"] == pytest.approx(expected.std(), rel=1e-6)
    with pytest.raises(SpecError, match=r"kind is 'c'; .*Choices: a, b"):
        brw.predict(FromDraws(model(term), rows, tree), at={"kind": "c"})
    for verb in (brw.leave_one_out, brw.influence):
        with pytest.raises(EngineRefusal, match="term 'r2d2' is known to NUTS only"):
            verb(model(term), rows)
    assert "known to NUTS only" in brw.Exact().refuses(model(term), rows)


def test_bad_columns_and_scales_are_named():
    with pytest.raises(SpecError, match="name at least two, each once"):
        brw.terms.Horseshoe(("x",), scale=0.1, slab=0.5)
    with pytest.raises(SpecError, match="name at least two, each once"):
        brw.terms.R2D2(("x", "x"), spread=0.1)
    with pytest.raises(SpecError, match="slab must be a positive number; found 0"):
        brw.terms.Horseshoe(("x", "z"), scale=0.1, slab=0.0)
    with pytest.raises(SpecError, match=r"r2_mean must lie in \(0, 1\)"):
        brw.terms.R2D2(("x", "z"), spread=0.1, r2_mean=1.0)
    holed = frame()
    holed.loc[3, "z"] = np.nan
    with pytest.raises(EvidenceError, match=r"column 'z' is empty in rows 's3'"):
        brw.fit(model(TERMS["r2d2"][0]), brw.Evidence.from_frame(holed))
    with pytest.raises(EvidenceError, match="no column 'kind'; did you mean"):
        brw.fit(
            model(TERMS["r2d2"][0]),
            brw.Evidence.from_frame(frame().rename(columns={"kind": "kin"})),
        )
