"""The 36 models of robust Bayesian meta-analysis: effect, heterogeneity, and how results were selected."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from bayesrtw.errors import SpecError
from bayesrtw.model.contract import Prior
from bayesrtw.model.heterogeneity import Common
from bayesrtw.model.prior import Beta, HalfCauchy
from bayesrtw.model.small_study import Peese, Pet
from bayesrtw.model.spec import Model
from bayesrtw.model.step_weights import StepWeights
from bayesrtw.model.term import Term

#: Sides and steps of the six weight functions.
FUNCTIONS: tuple[tuple[Literal["one", "two"], tuple[float, ...]], ...] = (
    ("two", (0.05,)),
    ("two", (0.05, 0.10)),
    ("one", (0.05,)),
    ("one", (0.025, 0.05)),
    ("one", (0.05, 0.5)),
    ("one", (0.025, 0.05, 0.5)),
)
#: Prior probability of a bias, of each weight function, and of PET and of PEESE.
BIASED, EACH, SLOPE = 0.5, 1.0 / 24.0, 0.125
#: What Bayes factors are of.
EFFECT, SPREAD, BIAS = "effect", "heterogeneity", "publication bias"
SELECTED, SMALL = "selection by P values", "small-study effects"


@dataclass(frozen=True, eq=False)
class Ensemble(Mapping[str, Model]):
    """Models by name, with prior probabilities and what each of them has."""

    models: Mapping[str, Model]  #: Name to model.
    prior: Mapping[str, float]  #: Name to prior probability.
    #: Name to what the model has of what some have and others do not.
    parts: Mapping[str, frozenset[str]]

    def __getitem__(self, name: str) -> Model:
        return self.models[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.models)

    def __len__(self) -> int:
        return len(self.models)


def robma(
    model: Model,
    *,
    towards: Literal["", "higher", "lower"] = "",
    pet: Prior | None = None,
    peese: Prior | None = None,
) -> Ensemble:
    """Make the 36 models of RoBMA 3: {no effect, effect} x {fixed, random} x {no bias, eight ways of bias}.

    No bias has probability 1/2; the six weight functions 1/24 each, with cumulative unit Dirichlet priors;
    PET and PEESE 1/8 each. [1]_ Without an effect the pooled mean is 0, without heterogeneity all studies
    share one effect; priors of both, moderators and whatever else there is are those of the given model.
    `compare` holds them against each other by their evidence.

    Parameters
    ----------
    model
        The largest one: a pooled mean and a heterogeneity SD with proper priors, no selection.
    towards
        Which results are favoured, ``higher`` or ``lower``; empty takes the evidence's direction of benefit.
    pet, peese
        Priors of the slopes; half-Cauchy with scales 1 and 5 unless given, which is for standardised mean
        differences: the second has the unit of one over effects.

    Returns
    -------
    Ensemble
        Name to model, with prior probabilities and parts.

    Raises
    ------
    SpecError
        If the model has no pooled mean, no heterogeneity, or a selection or small-study term of its own.

    References
    ----------
    .. [1] Bartos F, Maier M, Wagenmakers E-J, Doucouliagos H, Stanley TD (2023), Research Synthesis Methods
       14:99-116, doi:10.1002/jrsm.1594.

    Examples
    --------
    >>> import bayesrtw as brw
    >>> prior = brw.prior
    >>> spread = brw.Exchangeable(prior.InverseGamma(1, 0.15))
    >>> models = robma(brw.Model(terms=(brw.Intercept(prior.Normal(0, 1)), spread)))
    >>> len(models), round(sum(models.prior.values()), 12)
    (36, 1.0)
    """
    mean = [term for term in model.terms if term.facts.mean]
    spread = [term for term in model.terms if term.facts.spread and term.hyper()]
    if not mean or not spread:
        raise SpecError(
            "the 36 models are with and without a pooled mean and heterogeneity, and this one lacks "
            f"{'a pooled mean' if not mean else 'heterogeneity'}; give it intercept and exchangeable."
        )
    if model.selection is not None or {"pet", "peese"} & set(model.hyper):
        raise SpecError(
            "the 36 models differ in how results were selected, and this one has a selection or a "
            "small-study term of its own; leave it out."
        )
    slopes: dict[str, Term] = {
        "PET": Pet(pet or HalfCauchy(1.0), towards),
        "PEESE": Peese(peese or HalfCauchy(5.0), towards),
    }
    models, prior, parts = {}, {}, {}

    def add(name: str, one: Model, chance: float, has: frozenset[str]) -> None:
        models[name], prior[name], parts[name] = one, chance / 4.0, has

    for effect, random in ((0, 0), (0, 1), (1, 0), (1, 1)):
        terms = tuple(term for term in model.terms if effect or term not in mean)
        if not random:
            terms = (*(term for term in terms if not term.facts.spread), Common())
        bare = replace(model, terms=terms)
        name = f"{'effect' if effect else 'no effect'}, {'random' if random else 'fixed'}"
        has = frozenset([EFFECT] * effect + [SPREAD] * random)
        add(f"{name}, no bias", bare, 1.0 - BIASED, has)
        for sides, steps in FUNCTIONS:
            shares = tuple(Beta(float(place), 1.0) for place in range(len(steps), 0, -1))
            selection = StepWeights(steps=steps, shares=shares, sides=sides, towards=towards)
            own = f"{name}, {sides}-sided {' '.join(f'{step:g}' for step in steps)}"
            add(own, replace(bare, selection=selection), EACH, has | {BIAS, SELECTED})
        for kind, term in slopes.items():
            one = replace(bare, terms=(*terms, term))
            add(f"{name}, {kind}", one, SLOPE, has | {BIAS, SMALL})
    return Ensemble(models, prior, parts)
