"""The bias mixture against enumeration of every allocation, its limits, and what it refuses.

Everything agrees to 1e-8 where two quadratures are compared.
"""

from itertools import product

import numpy as np
import pandas as pd
import pymc as pm
import pytest
from scipy import special, stats

import bayesrtw as brw
from bayesrtw.errors import EngineRefusal, EvidenceError, SpecError
from bayesrtw.evidence.dependence import assumed_correlation
from bayesrtw.evidence.quality import Judgement, Judgements
from bayesrtw.model.bias import BiasHierarchy, Studies
from bayesrtw.model.bias_mixture import BiasMixture, RiskClass, RiskGroup, default_mixture
from bayesrtw.model.checked import check
from bayesrtw.model.prior import HalfNormal, Normal
from bayesrtw.model.term import Allocation

EFFECT = np.array([0.30, 0.05, -0.45, 0.28, -0.35, -0.10, 0.10])
SE = np.array([0.15, 0.12, 0.20, 0.20, 0.10, 0.22, 0.15])
DESIGN = ["rct", "rct", "cohort", "cohort", "cohort", "cohort", "rct"]


def rows(design=None, benefit="higher", sign=1.0, **columns):
    frame = pd.DataFrame(
        {
            "study": [f"s{place}" for place in range(len(EFFECT))],
            "effect": sign * EFFECT,
            "se": SE,
            "design": design or DESIGN,
            **columns,
        }
    )
    return brw.Evidence.from_frame(frame, measure="log_hazard_ratio", benefit=benefit)


def cohorts(*classes, common=None, size=10.0):
    classes = classes or (RiskClass("", 0.6),)
    common = common or Normal(0.05, 0.2)
    return RiskGroup("cohorts", ("cohort",), common, HalfNormal(0.15), classes, size)


def model(*terms):
    return brw.Model(
        terms=(brw.Intercept(Normal(0, 0.5)), *terms, brw.Exchangeable(HalfNormal(0.25)))
    )


def fitted(mixture, evidence=None, **engine):
    tree = brw.fit(
        model(mixture), evidence or rows(), engine=brw.Exact(**{"draws": 0, "nodes": 32, **engine})
    )
    return brw.summarise(tree), tree


def enumerated(a, b):
    """Every allocation is a Gaussian model of its own; their evidence weighs them."""
    at_risk = [place for place, design in enumerate(DESIGN) if design == "cohort"]
    logs, tables = [], []
    for chosen in product([False, True], repeat=len(at_risk)):
        biased = ["no"] * len(DESIGN)
        for place, is_biased in zip(at_risk, chosen, strict=True):
            biased[place] = "yes" if is_biased else "no"
        term = BiasHierarchy(
            Studies(("yes",), column="biased"), Normal(0.05, 0.2), spread=HalfNormal(0.15)
        )
        made = model(term) if any(chosen) else model()
        tree = brw.fit(made, rows(biased=biased), engine=brw.Exact(draws=0))
        number = sum(chosen)
        prior = special.betaln(a + number, b + len(chosen) - number) - special.betaln(a, b)
        logs.append(float(tree["quadrature"]["log_evidence"]) + prior)
        table = brw.summarise(tree)
        tables.append((table.loc["mu"], table.loc["theta_new"], table.loc["tau"], biased))
    share = np.exp(np.array(logs) - special.logsumexp(logs))
    return special.logsumexp(logs), share, tables


def test_the_mixture_is_the_sum_over_all_allocations():
    log, share, tables = enumerated(6.0, 4.0)
    table, tree = fitted(BiasMixture((cohorts(),)))
    assert float(tree["quadrature"]["log_evidence"]) == pytest.approx(log, abs=1e-8)
    for name, place in (("mu", 0), ("theta_new", 1), ("tau", 2)):
        mean = sum(s * each[place]["mean"] for s, each in zip(share, tables, strict=True))
        second = sum(
            s * (each[place]["mean"] ** 2 + each[place]["sd"] ** 2)
            for s, each in zip(share, tables, strict=True)
        )
        assert table.loc[name, "mean"] == pytest.approx(mean, abs=1e-8)
        assert table.loc[name, "sd"] == pytest.approx(np.sqrt(second - mean**2), abs=1e-8)
    for name, place in (("mu", 0), ("theta_new", 1)):
        chance = sum(s * each[place]["probability"] for s, each in zip(share, tables, strict=True))
        assert table.loc[name, "probability"] == pytest.approx(chance, abs=1e-8)
    biased = sum(s * (np.array(each[3]) == "yes") for s, each in zip(share, tables, strict=True))
    np.testing.assert_allclose(tree["quadrature"]["biased"], biased, atol=1e-7)


def test_a_probability_of_nearly_zero_is_the_unadjusted_model():
    plain = brw.summarise(brw.fit(model(), rows(), engine=brw.Exact(draws=0)))
    table, _ = fitted(BiasMixture((cohorts(RiskClass("", 1e-13)),)))
    for name in ("mu", "theta_new", "tau"):
        for column in ("mean", "sd", "lower", "median", "upper"):
            assert table.loc[name, column] == pytest.approx(plain.loc[name, column], abs=1e-8)


def test_a_probability_of_nearly_one_is_the_hierarchy():
    term = BiasHierarchy(Studies(("cohort",)), Normal(0.05, 0.2), spread=HalfNormal(0.15))
    wanted = brw.summarise(brw.fit(model(term), rows(), engine=brw.Exact(draws=0)))
    table, _ = fitted(BiasMixture((cohorts(RiskClass("", 1 - 1e-13)),)))
    for column in ("mean", "sd", "lower", "median", "upper"):
        assert table.loc["mu", column] == pytest.approx(wanted.loc["mu", column], abs=1e-8)


def test_it_points_towards_benefit_whichever_way_the_measure_does():
    up, _ = fitted(BiasMixture((cohorts(),)), study_effects=False)
    other = rows(benefit="lower", sign=-1.0)
    down, _ = fitted(BiasMixture((cohorts(),)), other, study_effects=False)
    assert down.loc["mu", "mean"] == pytest.approx(-up.loc["mu", "mean"], abs=1e-9)
    assert down.loc["mu", "probability"] == pytest.approx(up.loc["mu", "probability"], abs=1e-9)


def test_draws_agree_with_the_quadrature():
    table, tree = fitted(BiasMixture((cohorts(),)), draws=4000, study_effects=False)
    for name in ("mu", "tau", "theta_new"):
        values = tree["posterior"][name].to_numpy().reshape(-1)
        assert values.mean() == pytest.approx(table.loc[name, "mean"], abs=5 * values.std() / 126)
        assert values.std() == pytest.approx(table.loc[name, "sd"], rel=0.03)
        assert np.quantile(values, 0.975) == pytest.approx(table.loc[name, "upper"], abs=0.02)


def test_draws_without_heterogeneity_agree_with_the_sum_over_allocations():
    # By allocations the effect is the mean of normals; the bias of a cohort is one of few numbers here.
    group = RiskGroup("c", ("cohort",), Normal(0.2, 1e-6), HalfNormal(1e-6), (RiskClass("", 0.6),))
    made = brw.Model(terms=(brw.Intercept(Normal(0, 0.5)), BiasMixture((group,)), brw.Common()))
    drawn = brw.fit(made, rows(), engine=brw.Exact(draws=500))["posterior"]["mu"]
    mass, means, precision = [], [], 4.0 + np.sum(SE**-2.0)
    at_risk = np.array([design == "cohort" for design in DESIGN])
    for chosen in product([0.0, 1.0], repeat=int(at_risk.sum())):
        bias, number = np.zeros(len(SE)), sum(chosen)
        bias[at_risk] = 0.2 * np.array(chosen)
        left = EFFECT - bias
        means.append(np.sum(left / SE**2) / precision)
        prior = special.betaln(6 + number, 4 + len(chosen) - number) - special.betaln(6, 4)
        mass.append(prior - 0.5 * (np.sum((left / SE) ** 2) - precision * means[-1] ** 2))
    share, means = special.softmax(mass), np.array(means)
    mean = share @ means
    sd = np.sqrt(1 / precision + share @ (means - mean) ** 2)
    assert float(drawn.mean()) == pytest.approx(mean, abs=5 * sd / np.sqrt(2_000))
    assert float(drawn.std()) == pytest.approx(sd, rel=0.08)


def judged(*words):
    found = [
        Judgement(f"s{place}", "ROBINS-I", "2016", "overall", word, "", "", "test")
        for place, word in enumerate(words)
        if word
    ]
    evidence = rows()
    from dataclasses import replace  # noqa: PLC0415

    return replace(evidence, judgements=Judgements(tuple(found)))


def test_judgements_choose_the_class():
    evidence = judged("", "", "moderate", "serious", "serious", "", "")
    allotted = default_mixture().allotted(evidence)
    found = {
        (group.name, group.classes[place].judgement): rows.tolist()
        for rows, group, place in allotted
    }
    assert found == {
        ("randomised", ""): [0, 1, 6],
        ("non_randomised", "moderate"): [2],
        ("non_randomised", "serious"): [3, 4],
        ("non_randomised", ""): [5],
    }
    notes = [each.message for each in default_mixture().findings(evidence)]
    assert any("3 estimates without a judgement by a listed instrument" in note for note in notes)


def test_a_study_at_critical_risk_is_not_pooled():
    evidence = judged("", "", "critical", "", "", "", "")
    with pytest.raises(
        EvidenceError, match=r"no class for .*s2 \(critical\).*leave the studies out"
    ):
        brw.fit(model(default_mixture()), evidence)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: RiskClass("", 1.0), "must lie in"),
        (lambda: cohorts(RiskClass("", 0.1), RiskClass("", 0.2)), "two classes"),
        (lambda: cohorts(common=brw.prior.Flat()), "normal prior"),
        (lambda: BiasMixture((cohorts(), cohorts())), "two groups"),
        (lambda: cohorts(size=0.0), "size must be positive"),
    ],
)
def test_what_makes_no_sense_is_refused(make, message):
    with pytest.raises(SpecError, match=message):
        make()


def test_a_model_that_cannot_be_integrated_names_nuts():
    made = brw.Model(
        terms=(
            brw.Intercept(Normal(0, 0.5)),
            BiasMixture((cohorts(),)),
            brw.Exchangeable(HalfNormal(0.25), by="family", name="tau_family"),
        )
    )
    with pytest.raises(EngineRefusal, match=r"one heterogeneity SD.*nuts"):
        brw.fit(made, rows(family=["a", "a", "b", "b", "c", "d", "e"]), engine=brw.Exact())


def test_every_question_is_answered_for_the_model_with_its_biases():
    """A refit of fewer rows, another prior or shifted effects is the neighbour that a verb reports."""
    made, evidence = model(BiasMixture((cohorts(),))), rows()
    whole = brw.summarise(brw.fit(made, evidence, engine=brw.Exact(draws=0, study_effects=False)))
    table = brw.leave_one_out(made, evidence)
    assert table["mean"].iloc[0] == pytest.approx(whole.loc["mu", "mean"], abs=1e-7)
    keep = evidence.data["study"].to_numpy() != "s4"
    fewer = brw.fit(made, evidence.rows(keep), engine=brw.Exact(draws=0, study_effects=False))
    assert table.loc["s4", "mean"] == pytest.approx(
        brw.summarise(fewer).loc["mu", "mean"], abs=1e-5
    )
    plain = brw.leave_one_out(model(), evidence)
    assert abs(plain["mean"].iloc[0] - table["mean"].iloc[0]) > 0.01
    checked = brw.predictive_check(made, evidence)
    other = brw.predictive_check(model(), evidence)
    assert (np.abs(checked["tail"] - other["tail"]) > 1e-3).all()


def test_correlated_estimates_at_risk_are_refused_whether_or_not_the_correlation_is_known():
    evidence = rows(people=["", "", "p", "p", "", "", ""])
    unknown = brw.Model(
        terms=model(BiasMixture((cohorts(),))).terms,
        likelihood=brw.likelihood.NormalErrors(
            correlation=brw.likelihood.Correlation("people", brw.prior.Beta(2, 2))
        ),
    )
    known = assumed_correlation(evidence, by="people", rho=0.5)
    for made, data in ((unknown, evidence), (model(BiasMixture((cohorts(),))), known)):
        with pytest.raises(EvidenceError, match="estimates of 's2', 's3' have correlated sampling"):
            check(made, data)


def test_clusters_inflate_estimates_that_may_be_biased():
    size = np.array([1.0, 1, 30, 1, 100, 1, 10])
    evidence = rows(size=size)
    parts = (np.tile(pair, (4, 1)) for pair in ((0.6, 0.4), (0.0, 0.1), (0.0, 0.2)))
    at_risk = Allocation(np.array([2, 3, 4, 5]), *parts)
    likelihood = brw.likelihood.NormalErrors(
        clustering=brw.likelihood.Clustering("size", brw.prior.Beta(2, 20))
    )
    with pm.Model() as graph:
        likelihood.pymc(pm.math.constant(np.full(7, 0.2)), evidence, (at_risk,))
        density = graph.compile_logp(vars=[*graph.observed_RVs, *graph.potentials], jacobian=False)
    icc = 0.05
    sd = SE * np.sqrt(1 + (size - 1) * icc)
    each = stats.norm(0.2, sd).pdf(EFFECT)
    biased = stats.norm(0.3, np.sqrt(sd**2 + 0.04)).pdf(EFFECT)
    risk = np.array([0, 0, 0.4, 0.4, 0.4, 0.4, 0])
    wanted = np.log((1 - risk) * each + risk * biased).sum()
    found = float(density({"icc_logodds__": np.log(icc / (1 - icc))}))
    assert found == pytest.approx(wanted, rel=1e-10)


def legendre(high, count, prior):
    x, w = np.polynomial.legendre.leggauss(count)
    value = 0.5 * high * (x + 1.0)
    return value, 0.5 * high * w * prior(value)


@pytest.mark.slow
def test_every_row_may_be_biased_and_tails_are_wider_than_the_middle():
    # Precise rows, all at risk in two groups: without biases the mean is known to 0.05, with them to 0.15.
    effect, se = (
        np.array([0.24, 0.21, -0.05, -0.02, 0.01]),
        np.array([0.05, 0.06, 0.05, 0.06, 0.07]),
    )
    group = np.array([0, 0, 1, 1, 1])
    frame = pd.DataFrame(
        {
            "study": [f"s{place}" for place in range(5)],
            "effect": effect,
            "se": se,
            "design": np.array(["rct", "cohort"])[group],
        }
    )
    evidence = brw.Evidence.from_frame(frame, measure="log_hazard_ratio", benefit="higher")
    trials = RiskGroup(
        "trials", ("rct",), Normal(0.14, 0.15), HalfNormal(0.15), (RiskClass("", 0.5),)
    )
    mixture = BiasMixture((trials, cohorts(RiskClass("", 0.6), common=Normal(0.0, 0.2))))
    engine = brw.Exact(draws=0, study_effects=False)
    tree = brw.fit(model(mixture), evidence, engine=engine)

    half = lambda scale: lambda x: 2.0 * stats.norm.pdf(x, scale=scale)  # noqa: E731
    tau, of_tau = legendre(1.3, 40, half(0.25))
    kappa, of_kappa = legendre(0.85, 18, half(0.15))
    grid = np.meshgrid(tau, kappa, kappa, indexing="ij")
    weight = np.einsum("i,j,k->ijk", of_tau, of_kappa, of_kappa).ravel()
    tau, spread = grid[0].ravel(), np.stack([grid[1].ravel(), grid[2].ravel()], axis=1)
    mass, centre, scale = [], [], []
    for chosen in product([0.0, 1.0], repeat=5):
        biased, chance = np.array(chosen), 1.0
        covariance = np.zeros((len(tau), 5, 5))
        mean = np.zeros(5)
        for place, (common, sd, a, b) in enumerate([(0.14, 0.15, 5.0, 5.0), (0.0, 0.2, 6.0, 4.0)]):
            own = biased * (group == place)
            count, many = own.sum(), np.sum(group == place)
            chance *= np.exp(special.betaln(a + count, b + many - count) - special.betaln(a, b))
            covariance += sd**2 * np.outer(own, own) + spread[:, place, None, None] ** 2 * np.diag(
                own
            )
            mean += common * own
        covariance += np.diag(se**2) + tau[:, None, None] ** 2 * np.eye(5)
        solved = np.linalg.solve(covariance, np.stack([np.ones(5), effect - mean], axis=1)[None])
        precision = 4.0 + solved[:, :, 0].sum(axis=1)
        mu = solved[:, :, 1].sum(axis=1) / precision
        fit = (effect - mean) @ solved[:, :, 1].T - precision * mu**2
        log = -0.5 * (fit + np.linalg.slogdet(covariance)[1] + np.log(precision / 4.0))
        mass.append(chance * weight * np.exp(log))
        centre.append(mu)
        scale.append(precision**-0.5)
    mass, centre, scale = (np.concatenate(each) for each in (mass, centre, scale))
    log = np.log(mass.sum()) - 2.5 * np.log(2.0 * np.pi)
    mass /= mass.sum()

    assert float(tree["quadrature"]["log_evidence"]) == pytest.approx(log, abs=1e-6)
    row = brw.summarise(tree).loc["mu"]
    assert row["mean"] == pytest.approx(mass @ centre, abs=1e-7)
    second = mass @ (centre**2 + scale**2)
    assert row["sd"] == pytest.approx(np.sqrt(second - row["mean"] ** 2), rel=1e-6)
    for column, level in (("lower", 0.025), ("median", 0.5), ("upper", 0.975)):
        below = mass @ special.ndtr((row[column] - centre) / scale)
        assert below == pytest.approx(level, abs=1e-6)
    chance = mass @ special.ndtr(centre / scale)
    assert row["probability"] == pytest.approx(chance, abs=1e-6)
