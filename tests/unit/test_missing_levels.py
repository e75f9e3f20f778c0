"""Missing levels against enumeration of every allocation, each a model of its own without missing levels.

Weights are those of a Dirichlet-multinomial, written out here. Nodes of the hyperparameter leave 1e-7.
"""

import json
from dataclasses import replace
from itertools import product

import numpy as np
import pandas as pd
import pytest
from scipy import integrate, special, stats

import bayesrtw as brw
from bayesrtw.analysis.default import default_analyses
from bayesrtw.engine import allocated_fit, solve
from bayesrtw.engine.graph import graph
from bayesrtw.errors import EngineRefusal, EvidenceError, SpecError
from bayesrtw.model.bias_mixture import BiasMixture, RiskClass, RiskGroup
from bayesrtw.model.checked import check
from bayesrtw.model.levels import MissingLevels
from bayesrtw.model.prior import HalfNormal, Normal
from bayesrtw.model.unreported import log_moment
from bayesrtw.question.missing import missing_levels
from bayesrtw.question.next_trial import after, results
from bayesrtw.report.markdown import render_markdown
from bayesrtw.report.outline import outline
from bayesrtw.report.record import record

EFFECT = np.array([0.42, 0.30, 0.05, -0.12, 0.22, -0.30, 0.55, 0.02, -0.25, 0.35])
SE = np.array([0.15, 0.12, 0.20, 0.20, 0.10, 0.22, 0.15, 0.11, 0.18, 0.14])
LEVEL = ["active", "active", "contact", "none", "contact", "none", "?", "?", "?", "active"]
LEVELS = ("active", "contact", "none")
FAMILY = ["a", "b", "c", "d", "e", "f", "a", "g", "g", "h"]
DESIGN = ["rct", "cohort", "rct", "rct", "cohort", "rct", "rct", "cohort", "rct", "rct"]


def rows(level=LEVEL, **columns):
    frame = pd.DataFrame(
        {
            "study": [f"s{place}" for place in range(len(EFFECT))],
            "effect": EFFECT,
            "se": SE,
            "level": level,
            "family": FAMILY,
            "design": DESIGN,
            **columns,
        }
    )
    return brw.Evidence.from_frame(frame, measure="log_hazard_ratio", benefit="higher")


def model(missing=None, *, nested=False, mean="levels", likelihood=None):
    terms = [
        brw.Intercept(Normal(0.1, 0.5), mean=mean),
        brw.Categorical("level", Normal(0, 0.25), missing=missing),
        brw.Exchangeable(HalfNormal(0.25)),
    ]
    if nested:
        terms.append(brw.Exchangeable(HalfNormal(0.5), by="family", name="tau_family"))
    return brw.Model(terms=tuple(terms), likelihood=likelihood or brw.likelihood.NormalErrors())


def known(kept=None):
    """Dirichlet posterior of the shares by the reported levels, Dirichlet(1) before."""
    kept = range(len(LEVEL)) if kept is None else kept
    return 1.0 + np.array([sum(LEVEL[row] == name for row in kept) for name in LEVELS])


def multinomial(chosen):
    """Log probability of an ordered allocation, missing at random."""
    alpha = known()
    count = np.array([sum(each == name for each in chosen) for name in LEVELS])
    return float(
        np.sum(special.gammaln(alpha + count) - special.gammaln(alpha))
        + special.gammaln(alpha.sum())
        - special.gammaln(alpha.sum() + count.sum())
    )


def enumerated(made, weigh=multinomial, **columns):
    silent = [row for row, level in enumerate(LEVEL) if level == "?"]
    logs, fits, chosen_of = [], [], []
    for chosen in product(LEVELS, repeat=len(silent)):
        level = list(LEVEL)
        for row, name in zip(silent, chosen, strict=True):
            level[row] = name
        fit = solve(made, rows(level, **columns))
        logs.append(fit.posterior.log_evidence + weigh(chosen))
        fits.append(fit)
        chosen_of.append(chosen)
    share = np.exp(np.array(logs) - special.logsumexp(logs))
    return special.logsumexp(logs), share, fits, chosen_of


def mixed(share, parts):
    """Mean and SD of a mixture of distributions."""
    moments = np.array([part.moments() for part in parts])
    mean = share @ moments[:, 0]
    return mean, np.sqrt(share @ (moments[:, 1] ** 2 + (moments[:, 0] - mean) ** 2))


@pytest.mark.parametrize("nested", [False, True])
def test_the_model_is_the_sum_over_all_allocations(nested):
    missing = MissingLevels(("?",))
    log, share, fits, chosen = enumerated(model(nested=nested))
    fit = solve(model(missing, nested=nested), rows())
    found = fit.posterior
    assert found.log_evidence == pytest.approx(log, abs=1e-7)
    names = ["mu", "theta_new", *(f"mu_level[level[{name}]]" for name in LEVELS)]
    names += [f"beta[level[{name}]]" for name in LEVELS]
    for name in names:
        parts = [each.posterior.effects[name] for each in fits]
        own = found.effects[name]
        np.testing.assert_allclose(own.moments(), mixed(share, parts), atol=1e-7)
        for x in (-0.4, 0.0, 0.3):
            wanted = share @ [float(part.below(x)) for part in parts]
            assert float(own.below(x)) == pytest.approx(wanted, abs=1e-7)
    at = np.array([0.05, 0.2, 0.4])
    for name in found.hyper:
        wanted = share @ np.array([each.posterior.hyper[name].cdf(at) for each in fits])
        np.testing.assert_allclose(found.hyper[name].cdf(at), wanted, atol=1e-7)
    every = np.ones(len(EFFECT), dtype=bool)
    behind = np.array([[one.moments() for one in each.effect_of(every)] for each in fits])
    mean = share @ behind[:, :, 0]
    sd = np.sqrt(share @ (behind[:, :, 1] ** 2 + (behind[:, :, 0] - mean) ** 2))
    own = np.array([one.moments() for one in fit.effect_of(every)])
    np.testing.assert_allclose(own, np.column_stack([mean, sd]), atol=1e-7)
    silent = [row for row, level in enumerate(LEVEL) if level == "?"]
    for place, row in enumerate(silent):
        for at_level, name in enumerate(LEVELS):
            wanted = sum(s for s, each in zip(share, chosen, strict=True) if each[place] == name)
            assert fit.levels[row, at_level] == pytest.approx(wanted, abs=1e-7)


def test_a_shift_of_log_odds_is_that_of_the_shares_where_they_are_missing():
    delta = np.array([0.9, 0.0, -0.4])

    # The shares are integrated over the simplex as two beta variables.
    alpha = known()
    node, weight = np.polynomial.legendre.leggauss(60)
    first, second = (each.reshape(-1) for each in np.meshgrid(0.5 * (node + 1), 0.5 * (node + 1)))
    area = 0.25 * np.outer(weight, weight).reshape(-1)
    area = area * stats.beta.pdf(first, alpha[0], alpha[1] + alpha[2])
    area = area * stats.beta.pdf(second, alpha[1], alpha[2])
    shares = np.stack([first, (1 - first) * second, (1 - first) * (1 - second)], axis=1)
    shares = shares * np.exp(delta)
    shares = shares / shares.sum(axis=1, keepdims=True)

    def weigh(chosen):
        count = np.array([sum(each == name for each in chosen) for name in LEVELS])
        return float(np.log(area @ np.prod(shares**count, axis=1)))

    count = np.array([2, 0, 1])
    assert log_moment(known(), delta, count) == pytest.approx(
        weigh(["active", "active", "none"]), abs=1e-9
    )
    missing = MissingLevels(("?",), delta={"active": 0.9, "none": -0.4})
    log, share, fits, _ = enumerated(model(), weigh)
    found = solve(model(missing), rows()).posterior
    assert found.log_evidence == pytest.approx(log, abs=1e-7)
    for name in ("mu", "beta[level[active]]"):
        parts = [each.posterior.effects[name] for each in fits]
        np.testing.assert_allclose(found.effects[name].moments(), mixed(share, parts), atol=1e-7)


def test_moments_of_two_levels_are_those_of_a_beta_variable():
    alpha, delta, count = np.array([1.5, 2.0]), np.array([0.0, 2.0]), np.array([2, 3])

    def density(p):
        r = p / (p + (1 - p) * np.exp(2.0))
        return stats.beta.pdf(p, 1.5, 2.0) * r**2 * (1 - r) ** 3

    wanted = integrate.quad(density, 0, 1, epsabs=1e-14)[0]
    assert np.exp(log_moment(alpha, delta, count)) == pytest.approx(wanted, rel=1e-8)


def test_auxiliary_columns_divide_the_rows_into_strata():
    def weigh(chosen):
        total, silent = 0.0, [row for row, level in enumerate(LEVEL) if level == "?"]
        for design in ("rct", "cohort"):
            here = [row for row in range(len(LEVEL)) if DESIGN[row] == design]
            alpha = known(here)
            own = [c for row, c in zip(silent, chosen, strict=True) if row in here]
            count = np.array([own.count(name) for name in LEVELS])
            total += np.sum(special.gammaln(alpha + count) - special.gammaln(alpha))
            total += special.gammaln(alpha.sum()) - special.gammaln(alpha.sum() + count.sum())
        return float(total)

    log, share, fits, _ = enumerated(model(), weigh)
    found = solve(model(MissingLevels(("?",), ("design",))), rows()).posterior
    assert found.log_evidence == pytest.approx(log, abs=1e-7)
    parts = [each.posterior.effects["mu"] for each in fits]
    np.testing.assert_allclose(found.effects["mu"].moments(), mixed(share, parts), atol=1e-7)


def test_levels_of_an_interaction_are_summed_over_too():
    def made(missing=None):
        term = brw.Interaction(
            "level",
            "design",
            values=("cohort",),
            name="cohorts",
            main=Normal(0, 0.25),
            missing=missing,
        )
        terms = (brw.Intercept(Normal(0.1, 0.5)), term, brw.Exchangeable(HalfNormal(0.25)))
        return brw.Model(terms=terms)

    log, share, fits, _ = enumerated(made())
    fit = solve(made(MissingLevels(("?",))), rows())
    assert fit.posterior.log_evidence == pytest.approx(log, abs=1e-7)
    for name, own in fit.posterior.effects.items():
        if name not in ("mu_studies", "theta_new_studies"):
            parts = [each.posterior.effects[name] for each in fits]
            np.testing.assert_allclose(own.moments(), mixed(share, parts), atol=1e-7)
    split = made(MissingLevels(("?",))).terms[1]
    table = brw.within_between(made(MissingLevels(("?",))), rows(), split)
    assert table.loc[("active - none", "cohorts"), "rows_first"] == 1


def test_without_missing_cells_nothing_changes():
    level = [name if name != "?" else "none" for name in LEVEL]
    plain = solve(model(), rows(level)).posterior.pooled.moments()
    assert solve(model(MissingLevels(("?",))), rows(level)).posterior.pooled.moments() == plain


def test_a_tree_holds_what_the_fit_says():
    missing, every = MissingLevels(("?",)), np.ones(len(EFFECT), dtype=bool)
    tree = brw.fit(model(missing, nested=True), rows(), engine=brw.Exact(chains=4, draws=2000))
    table = brw.summarise(tree)
    fit = solve(model(missing, nested=True), rows())
    for name, own in fit.posterior.effects.items():
        mean, sd = own.moments()
        assert table.loc[name, "mean"] == pytest.approx(mean, abs=1e-8)
        assert table.loc[name, "sd"] == pytest.approx(sd, abs=1e-8)
        variable, _, label = name.partition("[")
        drawn = tree["posterior"][variable]
        if label:
            drawn = drawn.sel({drawn.dims[-1]: label[:-1]})
        drawn = drawn.to_numpy().reshape(-1)
        assert drawn.mean() == pytest.approx(mean, abs=5 * sd / np.sqrt(8000))
        assert drawn.std() == pytest.approx(sd, rel=0.05)
    effects = fit.effect_of(every)
    drawn = tree["posterior"]["theta"].to_numpy().reshape(-1, len(EFFECT))
    for place, own in enumerate(effects):
        mean, sd = own.moments()
        assert table["mean"].filter(regex=r"^theta\[").iloc[place] == pytest.approx(mean, abs=1e-8)
        assert drawn[:, place].mean() == pytest.approx(mean, abs=5 * sd / np.sqrt(8000))
        assert drawn[:, place].std() == pytest.approx(sd, rel=0.05)
    np.testing.assert_allclose(tree["quadrature"]["level_probability"], fit.levels, atol=1e-12)
    np.testing.assert_allclose(fit.levels.sum(axis=1), 1.0, atol=1e-12)


def test_neighbours_are_the_fits_of_what_is_left():
    missing = MissingLevels(("?",))
    evidence, made = rows(), model(missing, nested=True, mean="studies")
    whole = solve(made, evidence)
    studies = evidence.data["study"].to_numpy()
    for name in ("s0", "s7"):
        [left] = whole.without([studies == name])
        fresh = solve(made, evidence.rows(studies != name))
        np.testing.assert_allclose(
            left.posterior.pooled.moments(), fresh.posterior.pooled.moments(), atol=1e-6
        )
        assert left.posterior.log_evidence == pytest.approx(fresh.posterior.log_evidence, abs=1e-6)
    [other] = whole.under([{"mu": Normal(0.3, 0.2), "tau": HalfNormal(0.1)}])
    fresh = solve(made.under({"mu": Normal(0.3, 0.2), "tau": HalfNormal(0.1)}), evidence)
    np.testing.assert_allclose(
        other.posterior.pooled.moments(), fresh.posterior.pooled.moments(), atol=1e-6
    )
    moved = whole.shifted(np.ones(len(EFFECT)), 1e-3)
    slope = (moved.posterior.pooled.moments()[0] - whole.posterior.pooled.moments()[0]) / 1e-3
    assert whole.shares.sum() == pytest.approx(1.0)
    # At fixed hyperparameters they would be equal; these move by less than the shift itself.
    assert whole.shares[:-1].sum() == pytest.approx(slope, abs=0.05)


def test_shares_under_other_priors_are_those_of_fits_with_them():
    made = model(MissingLevels(("?",)))
    whole = solve(made, rows())
    whole.shares  # noqa: B018 - worked out at the nodes, which neighbours share
    found = whole.under([{"tau": HalfNormal(0.2)}, {"tau": HalfNormal(0.1)}])
    for near, scale in zip(found, (0.2, 0.1), strict=True):
        terms = (*made.terms[:2], brw.Exchangeable(HalfNormal(scale)))
        direct = solve(replace(made, terms=terms), rows())
        assert near.shares == pytest.approx(direct.shares, abs=1e-6)
        assert near.shares.sum() == pytest.approx(1.0, abs=1e-12)


@pytest.mark.parametrize("mean", ["levels", "studies"])
def test_many_shifts_and_priors_of_the_mean_are_those_of_every_allocation(mean):
    """Nodes stay where the first fit laid them; the mix of studies, too, counts levels before any is told."""
    missing, along = (
        MissingLevels(("?",)),
        np.array([float(place in (1, 6, 9)) for place in range(10)]),
    )
    whole = solve(model(missing, nested=True, mean=mean), rows())
    of_shift, of_prior = whole.shifts(along), whole.means()
    combine = whole.design.quantities[whole.design.pooled].combine
    for by in (-0.25, 0.0, 0.1):
        _, share, fits, _ = enumerated(model(nested=True), effect=EFFECT + by * along)
        wanted = share @ [each.mean_at(combine)[0].beyond(0.1, above=True) for each in fits]
        assert of_shift.probability(by, 0.1, above=True) == pytest.approx(wanted, abs=1e-7)
    for prior in (Normal(0.0, 0.1), Normal(0.2, 0.8)):
        _, share, fits, _ = enumerated(model(nested=True).under({"mu": prior}))
        wanted = mixed(share, [each.mean_at(combine)[0] for each in fits])
        own = of_prior.under(prior.mean, prior.sd)
        np.testing.assert_allclose(own.moments(), wanted, atol=1e-7)
    flat = brw.Model(terms=(brw.Intercept(brw.prior.Flat()), *model(missing).terms[1:]))
    with pytest.raises(SpecError, match="flat: it has no SD to narrow"):
        solve(flat, rows()).means()


def test_powers_are_those_of_the_data_given_levels():
    missing = MissingLevels(("?",))
    whole = solve(model(missing, nested=True), rows())
    log, _, fits, chosen = enumerated(model(nested=True))
    for powers in ({"prior": 1.01}, {"data": 0.97}, {"prior": 0.95, "data": 1.04}):
        every = [each.powered(**powers).posterior for each in fits]
        weight = np.array([each.log_evidence for each in every]) + [
            multinomial(own) for own in chosen
        ]
        share = np.exp(weight - special.logsumexp(weight))
        found = whole.powered(**powers).posterior
        gained = found.log_evidence - whole.posterior.log_evidence
        assert gained == pytest.approx(special.logsumexp(weight) - log, abs=1e-7)
        for name in ("mu", "theta_new", "beta[level[active]]"):
            wanted = mixed(share, [each.effects[name] for each in every])
            np.testing.assert_allclose(found.effects[name].moments(), wanted, atol=1e-7)
        at = np.array([0.05, 0.2, 0.4])
        wanted = share @ np.array([each.hyper["tau"].cdf(at) for each in every])
        np.testing.assert_allclose(found.hyper["tau"].cdf(at), wanted, atol=1e-6)
    studies = np.arange(len(EFFECT)) == 3
    [left] = whole.powered(data=0.97).without([studies])
    [fresh] = whole.without([studies])
    again = fresh.powered(data=0.97).posterior.pooled.moments()
    np.testing.assert_allclose(left.posterior.pooled.moments(), again, atol=1e-9)
    with pytest.raises(EngineRefusal, match="move the posterior off its nodes"):
        whole.powered(data=9.0).posterior.pooled.moments()


def test_one_more_trial_is_weighed_by_what_every_allocation_expects():
    """The pooled mean times the density of a result in a new setting, on dense grids either side of 0.1."""
    whole = solve(model(MissingLevels(("?",))), rows()).posterior
    ahead = results(whole, 0.1, 3)
    left = after(whole, 0.1, ahead)
    _, share, fits, _ = enumerated(model())
    sides = [np.linspace(0.1, end, 601)[:, None] for end in (-1.4, 1.6)]
    for place, result in enumerate(ahead):
        mass = np.zeros(2)
        for own, fit in zip(share, fits, strict=True):
            mu, new = (fit.posterior.effects[name] for name in ("mu", "theta_new"))
            wide = np.sqrt(new.sd**2 - mu.sd**2 + 0.1**2)
            for at, x in enumerate(sides):
                density = stats.norm.pdf(x, mu.mean, mu.sd) * stats.norm.pdf(result, x, wide)
                mass[at] += own * abs(integrate.simpson(density @ mu.weight, x=x[:, 0]))
        found = left.beyond(0.1, above=True)[place]
        assert found == pytest.approx(mass[1] / mass.sum(), abs=1e-6)


def test_a_row_that_is_left_out_is_predicted_from_every_level():
    """What it would report has the evidence ratio for its density."""
    missing = MissingLevels(("?",))
    evidence, made = rows(), model(missing, nested=True)
    whole = solve(made, evidence)
    for row in (0, 7):
        mask = np.arange(len(EFFECT)) == row
        [left] = whole.without([mask])
        [ahead] = left.expected(mask)
        wanted = whole.posterior.log_evidence - left.posterior.log_evidence
        if row == 7:
            assert float(ahead.log_density(EFFECT[row])) == pytest.approx(wanted, abs=1e-6)
        else:
            # Its level is reported, which the evidence counts too.
            alpha = known() - np.array([1, 0, 0])
            told = np.log(alpha[0] / alpha.sum())
            assert float(ahead.log_density(EFFECT[row])) == pytest.approx(wanted, abs=5e-2)
            assert told < 0


def test_the_mean_over_studies_counts_a_silent_row_by_the_shares_of_the_others():
    fit = solve(model(MissingLevels(("?",)), mean="studies"), rows())
    share = np.array([sum(name == each for each in LEVEL) for name in LEVELS], dtype=float)
    share += 3 * known() / known().sum()
    share /= len(LEVEL)
    weights = fit.design.quantities["mu_studies"].combine[0]
    level = fit.design.quantities["mu_level"].combine
    np.testing.assert_allclose(weights, share @ level, atol=1e-12)
    assert fit.design.mix.share.sum() == pytest.approx(1.0)
    at = brw.predict(fit)
    np.testing.assert_allclose(
        at[["mean", "sd", "new_mean", "new_sd"]].iloc[0],
        [*fit.posterior.pooled.moments(), *fit.posterior.new.moments()],
        atol=1e-9,
    )


def test_what_makes_no_sense_is_refused():
    with pytest.raises(SpecError, match="values of missing is empty"):
        MissingLevels(())
    with pytest.raises(SpecError, match=r"concentration of 'none' must be positive"):
        MissingLevels(("?",), concentration={"none": 0.0})
    with pytest.raises(SpecError, match="delta of 'none' must be finite"):
        MissingLevels(("?",), delta={"none": float("inf")})
    with pytest.raises(SpecError, match="belong to a group and to missing"):
        brw.Categorical(
            "level", Normal(0, 1), (brw.Group("x", ("?",), "r"),), MissingLevels(("?",))
        )
    with pytest.raises(EvidenceError, match=r"names 'nobody', which no row reports"):
        brw.fit(model(MissingLevels(("?",), delta={"nobody": 1.0})), rows())
    with pytest.raises(EvidenceError, match=r"no column 'land', auxiliary to 'level'"):
        brw.fit(model(MissingLevels(("?",), ("land",))), rows())
    with pytest.raises(EvidenceError, match="missing in every row"):
        brw.fit(model(MissingLevels(("?",))), rows(["?"] * len(EFFECT)))


def test_too_many_allocations_name_nuts():
    frame = pd.DataFrame(
        {
            "study": [f"s{place}" for place in range(20)],
            "effect": 0.1,
            "se": 0.2,
            "level": ["?"] * 14 + ["a", "b", "c"] * 2,
        }
    )
    evidence = brw.Evidence.from_frame(frame, measure="log_hazard_ratio", benefit="higher")
    with pytest.raises(EngineRefusal, match=r"3\^14 = 4.8e\+06 allocations.*nuts"):
        solve(model(MissingLevels(("?",))), evidence)
    reason = brw.Exact().refuses(model(MissingLevels(("?",))), evidence)
    assert reason is not None
    assert "nuts" in reason


@pytest.mark.slow
def test_heavy_tails_that_are_none_say_what_normal_errors_say():
    # Another engine, which sums over the same allocations by rules: errors of t with very many degrees.
    few = rows([level if row != 6 else "none" for row, level in enumerate(LEVEL)])
    plain, heavy = (
        solve(model(MissingLevels(("?",)), likelihood=each), few)
        for each in (None, brw.likelihood.HeavyTails(1e7))
    )
    names = ["mu", "beta[level[active]]"]
    for name in plain.posterior.effects:
        one, two = (fit.posterior.effects[name].moments() for fit in (plain, heavy))
        assert one == pytest.approx(two, abs=1e-6)
    one, two = (fit.posterior.hyper["tau"].quantile(np.array([0.1, 0.9])) for fit in (plain, heavy))
    assert one == pytest.approx(two, abs=1e-6)
    assert plain.levels == pytest.approx(heavy.levels, abs=1e-5)
    one, two = (fit.missing_information(names) for fit in (plain, heavy))
    assert one == pytest.approx(two, abs=1e-5)
    assert plain.shares == pytest.approx(heavy.shares, abs=1e-5)
    one, two = (fit.each_normal(np.eye(3)).told for fit in (plain, heavy))
    assert one == pytest.approx(two, abs=1e-5)
    gone = np.arange(10) == 1
    for near in zip(plain.without([gone]), heavy.without([gone]), strict=True):
        one, two = (fit.posterior.pooled.moments() for fit in near)
        assert one == pytest.approx(two, abs=1e-6)
        one, two = (fit.effect_of(gone)[0].moments() for fit in near)
        assert one == pytest.approx(two, abs=1e-6)


def test_a_bias_mixture_is_summed_beside_missing_levels_and_refused_by_samples():
    group = RiskGroup("all", ("rct",), Normal(0, 0.2), HalfNormal(0.1), (RiskClass("", 0.5),))
    both = brw.Model(terms=(*model(MissingLevels(("?",))).terms, BiasMixture((group,))))
    with pytest.raises(EngineRefusal, match="may be biased and does not report its level"):
        graph(both, rows())


def test_findings_say_how_many_rows_do_not_say():
    found = check(model(MissingLevels(("?",), ("design",), delta={"active": 0.5})), rows())
    [note] = [each.message for each in found if each.check == "missing-levels"]
    assert note == (
        "3 of 10 rows do not report 'level' ('?'): each has any of 3 levels, as often as the rows that do "
        "within design, log odds of levels shifted by a statement (active +0.5)."
    )


def test_two_terms_do_not_read_one_column_in_two_ways():
    term = brw.Interaction("level", "design", values=("cohort",), name="cohorts")
    with pytest.raises(SpecError, match="levels of 'level' are missing in one term"):
        brw.Model(
            terms=(
                brw.Intercept(Normal(0, 0.5)),
                brw.Categorical("level", Normal(0, 0.25), missing=MissingLevels(("?",))),
                term,
                brw.Exchangeable(HalfNormal(0.25)),
            )
        )


def test_missing_information_is_what_would_be_gone_if_levels_were_told():
    _, share, fits, _ = enumerated(model(nested=True))
    table = missing_levels(model(MissingLevels(("?",)), nested=True), rows())
    own = table.loc["summed over levels"]
    for name in ("mu", "beta[level[active]]", "mu_level[level[none]]"):
        means = np.array([each.posterior.effects[name].moments()[0] for each in fits])
        between = share @ (means - share @ means) ** 2
        assert own.loc[name, "missing_information"] == pytest.approx(
            between / own.loc[name, "sd"] ** 2, abs=1e-6
        )
    told = np.array(LEVEL) != "?"
    fewer = solve(model(nested=True), rows().rows(told)).posterior.effects["mu"].moments()
    assert table.loc[("complete cases", "mu"), "mean"] == pytest.approx(fewer[0], abs=1e-7)
    apart = solve(model(nested=True), rows()).posterior.effects["mu_level[level[?]]"].moments()
    found = table.loc[("a level of its own", "mu_level[level[?]]"), "mean"]
    assert found == pytest.approx(apart[0], abs=1e-8)
    assert "loses most" in table.describe()
    with pytest.raises(SpecError, match="no level of a moderator is missing"):
        missing_levels(model(), rows())


def test_models_with_missing_levels_are_compared_without_a_warning():
    """A model without the moderator has its coefficient at zero, a point among kernels."""
    plain = model(MissingLevels(("?",)))
    without = brw.Model(terms=(plain.terms[0], plain.terms[2]))
    found = brw.compare({"with": plain, "without": without}, rows())
    fits = [solve(each, rows()).posterior.log_evidence for each in (plain, without)]
    wanted = 1.0 / (1.0 + np.exp(fits[1] - fits[0]))
    told = found.coefficients.loc["beta[level[none]]"]
    assert float(told["inclusion"]) == pytest.approx(wanted, abs=1e-6)
    assert float(told["averaged_mean"]) == pytest.approx(wanted * float(told["mean"]), abs=1e-8)
    assert float(told["averaged_median"]) <= 0.0


def test_a_report_says_what_missing_levels_cost(monkeypatch):
    # What a report asks beside is tested elsewhere, and takes a while.
    monkeypatch.setattr("bayesrtw.report.record._panel", lambda *_: (None, "not here"))
    monkeypatch.setattr("bayesrtw.report.record._grid", lambda *_: (None, "not here"))
    analysis = default_analyses(rows())[0]
    analysis = replace(analysis, term=model(MissingLevels(("?",))).terms)
    made = brw.run(analysis, rows())
    content = record(made)
    found = json.loads(json.dumps(content))["missing_levels"]
    assert [each["rows"] for each in found["ways"]] == [10, 7, 10]
    assert [each["name"] for each in found["quantities"]] == [
        "mu",
        *(f"mu_level[level[{name}]]" for name in LEVELS),
    ]
    table = missing_levels(analysis.model, rows())
    own = found["quantities"][1]
    wanted = table.loc[("summed over levels", own["name"])]
    assert own["missing_information"] == pytest.approx(wanted["missing_information"])
    assert own["ways"]["summed over levels"]["lower"] == pytest.approx(wanted["lower"])
    assert "missing" in [each.id for each in outline(content).sections]
    assert "Levels that studies do not report" in render_markdown(content)
    monkeypatch.setattr("bayesrtw.report.record.missing_levels", _refuse)
    refused = record(made)
    assert refused["missing_levels"]["missing"] == "no"
    assert "Not worked out: no" in render_markdown(refused)


def _refuse(*_):
    raise EngineRefusal("no")


def test_where_a_node_costs_much_a_grid_serves_within_the_error_it_states(monkeypatch):
    made, data = model(MissingLevels(("?",)), nested=True, mean="studies"), rows()
    exact = solve(made, data)
    monkeypatch.setattr(allocated_fit, "MANY", 1)
    found = solve(made, data)
    assert found.between is not None
    assert found.posterior.error <= allocated_fit.DEAR
    silent, first = np.arange(len(EFFECT)) == 6, np.arange(len(EFFECT)) < 3
    ends = [0.025, 0.5, 0.975]
    wide, narrow = {"tau": HalfNormal(1.0)}, {"tau": HalfNormal(0.05)}
    pairs = [
        (exact, found),
        (exact.without([silent])[0], found.without([silent])[0]),
        (exact.under([wide])[0], found.under([wide])[0]),
        (exact.under([narrow])[0], found.under([narrow])[0]),
        (exact.powered(data=1.01), found.powered(data=1.01)),
    ]
    for one, other in pairs:
        for name in ("mu", "mu_studies", "theta_new_studies"):
            mean, sd = one.posterior.effects[name].moments()
            own = other.posterior.effects[name]
            np.testing.assert_allclose(own.moments(), (mean, sd), rtol=0, atol=1e-4 * sd)
            below = one.posterior.effects[name].below(0.1)
            assert float(own.below(0.1)) == pytest.approx(float(below), abs=1e-4)
        for behind, own in zip(one.effect_of(first), other.effect_of(first), strict=True):
            np.testing.assert_allclose(own.quantile(ends), behind.quantile(ends), atol=1e-4)
        assert other.posterior.log_evidence == pytest.approx(one.posterior.log_evidence, abs=1e-4)
        np.testing.assert_allclose(other.levels, one.levels, atol=1e-4)
    np.testing.assert_allclose(found.shares, exact.shares, atol=1e-4)
    np.testing.assert_allclose(
        found.missing_information(["mu"]), exact.missing_information(["mu"]), atol=1e-4
    )


def test_one_line_that_is_asked_twice_is_one_line():
    whole = solve(model(MissingLevels(("?",))), rows())
    line = np.array([1.0, 0.3, -0.2])
    once, twice, thrice = *whole.mean_at(line[None, :]), *whole.mean_at(np.stack([line, line]))
    for other in (twice, thrice):
        np.testing.assert_array_equal(other.mean, once.mean)
        np.testing.assert_array_equal(other.sd, once.sd)
