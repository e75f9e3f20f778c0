"""Models held against each other: Bayes factors, model probabilities and the averaged posterior.

Log evidence is exact, so model probabilities need no sampling. A term that a model does not have has
no effect there: its coefficients are 0, and averaged summaries hold that value with the probability of
the models without it. Evidence compares only where everything that differs has a proper prior.

References
----------
Hoeting, Madigan, Raftery & Volinsky (1999), *Statistical Science* 14:382-417,
doi:10.1214/ss/1009212519 (averaging); Hinne, Gronau, van den Bergh & Wagenmakers (2020), *AMPPS*
3:200-215, doi:10.1177/2515245919898657 (inclusion Bayes factors).
"""

import dataclasses
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from itertools import combinations, product
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.special import logsumexp

from bayesrtw.dims import MODERATOR
from bayesrtw.engine.exact import Exact
from bayesrtw.engine.tilted_tree import selected_trees
from bayesrtw.errors import EngineRefusal, SpecError, shown
from bayesrtw.evidence.table import Evidence
from bayesrtw.model.checked import hold, paired
from bayesrtw.model.robma import Ensemble
from bayesrtw.model.spec import Model
from bayesrtw.model.term import Term, given
from bayesrtw.pictured import Drawing, Pictured, as_html
from bayesrtw.posterior import mixture
from bayesrtw.posterior.kernels import Kernels, blended
from bayesrtw.posterior.stored import effect_in, labels_in
from bayesrtw.question.answer import table_as_html
from bayesrtw.question.asked import Subject, about
from bayesrtw.question.averaging import (
    NEGLIGIBLE,
    averaged,
    labels_of,
    normal,
    nothing,
    one_of,
    point,
)
from bayesrtw.question.beside import Answered, beside
from bayesrtw.registry import kind_of

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]

#: Most models that `submodels` makes.
MOST_MODELS = 2**10


@dataclass(frozen=True, slots=True, eq=False)
class Comparison(Pictured):
    """Models held against each other.

    Attributes
    ----------
    models
        One row a model: ``prior`` and ``posterior`` probability, ``log_evidence``, and ``bayes_factor``
        against the best model (at most 1).
    inclusion
        One row a term that some models have and others do not: ``prior`` and ``posterior`` probability
        of the models with it, and its ``bayes_factor`` for inclusion, posterior over prior odds.
    coefficients
        One row a coefficient: ``inclusion`` probability; ``mean, sd, median, lower, upper,
        probability`` (of benefit) given that its term is in the model; and the same ``averaged`` over
        all models, 0 where it is not.
    posterior
        The averaged posterior: a tree with a group ``quadrature`` whose nodes are those of all models,
        weighted by their probabilities. Hyperparameters that not every model has are left out.
    """

    models: "pd.DataFrame"
    inclusion: "pd.DataFrame"
    coefficients: "pd.DataFrame"
    posterior: xr.DataTree

    def _pictures(self) -> Mapping[str, Drawing | str]:
        """See `Pictured`: the averaged posterior as a forest."""
        return {"forest": Drawing((self.posterior,))}

    def _words(self) -> str:
        best = str(self.models["posterior"].idxmax())
        said = [
            f"{len(self.models)} models: the most probable is {best!r} "
            f"({self.models['posterior'].max():.2f})."
        ]
        said += [
            f"{name} is included with probability {row['posterior']:.2f} (before {row['prior']:.2f}; Bayes "
            f"factor {row['bayes_factor']:.3g})."
            for name, row in self.inclusion.iterrows()
        ]
        return " ".join(said)

    def _repr_html_(self) -> str:
        """Give the tables with what they say, for a notebook."""
        tables = (self.models, self.inclusion, self.coefficients)
        shown = [table_as_html(table) for table in tables if len(table)]
        return as_html("Models held against each other", [self._words()], shown)


def submodels(model: Model, *, most: int = MOST_MODELS) -> dict[str, Model]:
    """Make every model with a subset of a model's moderators.

    An interaction comes only together with the moderators that it is made of (marginality). Sums of parts
    whose pairs may differ from the sum come without that too.
    """
    moderators = [term for term in model.terms if term.facts.moderators]
    if 2 ** len(moderators) > most:
        raise SpecError(
            f"{len(moderators)} moderators make up to {2 ** len(moderators)} models; at most {most} are "
            "made: leave moderators out, or name the models to compare."
        )
    found = {}
    for size in range(len(moderators) + 1):
        for chosen in combinations(moderators, size):
            kept = list(chosen)
            if not all(_complete(term, kept, moderators) for term in kept):
                continue
            terms = tuple(t for t in model.terms if not t.facts.moderators or t in kept)
            for forms in product(*(_forms(term) for term in terms)):
                said = [_names(term) for term in forms if term.facts.moderators]
                name = " + ".join(each for own in said for each in own) or "no moderator"
                found[name] = dataclasses.replace(model, terms=forms)
    if len(found) > most:
        raise SpecError(
            f"the moderators make {len(found)} models; at most {most} are made: leave some out, or name the "
            "models to compare."
        )
    return found


def _forms(term: Term) -> tuple[Term, ...]:
    """Give a term, after the simpler one that is nested in it."""
    simpler = term.facts.simpler
    return (term,) if simpler is None else (*_forms(simpler), term)


def _names(term: Term) -> list[str]:
    """Name a term, and what it has beyond a simpler one."""
    return [term_name(term), *filter(None, [term.facts.beyond])]


def _complete(term: Term, kept: list[Term], every: list[Term]) -> bool:
    """Whether the main effects of an interaction stand beside it, where the full model has them."""
    needed = {each.column for each in term.facts.modifies}
    return all(
        main in kept
        for main in every
        if not main.facts.modifies and needed & {each.column for each in main.facts.moderators}
    )


def term_name(term: Term) -> str:
    """Say what a term is called in tables of models."""
    facts, kind = term.facts, kind_of(term)
    if facts.mean and not facts.moderators:
        return "mu"
    if facts.moderators:
        return facts.moderators[0].name
    return (facts.trust.name if facts.trust else "") or next(iter(term.hyper()), kind)


def compare(
    models: Mapping[str, Model] | Mapping[str, Answered] | Subject,
    evidence: Evidence | Answered | None = None,
    *,
    prior: Mapping[str, float] | None = None,
    ci_prob: float = 0.95,
) -> Any:
    """Hold models of the same evidence against each other and average over them; or set syntheses in a row.

    Parameters
    ----------
    models, evidence
        Name to model, at least two, with the rows to pool. Or one model with rows, or a synthesis: its
        `submodels` are compared. Two syntheses, or name to synthesis, are set beside each other as they are:
        nothing is averaged, and their rows may differ.
    prior
        Name to prior model probability; equal unless given, or those of `brw.selection.robma`. They are
        divided by their sum.
    ci_prob
        Probability of central intervals.

    Returns
    -------
    Comparison or Answer
        Of models a `Comparison`: tables and the averaged posterior. Of syntheses an `Answer` with its
        picture, one row each: ``mean, sd, median, lower, upper, probability`` of the pooled effect,
        ``new_lower, new_upper`` of that in a new setting, ``estimates``, ``studies``.

    Raises
    ------
    SpecError
        If fewer than two models or wrong prior probabilities are given, what differs between models
        has an improper prior, models do not say how probable the same numbers are (likelihoods of counts and
        of estimates, discounts of counts), or syntheses are on different scales.
    EngineRefusal
        If the exact engine cannot fit a model.

    Examples
    --------
    >>> import bayesrtw as brw
    >>> found = brw.compare(brw.run(brw.open_analysis("time-to-rtw-moderators")))
    >>> float(found.models["posterior"].sum().round(6))
    1.0
    """
    runs = _runs(models, evidence)
    return beside(runs, ci_prob) if runs else against(models, evidence, prior, ci_prob)  # type: ignore[arg-type] # no runs


def against(
    models: Mapping[str, Model] | Subject,
    evidence: Evidence | None = None,
    prior: Mapping[str, float] | None = None,
    ci_prob: float = 0.95,
) -> Comparison:
    """Hold models of the same evidence against each other; see `compare`."""
    if not isinstance(models, Mapping):
        found = about(models, evidence)
        models, evidence = submodels(found.model), found.evidence
        if len(models) == 1:
            raise SpecError(
                "the model has no moderator to leave out, so there is one model; give several by name: "
                "compare({name: model, ...}, evidence)."
            )
    if evidence is None:
        raise SpecError(
            "models are given without rows; give their evidence as the second argument."
        )
    for model in models.values():
        paired(model, evidence)
    chances = _chances(models, prior)
    comparable(models, evidence)
    trees = _fits(models, evidence)
    log = np.array([float(tree["quadrature"]["log_evidence"]) for tree in trees.values()])
    total = float(logsumexp(log + np.log(chances)))
    after = np.exp(log + np.log(chances) - total)
    features: Mapping[str, Collection[str]] = (
        models.parts
        if isinstance(models, Ensemble)
        else {name: _features(model) for name, model in models.items()}
    )
    posterior = averaged(trees, models, after, total, evidence)
    return Comparison(
        models=_model_table(list(models), chances, after, log),
        inclusion=_inclusion(features, chances, after),
        coefficients=_coefficients(trees, after, evidence, ci_prob),
        posterior=posterior,
    )


def _runs(models: Any, evidence: Any) -> dict[str, Answered]:
    """Give syntheses by name where several were given: their own ids, with numbers where two have one."""
    if isinstance(models, Mapping):
        return dict(models) if all(hasattr(one, "quantities") for one in models.values()) else {}
    if not (hasattr(models, "quantities") and hasattr(evidence, "quantities")):
        return {}
    ids = [models.analysis.id, evidence.analysis.id]
    names = ids if ids[0] != ids[1] else [f"{name} ({place})" for place, name in enumerate(ids, 1)]
    return dict(zip(names, (models, evidence), strict=True))


def _fits(models: Mapping[str, Model], evidence: Evidence) -> dict[str, xr.DataTree]:
    """Fit every model; those that differ only in weights that the data tell share the nodes of one."""
    free: dict[Model, list[str]] = {}
    trees: dict[str, xr.DataTree] = {}
    for name, model in models.items():
        hold(model, evidence)
        if model.selection is not None and model.selection.hyper():
            free.setdefault(dataclasses.replace(model, selection=None), []).append(name)
    engine = Exact(draws=0, study_effects=not free)
    for name, model in models.items():
        if model.selection is None or not model.selection.hyper():
            refusal = engine.refuses(model, evidence)
            if refusal is not None:
                raise EngineRefusal(f"model {name!r}: {refusal}")
            trees[name] = engine.fit(model, evidence, seed=0)
    for names in free.values():
        own = selected_trees([models[name] for name in names], evidence)
        trees |= dict(zip(names, own, strict=True))
    return {name: trees[name] for name in models}


def _chances(models: Mapping[str, Model], prior: Mapping[str, float] | None) -> Array:
    if len(models) < 2:
        raise SpecError(f"{len(models)} model is given; at least two can be compared.")
    if prior is None and isinstance(models, Ensemble):
        prior = models.prior
    if prior is None:
        return np.full(len(models), 1.0 / len(models))
    if set(prior) != set(models):
        odd = sorted(set(prior) ^ set(models))
        raise SpecError(
            f"prior probabilities and models do not have the same names: {shown(odd)} stand in one only."
        )
    found = np.array([prior[name] for name in models], dtype=np.float64)
    if not (np.all(found > 0) and np.all(np.isfinite(found))):
        raise SpecError(
            f"prior model probabilities must be positive; found {shown(found.tolist())}. Leave models "
            "that are impossible out."
        )
    return found / found.sum()


#: Likelihoods that say how probable the same counts are as another does.
_SAME = {"beta_binomial": "binomial"}


def _seen(model: Model) -> str:
    """Name what the likelihood gives the probability of: counts, in a way of their own, or estimates."""
    offers, kind = model.likelihood.offers, kind_of(model.likelihood)
    told = offers.counted is not None or offers.speaks is not None
    return _SAME.get(kind, kind) if told else "estimates"


def _share(model: Model, evidence: Evidence) -> NDArray[np.float64]:
    """Share of its information that each row keeps, shape (estimate,)."""
    found = np.ones(evidence.size)
    for noise in (given(term, evidence).noise for term in model.terms):
        found = found if noise is None else found * noise.share
    return found


def comparable(models: Mapping[str, Model], evidence: Evidence) -> None:
    """Refuse if models do not say how probable the same numbers are, or only up to an arbitrary constant."""
    first, *rest = models.values()
    seen = {_seen(model) for model in models.values()}
    if len(seen) > 1:
        raise SpecError(
            f"models say how probable different numbers are ({shown(sorted(seen))}): chances of counts, of "
            "counts given their totals and densities of estimates have no scale in common. Give all one "
            "likelihood, or set their syntheses beside each other."
        )
    kept = [_share(model, evidence) for model in models.values()]
    if seen != {"estimates"} and any(np.any(each != kept[0]) for each in kept):
        raise SpecError(
            f"models discount rows differently under {shown(sorted(seen))}: a power of a likelihood is no "
            "probability of counts, and the smaller the share the larger it is. Hold answers beside each "
            "other, or pool estimates with the normal likelihood."
        )
    common = [term for term in first.terms if all(term in other.terms for other in rest)]
    for name, model in models.items():
        for term in model.terms:
            if term in common:
                continue
            flat = [
                part.name
                for part in dataclasses.fields(term)  # type: ignore[arg-type]
                if getattr(getattr(term, part.name), "proper", True) is False
            ]
            if flat:
                raise SpecError(
                    f"model {name!r}: the {flat[0]} of {term_name(term)!r} is improper "
                    f"({kind_of(getattr(term, flat[0]))}) and not in every model alike; its evidence has an "
                    "arbitrary constant and cannot be compared. Give it a proper prior."
                )


def _features(model: Model) -> set[str]:
    counted = (term for term in model.terms if term.hyper() or not term.facts.spread)
    own = {name for term in counted for name in _names(term)}
    return own if model.selection is None else own | {"selection"}


def _model_table(names: list[str], before: Array, after: Array, log: Array) -> "pd.DataFrame":
    import pandas as pd  # noqa: PLC0415

    return pd.DataFrame(
        {
            "prior": before,
            "posterior": after,
            "log_evidence": log,
            "bayes_factor": np.exp(log - log.max()),
        },
        index=pd.Index(names, name="model"),
    )


def _inclusion(
    features: Mapping[str, Collection[str]], before: Array, after: Array
) -> "pd.DataFrame":
    import pandas as pd  # noqa: PLC0415

    every = list(dict.fromkeys(name for own in features.values() for name in sorted(own)))
    rows = {}
    for name in every:
        has = np.array([name in own for own in features.values()])
        if has.all():
            continue
        # Sums over both sides keep odds exact where one side is nearly certain.
        odds = float(after[has].sum() / after[~has].sum())
        rows[name] = {
            "prior": float(before[has].sum()),
            "posterior": float(after[has].sum()),
            "bayes_factor": odds / float(before[has].sum() / before[~has].sum()),
        }
    frame = pd.DataFrame.from_dict(
        rows, orient="index", columns=["prior", "posterior", "bayes_factor"]
    )
    frame.index.name = "term"
    return frame


def _coefficients(
    trees: Mapping[str, xr.DataTree], after: Array, evidence: Evidence, ci_prob: float
) -> "pd.DataFrame":
    import pandas as pd  # noqa: PLC0415

    higher = evidence.benefit != "lower"
    sources = [tree["quadrature"].to_dataset() for tree in trees.values()]
    rows: dict[str, dict[str, float]] = {}
    for label in labels_of(sources, "beta", MODERATOR):
        own = [label in (labels_in(source, "beta") or ()) for source in sources]
        has = np.array(own)
        share = float(after[has].sum())
        rows[f"beta[{label}]"] = {"inclusion": share}
        if all(normal(source) for source in sources):
            parts = [one_of(source, "beta", MODERATOR, label) for source in sources]
            given = _joined(parts, after, fill=None)
            averaged = _joined(parts, after, fill=nothing(higher=higher))
            rows[f"beta[{label}]"] |= {
                **_figures(*given, higher=higher, ci_prob=ci_prob, prefix=""),
                **_figures(*averaged, higher=higher, ci_prob=ci_prob, prefix="averaged_"),
            }
            continue
        zero = point(nothing(higher=higher))
        each = [
            effect_in(source, "beta", label) if one else zero
            for source, one in zip(sources, own, strict=True)
        ]
        known = [part for part, one in zip(each, own, strict=True) if one]
        rows[f"beta[{label}]"] |= {
            **_of_kernels(blended(known, (after[has] / share).tolist()), higher, ci_prob, ""),
            **_of_kernels(blended(each, after.tolist()), higher, ci_prob, "averaged_"),
        }
    frame = pd.DataFrame.from_dict(rows, orient="index")
    frame.index.name = "quantity"
    return frame


def _joined(
    parts: list[tuple[Array, ...] | None], after: Array, *, fill: float | None
) -> tuple[Array, Array, Array]:
    """Join the mixtures of models; those without the quantity give a point, or nothing."""
    weight, mean, sd = [], [], []
    for part, chance in zip(parts, after, strict=True):
        if part is not None:
            weight.append(chance * part[0])
            mean.append(part[1])
            sd.append(part[2])
        elif fill is not None:
            weight.append(np.array([chance]))
            mean.append(np.array([fill]))
            sd.append(np.zeros(1))
    shares = np.concatenate(weight)
    keep = shares > NEGLIGIBLE * shares.sum()
    return (
        shares[keep] / shares[keep].sum(),
        np.concatenate(mean)[keep],
        np.concatenate(sd)[keep],
    )


def _figures(
    weight: Array, mean: Array, sd: Array, *, higher: bool, ci_prob: float, prefix: str
) -> dict[str, float]:
    parts = (weight, mean[:, None], sd[:, None])
    centre, spread = mixture.moments(*parts)
    found = {"mean": float(centre[0]), "sd": float(spread[0])}
    for name, q in (("median", 0.5), ("lower", 0.5 - ci_prob / 2), ("upper", 0.5 + ci_prob / 2)):
        value = float(mixture.quantile(q, *parts)[0])
        found[name] = 0.0 if abs(value) <= _rounding(centre, spread) else value
    found["probability"] = float((mixture.sf if higher else mixture.cdf)(np.zeros(1), *parts)[0])
    return {f"{prefix}{name}": value for name, value in found.items()}


def _of_kernels(found: Kernels, higher: bool, ci_prob: float, prefix: str) -> dict[str, float]:
    """Give the same of a coefficient that is not normal in every model."""
    mean, sd = found.moments()
    levels = np.array([0.5, 0.5 - ci_prob / 2, 0.5 + ci_prob / 2])
    told = {"mean": mean, "sd": sd}
    for name, value in zip(("median", "lower", "upper"), found.quantile(levels), strict=True):
        told[name] = 0.0 if abs(value) <= 1e-12 * (abs(mean) + sd) else float(value)
    told["probability"] = found.beyond(0.0, above=higher)
    return {f"{prefix}{name}": value for name, value in told.items()}


def _rounding(centre: Array, spread: Array) -> float:
    """Say how near zero a quantile is the point at zero."""
    return 1e-12 * float(abs(centre[0]) + spread[0])
