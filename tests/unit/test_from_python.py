"""What is built or asked from Python with the wrong thing in a place: where, what, and what is allowed."""

from fractions import Fraction

import numpy as np
import pandas as pd
import pytest

import bayesrtw as brw
from bayesrtw.errors import SpecError
from bayesrtw.model.likelihood import Correlation
from bayesrtw.registry import digest

MU, TAU = brw.Intercept(brw.prior.Normal(0, 0.5)), brw.Exchangeable(brw.prior.HalfNormal(0.25))
MODEL = brw.Model(terms=(MU, TAU))
FRAME = pd.DataFrame({"study": list("ABC"), "effect": [0.1, 0.3, 0.2], "se": [0.1, 0.2, 0.1]})
ROWS = brw.Evidence.from_frame(FRAME, measure="log_risk_ratio", benefit="higher")


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (
            lambda: brw.Exchangeable(0.3),
            r"Exchangeable: tau is 0\.3; give one of bayesrtw\.prior\.",
        ),
        (
            lambda: brw.Intercept(prior=None),
            r"Intercept: prior is None; give one of bayesrtw\.prior\.",
        ),
        (
            lambda: brw.Linear("age", "normal"),
            r"Linear: prior is 'normal'; give one of bayesrtw\.pri",
        ),
        (
            lambda: Correlation("study", 0.6),
            r"Correlation: rho is 0\.6; give one of bayesrtw\.prior\.",
        ),
        (lambda: brw.bias.RiskClass("", "0.6"), r"RiskClass: \w+ is '0\.6'; give a finite number"),
        (lambda: brw.prior.Normal("0", 1), r"Normal: mean is '0'; give a finite number"),
        (lambda: brw.Model(terms=MU), r"Model: terms holds Intercept; give a tuple of terms"),
        (
            lambda: brw.Model(terms=(MU, FRAME)),
            r"terms holds DataFrame; give one of bayesrtw\.terms",
        ),
        (lambda: brw.Model(terms=(MU, TAU), likelihood="normal"), r"one of bayesrtw\.likelihood"),
        (
            lambda: brw.Model(terms=(MU, TAU), selection=TAU),
            r"selection holds Exchangeable; give one of",
        ),
        (
            lambda: brw.Intercept(brw.prior.Flat(), mean="studys"),
            r"mean is 'studys'; did you mean 'studies'",
        ),
    ],
)
def test_a_component_says_which_setting_is_none(make, said):
    with pytest.raises(SpecError, match=said):
        make()


@pytest.mark.parametrize("one", [np.float32(1.0), np.int64(1), Fraction(1)])
def test_numbers_of_other_libraries_are_those_of_python(one):
    """Fits failed with fractions, and analyses of the same numbers had other digests."""
    made = brw.prior.HalfNormal(one)
    assert type(made.scale) is float
    assert digest(made) == digest(brw.prior.HalfNormal(1.0))


def test_a_list_of_terms_is_the_model_of_their_tuple():
    assert brw.Model(terms=[MU, TAU]) == MODEL


VERBS = [
    brw.fit,
    brw.leave_one_out,
    brw.cumulative,
    brw.prior_sensitivity,
    brw.severity,
    brw.tipping,
    brw.power_scaling,
    brw.influence,
    brw.predict,
    brw.predictive_check,
    brw.outlook,
    brw.classical,
    brw.calibrate,
    lambda model, evidence: brw.simulate(model, evidence, 10, seed=1),
    lambda model, evidence: brw.compare({"a": model, "b": model}, evidence),
    brw.run,
]


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("given", [(MODEL, FRAME), (ROWS, MODEL), (FRAME, ROWS), (None, ROWS)])
def test_a_verb_says_what_it_was_given_in_place_of_a_model_or_evidence(verb, given):
    # `run` used to leave out a model that came after the evidence, and to pool by its own.
    with pytest.raises(SpecError, match=r"(?s)(DataFrame|Evidence|Model|NoneType).*give"):
        verb(*given)


@pytest.mark.parametrize("engine", ["nuts", brw.Nuts, TAU])
def test_an_engine_that_is_none(engine):
    with pytest.raises(
        SpecError, match=r"engine .*; give one of bayesrtw\.Exact\(\), bayesrtw\.Nuts\(\)"
    ):
        brw.fit(MODEL, ROWS, engine=engine)


def test_a_seed_that_is_none():
    with pytest.raises(SpecError, match="seed is -1"):
        brw.fit(MODEL, ROWS, seed=-1)


def test_judge_says_what_it_needs():
    with pytest.raises(SpecError, match="given 'str'; give what calibrate returns"):
        brw.judge("abc")
