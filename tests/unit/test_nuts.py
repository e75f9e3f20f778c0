"""The gates of a sampled fit, and what a compiled model may be given again; nothing is sampled here.

Draws that are independent pass every gate: of 4 x 1000 such draws R-hat is 1.000 +- 0.001 and the
effective sizes about 4000; the energy of independent draws has E-BFMI 2.
"""

import json
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import bayesrtw as brw
from bayesrtw.engine import nuts
from bayesrtw.engine.nuts import Nuts, structure
from bayesrtw.errors import ConvergenceError
from bayesrtw.evidence.covariance import Dependence
from bayesrtw.model.bias import AdditiveBias, BiasHierarchy, DirectedBias, Studies
from bayesrtw.model.design import build
from bayesrtw.posterior.diagnose import diagnose
from bayesrtw.posterior.gates import failures, stuck

prior = brw.prior

PLAIN = brw.Model(
    terms=(brw.Intercept(prior.Normal(0, 1)), brw.Exchangeable(prior.HalfNormal(0.5)))
)


def evidence(scale=1.0, rho=0.5):
    rng = np.random.default_rng(int(10 * scale))
    frame = pd.DataFrame({"study": list("ABCDEF"), "effect": rng.normal(size=6)})
    frame["se"] = scale * rng.uniform(0.1, 0.4, 6)
    frame["design"] = ["randomised"] * 4 + ["cohort"] * 2
    rows = brw.Evidence.from_frame(frame, benefit="higher")
    se = frame["se"].to_numpy()[:2]
    covariance = np.outer(se, se) * (rho + (1 - rho) * np.eye(2))
    return replace(rows, dependence=(Dependence(np.array([0, 1]), covariance, "known"),))


def sampled(**changes):
    rng = np.random.default_rng(1)
    dims = ("chain", "draw")
    drawn = {name: rng.normal(size=(4, 1000)) for name in ("mu", "tau", "theta_new", "energy")}
    drawn["diverging"] = np.zeros((4, 1000), dtype=bool)
    drawn |= changes
    groups = {
        "posterior": xr.Dataset({name: (dims, drawn[name]) for name in ("mu", "tau", "theta_new")}),
        "sample_stats": xr.Dataset({name: (dims, drawn[name]) for name in ("energy", "diverging")}),
    }
    return xr.DataTree.from_dict(groups)


def walk(rho):
    """Chains that forget slowly."""
    rng = np.random.default_rng(2)
    drawn = np.empty((4, 1000))
    drawn[:, 0] = rng.normal(size=4)
    for place in range(1, 1000):
        step = np.sqrt(1 - rho**2) * rng.normal(size=4)
        drawn[:, place] = rho * drawn[:, place - 1] + step
    return drawn


def pretended(monkeypatch, attempts):
    """Let the sampler return given groups, the last ones again and again; what it was asked for."""
    asked = []
    left = list(attempts)
    monkeypatch.setattr(nuts, "_sample", lambda _, engine, __: asked.append(engine))
    monkeypatch.setattr(nuts, "compiled", lambda *_: (None, None))
    monkeypatch.setattr(nuts, "conform", lambda *_: left.pop(0) if len(left) > 1 else left[0])
    return asked


def faults():
    rng = np.random.default_rng(3)
    apart = rng.normal(size=(4, 1000)) + np.array([[0.0], [0.0], [0.0], [1.0]])
    diverging = np.zeros((4, 1000), dtype=bool)
    diverging[2, 500] = True
    # A tail that is visited in one stretch: the middle mixes, the 95 % quantile does not.
    tail = rng.normal(size=(4, 1000))
    tail[:, 400:460] = 6.0 + 0.01 * rng.normal(size=(4, 60))
    return {
        r"R-hat is 1\.\d+ \(at most 1\.01\)": {"mu": apart},
        r"bulk ESS is \d+ \(at least 400\)": {"tau": walk(0.95)},
        r"tail ESS is \d+ \(at least 400\)": {"tau": tail},
        r"1 transitions diverged \(none may\)": {"diverging": diverging},
        r"E-BFMI is 0\.\d+ \(at least 0\.3\)": {"energy": walk(0.95)},
    }


def test_independent_draws_pass_every_gate():
    assert failures(sampled()) == []


@pytest.mark.parametrize("message", faults())
def test_each_gate_refuses(message, monkeypatch):
    tree = sampled(**faults()[message])
    groups = {name: tree[name].to_dataset() for name in tree.children}
    pretended(monkeypatch, [groups])
    with pytest.raises(ConvergenceError, match=message + r".*allow_unconverged=True returns"):
        Nuts().fit(PLAIN, evidence(), seed=1)
    found = Nuts(allow_unconverged=True).fit(PLAIN, evidence(), seed=1)
    failed = [each for each in diagnose(found, PLAIN) if each.severity == "failed"]
    assert any(re.search(message, each.message) for each in failed), failed


def test_a_fit_is_sampled_again_before_it_is_refused_and_the_tree_says_so(monkeypatch):
    diverging = np.zeros((4, 1000), dtype=bool)
    diverging[2, 500] = True
    bad, good = sampled(diverging=diverging), sampled()
    groups = [{name: tree[name].to_dataset() for name in tree.children} for tree in (bad, good)]
    asked = pretended(monkeypatch, groups)
    tree = Nuts().fit(PLAIN, evidence(), seed=1)
    assert [(each.draws, each.tune, each.target_accept) for each in asked] == [
        (1000, 1000, 0.95),
        (2000, 2000, pytest.approx(0.9875)),
    ]
    tried = "with 1000 draws after 1000 and target_accept 0.95: 1 transitions diverged (none may)"
    assert json.loads(tree.attrs["attempts"]) == [tried]
    (said,) = [each for each in diagnose(tree, PLAIN) if each.check == "sampler-raised"]
    assert tried in said.message
    asked = pretended(monkeypatch, groups[:1])
    with pytest.raises(ConvergenceError, match=r"0\.95: 1 tran.*0\.9875: 1 tran.*0\.9969: 1 tran"):
        Nuts().fit(PLAIN, evidence(), seed=1)
    assert len(asked) == 3
    asked = pretended(monkeypatch, groups[:1])
    assert (
        "attempts" in Nuts(retries=0, allow_unconverged=True).fit(PLAIN, evidence(), seed=1).attrs
    )
    assert len(asked) == 1


def test_a_stuck_chain_is_named():
    rng = np.random.default_rng(4)
    diverging = np.zeros((4, 1000), dtype=bool)
    diverging[1, :443] = True
    (said,) = stuck(sampled(diverging=diverging))
    assert said == "chain 1 is stuck: 44 % of its transitions diverged, 0 % of those of its peers"
    energy = rng.normal(size=(4, 1000))
    energy[0, 300:] = energy[0, 300]
    (said,) = stuck(sampled(energy=energy))
    assert said.startswith("chain 0 is stuck: 70 % of its transitions stayed where they were")
    apart = rng.normal(size=(4, 1000)) + np.array([[0.0], [0.0], [0.0], [1.0]])
    (said,) = stuck(sampled(tau=apart))
    assert said.startswith("chain 3 is stuck apart from the others: R-hat is 1.00")
    assert stuck(sampled()) == []
    # All chains alike are no stuck chain, and other gates say what they are.
    assert stuck(sampled(diverging=np.ones((4, 1000), dtype=bool))) == []


def same(model, one, other):
    return structure(model, one, build(model, one)) == structure(model, other, build(model, other))


def test_new_numbers_and_covariances_of_one_shape_need_no_compiling():
    assert same(PLAIN, evidence(), evidence(2.0, rho=0.1))


def test_other_blocks_are_another_structure():
    rows = evidence()
    assert not same(PLAIN, rows, replace(rows, dependence=()))


@pytest.mark.parametrize(
    "bias",
    [
        AdditiveBias(Studies(("cohort",)), 0.1, 0.2),
        BiasHierarchy(Studies(("cohort",)), prior.Normal(0, 0.2)),
        DirectedBias(Studies(("cohort",)), prior.HalfNormal(0.2)),
    ],
)
def test_biases_of_other_rows_are_another_structure(bias):
    model = brw.Model(terms=(*PLAIN.terms, bias))
    rows = evidence()
    turned = rows.data["design"].to_numpy()[::-1]
    other = replace(rows, data=rows.data.assign(design=("estimate", turned)))
    assert same(model, rows, evidence(2.0))
    assert not same(model, rows, other)


@pytest.mark.slow
def test_new_covariances_are_not_compiled_again(monkeypatch):
    import nutpie  # noqa: PLC0415 - it takes seconds, and slow tests alone need it

    times, compile_model = [], nutpie.compile_pymc_model

    def counted(*arguments):
        times.append(1)
        return compile_model(*arguments)

    monkeypatch.setattr("nutpie.compile_pymc_model", counted)
    monkeypatch.setattr(nuts, "_COMPILED", {})
    engine = Nuts(chains=4, draws=1000, tune=1000)
    for rows in (evidence(), evidence(2.0, rho=0.9)):
        tree = engine.fit(PLAIN, rows, seed=3)
        exact = brw.summarise(brw.fit(PLAIN, rows, engine=brw.Exact(draws=0))).loc["mu"]
        mu = tree["posterior"]["mu"].to_numpy()
        # Effective sizes of mu are above 1000 here: four Monte-Carlo errors.
        assert abs(mu.mean() - exact["mean"]) < 4 * exact["sd"] / np.sqrt(1000)
    assert len(times) == 1
