"""A model and its evidence as arrays with names: what an engine computes with."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from bayesrtw.dims import ESTIMATE, LEVEL, MODERATOR
from bayesrtw.errors import EngineRefusal, SpecError
from bayesrtw.evidence.table import Evidence
from bayesrtw.model.contract import NormalParts
from bayesrtw.model.grouped import Grouped
from bayesrtw.model.likelihood import correlated, excess
from bayesrtw.model.observation import Mixed, Sites, beyond_normal, is_normal
from bayesrtw.model.open_parts import Untold
from bayesrtw.model.prior import Prior
from bayesrtw.model.selection import Thinning
from bayesrtw.model.spec import Model
from bayesrtw.model.term import AtRisk, Carried, Fixed, Noise, given
from bayesrtw.model.values import Uncertain, placed
from bayesrtw.registry import kind_of

Array = NDArray[np.float64]

#: The two means: each level once, and each study once.
BOTH = ("mu", "mu_studies")


@dataclass(frozen=True, slots=True)
class Quantity:
    """A reported linear combination of the fixed coefficients."""

    dim: str | None  #: Its dimension, or None for a scalar.
    labels: tuple[str, ...]  #: Coordinate of that dimension; one empty label for a scalar.
    combine: Array  #: Shape (label, column): the quantity is ``combine @ b``.


@dataclass(frozen=True, slots=True, eq=False)
class Mix:
    """The studies' mix: what the model expects of each study, and each study's share."""

    rows: Array  #: Distinct rows of the effects' design, shape (part, column).
    #: Share of the studies with that row, shape (part,); they sum to one. A study with several rows counts
    #: once.
    share: Array
    #: Their places among the SDs of the random terms, shape (part, term), see `Grouped.along`.
    along: Array


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """Estimates whose sampling errors are correlated."""

    rows: NDArray[np.intp]  #: Which estimates, shape (member,).
    #: Their sampling covariance, shape (member, member); with a correlation of one where that is unknown.
    covariance: Array
    bias: Array  #: Variances of known biases, which are independent, shape (member,).
    #: Cluster sizes minus one, shape (member,): ``icc`` times these inflates the covariance.
    excess: Array
    #: Name of the hyperparameter that multiplies some of what is off the diagonal; empty if all is known.
    correlation: str = ""
    #: What it multiplies, shape (member, member).
    scaled: NDArray[np.bool_] = field(default_factory=lambda: np.zeros((1, 1), dtype=bool))

    def kept(self, stays: NDArray[np.bool_], rows: NDArray[np.intp]) -> "Block":
        """Keep some members, which are these rows now."""
        return replace(
            self,
            rows=rows,
            covariance=self.covariance[np.ix_(stays, stays)],
            bias=self.bias[stays],
            excess=self.excess[stays],
            scaled=self.scaled[np.ix_(stays, stays)],
        )


@dataclass(frozen=True, slots=True, eq=False)
class PriorMixture:
    """A coefficient whose prior is a mixture of normals."""

    column: int  #: Which column it multiplies.
    parts: NormalParts  #: The normals.


@dataclass(frozen=True, slots=True, eq=False)
class Design:
    """Labelled arrays of a Gaussian model: effect ~ N(X b + random effects, sampling covariance)."""

    #: effect, se: shape (estimate,), analysis scale; known biases are taken off, and their variance is in se.
    effect: Array
    se: Array
    columns: Array  #: X, shape (estimate, column).
    #: mean, precision: prior of b, shape (column,); precision 0 is flat.
    mean: Array
    precision: Array
    #: What is reported of b: ``mu``, ``mu_studies``, ``beta``, ``mu_level``.
    quantities: Mapping[str, Quantity]
    grouped: tuple[Grouped, ...]  #: The random terms.
    hyper: Mapping[str, Prior]  #: Hyperparameters, name to prior.
    #: labels, studies: names of the estimates and of their studies, shape (estimate,).
    labels: NDArray[np.object_]
    studies: NDArray[np.object_]
    levels: Mapping[str, NDArray[np.object_]]  #: Categorical column to the level of each estimate.
    blocks: tuple[Block, ...] = ()  #: Estimates whose sampling errors are correlated; disjoint.
    #: Cluster sizes minus one, shape (estimate,): the hyperparameter ``icc`` times these inflates sampling
    #: variances; None if nothing does. Where known biases are part of se, as much less.
    excess: Array | None = None
    #: The coefficient whose prior is a mixture of normals, if there is one; its precision is 0.
    mixture: PriorMixture | None = None
    #: Columns that belong to biases and not to effects, shape (column,); None if there are none.
    biased: NDArray[np.bool_] | None = None
    #: Hyperparameters whose square, times the factor, is added to sampling variances.
    scatter: tuple[Carried, ...] = ()
    #: Hyperparameters that, times the factor, are added to estimates.
    shift: tuple[Carried, ...] = ()
    pooled: str = "mu"  #: Name of the pooled mean that is the headline, see `BOTH`.
    #: Which rows the pooled mean speaks of, those that no `Indicator` marks, shape (estimate,); None where no
    #: moderator is a line or has levels.
    spoken: NDArray[np.bool_] | None = None
    mix: Mix | None = None  #: The mix of the studies of these rows; None with them.
    #: Estimates whose level of a moderator is missing; `columns` hold their mean rows. None where there are
    #: none.
    unreported: Untold | None = None
    #: Values of a numeric moderator that are missing; `columns` hold their means. None where there are none.
    uncertain: Uncertain | None = None

    @property
    def flat(self) -> NDArray[np.bool_]:
        """Which columns have a flat prior, shape (column,)."""
        found: NDArray[np.bool_] = self.precision == 0
        if self.mixture is not None:
            found[self.mixture.column] = False
        return found

    @property
    def along(self) -> Array:
        """Place of each estimate among the SDs of each random term, shape (estimate, part)."""
        none = np.zeros(len(self.se))
        own = [none if part.along is None else part.along for part in self.grouped]
        return np.column_stack([none[:, None][:, :0], *own])

    def new_variance(
        self, at: Mapping[str, Array], count: int, along: Array | None = None
    ) -> Array:
        """Give the variance of the random effects of a new setting at hyperparameters, shape (node,).

        The setting's place among the SDs of each random term has shape (part,), see `Grouped.along`.
        """
        places = np.zeros(len(self.grouped)) if along is None else along
        each = [
            part.new_variance(at, place)
            for part, place in zip(self.grouped, places.tolist(), strict=True)
        ]
        return np.zeros(count) + sum(each, np.zeros(1))

    @property
    def of_effects(self) -> Array:
        """X without the columns of biases, shape (estimate, column)."""
        return self.columns if self.biased is None else self.columns * ~self.biased

    @property
    def of_levels(self) -> Array:
        """The same were each estimate of each level, shape (estimate, level, column)."""
        assert self.unreported is not None
        found = self.unreported.alternatives
        return found if self.biased is None else found * ~self.biased


def build(
    model: Model, evidence: Evidence, *, partial: bool = False, levels: bool = False
) -> Design:
    """Turn a model and evidence into arrays."""
    parts = [given(term, evidence) for term in model.terms]
    if not partial:
        for term, part in zip(model.terms, parts, strict=True):
            if part.sampled:
                raise EngineRefusal(_sampled_only(term))
            if part.risks is not None:
                raise EngineRefusal(
                    f"term {kind_of(term)!r} is not normal; its arrays are not these."
                )
            if levels and any(each.kin is not None for each in part.grouped):
                raise EngineRefusal(
                    "effects of several outcomes that go together are not served where levels of a moderator "
                    "are missing; give silent rows a level of their own, or pool one outcome."
                )
            if part.fixed is not None and part.uncertain is not None:
                name = part.fixed.labels[0]
                raise EngineRefusal(
                    f"values of {name!r} are missing in some rows; these arrays hold their means."
                )
            if part.unreported is not None and not levels:
                raise EngineRefusal(
                    f"levels of {part.unreported.column!r} are missing in some rows: the model is a sum over "
                    "them, and these arrays are one part of it."
                )
        if not is_normal(model.likelihood.observe(evidence)):
            raise EngineRefusal(
                f"likelihood {kind_of(model.likelihood)!r} is not normal; its arrays are not these."
            )
        if model.selection is not None:
            raise EngineRefusal("a selection is not normal; the arrays of a model are not its own.")
    noise = [part.noise for part in parts if part.noise is not None]
    common = [part.common for part in noise if part.common is not None]
    own = [part.fixed for part in parts if part.fixed is not None]
    fixed = [*own, *common]
    count = evidence.size
    columns = np.hstack([part.columns for part in fixed] or [np.zeros((count, 0))])
    biased = np.repeat(
        [False] * len(own) + [True] * len(common), [part.columns.shape[1] for part in fixed]
    )
    effect = np.asarray(evidence.data["effect"].to_numpy(), dtype=np.float64)
    seen = np.asarray(evidence.data["se"].to_numpy(), dtype=np.float64) ** 2
    share, mean, variance = _disturbance(noise, count)
    se = np.sqrt(seen / share + variance)
    clustering = model.likelihood.clustering
    clusters = np.zeros(count) if clustering is None else excess(clustering, evidence)
    found = Design(
        effect=effect - mean,
        se=se,
        columns=columns,
        mean=np.concatenate([part.mean for part in fixed] or [np.zeros(0)]),
        precision=np.concatenate([part.precision for part in fixed] or [np.zeros(0)]),
        quantities=_quantities(fixed, columns.shape[1]),
        grouped=tuple(each for part in parts for each in part.grouped),
        hyper=model.hyper,
        labels=evidence.data[ESTIMATE].to_numpy(),
        studies=evidence.data["study"].to_numpy(),
        levels={
            part.labels[0].split("[", 1)[0]: part.levels
            for part in fixed
            if part.levels is not None
        },
        blocks=_blocks(model, evidence, share, variance, clusters),
        excess=None if clustering is None else clusters * seen / share / se**2,
        mixture=_mixture(fixed),
        biased=biased if common else None,
        scatter=tuple(carried for part in noise for carried in part.scatter),
        shift=tuple(carried for part in noise for carried in part.shift),
        pooled=model.pooled,
        spoken=spoken(model, evidence),
        unreported=_unreported(fixed, columns),
        uncertain=placed((part.labels, part.columns, part.uncertain) for part in fixed),
    )
    return mixed(found, np.ones(count, dtype=bool))


def _sampled_only(term: object) -> str:
    return f'term {kind_of(term)!r} is known to NUTS only; leave it out, or use engine = {{ kind = "nuts" }}.'


def mixed(design: Design, keep: NDArray[np.bool_]) -> Design:
    """Give a design the mix of the studies of some of its rows; unchanged where it speaks of none of them."""
    if design.spoken is None or "mu" not in design.quantities:
        return design
    own = design.spoken & keep
    if not own.any():
        return design
    weight, each = once_a_study(design.studies[own]), design.of_effects[own]
    along = design.along[own]
    if design.unreported is not None:
        # An estimate of unknown level is each of them, as often as those that report theirs.
        share = design.unreported.shares(keep)[own]
        each = design.of_levels[own].reshape(-1, each.shape[1])
        along = np.repeat(along, share.shape[1], axis=0)
        weight = (weight[:, None] * share).reshape(-1)
        each, along, weight = each[weight > 0], along[weight > 0], weight[weight > 0]
    told = np.column_stack([each, along])
    rows, part = np.unique(told, axis=0, return_inverse=True)
    width = each.shape[1]
    mix = Mix(rows[:, :width], np.bincount(part.reshape(-1), weights=weight), rows[:, width:])
    quantities = {
        "mu": design.quantities["mu"],
        "mu_studies": Quantity(None, ("",), (mix.share @ mix.rows)[None, :]),
        **{name: own for name, own in design.quantities.items() if name not in BOTH},
    }
    return replace(design, mix=mix, quantities=quantities)


def once_a_study(studies: NDArray[np.object_]) -> Array:
    """Weigh rows so that each study counts once, shape (estimate,); they sum to one."""
    names, place = np.unique(studies.astype(str), return_inverse=True)
    weight: Array = (1.0 / np.bincount(place))[place] / len(names)
    return weight


def spoken(model: Model, evidence: Evidence) -> NDArray[np.bool_] | None:
    """Say which rows the pooled mean speaks of; None where both means are the same."""
    if not model.two_means:
        return None
    marked = np.zeros(evidence.size, dtype=bool)
    for each in model.moderators:
        if each.shape == "rows":
            marked |= evidence.matches(each.column, each.values)
    return marked if marked.all() else ~marked


@dataclass(frozen=True, slots=True, eq=False)
class CurvedDesign:
    """Arrays of a model that is not normal given its hyperparameters."""

    #: The same model with a normal near each site: names, columns, groups. Its ``effect`` and ``se`` say
    #: where to begin and are no data.
    near: Design
    sites: Sites  #: What was observed.
    #: offset, variance: mean and variance of known biases, shape (estimate,); analysis scale.
    offset: Array
    variance: Array
    risks: tuple[AtRisk, ...]  #: Biases that estimates may have.
    #: The selection that has let the rows through, if there is one.
    thinning: Thinning | None = None

    def moved(self, by: Array) -> "CurvedDesign":
        """Report other estimates: what was seen plus something, shape (estimate,)."""
        thinning = None if self.thinning is None else self.thinning.moved(by)
        return replace(self, sites=self.sites.moved(by), thinning=thinning)


def curved(model: Model, evidence: Evidence) -> bool:
    """Say whether a model is not normal given its hyperparameters."""
    if model.selection is not None or not is_normal(model.likelihood.observe(evidence)):
        return True
    parts = (given(term, evidence) for term in model.terms)
    return any(part.risks is not None or part.uncertain is not None for part in parts)


def build_curved(model: Model, evidence: Evidence) -> CurvedDesign:
    """Turn a model that is not normal, and evidence, into arrays."""
    parts = [given(term, evidence) for term in model.terms]
    for term, part in zip(model.terms, parts, strict=True):
        if part.sampled:
            raise EngineRefusal(_sampled_only(term))
    risks = [risk for part in parts for risk in part.risks or ()]
    near = build(model, evidence, partial=True)
    if near.uncertain is not None and (risks or model.selection is not None):
        raise EngineRefusal(
            f"values of {near.uncertain.name!r} are missing, which is served without a selection or a bias "
            "mixture; leave one of them out."
        )
    observed = model.likelihood.observe(evidence)
    if observed is None:
        kind = kind_of(model.likelihood)
        raise EngineRefusal(f"likelihood {kind!r} is known to NUTS only; use Nuts().")
    if near.blocks or near.excess is not None:
        raise EngineRefusal(
            "estimates with correlated sampling errors, or an intraclass correlation, need a normal "
            "likelihood without a bias mixture. Pool one estimate of each study, or use Nuts()."
        )
    if any(part.kin is not None for part in near.grouped):
        raise EngineRefusal(
            "effects of several outcomes that go together need a normal likelihood without a bias mixture or "
            'a selection in the exact engine; pool one outcome, or use engine = { kind = "nuts" }.'
        )
    shared = [part for part in near.grouped if not part.distinct]
    if len(shared) > 1 or (shared and risks):
        raise EngineRefusal(
            "beside a bias mixture one heterogeneity SD between estimates can be integrated, and one level "
            "of groups beside sites that are not normal; leave a term out, or use engine = "
            '{ kind = "nuts" }.'
        )
    sites = beyond_normal(observed)
    if sites is None:
        effect, se = (evidence.data[name].to_numpy().astype(float) for name in ("effect", "se"))
        sites = Mixed(effect, se, np.zeros(1), np.ones(1))
    elif model.selection is not None:
        raise EngineRefusal("a selection needs a normal likelihood.")
    noise = [part.noise for part in parts if part.noise is not None]
    share, offset, variance = _disturbance(noise, evidence.size)
    sites = sites.weakened(share)
    centre, width = sites.near
    wide = replace(near, effect=centre - offset, se=np.sqrt(width**2 + variance))
    thinning = None if model.selection is None else model.selection.thin(evidence).weakened(share)
    return CurvedDesign(wide, sites, offset, variance, tuple(risks), thinning)


def _mixture(fixed: list[Fixed]) -> PriorMixture | None:
    """Place the prior that is a mixture."""
    start, found = 0, []
    for part in fixed:
        if part.mixture is not None:
            found.append(PriorMixture(start, part.mixture))
        start += part.columns.shape[1]
    if len(found) > 1:
        raise SpecError(
            "two coefficients have priors that are mixtures of normals; one may: give the others "
            "normal priors."
        )
    return found[0] if found else None


def _unreported(fixed: list[Fixed], columns: Array) -> Untold | None:
    """Place the alternatives of estimates whose level is missing among all columns."""
    start, found = 0, list[Untold]()
    for part in fixed:
        if part.unreported is not None:
            found.append(part.unreported.within(columns, start))
        start += part.columns.shape[1]
    if len(found) > 1:
        raise SpecError(
            f"levels of {found[0].column!r} and of {found[1].column!r} are missing; those of one moderator "
            "may: give the other a level of its own for rows that do not say."
        )
    return found[0] if found else None


def _disturbance(noise: list[Noise], count: int) -> tuple[Array, Array, Array]:
    """Share of information kept, and mean and variance of the known biases, of each estimate."""
    share, mean, variance = np.ones(count), np.zeros(count), np.zeros(count)
    for part in noise:
        share, mean, variance = share * part.share, mean + part.mean, variance + part.variance
    return share, mean, variance


def _blocks(
    model: Model, evidence: Evidence, share: Array, variance: Array, clusters: Array
) -> tuple[Block, ...]:
    """Known covariance from the evidence; an unknown correlation from the likelihood elsewhere."""
    known = len(evidence.dependence)
    wider = share**-0.5
    return tuple(
        Block(
            rows,
            covariance * np.outer(wider[rows], wider[rows]),
            variance[rows],
            clusters[rows],
            "" if place < known else "rho",
            ~np.eye(len(rows), dtype=bool) & (place >= known),
        )
        for place, (rows, covariance) in enumerate(
            correlated(model.likelihood.correlation, evidence)
        )
    )


def _quantities(fixed: list[Fixed], width: int) -> dict[str, Quantity]:
    """Place each term's reported combinations into rows over all columns."""
    start = 0
    mu: Array | None = None
    beta: list[Array] = []
    names: list[str] = []
    categorical: list[bool] = []
    for part in fixed:
        rows = np.zeros((len(part.labels), width))
        stop = start + part.columns.shape[1]
        rows[:, start:stop] = part.combine
        if part.pooled is not None:
            mu = np.zeros((1, width))
            mu[0, start:stop] = part.pooled
        start = stop
        if part.intercept:
            mu = rows
            continue
        beta.append(rows)
        names += part.labels
        categorical += [part.levels is not None] * len(part.labels)
    quantities: dict[str, Quantity] = {}
    if mu is not None:
        quantities["mu"] = Quantity(None, ("",), mu)
    if beta:
        stacked = np.vstack(beta)
        quantities["beta"] = Quantity(MODERATOR, tuple(names), stacked)
        mask = np.array(categorical)
        if mu is not None and mask.any():
            labels = tuple(name for name, keep in zip(names, mask, strict=True) if keep)
            quantities["mu_level"] = Quantity(LEVEL, labels, mu + stacked[mask])
    return quantities
