"""Information on options: worth no less than nothing, no more than everything; beliefs expect themselves."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from bayesrtw.decision.cost import Choice
from bayesrtw.decision.cost_stakes import Amount, Option, Stakes
from bayesrtw.decision.voi import Ahead, of_effects, of_part, of_spread
from bayesrtw.decision.voi_effects import Effects

COUNTS = st.integers(1, 4)
SEEDS = st.integers(0, 2**32 - 1)


def choice_of(nodes, options, seed):
    """Draw options and one place more, normal given each of some nodes."""
    rng = np.random.default_rng(seed)
    root = rng.normal(size=(nodes, options + 1, options + 1))
    covariance = root @ root.transpose(0, 2, 1) + 0.05 * np.eye(options + 1)
    weight = rng.dirichlet(np.ones(nodes))
    effects = Effects(
        weight,
        rng.normal(size=(nodes, options + 1)),
        covariance,
        np.ones(nodes, dtype=np.bool_),
    )
    listed = tuple(
        Option(name=f"option {place}", cost=Amount(mean=float(rng.normal())))
        for place in range(options)
    )
    stakes = Stakes(currency="EUR", source="a test", day=Amount(mean=1.0), option=listed)
    return Choice(None, stakes, effects, np.arcsinh if seed % 2 else np.tanh, None), rng


@settings(deadline=None, max_examples=6)
@given(COUNTS, COUNTS, SEEDS, st.floats(0.05, 3.0))
def test_information_is_worth_something_between_nothing_and_everything(nodes, options, seed, se):
    choice, rng = choice_of(nodes, options, seed)
    apart = rng.gamma(1.0, 0.3, size=nodes)
    told = Ahead(choice, options, apart)
    values = [told.worth(each) for each in (4.0 * se, se, 0.0)]
    known = of_part(choice, [options])
    # Coarser results are worth no more; the setting's own effect tells no more than its mean would.
    assert 0.0 <= values[0] <= values[1] + 1e-6
    assert values[1] <= values[2] + 1e-6
    every = of_effects(choice)
    for value in (*values, known, of_spread(choice)):
        # Several effects are drawn: 16,384 draws.
        assert value <= every + (1e-6 if options == 1 else 0.03 * (1.0 + every))


@settings(deadline=None, max_examples=6)
@given(COUNTS, COUNTS, SEEDS, st.floats(0.05, 3.0))
def test_what_is_expected_of_each_option_stays_what_it_is(nodes, options, seed, se):
    choice, rng = choice_of(nodes, options, seed)
    told = Ahead(choice, options, rng.gamma(1.0, 0.3, size=nodes))
    result, share = told.setting.spread(se, 4_001)
    effects = choice.effects
    z = np.linspace(-9.0, 9.0, 721)
    weight = np.exp(-0.5 * z * z)
    for place in range(options):
        sd = np.sqrt(effects.covariance[:, place, place])[:, None]
        own = choice.days(effects.mean[:, place, None] + sd * z) @ (weight / weight.sum())
        today = effects.weight @ own - choice.stakes.option[place].cost.mean
        expected = share @ told.net(se, result)[:, 1 + place]
        np.testing.assert_allclose(expected, today, rtol=2e-4, atol=2e-4)
