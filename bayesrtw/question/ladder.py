"""The ladder: trials and non-randomised studies pooled under one assumption after another.

From the trials alone to taking every study at its word, the rungs share their heterogeneity terms,
moderators and priors, so that a reader sees what each assumption about the cohorts buys.
"""

import math
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from bayesrtw.engine import choose, fit, solve
from bayesrtw.engine.exact import Exact
from bayesrtw.engine.nuts import Nuts
from bayesrtw.errors import BayesrtwError, ConvergenceError, Finding, SpecError, shown
from bayesrtw.evidence.table import Evidence
from bayesrtw.model.bias import (
    BiasHierarchy,
    Discount,
    Studies,
)
from bayesrtw.model.bias_mixture import default_mixture
from bayesrtw.model.borrow import RobustMap
from bayesrtw.model.contract import normal
from bayesrtw.model.moderator import Intercept
from bayesrtw.model.prior import HalfNormal, Normal, Prior
from bayesrtw.model.spec import Model
from bayesrtw.model.term import Term
from bayesrtw.posterior.stored import shares_in
from bayesrtw.posterior.summarise import summarise
from bayesrtw.posterior.tree import new_of, pooled_of

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

Array = NDArray[np.float64]

#: Designs of studies that are not randomised, and the ladder's prior of their common bias: in either
#: direction, since harder cases may be given the programme.
NON_RANDOMISED = ("non_randomised", "cohort")

#: Designs of studies that are.
RANDOMISED = ("rct", "cluster_rct", "crossover_rct", "cluster_crossover_rct")

#: Rungs that an analysis may leave out.
OPTIONAL = ("robust_map", "mixture")

#: How the name of a rung begins on which they keep a share of their information.
DISCOUNT = "discount "

#: Two-sided predictive tail probability below which trials and cohorts are said to conflict.
CONFLICT = 0.05

#: Draws of each of four chains where a rung must be sampled, and the step-size target.
SAMPLED = Nuts(draws=1500, tune=1500, target_accept=0.99)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rungs:
    """How a ladder is built, fixed before the fit.

    Parameters
    ----------
    registered
        Which rung decides the conclusion: ``registered`` is the model as the analysis states it.
    studies
        Whose results are adjusted.
    shares
        Shares of information of the discounted rungs.
    weight
        Prior weight of the vague part of the robust MAP prior.
    bias_sd
        SD of the mean bias under which trials and cohorts are held against each other, analysis
        scale; 0.2 is that of a ratio between 0.68 and 1.48 with 95 % probability.
    mixture
        Biases that studies have or have not, on the log scale of ratios; None leaves the rung out.
    left_out
        Rungs that are not climbed: ``robust_map``, ``mixture``; the rationale says why.
    """

    registered: str = "registered"
    studies: Studies = field(default_factory=lambda: Studies(NON_RANDOMISED))
    shares: tuple[float, ...] = (0.25, 0.5)
    weight: float = 0.2
    bias_sd: float = 0.2
    mixture: Term | None = field(default_factory=default_mixture)
    left_out: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        odd = sorted(set(self.left_out) - set(OPTIONAL))
        if odd:
            raise SpecError(
                f"left_out holds {shown(odd)}; rungs that may be are {shown(OPTIONAL)}."
            )
        if self.mixture is not None and self.mixture.facts.trust is None:
            raise SpecError(
                f"mixture is a {type(self.mixture).__name__}; it must be a term of biases, as bias_mixture."
            )
        if not self.bias_sd > 0:
            raise SpecError(f"bias_sd must be positive; found {self.bias_sd!r}.")
        if any(not 0 < share < 1 for share in self.shares):
            raise SpecError(f"shares must lie in (0, 1); found {self.shares!r}.")


@dataclass(frozen=True, slots=True, eq=False)
class Rung:
    """One assumption about the non-randomised studies."""

    #: ``randomised``, ``discount 0.25``, ``robust_map``, ``mixture``, ``naive``, ``registered``.
    name: str
    #: model, evidence: what is fitted.
    model: Model
    evidence: Evidence


def discounted_to(rung: str) -> float | None:
    """Give the share of information that non-randomised studies keep on a rung; None where it is another."""
    return float(rung.removeprefix(DISCOUNT)) if rung.startswith(DISCOUNT) else None


def bare(model: Model, studies: Studies) -> Model:
    """Take off everything that a model says of bias, and differences between designs."""

    def kept(term: Term) -> bool:
        told = (each for each in term.facts.moderators if each.shape == "rows")
        own = any(each.column == studies.column for each in told)
        return not (own or term.facts.trust is not None)

    terms: list[Term] = [term for term in model.terms if kept(term)]
    if not any(term.facts.mean for term in terms):
        alone = ((term, term.facts.mean_alone) for term in model.terms)
        prior = next((getattr(term, setting) for term, setting in alone if setting), None)
        if prior is None:
            raise SpecError("a ladder needs a pooled mean; the model has no intercept: add one.")
        terms.insert(0, Intercept(prior))
    return replace(model, terms=tuple(terms))


def _unknown_designs(spec: Rungs, evidence: Evidence) -> list[Finding]:
    """Say which designs are none that is known: their rows count as trials, which nobody may have meant."""
    column = spec.studies.column
    if column != "design" or column not in evidence.data:
        return []
    told = {str(value) for value in evidence.data[column].to_numpy()}
    odd = sorted(told - {*RANDOMISED, *spec.studies.values})  # noqa: PD011
    if not odd or told == {""}:
        return []
    names = ", ".join(repr(name) if name else "an empty cell" for name in odd)
    text = (
        f"Rows whose design is {names} count as trials on the ladder: known are "
        f"{', '.join((*RANDOMISED, *NON_RANDOMISED))}. Write one of these, or name theirs under studies."
    )
    return [Finding("ladder", "warning", text)]


def rungs(model: Model, evidence: Evidence, spec: Rungs) -> tuple[list[Rung], list[Finding]]:
    """Say what is fitted on each rung, from the trials alone to every study at its word."""
    cohort = spec.studies.among(evidence)
    naive = bare(model, spec.studies)
    found: list[Rung] = []
    notes = _unknown_designs(spec, evidence)
    if cohort.all():
        text = "No randomised study is among the rows: the rungs randomised and robust_map do not exist."
        notes.append(Finding("ladder", "warning", text))
    else:
        found.append(Rung("randomised", naive, evidence.rows(~cohort)))
    if not cohort.any():
        text = "No non-randomised study is among the rows: every rung is that of the trials alone."
        return found, [*notes, Finding("ladder", "warning", text)]
    if cohort.sum() == 1:
        text = "One non-randomised estimate only: what its bias is, the priors decide."
        notes.append(Finding("ladder", "warning", text))
    for share in spec.shares:
        found.append(_with(naive, Discount(spec.studies, share), f"{DISCOUNT}{share:g}", evidence))
    if spec.left_out:
        text = f"The analysis leaves rungs out: {', '.join(spec.left_out)}."
        notes.append(Finding("ladder", "note", text))
    if not cohort.all() and "robust_map" not in spec.left_out:
        found.append(Rung("robust_map", _borrowing(naive, spec), evidence))
    if spec.mixture is not None and not evidence.measure.log:
        text = "The rung mixture is left out: its default priors are those of log ratios."
        notes.append(Finding("ladder", "note", text))
    elif spec.mixture is not None and "mixture" not in spec.left_out:
        found.append(_with(naive, spec.mixture, "mixture", evidence))
    found.append(Rung("naive", naive, evidence))
    if model != naive:
        found.append(Rung("registered", model, evidence))
    return found, notes


def _with(naive: Model, term: Term, name: str, evidence: Evidence) -> Rung:
    return Rung(name, replace(naive, terms=(*naive.terms, term)), evidence)


def _borrowing(naive: Model, spec: Rungs) -> Model:
    """Put a robust MAP prior in the place of the intercept, with the same priors."""
    own = naive.mean
    vague: Prior = own if own is not None and normal(own) else Normal(0.0, 1.0)
    spread = [naive.hyper[name] for name in naive.spreads]
    borrowed = RobustMap(
        spec.studies,
        prior=vague,
        tau=spread[0] if spread else HalfNormal(spec.bias_sd),
        robust=vague,
        weight=spec.weight,
    )
    terms = tuple(borrowed if term.facts.mean else term for term in naive.terms)
    return replace(naive, terms=terms)


def climb(rung: Rung, *, seed: int, sampled: bool = True) -> "xr.DataTree | None":
    """Fit one rung: exactly where it can be."""
    exact = Exact(draws=0, study_effects=False)
    engine = choose(rung.model, rung.evidence)
    if not engine.sampled:
        with suppress(ConvergenceError):
            return fit(rung.model, rung.evidence, engine=exact, seed=seed)
    return fit(rung.model, rung.evidence, engine=SAMPLED, seed=seed) if sampled else None


def row(tree: "xr.DataTree", *, ci_prob: float = 0.95) -> dict[str, float]:
    """Give the figures of a rung."""
    table = summarise(tree, ci_prob=ci_prob)
    cells = table.to_dict(orient="index")
    columns = ("mean", "sd", "median", "lower", "upper", "probability")
    found = {name: float(cells[pooled_of(tree)][name]) for name in columns}
    new = cells.get(new_of(tree), {})
    return {**found, **{f"new_{end}": float(new.get(end, math.nan)) for end in ("lower", "upper")}}


@dataclass(frozen=True, slots=True)
class Conflict:
    """Trials against what the adjusted cohorts predict for them."""

    below: float  #: Probability that the trials' pooled mean lies below what the cohorts predict.
    p: float  #: Two-sided predictive tail probability, in [0, 1].
    #: Difference of the means over its SD; positive where the trials lie higher on the analysis scale.
    z: float

    @property
    def finding(self) -> Finding:
        """What a reader must know of it."""
        apart = self.p < CONFLICT
        text = (
            f"Trials against the bias-adjusted non-randomised studies: predictive p = {self.p:.2f}, "
            f"z = {self.z:.2f}{'; they conflict' if apart else ''}."
        )
        return Finding("design-conflict", "warning" if apart else "note", text)


def conflict(model: Model, evidence: Evidence, spec: Rungs) -> Conflict | None:
    """Hold the trials' pooled mean against what the cohorts predict, allowing for their bias."""
    cohort = spec.studies.among(evidence)
    if cohort.all() or not cohort.any():
        return None
    adjusted = BiasHierarchy(spec.studies, Normal(0.0, spec.bias_sd), name="ladder_bias")
    wide = replace(model, terms=(*model.terms, adjusted))
    ours, theirs = evidence.rows(~cohort), evidence.rows(cohort)
    trials, others = (
        solve(model, ours).posterior.effects["mu"],
        solve(wide, theirs).posterior.effects["theta_new"],
    )
    apart = others.mean[None] - trials.mean[:, None]
    apart = apart / np.sqrt(others.sd[None] ** 2 + trials.sd[:, None] ** 2)
    below, above = (float(trials.weight @ ndtr(z) @ others.weight) for z in (apart, -apart))
    gap = trials.centre - others.centre
    return Conflict(below, 2.0 * min(below, above), gap / math.hypot(trials.spread, others.spread))


def contributions(tree: "xr.DataTree", evidence: Evidence, studies: Studies) -> "pd.DataFrame":
    """Say what each design, and the prior, contribute to a pooled mean."""
    import pandas as pd  # noqa: PLC0415

    source = tree["quadrature"].dataset
    design = evidence.data[studies.column].to_numpy().astype(str)
    found = shares_in(source, pooled_of(tree))
    assert found is not None, "an exact fit with study effects has shares"
    share, prior = found
    by_design: Mapping[str, tuple[int, float]] = {
        name: (int(np.sum(design == name)), float(share[design == name].sum()))
        for name in dict.fromkeys(design.tolist())
    }
    rows = {**by_design, "prior": (0, prior)}
    frame = pd.DataFrame.from_dict(rows, orient="index", columns=["estimates", "weight"])
    frame.index.name = studies.column
    return frame


def failed(rung: Rung, error: BayesrtwError) -> Finding:
    """Say which rung could not be climbed."""
    return Finding("ladder", "warning", f"The rung {rung.name} has no result: {error}")
