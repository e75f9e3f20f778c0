"""A fit of a model that is not normal, and its neighbours: other weights of its nodes, or nodes anew."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from weakref import WeakValueDictionary

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from bayesrtw.engine import curved_foretold as foretelling
from bayesrtw.engine.arrays import back_moments, improper, masked, mean_of, moments_of
from bayesrtw.engine.condensed import on_a_line
from bayesrtw.engine.cubature import MOST_PRODUCT, rule, single, sizes
from bayesrtw.engine.curved import curved_of
from bayesrtw.engine.curved_biased import HEAVY
from bayesrtw.engine.curved_kernels import Combined, kernels, one_of
from bayesrtw.engine.curved_near import blended_of, fewer, moved, other
from bayesrtw.engine.curved_nodes import (
    BESIDE,
    COARSE,
    SERVED,
    SPARSE,
    Laid,
    Looks,
    allowed_of,
    apart,
    cost,
    counts_of,
    left_out,
    nodes_of,
    outside,
    refined,
    rungs,
    settled,
    unserved,
)
from bayesrtw.engine.curved_place import weighed
from bayesrtw.engine.curved_rows import (
    Chances,
    EachRow,
    ErrorPart,
    behind,
    biases,
    chances,
    effects,
    parts,
    reported,
    told,
)
from bayesrtw.engine.curved_series import ROWS
from bayesrtw.engine.curved_thinned import let_through
from bayesrtw.engine.curved_told import each_normal, scores, slopes
from bayesrtw.engine.each_normal import EachNormal
from bayesrtw.engine.fitted import Each, EachMean, EachShift, Fitted, Lazily, Posterior
from bayesrtw.engine.integrate import moment_order
from bayesrtw.errors import ConvergenceError, SpecError
from bayesrtw.evidence.table import Evidence
from bayesrtw.model.checked import hold
from bayesrtw.model.coefficients import coefficient_priors
from bayesrtw.model.design import CurvedDesign, Design, build_curved, mixed
from bayesrtw.model.prior import Prior
from bayesrtw.model.spec import Model
from bayesrtw.posterior.kernels import Kernels, blended
from bayesrtw.posterior.marginal import Distribution, marginals, series
from bayesrtw.posterior.nodes import Nodes
from bayesrtw.posterior.pieces import Outcomes, Pieces
from bayesrtw.registry import suggestion

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

#: Movement at which no finer rule is tried: with one coefficient they are cheap.
AIM = {0: 1e-8, 1: 1e-8}
#: The aim below which the least nodes of one hyperparameter never suffice.
STRICT = 1e-7
#: Place of the coarser of the first two rules among `sizes`, by the number of coefficients.
FIRST = {0: 0, 1: 0, 2: 1, 3: 1}
#: Densities of sites in one look up to which finer rules are tried for more than the tolerance.
CHEAP = 2e6
#: Highest degree of series of effects behind single rows: the short rules that lay these resolve no more.
OF_ROWS = 18


@dataclass(frozen=True, eq=False)
class CurvedFit:
    """The posterior of a model that is not normal; see `bayesrtw.engine.fitted.Fitted`.

    Attributes
    ----------
    model, evidence
        What was fitted.
    design
        Its arrays.
    kept
        Which rows inform the posterior, shape (estimate,).
    nodes
        Nodes of the hyperparameters, with the weights of the fit that laid them.
    outer
        Log of their bare weights, shape (point,).
    fine, coarse
        Two rules of the coefficients at these nodes: the answer, and what it is held against.
    powers
        Of prior and data.
    error
        Largest relative movement of a reported figure between two rules; of coarse ones, of ends of intervals
        as well.
    priors
        Those that were changed.
    """

    model: Model
    evidence: Evidence
    design: CurvedDesign
    kept: Mask
    nodes: Nodes
    outer: Array
    fine: Laid
    coarse: Laid
    powers: tuple[float, float]
    error: float
    priors: Mapping[str, Prior] = field(default_factory=dict)

    @cached_property
    def near(self) -> Design:
        """Names and columns of the design, with the mix of the studies that inform the posterior."""
        return mixed(self.design.near, self.kept)

    @cached_property
    def posterior(self) -> Posterior:
        """What was learned, see `Fitted`."""
        weight, _, total = self._shares(self.fine)
        near, made = self.near, dict[str, Callable[[], Kernels]]()
        for name, quantity in near.quantities.items():
            for label, row in zip(quantity.labels, quantity.combine, strict=True):
                key = f"{name}[{label}]" if quantity.dim else name
                made[key] = partial(self._mean, row[None])
        if "mu" in made and near.hyper:
            made["theta_new"] = partial(self._mean, near.quantities["mu"].combine, new=True)
            if near.mix is not None:
                made["theta_new_studies"] = self._new_studies
        names = self.fine.curved.names
        hyper = Lazily(names, lambda: dict(zip(names, self._hyper(), strict=True)))
        exists = moments_of(self.fine.curved.bounding) > 0
        tau = float(weight @ np.sqrt(self.spread_at(self.nodes.values))) if exists else math.nan
        return Posterior(Each(made), hyper, tau, total, self.error, near.pooled)

    def _mean(self, columns: Array, *, new: bool = False) -> Kernels:
        [found] = self.mean_at(columns, new=new)
        return found

    def _new_studies(self) -> Kernels:
        mix = self.near.mix
        assert mix is not None
        return blended(self.mean_at(mix.rows, new=True, along=mix.along), mix.share.tolist())

    def _shares(self, laid: Laid) -> tuple[Array, Array, float]:
        """Shares of the points, shares of nodes at each point, and the log of the integral."""
        return self.shared if laid is self.fine else self._weigh(laid)

    @cached_property
    def shared(self) -> tuple[Array, Array, float]:
        """Shares of points (point,) and of nodes at each (point, node), and the log of the integral."""
        return self._weigh(self.fine)

    def _weigh(self, laid: Laid) -> tuple[Array, Array, float]:
        log, share = weighed(laid.seen, self.powers)
        log, prior = self.outer + log, self.powers[0]
        for value, own in zip(self.nodes.values, laid.curved.priors, strict=True):
            log = log + prior * own.logpdf(value)
        total = float(logsumexp(log))
        return np.exp(log - total), share, total

    @cached_property
    def weight(self) -> Array:
        """Shares of the nodes, shape (node,)."""
        return self._shares(self.fine)[0]

    @property
    def hyper_nodes(self) -> tuple[Array, dict[str, Array]]:
        """These shares, and hyperparameters there."""
        return self.weight, dict(zip(self.fine.curved.names, self.nodes.values, strict=True))

    @property
    def weighed_nodes(self) -> Nodes:
        """The nodes of the hyperparameters with these shares."""
        with np.errstate(divide="ignore"):
            return replace(self.nodes, log_weight=np.log(self.weight))

    def spread_at(self, values: tuple[Array, ...], along: Array | None = None) -> Array:
        """Variance of the random effects of a new setting at hyperparameters, shape (point,)."""
        at = dict(zip(self.fine.curved.names, values, strict=True))
        return self.near.new_variance(at, len(values[0]) if values else 1, along)

    @cached_property
    def _means(self) -> Combined:
        weight, share, _ = self.shared
        return Combined(self.fine.seen, weight, share)

    @property
    def _degree(self) -> int:
        """Highest degree of a series."""
        return rule(self.design.near.columns.shape[1], self.fine.seen.size).degree

    def _missing(self) -> float:
        """Measure what series of the reported coefficients leave out, in probability."""
        rows = [row for each in self.near.quantities.values() for row in each.combine]
        return max((self._means.along(row)[2] for row in rows), default=0.0)

    def mean_at(
        self, columns: Array, *, new: bool = False, along: Array | None = None
    ) -> list[Kernels]:
        """See `Fitted`."""
        far = [None] * len(columns) if along is None else along
        most, back = moments_of(self.fine.curved.bounding), back_moments(self.near)
        grow = np.any(columns[:, self.near.flat] != 0, axis=1) | new
        found = []
        for row, each in zip(columns, far, strict=True):
            own, point, _ = self._means.along(row)
            spread = self.spread_at(self.nodes.values, each) if new else None
            found.append(own if spread is None else own.widened(spread[point]))
        grown = [replace(own, exist=most, exist_back=back) for own in found]
        return [two if does else one for one, two, does in zip(found, grown, grow, strict=True)]

    def effect_of(self, rows: Mask) -> list[Kernels]:
        """See `Fitted`."""
        for row in np.flatnonzero(rows).tolist():
            if row not in self._effects:
                self._effects[row] = self._row(row, effect=True)
        return [self._effects[row] for row in np.flatnonzero(rows).tolist()]

    @cached_property
    def _effects(self) -> dict[int, Kernels]:
        return {}

    def expected(self, rows: Mask) -> Sequence[Kernels | Pieces | Outcomes]:
        """See `Fitted`."""
        if np.any(rows & self.kept):
            raise SpecError("rows are predicted that the fit has seen; leave them out first.")
        if self.design.thinning is not None:
            weight, share, _ = self._shares(self.fine)
            each = weight[:, None] * share
            laid, at = self.fine, self.nodes.values
            which = np.flatnonzero(rows).tolist()
            return [let_through(laid.curved, at, laid.seen, each, row) for row in which]
        return [self._reported(row) for row in np.flatnonzero(rows).tolist()]

    def error_parts(self, row: int) -> Iterator[ErrorPart]:
        """Give the normals that the error of a row may be."""
        return parts(self.fine.curved, self.nodes.values, self.fine.seen, row, self._chances)

    def _row(self, row: int, *, effect: bool) -> Kernels:
        """Give the effect behind one row, or what it would report as a normal."""
        curved, kept, sites = self.fine.curved, bool(self.kept[row]), self.design.sites
        own = effect and sites.peaked and not curved.at_risk[row]
        if own and len(sites.parts(row, 0.0, 0.0)[0]) > 1:
            return self._effect(row)
        weight, share, _ = self._shares(self.fine)

        def every() -> Iterator[tuple[Array, Array, Array]]:
            """Values at nodes, their shares and what comes on top, of each of its normals."""
            for part in self.error_parts(row):
                x, variance = behind(part, kept=kept) if effect else reported(part)
                here = np.repeat(share, x.shape[1] // share.shape[1], axis=1) * part.share
                yield x, here, variance

        return one_of(every(), weight, self._degree)

    def _effect(self, row: int) -> Kernels:
        """Give the effect behind a row that is not at risk."""
        here, found, share = self._about(row)
        if not self.kept[row]:
            return kernels(found.behind, here.weight, share, self._degree, found.own)
        near, behind = self.design.near, found.behind
        if np.array_equal(near.columns[row], near.of_effects[row]):
            # All that matters is what the site sees.
            apart = (found.seen - behind)[:, :1]
            seen, share = on_a_line(found.seen, here.weight, share)
            found = found._replace(seen=seen, behind=seen - apart)
        theta, each = effects(self.fine.curved, row, found)
        every = (share[..., None] * each).reshape(len(here.weight), -1)
        return kernels(theta.reshape(every.shape), here.weight, every, OF_ROWS, enough=ROWS)

    @cached_property
    def _about(self) -> EachRow:
        return EachRow(self.fine.curved, self.nodes.values, self.fine.seen, self.shared[:2])

    def _reported(self, row: int) -> Kernels | Outcomes:
        """Give what a row would report: where it is one of several outcomes, these."""
        sites = self.design.sites
        if self.fine.curved.at_risk[row] or sites.reports(row, np.zeros(1)) is None:
            return self._row(row, effect=False)
        here, found, share = self._about(row)
        eta = kernels(found.seen, here.weight, share, self._degree, found.own + found.noise)
        return told(sites, row, eta)

    @cached_property
    def shares(self) -> Array:
        """See `Fitted`: slopes of the mean in what rows report, given the hyperparameters."""
        self.posterior.pooled  # noqa: B018 - refuses without a pooled mean
        found = slopes(self, mean_of(self.near)[None])[:, 0]
        return np.append(found, 1.0 - np.sum(found))

    @cached_property
    def scores(self) -> Array:
        """Mean slope of the log density of each row in what it reports, shape (point, estimate)."""
        return scores(self)

    def each_normal(self, combine: Array) -> EachNormal:
        """Give combinations of coefficients (label, column) node by node, with what each row tells."""
        key = combine.tobytes()
        if key not in self._normals:
            self._normals[key] = each_normal(self, combine)
        return self._normals[key]

    @cached_property
    def _normals(self) -> dict[bytes, EachNormal]:
        return {}

    @cached_property
    def biases(self) -> tuple[Array, dict[str, float]]:
        """Probability that each row is biased (estimate,), and the mean of each group's mean bias."""
        return biases(self.fine.curved, self._chances, *self._shares(self.fine)[:2])

    @cached_property
    def _chances(self) -> list[Chances]:
        """What becomes of the rows of each group at risk."""
        count, at = len(self.fine.curved.curved.risks), self.nodes.values
        return [chances(self.fine.curved, at, self.fine.seen, which) for which in range(count)]

    def _hyper(self) -> list[Distribution]:
        """Marginal posteriors of the hyperparameters."""
        if not self.nodes.counts:
            return []
        own = marginals(self.weighed_nodes, self.fine.curved.axes)
        return [
            series(each.weight, axis, each.low, each.high)
            for axis, each in zip(self.fine.curved.axes, own, strict=True)
        ]

    # -- neighbours

    def without(self, masks: Sequence[Mask]) -> "list[CurvedFit | None]":
        """Leave rows out, see `Fitted`."""
        keys = [mask.tobytes() for mask in masks]
        found = [self._known.get(key) or self._left(m) for key, m in zip(keys, masks, strict=True)]
        self._known.update((key, near) for key, near in zip(keys, found, strict=True) if near)
        return found

    @cached_property
    def _known(self) -> "WeakValueDictionary[bytes, CurvedFit]":
        return WeakValueDictionary()  # Neighbours that somebody holds who asked for them before.

    def _left(self, mask: Mask) -> "CurvedFit | None":
        kept = self.kept & ~mask
        if improper(masked(self.design.near, kept)) is not None:
            return None
        if np.array_equal(kept, self.kept):
            return self
        if len(self.nodes.counts) == 1 and self.design.near.columns.shape[1] > MOST_PRODUCT:
            near = replace(
                self, kept=kept
            )  # A sparse rule serves next to nothing but its own rows.
            return near._recentred() or near._alone()
        return fewer(self, mask)._held()

    def under(self, priors: Sequence[Mapping[str, Prior]]) -> "list[CurvedFit]":
        """Take other priors, see `Fitted`: those beyond the nodes are served by nodes of their mixture."""
        near = [other(self, each) for each in priors]
        far = [place for place, one in enumerate(near) if one.off_by > one.enough]
        blend = blended_of(self, [priors[place] for place in far])
        if blend is not None:
            base = replace(self.anew(other(self, blend).design), priors=self.priors)
            for place in far:
                near[place] = other(base, priors[place])
        return [each._held() for each in near]

    def shifted(self, along: Array, by: float) -> "CurvedFit":
        """Add to effects, see `Fitted`: means move with them, so that rules are laid where these go."""
        if len(self.nodes.counts) > 1:
            return moved(self, by * along)._held()
        return self.arranged(self.design.moved(by * along))

    def arranged(self, design: CurvedDesign) -> "CurvedFit":
        """Take arrays of the same rows that say something else, on the same nodes where these serve."""
        near = replace(self, design=design)
        return near._recentred() or near._alone()

    def anew(self, design: CurvedDesign) -> "CurvedFit":
        """Fit the same rows with nodes of their own, as a neighbour of the answer."""
        return fit_curved(self.model, self.evidence, design, self.kept, bound=SPARSE)

    def powered(self, *, prior: float = 1.0, data: float = 1.0) -> "CurvedFit":
        """Raise prior or data to a power, see `Fitted`."""
        return replace(self, powers=(self.powers[0] * prior, self.powers[1] * data))._held()

    def prior_of(self, name: str) -> Prior:
        """See `Fitted`."""
        have = {**coefficient_priors(self.model), **self.design.near.hyper, **self.priors}
        if name not in have:
            raise SpecError(f"no prior is called {name!r}. {suggestion(name, list(have))}")
        return have[name]

    def beside(self, model: Model, evidence: Evidence) -> Fitted:
        """See `Fitted`: with other coefficients of the same rows, on the same nodes if they serve."""
        from bayesrtw.engine import solve  # noqa: PLC0415 - it asks this room

        hold(model, evidence)
        design = build_curved(model, evidence)
        return self._with(model, design) or solve(model, evidence)

    def _with(self, model: Model, design: CurvedDesign) -> "CurvedFit | None":
        """Give the same rows other coefficients; None where series of groups, or nodes, do not serve."""
        held, width = self.fine.seen.place.held, design.near.columns.shape[1]
        rough = curved_of(design, sizes(width)[0], self.kept)
        whole = self.kept.all() and self.powers == (1.0, 1.0) and not self.priors
        states = design.near.unreported is not None or model.likelihood.offers.settled is not None
        if (
            states
            or held is None
            or not whole
            or not rough.by_series
            or len(self.nodes.counts) != 1
        ):
            return None
        if not rough.same(self.fine.curved, self.nodes.values):
            return None
        place = rough.place(self.nodes.values, held)
        laid = Laid(rough, rough.look(self.nodes.values, place))
        near = replace(self, model=model, design=design, fine=laid, coarse=laid, priors={})
        found, moved = finer(near, sizes(width)[1:], allowed_of(rough)[0])
        moved = max(moved, found._outside(), found.left_out())
        return replace(found, error=moved) if moved <= found.enough else None

    def shifts(self, along: Array) -> EachShift:
        """See `Fitted`."""
        return EachShift(self, along)

    def means(self) -> EachMean:
        """See `Fitted`."""
        return EachMean(self)

    def _held(self) -> "CurvedFit":
        """Hold a neighbour's two rules against each other; lay its own nodes where they differ."""
        moved = self.off_by
        if moved <= self.enough:
            return replace(self, error=max(self.error, moved))
        return self._recentred() or self._alone()

    def _alone(self) -> "CurvedFit":
        """Lay nodes of its own; those of a power would be the plain fit's."""
        if self.powers != (1.0, 1.0):
            raise ConvergenceError(
                "Exact: a power of prior or data moves the posterior beyond its nodes; take one nearer to 1."
            )
        return replace(self.anew(self.design), priors=self.priors)

    def _recentred(self) -> "CurvedFit | None":
        """Lay both rules of the coefficients anew at the same hyperparameters; None where more has to be."""
        if len(self.nodes.counts) > 1:
            return None
        values, width = self.nodes.values, self.design.near.columns.shape[1]
        rough = curved_of(self.design, sizes(width)[0], self.kept)
        place = rough.place(values)
        made = (replace(rough, size=each.seen.size) for each in (self.fine, self.coarse))
        fine, coarse = (Laid(each, each.look(values, place)) for each in made)
        near = replace(self, fine=fine, coarse=coarse)
        moved = near.off_by
        return replace(near, error=max(self.error, moved)) if moved <= self.enough else None

    @cached_property
    def off_by(self) -> float:
        """Measure what a neighbour moves between the two rules, or what nodes and series leave out."""
        moved = max(self._moved(), self._outside())
        return moved if moved > self.enough else max(moved, self._missing())

    def _outside(self) -> float:
        """Bound what nodes of the hyperparameters leave out; see `curved_nodes.outside`."""
        nodes, curved = self.weighed_nodes, self.fine.curved
        resolved = unserved(nodes) / SERVED if len(nodes.counts) == 1 else 0.0
        return max(resolved, outside(nodes, curved.axes, moment_order(curved.bounding)))

    @property
    def enough(self) -> float:
        """What a neighbour may be off by on nodes that were laid for another fit."""
        return allowed_of(self.fine.curved)[1]

    def _moved(self) -> float:
        """Measure the movement between the two rules."""
        return apart(self.figures(self.fine), self.figures(self.coarse))

    def left_out(self) -> float:
        """Estimate what nodes of one hyperparameter leave out of figures, see `curved_nodes.left_out`."""
        _, share, _ = self.shared
        mean = np.einsum("jk,jkc->jc", share, self.fine.seen.b)
        second = np.einsum("jk,jkc->jc", share, self.fine.seen.b**2)
        return left_out(self.weighed_nodes, mean, second)

    def figures(self, laid: Laid) -> tuple[Array, Array, Array]:
        """Give what must stand still: log evidence, and means and SDs of coefficients and hyperparameters."""
        weight, share, total = self._shares(laid)
        mean = weight @ np.einsum("jk,jkc->jc", share, laid.seen.b)
        second = weight @ np.einsum("jk,jkc->jc", share, laid.seen.b**2)
        values = np.array(self.nodes.values).reshape(len(self.nodes.values), len(weight))
        mean, second = np.append(mean, values @ weight), np.append(second, values**2 @ weight)
        return mean, np.sqrt(np.maximum(second - mean**2, 1e-300)), np.array([total])


def fit_curved(
    model: Model,
    evidence: Evidence,
    design: CurvedDesign | None = None,
    kept: Mask | None = None,
    tolerance: float = 0.0,
    bound: float = 0.0,
) -> CurvedFit:
    """Fit a model that is not normal: `kept` (estimate,)."""
    design = build_curved(model, evidence) if design is None else design
    kept = np.ones(evidence.size, dtype=bool) if kept is None else kept
    steps = sizes(width := design.near.columns.shape[1])
    steps = HEAVY if design.risks and width == 1 else steps
    rough = curved_of(design, steps[0], kept)
    allowed = max(allowed_of(rough)[0], tolerance)
    quick = bool(width) and not design.risks  # Laplace's approximation places nodes as well.
    seen = Looks(curved_of(design, single(width), kept) if quick else rough)
    dims, coarse, error, moved = len(rough.names), None, math.inf, math.inf
    known = 0.0, 0.0
    if foretelling.coarse(rough):
        known = foretelling.stated(rough, nodes_of(seen, COARSE[:1])[0])
    told = allowed < known[0] <= foretelling.STATED
    if not told:
        foretelling.foretold(design, kept, allowed)
    first = FIRST.get(width, 1)
    points = counts_of(model)[-1] ** dims if dims > 1 else 40
    cheap = cost(curved_of(design, steps[first], kept), points) < CHEAP
    aim = max(AIM.get(width, allowed) if cheap else allowed, tolerance)
    allowed, aim = (foretelling.STATED, foretelling.STATED) if told else (allowed, aim)
    tried = COARSE if told else counts_of(model)[int(dims == 1 and (aim < STRICT or quick)) :]
    counts = [(each,) * dims for each in tried]
    if quick and dims == 2:
        counts = rungs(seen, max(aim, bound), BESIDE if bound else math.inf)
    for each in counts:
        nodes, outer = nodes_of(seen, each)
        if dims == 1 and not told and each != counts[-1] and unserved(nodes) > SERVED * aim:
            continue  # The density that placed them tells what a series through them leaves out.
        foretelling.affordable(middle := curved_of(design, steps[first], kept), len(outer))
        laid = Laid(middle, middle.look(nodes.values, seen.place(nodes.values)))
        two = laid, laid
        fit = CurvedFit(model, evidence, design, kept, nodes, outer, *two, (1.0, 1.0), math.inf)
        if coarse is not None:
            before, moved = moved, apart(fit.figures(laid), coarse.figures(coarse.fine))
            error = settled(moved, before, aim) if dims > 1 else moved
        served = dims != 1 or fit._outside() <= aim
        error = min(error, fit.left_out() if dims == 1 else math.inf)
        if (error <= aim and served) or not dims:
            break
        seen, coarse = seen if served else Looks(rough), fit
    bound = max(bound, allowed)
    error = settled(moved, before, bound) if dims > 1 and error > bound else error
    if dims and error > bound:
        raise ConvergenceError(
            f"Exact: the answer still moves by {error:.1e} at the most nodes of {dims} hyperparameters; use "
            'engine = { kind = "nuts" }.'
        )
    error = error if dims else 0.0
    if told:
        least = foretelling.coarser(laid, nodes.values, steps[0])
        return replace(fit, coarse=least, error=max(error, *known))
    best, moved = finer(fit, steps[first + 1 :] or steps, aim)
    if moved <= (max(bound, allowed_of(rough)[1]) if rough.by_series else bound):
        return replace(best, error=max(error, moved))
    raise ConvergenceError(
        f"Exact: the answer still moves by {moved:.1e} posterior SDs at the finest affordable rule over "
        f'{width} coefficients (at most {bound:.0e}); use engine = {{ kind = "nuts" }}.'
    )


def finer(base: CurvedFit, steps: Sequence[int], aim: float) -> tuple[CurvedFit, float]:
    """Lay finer rules of the coefficients until nothing moves by more than the aim; and what moved least."""
    best, least = base, math.inf
    many = base.design.near.columns.shape[1] > MOST_PRODUCT
    for size in steps:
        curved, before = replace(base.fine.curved, size=size), base.fine.seen.place
        if cost(curved, len(base.outer), before) > foretelling.MOST:
            break
        fine = refined(curved, base.nodes.values, base.fine, base.weight)
        fit = replace(base, fine=fine, coarse=base.fine)
        still = fit._moved()
        moved = max(still, fit._missing()) if still < least else still
        best, least = (fit, moved) if moved < least else (best, least)
        # Where means and SDs stand still, what series of few events leave out is told, and not chased.
        if moved <= aim or (many and still <= aim and moved <= fit.enough):
            break
        base = replace(base, fine=fine)
    return best, least
