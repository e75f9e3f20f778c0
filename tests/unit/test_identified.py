"""What rows cannot tell, found before the fit: separation, slopes of one study, SDs and priors."""

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

import bayesrtw as brw
from bayesrtw.cli import main
from bayesrtw.errors import EvidenceError
from bayesrtw.model import prior
from bayesrtw.model.checked import check
from bayesrtw.model.hypergeometric import Hypergeometric
from bayesrtw.model.identified import dominated

MU, TAU = prior.Normal(0, 1.0), prior.HalfNormal(0.5)
INTERCEPT, SPREAD = brw.Intercept(MU), brw.Exchangeable(TAU)


def tables(events, kinds):
    """Two groups of 30 with some events: treated, control."""
    frame = pd.DataFrame(events, columns=["events_t", "events_c"])
    frame["study"] = [f"s{place}" for place in range(len(events))]
    frame["n_t"] = frame["n_c"] = 30
    frame["kind"] = kinds
    names = {name: name for name in ("events_t", "n_t", "events_c", "n_c")}
    return brw.Evidence.from_frame(frame, columns=names, measure="log_odds_ratio")


def said(model, rows, rule):
    return [each.message for each in check(model, rows) if each.check == rule]


@pytest.mark.parametrize(
    ("events", "kinds", "expected"),
    [
        # All events among the treated: nothing bounds the mean from above.
        ([(3, 0), (2, 0), (4, 0)], "aab", ["mu"]),
        # One table with events in both groups bounds the mean; level b is still unbounded.
        ([(3, 1), (2, 4), (4, 0), (1, 0)], "aabb", ["kind[b]"]),
        # One-sided tables on both sides of one level bound it.
        ([(3, 1), (2, 4), (4, 0), (0, 2)], "aabb", []),
        # Nobody has the event: the table says nothing, and bounds nothing.
        ([(3, 1), (2, 4), (4, 0), (0, 0)], "aabb", ["kind[b]"]),
    ],
)
def test_separation_names_what_is_not_bounded_and_the_studies(events, kinds, expected):
    rows = tables(events, list(kinds))
    model = brw.Model(
        terms=(INTERCEPT, brw.Categorical("kind", MU), SPREAD), likelihood=Hypergeometric()
    )
    found = said(model, rows, "separated")
    assert bool(found) == bool(expected)
    for name in expected:
        assert name in found[0]
    if expected:
        lonely = [f"s{place}" for place, (one, other) in enumerate(events) if one and not other]
        assert all(name in found[0] for name in lonely[-1:])


def test_the_likelihood_of_separated_tables_has_no_maximum():
    from scipy.stats import nchypergeom_fisher  # noqa: PLC0415

    def log_density(odds, level):
        """Rows of level b alone, of the second case above."""
        return sum(
            nchypergeom_fisher.logpmf(one, 60, 30, one + other, np.exp(odds + level))
            for one, other in [(4, 0), (1, 0)]
        )

    grown = [log_density(0.0, level) for level in (0.0, 2.0, 4.0, 8.0)]
    assert np.all(np.diff(grown) > 0)


def estimates(x, family=None):
    rng = np.random.default_rng(3)
    frame = pd.DataFrame({"study": [f"s{place}" for place in range(len(x))], "x": x})
    frame["effect"], frame["se"] = rng.normal(0.1, 0.1, len(x)), 0.1
    if family is not None:
        frame["trial_family"] = family
    return brw.Evidence.from_frame(frame)


def test_a_slope_that_one_study_decides_is_named_with_its_share():
    x = np.array([1.0, 2.0, 3.0, 2.0, 30.0])
    model = brw.Model(terms=(INTERCEPT, brw.Linear("x", MU), SPREAD))
    share = (30.0 - x.mean()) ** 2 / np.sum((x - x.mean()) ** 2)
    [found] = said(model, estimates(x), "one-study-slope")
    assert f"s4 makes {100 * share:.0f} %" in found
    assert said(model, estimates(np.arange(8.0)), "one-study-slope") == []


def test_levels_that_hold_one_study_each_do_not_tell_two_sds_apart():
    model = brw.Model(
        terms=(INTERCEPT, brw.Exchangeable(TAU, by="trial_family", name="tau_family"), SPREAD)
    )
    apart = estimates(np.arange(6.0), ["a", "a", "b", "b", "c", "d"])
    alone = estimates(np.arange(6.0), list("abcdef"))
    one = estimates(np.arange(6.0), list("aabcde"))
    assert said(model, apart, "spreads-together") == []
    [found] = said(model, one, "spreads-together")
    assert found.startswith("One group has more than one member")
    assert "tau_family and tau are told apart by their priors" in found
    assert said(model, alone, "spreads-together")[0].startswith("No group has")


def test_a_coefficient_that_its_prior_decides_is_named_with_what_the_rows_can_remove():
    x = np.arange(6.0)
    model = brw.Model(terms=(INTERCEPT, brw.Linear("x", prior.Normal(0, 0.02)), SPREAD))
    median = 0.5 * 0.6744897501960817
    information = np.sum((x - x.mean()) ** 2) / (0.1**2 + median**2)
    removed = information / (information + 0.02**-2)
    [found] = dominated(model, estimates(x))
    assert f"for x ({int(100 * removed)} %)" in found.message
    wide = brw.Model(terms=(INTERCEPT, brw.Linear("x", prior.Normal(0, 1.0)), SPREAD))
    assert dominated(wide, estimates(x)) == []


def test_names_of_what_goes_together_are_those_alone():
    frame = pd.DataFrame(
        {
            "study": [f"s{place}" for place in range(6)],
            "effect": 0.1,
            "se": 0.1,
            "a": ["x", "x", "y", "y", "x", "y"],
            "b": ["u", "u", "v", "v", "u", "v"],
            "year": [2001.0, 2004.0, 2002.0, 2008.0, 2003.0, 2005.0],
        }
    )
    terms = (INTERCEPT, brw.Categorical("a", MU), brw.Categorical("b", MU), brw.Linear("year", MU))
    model = brw.Model(terms=(*terms, SPREAD))
    [found] = [
        text
        for text in said(model, brw.Evidence.from_frame(frame), "aliased")
        if text.startswith("1 combination")
    ]
    assert "a[x]" in found
    assert "b[v]" in found
    assert "year" not in found
    assert "mu" not in found.split()


def test_check_holds_an_analysis_against_its_rows_without_fitting_it():
    result = CliRunner().invoke(main, ["check", "time-to-rtw-all-designs"])
    assert result.exit_code == 0
    assert "prior-dominates" in result.stderr
    strict = CliRunner().invoke(main, ["check", "--strict", "time-to-rtw-all-designs"])
    assert strict.exit_code == 3


def test_many_rows_need_memory_for_rows_alone():
    import tracemalloc  # noqa: PLC0415

    count = 20_000
    rows = estimates(np.arange(count, dtype=float))
    model = brw.Model(terms=(INTERCEPT, brw.Linear("x", MU), SPREAD))
    tracemalloc.start()
    check(model, rows)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # A square of them would take 3.2 GB.
    assert peak < 100e6


def test_separated_tables_under_a_flat_prior_are_refused_by_name():
    """Without a bound on one side and without a prior the posterior is improper; one event there ends it."""
    frame = pd.DataFrame({"study": ["A", "B", "C"], "events_t": [3, 2, 0], "n_t": 30})
    frame = frame.assign(events_c=[0, 0, 0], n_c=30)
    cells = {name: name for name in ("events_t", "n_t", "events_c", "n_c")}
    spread = brw.Exchangeable(brw.prior.HalfNormal(0.5))
    model = brw.Model(
        terms=(brw.Intercept(brw.prior.Flat()), spread), likelihood=brw.likelihood.Hypergeometric()
    )
    rows = brw.Evidence.from_frame(frame, columns=cells, measure="log_odds_ratio")
    with pytest.raises(EvidenceError, match="improper: in 'A', 'B' events stand on one side"):
        brw.fit(model, rows)
    told = brw.Evidence.from_frame(
        frame.assign(events_c=[0, 1, 0]), columns=cells, measure="log_odds_ratio"
    )
    assert np.isfinite(brw.summarise(brw.fit(model, told)).loc["mu", "mean"])
