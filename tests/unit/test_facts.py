"""What components state of themselves agrees with what they are.

Tolerances: densities and quantiles are closed forms, so 1e-9; tail rates are slopes of log densities far
out, where the next term of the expansion is below a thousandth.
"""

import tomllib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.stats import norm

import bayesrtw as brw
import bayesrtw.analysis.spec
from bayesrtw.errors import Faults, SpecError
from bayesrtw.model.contract import Prior, widened
from bayesrtw.registry import component, decode, kinds

prior = brw.prior
EXAMPLES = tomllib.loads(
    (Path(__file__).parents[2] / "docs" / "components.toml").read_text(encoding="utf-8")
)["prior"]


def _example(kind: str) -> Prior:
    faults = Faults(SpecError)
    table = tomllib.loads(f"it = {EXAMPLES[kind]['example']}")["it"]
    found = decode(Prior, table, where=kind, faults=faults)
    faults.raise_if_any()
    assert found is not None
    return found


@pytest.mark.parametrize("kind", kinds("prior"))
def test_a_prior_states_its_support(kind):
    one = _example(kind)
    low, high = one.support
    inside = [max(low, -50.0) + 0.1, min(high, 50.0) - 0.1]
    outside = [end + step for end, step in ((low, -0.1), (high, 0.1)) if np.isfinite(end)]
    assert np.all(np.isfinite(one.logpdf(np.array(inside))))
    assert np.all(np.isneginf(one.logpdf(np.array(outside))))


@pytest.mark.parametrize("kind", kinds("prior"))
def test_the_normals_of_a_prior_add_up_to_its_density(kind):
    one = _example(kind)
    if one.normals is None or not one.proper:
        return
    x = np.linspace(-1.0, 1.5, 11)
    log_weight, mean, sd = one.normals
    total = np.exp(log_weight) @ norm.pdf(x, mean[:, None], sd[:, None])
    assert_allclose(total, np.exp(one.logpdf(x)), rtol=1e-9)


@pytest.mark.parametrize("kind", kinds("prior"))
def test_a_prior_states_how_fast_its_tail_falls(kind):
    one = _example(kind)
    if np.isinf(one.tail_rate):
        assert np.isfinite(one.support[1])
        return
    x = np.array([1e3, 2e3]) * (1.0 if one.tail_rate else 1e3)
    slope = -np.diff(one.logpdf(x)) / np.diff(x**2)
    assert_allclose(slope, one.tail_rate, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("kind", kinds("prior"))
def test_a_prior_can_be_widened_where_it_says_how(kind):
    one = _example(kind)
    wide = widened(one, 2.0)
    if wide is None:
        assert one.scales == ()
        return
    q = np.array([0.1, 0.5, 0.9])
    centre = one.normals.mean[0] if one.normals is not None else 0.0
    assert_allclose(wide.ppf(q) - centre, 2.0 * (one.ppf(q) - centre), rtol=1e-9)


def test_a_class_that_lacks_a_fact_is_refused_where_it_is_registered():
    @dataclass(frozen=True, slots=True)
    class Bare:
        def faults(self, _evidence):
            return []

    with pytest.raises(
        SpecError, match="Bare cannot be the term 'bare': it does not state facts, "
    ):
        component("term", "bare")(Bare)
    assert "bare" not in kinds("term")


def _model() -> brw.Model:
    likelihood = brw.likelihood
    return brw.Model(
        terms=(
            brw.Intercept(prior.Normal(0, 0.5)),
            brw.Exchangeable(prior.HalfNormal(0.3), by="study", name="between"),
            brw.bias.DirectedBias(brw.bias.Studies(("cohort",)), prior.HalfNormal(0.1)),
        ),
        likelihood=likelihood.NormalErrors(likelihood.Correlation("study", prior.Beta(2, 2))),
    )


def test_a_hyperparameter_says_what_it_is_and_at_which_level():
    found = _model().hyperparameters
    assert {name: (each.what, each.level) for name, each in found.items()} == {
        "between": ("sd of effects", "study"),
        "bias": ("bias", ""),
        "rho": ("correlation", "study"),
    }
    assert _model().spreads == ("between",)


def test_a_model_is_given_other_priors_by_their_names():
    given = {
        "mu": prior.Normal(1, 2),
        "between": prior.HalfCauchy(1),
        "bias": prior.Exponential(1),
        "rho": prior.Beta(1, 1),
    }
    changed = _model().under(given)
    assert {"mu": changed.mean, **changed.hyper} == given
    assert changed.under({"mu": _model().mean, **_model().hyper}) == _model()


def test_a_prior_that_no_component_holds_is_refused_by_name():
    with pytest.raises(SpecError, match="no component says where the prior of 'tau' stands"):
        _model().under({"tau": prior.HalfNormal(1)})
    groups = tuple(brw.Group(name, (name,), "one") for name in ("rct", "cohort"))
    model = brw.Model(terms=(brw.ByGroup("design", groups, prior.HalfNormal(1)),))
    same = prior.HalfNormal(2)
    assert model.under({"tau_rct": same, "tau_cohort": same}).hyper["tau_cohort"] == same
    for given in ({"tau_rct": same}, {"tau_rct": same, "tau_cohort": prior.HalfNormal(3)}):
        with pytest.raises(SpecError, match="'tau_rct', 'tau_cohort' is one setting"):
            model.under(given)
