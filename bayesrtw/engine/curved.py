"""Models whose sites are not normal: integrals over the coefficients by rules around their posterior.

Given the hyperparameters every unit's own effect is integrated inside its site, so that what remains is
nearly normal in the coefficients b even where single sites are not. A Gauss-Hermite rule is laid where their
posterior lives, and g(b), the prior times all sites, is evaluated at its nodes. A bias that a study has or
has not is a sum of two sites; what such studies share, the probability and the SD of their biases, is summed
inside their product. Effects that estimates share are integrated by a rule of their own for every group.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from bayesrtw.engine.arrays import masked
from bayesrtw.engine.at_risk import Parted, log_sum, over_chance, without_each
from bayesrtw.engine.cubature import MOST_PRODUCT, rule, single, sizes
from bayesrtw.engine.curved_biased import ends_of, summed_over, tilt, tilts, widely
from bayesrtw.engine.curved_groups import HERMITE, Held, Look, densities, held, lives, lone_apart
from bayesrtw.engine.curved_place import (
    Place,
    Seen,
    Tilt,
    factor_of,
    log_prior_of,
    log_rule_of,
    moments,
    precision_of,
    weighed,
)
from bayesrtw.engine.kernel import Conditional, System, Variances, conditional
from bayesrtw.engine.problem import Problem, pose
from bayesrtw.engine.surface import FEWEST, Surface, same_mean, surface
from bayesrtw.engine.thinned import of_groups, together
from bayesrtw.engine.whole_series import Whole, wholes
from bayesrtw.model.design import CurvedDesign, Design
from bayesrtw.model.observation import Sites
from bayesrtw.model.prior import Prior
from bayesrtw.model.term import AtRisk
from bayesrtw.posterior.axis import Axis

Array = NDArray[np.float64]
Index = NDArray[np.intp]
Mask = NDArray[np.bool_]

#: Numbers in one intermediate array: a megabyte; larger ones go back to the system every time.
AT_ONCE = 131_072
#: Rounds of the search for where the coefficients live, and the movement in SDs that ends it.
ROUNDS, STILL = 12, 0.05
#: Step of the slopes of a site, in SDs of the normal near it, which only place nodes; and the least curvature
#: that is believed, as a share of that normal's.
STEP, LEAST = 1e-2, 0.02
#: A node with more than this share of a rule says that the rule is not where the posterior is; and the size
#: of the rule by which the coefficients are searched for, by their number.
CROWDED, SEARCH = 0.5, {1: 31, 2: 11, 3: 7}
#: How far means reach around where they live, in SDs, on which sites are laid as series; series are laid anew
#: where they live beyond so many SDs, or on less than this share of them.
REACH, LEAST_REACH, CROWD = 8.0, 5.5, 0.4
#: Log of the share of a rule's largest node below which one beyond the series is not asked about again.
BENEATH = 30.0
#: Points of the hyperparameters from which on series of sites in mean and variance at once are laid.
WHOLE = 200
#: Normals in a site from which on its densities under a bias are laid as series too.
DEAR = 8


@dataclass(frozen=True, slots=True, eq=False)
class Curved:
    """The integral of one model that is not normal; see `bayesrtw.engine.integrate.Integrand`.

    Attributes
    ----------
    curved
        Arrays, sites and biases that may be.
    problem
        The same with a normal near each site: names, axes, groups; its data are a start, never an answer.
    keep
        Which estimates inform the posterior, shape (estimate,).
    size
        Size of the rules.
    known
        Series of sites in mean and variance at once.
    """

    curved: CurvedDesign
    problem: Problem
    keep: Mask
    size: int
    known: dict[Sites, tuple[Whole, ...]] = field(default_factory=dict)

    @property
    def whole(self) -> tuple[Whole, ...]:
        """Series of sites in mean and variance at once."""
        if (sites := self.curved.sites) not in self.known:
            self.known[sites] = wholes(sites, np.flatnonzero(~self.at_risk))
        return self.known[sites]

    @property
    def design(self) -> Design:
        """The arrays, with a normal near each site."""
        return self.curved.near

    @property
    def bounding(self) -> Design:
        """The arrays of those estimates that bound a heterogeneity: its tail is theirs and its prior's."""
        return masked(self.design, self.keep & self.curved.sites.falls)

    @property
    def names(self) -> tuple[str, ...]:
        """The hyperparameters, in the order of integration."""
        return self.problem.names

    @property
    def axes(self) -> tuple[Axis, ...]:
        """Their coordinates."""
        return self.problem.axes

    @property
    def priors(self) -> tuple[Prior, ...]:
        """Their priors."""
        return self.problem.priors

    def given(self, values: tuple[Array, ...]) -> Conditional:
        """Log density of the data, and moments of the coefficients, given the hyperparameters."""
        shape = np.broadcast_shapes(*(np.shape(value) for value in values)) if values else (1,)
        flat = tuple(np.broadcast_to(value, shape).reshape(-1) for value in values)
        seen = self.look(flat)
        total, share = weighed(seen)
        mean, covariance = moments(seen.b, share)
        width = mean.shape[-1]
        return Conditional(
            total.reshape(shape),
            mean.reshape(*shape, width),
            covariance.reshape(*shape, width, width),
        )

    def log_density(self, values: tuple[Array, ...]) -> Array:
        """Log posterior density of the hyperparameters, not normalised."""
        log = self.given(values).log_density
        for value, prior in zip(values, self.priors, strict=True):
            log = log + prior.logpdf(value)
        return log

    def look(self, values: Sequence[Array], place: Place | None = None) -> Seen:
        """Lay the rule at values of the hyperparameters, each of shape (point,), and look at its nodes."""
        place = self.place(values) if place is None else place
        return self._seen(values, place, self.size)

    def _seen(self, values: Sequence[Array], place: Place, size: int) -> Seen:
        """Look at a rule of a size."""
        laid = rule(self.design.columns.shape[1], size)
        b = place.centre[:, None, :] + np.einsum("jcd,kd->jkc", place.factor, laid.node)
        log_prior = self.log_prior(b)
        log_rule = log_rule_of(place, laid)
        factors = self.factors(values, b, place, self.keep, log=log_rule + log_prior)
        return Seen(
            b,
            laid.node,
            log_rule,
            np.sign(laid.weight),
            tuple(factors),
            log_prior,
            place,
            size,
        )

    def sharpen(self, look: Look, b: Array, factors: list[Array], log: Array) -> None:
        """Ask sites themselves at nodes beyond their series that are not negligible for all that."""
        rows, place = np.flatnonzero(look.keep & ~self.at_risk & self.lone), look.place
        if place.surface is None or not len(rows):
            return
        far, (sums, rest), laid = self._far(look, b), self._added(place, look.keep), place.surface
        # Sums of series go on beyond their ends as one parabola.
        first = laid.rows[laid.alike[np.searchsorted(laid.rows, rows)]]
        every = [(laid, row, np.array([row])) for row in rest.tolist()]
        if sums is not None:
            alike = np.where(np.isin(rows, rest), -1, first)
            every += [(sums, row, rows[alike == row]) for row in sums.rows.tolist()]
        log = log + sum(factors, np.zeros(()))
        least = np.max(log, axis=-1, keepdims=True) - BENEATH
        offset, own, noise = self.reach(look.values)
        offset, variance = np.broadcast_arrays(offset, own + noise, np.empty((len(b), 1)))[:2]
        step = max(1, AT_ONCE // max(len(far) * len(rows), 1))
        for start in range(0, len(b), step):
            cut = slice(start, start + step)
            some = far[np.any(log[cut, far] > least[cut], axis=0)]
            matter = log[cut, some] > least[cut]
            for known, row, of in every:
                mean, one = b[cut, some] @ self.design.columns[row] + offset[cut, row, None], [row]
                asked = known.away(mean[..., None], cut, np.array(one))[..., 0] & matter
                point, node = np.nonzero(asked)
                there, which = mean[point, node, None], start + point
                each = np.repeat(there, len(of), axis=1), variance[which[:, None], of]
                told = np.sum(self.curved.sites.log_density(*each, of), axis=1)
                rough = known.at(there[:, None], which, np.array(one), rough=True)[:, 0, 0]
                factors[-1][which, some[node]] += told - rough

    def _far(self, look: Look, b: Array) -> Index:
        """Which nodes may lie beyond series of sites: all, where series were laid elsewhere."""
        place = look.place
        assert place.surface is not None
        columns, offset = self.design.columns[place.surface.rows], self.reach(look.values)[0]
        reach = np.linalg.norm(np.einsum("jcd,rc->jrd", place.factor, columns), axis=-1)
        mean = place.centre @ columns.T + offset[:, place.surface.rows]
        if not place.surface.serves(place.surface.rows, mean, reach, LEAST_REACH, 0.0):
            return np.arange(b.shape[1])
        z = np.linalg.solve(place.factor, (b - place.centre[:, None]).swapaxes(-1, -2))
        return np.flatnonzero(np.any(np.sum(z**2, axis=1) > LEAST_REACH**2, axis=0))

    def log_prior(self, b: Array) -> Array:
        """Log prior density of coefficients (..., column); flat ones have density 1."""
        return log_prior_of(self.design, b)

    def reach(self, values: Sequence[Array]) -> tuple[Array, Array, Array]:
        """Give what stands between linear predictors and sites, each of shape (point, estimate).

        Offsets of biases, variances of the estimates' own effects, and variances of biases.
        """
        at = dict(zip(self.names, values, strict=True))
        count = len(values[0]) if values else 1
        offset = np.broadcast_to(self.curved.offset, (count, len(self.keep)))
        noise = np.broadcast_to(self.curved.variance, (count, len(self.keep)))
        own = np.zeros((count, len(self.keep)))
        for part in self.problem.own:
            own = own + part.variance(at)
        for carried in self.design.scatter:
            noise = noise + carried.factor * np.asarray(at[carried.name])[:, None] ** 2
        for carried in self.design.shift:
            offset = offset + carried.factor * np.asarray(at[carried.name])[:, None]
        return offset, own, noise

    def spread(self, variance: Array, b: Array) -> Array:
        """Add what is not known of a moderator, (point, estimate) to (point, node, estimate)."""
        found, uncertain = variance[:, None, :], self.design.uncertain
        if uncertain is None:
            return found
        return np.asarray(found + b[..., uncertain.column, None] ** 2 * uncertain.sd**2)

    def factors(
        self,
        values: Sequence[Array],
        b: Array,
        place: Place,
        keep: Mask,
        only: Mask | None = None,
        log: Array | None = None,
    ) -> list[Array]:
        """Log density of each group at risk, and of all other estimates, each of shape (point, node).

        With `only` the groups at risk without a row of it are left at zero: their factors are known. With
        `log`, what else nodes weigh, sites and groups are asked beyond their series where nodes matter.
        """
        points, nodes = b.shape[:2]
        if not keep.any():
            return [np.zeros((points, nodes)) for _ in range(len(self.curved.risks) + 1)]
        offset, behind, noise = self.reach(values)
        # Without hyperparameters one row stands for every point.
        offset, variance = (
            np.broadcast_to(each, (points, each.shape[-1])) for each in (offset, behind + noise)
        )
        found = [np.zeros((points, nodes)) for _ in range(len(self.curved.risks) + 1)]
        added = self._added(place, keep)
        step = max(1, AT_ONCE // max(self._numbers(len(self.keep)) * nodes, 1))
        for start in range(0, points, step):
            cut = slice(start, start + step)
            mean = b[cut] @ self.design.columns.T + offset[cut, None, :]
            wide = self.spread(variance[cut], b[cut])
            look = Look(self, values, cut, place, keep & ~self.at_risk)
            weight = None if log is None else log[cut]
            found[-1][cut] = self._plain(look, added, b[cut], mean, wide, weight)
            for place_of, risk in enumerate(self.curved.risks):
                rows = keep[risk.rows]
                if rows.any() and (only is None or only[risk.rows].any()):
                    own = mean, variance[cut]
                    found[place_of][cut] = summed_over(self, place, place_of, cut, rows, *own)
        if log is not None:
            self.sharpen(Look(self, values, slice(None), place, keep), b, found, log)
        return found

    def alone(self, values: Sequence[Array], seen: Seen, which: int) -> Array:
        """Log density of one group at risk without each of its kept rows, shape (point, node, row)."""
        risk = self.curved.risks[which]
        offset, own, noise = self.reach(values)
        rows = self.keep[risk.rows]
        found = np.empty((*seen.b.shape[:2], int(rows.sum())))
        most = 2 * len(risk.rows) * math.prod(tilts(self))
        step = max(1, AT_ONCE // max(self._numbers(most) * seen.b.shape[1], 1))
        for start in range(0, len(seen.b), step):
            cut = slice(start, start + step)
            mean = seen.b[cut] @ self.design.columns.T + offset[cut, None, :]
            laid = tilt(self, seen.place, which, cut)
            _, parts = self.risked(risk, rows, mean, (own + noise)[cut], laid)
            found[cut] = without_each(risk, rows, parts)
        return found

    def _numbers(self, most: int) -> int:
        """How many numbers one node needs at once, where what is not a group of effects needs so many."""
        alone = self.problem.nested and not self.by_series
        return max(most, len(self.keep) * (HERMITE if alone else 1))

    def _plain(
        self,
        look: Look,
        added: tuple[Surface | None, Index],
        b: Array,
        mean: Array,
        variance: Array,
        log: Array | None,
    ) -> Array:
        """Log density of estimates that are not at risk, shape (point, node)."""
        rows = np.flatnonzero(look.keep)
        if not len(rows):
            return np.zeros(mean.shape[:2])
        if self.curved.thinning is not None:
            return self._seen_only(
                look.values, look.cut, mean[..., rows], variance[..., rows], rows
            )
        found = self._rough(look.place, added, look.cut, mean, variance)
        if not self.lone[rows].all():
            left = None if log is None else log + found
            found = found + densities(look._replace(keep=look.keep & ~self.lone), b, left)
        return found

    def _added(self, place: Place, keep: Mask) -> tuple[Surface | None, Index]:
        """Series of rows that share no effect, those of equal means added up; and rows that have none."""
        rows = np.flatnonzero(keep & ~self.at_risk & self.lone)
        laid = place.surface
        return (None, rows) if laid is None or not laid.holds(rows) else laid.added(rows)

    def _rough(
        self,
        place: Place,
        added: tuple[Surface | None, Index],
        cut: slice | Index,
        mean: Array,
        variance: Array,
    ) -> Array:
        """Log density of rows that share no effect, by their series, see `_added`; shape (point, node)."""
        (sums, rest), found = added, np.zeros(mean.shape[:2])
        if sums is not None:
            found += np.sum(sums.at(mean[..., sums.rows], cut, sums.rows, rough=True), axis=-1)
        if len(rest):
            each = self.alike(place, cut, mean[..., rest], variance, rest, rough=True)
            found += np.sum(each, axis=-1)
        return found

    def _seen_only(
        self, values: Sequence[Array], cut: slice | Index, mean: Array, variance: Array, rows: Index
    ) -> Array:
        """Log density of rows that a selection lets through: normal ones, and its part."""
        seen, se = (each[rows] for each in self.curved.sites.near)
        group, sd = self.shared(values, cut, rows)
        log = together(seen - mean, variance + se**2, group, sd)
        return log + self.thinned(values, cut, mean, variance, rows)

    def shared(
        self, values: Sequence[Array], cut: slice | Index, rows: Index
    ) -> tuple[Index, Array]:
        """Group of each row, and the SD of its effect, shape (point, 1, row); each its own without groups."""
        if not self.problem.nested:
            return np.arange(len(rows)), np.zeros((1, 1, len(rows)))
        (part,) = self.problem.nested
        pairs = zip(self.names, values, strict=True)
        here = {name: np.asarray(value)[cut, None] for name, value in pairs}
        sd = np.sqrt(part.variance(here, rows))
        return part.group[rows], np.broadcast_to(sd, (*sd.shape[:-1], len(rows)))

    def alike(
        self,
        place: Place,
        cut: slice | Index,
        mean: Array,
        variance: Array,
        rows: Index,
        *,
        rough: bool | Mask = False,
    ) -> Array:
        """Log densities of rows at means (point, node, row), with variances as `spread` gives them."""
        if place.surface is None or not place.surface.holds(rows):
            return self.curved.sites.log_density(mean, variance[..., rows], rows)
        return place.surface.at(mean, cut, rows, rough=rough)

    def thinned(
        self, values: Sequence[Array], cut: slice | Index, mean: Array, variance: Array, rows: Index
    ) -> Array | float:
        """Give what a selection adds to the log density of rows, shape (point, node)."""
        if self.curved.thinning is None:
            return 0.0
        at = {name: value[cut, None] for name, value in zip(self.names, values, strict=True)}
        group, sd = self.shared(values, cut, rows)
        _, se = self.curved.sites.near
        return of_groups(self.curved.thinning, mean, variance, rows, at, group, sd, se[rows])

    @property
    def lone(self) -> Mask:
        """Which estimates share no effect with others: that of their group is part of their own."""
        found = np.ones(len(self.keep), dtype=bool)
        for part in self.problem.nested:
            found &= np.bincount(part.group)[part.group] == 1
        return found

    @property
    def at_risk(self) -> Mask:
        """Which estimates may be biased."""
        found = np.zeros(len(self.keep), dtype=bool)
        for risk in self.curved.risks:
            found[risk.rows] = True
        return found

    def with_surface(
        self, values: Sequence[Array], place: Place, some: Mask | None = None
    ) -> Place:
        """Lay densities of rows, or of some, around where means live, unless what is laid serves."""
        rows = np.flatnonzero(~self.at_risk if some is None else some & ~self.at_risk)
        width = place.centre.shape[1]
        apart = self.curved.thinning is not None or self.design.uncertain is not None
        # Of many coefficients what is cheap is asked itself.
        cheap = width > MOST_PRODUCT and np.max(self.curved.sites.sizes) <= DEAR
        few = self.size == single(width)
        if not width or not len(rows) or apart or few or (cheap and not self.by_series):
            return place
        offset, own, noise = self.reach(values)
        columns = self.design.columns[rows]
        mean = place.centre @ columns.T + offset[:, rows]
        spread = np.sum(np.einsum("jcd,rc->jrd", place.factor, columns) ** 2, axis=-1)
        for part in self.problem.nested:
            at = dict(zip(self.names, values, strict=True))
            sd, group = np.sqrt(part.variance(at, rows)), part.group[rows]
            # Where groups live follows the coefficients, and rows of a group move less for that.
            slope = columns + sd[..., None] * place.slope[0][:, group]
            mean = mean + sd * place.centre_of(place.centre[:, None], slice(None), group)[:, 0]
            less = np.sum(np.einsum("jcd,jrc->jrd", place.factor, slope) ** 2, axis=-1)
            spread = less + (sd * place.share[0][:, group]) ** 2
        reach = np.sqrt(spread)
        density, seen, known = self.curved.sites.log_density, (own + noise)[:, rows], place.surface
        if known is not None and known.serves(rows, mean, reach, LEAST_REACH, CROWD):
            return place
        low, high = mean - REACH * reach, mean + REACH * reach
        grouped = ~self.lone[rows]
        alike = same_mean(columns, offset[:, rows], grouped)
        whole = self.whole if len(seen) >= WHOLE else ()
        laid = surface(density, rows, seen, low, high, grouped=grouped, alike=alike, whole=whole)
        return place._replace(surface=laid)

    def risked(
        self, risk: AtRisk, rows: Mask, mean: Array, variance: Array, tilt: Tilt
    ) -> tuple[Array, Parted]:
        """Log density of a group at risk, shape (point, node), and what it is made of."""
        own = risk.rows[rows]
        sites = self.curved.sites
        plain = sites.log_density(mean[..., own], variance[:, None, own], own)
        tilted = self._tilted(mean[..., own], variance[:, own], tilt, own)
        apart = tilted - plain[..., None, :]
        less = np.exp(-np.abs(apart))
        f0, f1 = np.where(apart > 0, less, 1.0), np.where(apart > 0, 1.0, less)
        log = np.sum(plain, axis=-1)[..., None] + np.sum(np.maximum(apart, 0.0), axis=-1)
        for place, (a, c) in enumerate(risk.chances):
            inside = np.flatnonzero(risk.of_class[rows] == place)
            if len(inside):
                log = log + np.log(over_chance(f0[..., inside], f1[..., inside], a, c))
        log = log + tilt.log_weight[:, None, :]
        return log_sum(log), Parted(log, plain, np.maximum(apart, 0.0), f0, f1)

    def _tilted(self, mean: Array, variance: Array, tilt: Tilt, rows: Index) -> Array:
        """Log densities of biased rows, shape (point, node, tilt, row)."""
        sites = self.curved.sites
        moved = mean[:, :, None] + tilt.bias[:, None, :, None]
        spreads = np.unique(tilt.spread2)
        # A series is laid where it is asked more often than it is laid.
        few = mean.shape[1] * moved.shape[2] <= FEWEST * len(spreads)
        if few or sites.sizes[rows].sum() <= DEAR * len(rows):
            wide = variance[:, None, None] + tilt.spread2[:, None]
            return sites.log_density(moved, wide, rows)
        found = np.empty(moved.shape)
        for spread2 in spreads:
            some = tilt.spread2 == spread2
            at = moved[:, :, some].reshape(len(mean), -1, len(rows))
            ends = at.min(axis=1), at.max(axis=1)
            laid = surface(sites.log_density, rows, variance + spread2, *ends)
            each = laid.at(at, slice(None), rows)
            found[:, :, some] = each.reshape(*mean.shape[:2], -1, len(rows))
        return found

    def laid(self, values: Sequence[Array], place: Place, known: Held | None = None) -> Place:
        """Lay densities of sites and of groups around where coefficients live, see `held`."""
        if self.by_series:
            return held(self, values, place, known)
        return self.with_surface(values, place)

    @property
    def by_series(self) -> bool:
        """Whether groups are laid as series: where rules have many nodes."""
        apart = self.curved.thinning is not None or self.design.uncertain is not None
        many = (width := self.design.columns.shape[1]) > 1 and self.size != single(width)
        return bool(self.problem.nested) and many and not apart

    def same(self, other: "Curved", values: Sequence[Array]) -> bool:
        """Say whether nothing but coefficients is different, at values of the hyperparameters."""
        one, two = self.problem.nested, other.problem.nested
        if self.design.hyper != other.design.hyper or len(one) != len(two) or self.curved.risks:
            return False
        at = dict(zip(self.names, values, strict=True))
        pairs = [*zip(self.reach(values), other.reach(values), strict=True)]
        for mine, own in zip(one, two, strict=True):
            pairs += [(mine.group.astype(float), own.group.astype(float))]
            pairs += [(mine.variance(at), own.variance(at))]
        alike = all(np.array_equal(*each) for each in pairs)
        return alike and self.curved.sites is other.curved.sites

    def place(self, values: Sequence[Array], known: Held | None = None) -> Place:
        """Find where the coefficients live at values of the hyperparameters; for `known` see `held`."""
        centre, covariance, groups = self.near(values)
        width = centre.shape[1]
        share, ahead, slope = groups
        here = Place(centre, factor_of(covariance), share, ahead, slope)
        here = self.laid(values, here._replace(bias=ends_of(self, values, here)), known)
        if not 1 <= width <= MOST_PRODUCT or self.size == single(width):
            return here
        if width == 1 and self.curved.risks:
            return widely(self, values, here)
        for _ in range(3 if self.problem.nested else ROUNDS):
            dear = bool(self.problem.nested or self.curved.risks)
            least = sizes(width)[0] if dear else SEARCH[width]
            seen = self._seen(values, here, least)
            _, weight = weighed(seen)
            mean, covariance = moments(seen.b, weight)
            crowded = np.max(weight, axis=-1) > CROWDED
            eye = np.einsum("jcd,jed->jce", here.factor, here.factor)
            covariance = np.where(crowded[:, None, None], 0.25 * eye, covariance + 1e-6 * eye)
            best = seen.b[np.arange(len(mean)), np.argmax(weight, axis=-1)]
            mean = np.where(crowded[:, None], best, mean)
            new = factor_of(covariance)
            step = np.linalg.solve(new, (mean - here.centre)[..., None])[..., 0]
            grown = np.abs(
                np.log(np.abs(np.diagonal(new, axis1=-2, axis2=-1)))
                - np.log(np.abs(np.diagonal(here.factor, axis1=-2, axis2=-1)))
            )
            some = None if here.held is None else self.lone
            here = self.with_surface(values, here._replace(centre=mean, factor=new), some)
            if not crowded.any() and np.max(np.abs(step)) < STILL and np.max(grown) < STILL:
                break
            here = here._replace(bias=ends_of(self, values, here))
        return here._replace(bias=ends_of(self, values, here))

    def near(self, values: Sequence[Array]) -> tuple[Array, Array, tuple[tuple[Array, ...], ...]]:
        """Find a normal near the posterior of b by normals with the slopes of sites; and groups."""
        points = len(values[0]) if values else 1
        design, problem = self.design, self.problem
        offset, own_variance, noise = self.reach(values)
        variance = self.spread(own_variance + noise, problem.pilot[None, None])[:, 0]
        seen, se = self.curved.sites.near
        rows, layout = np.flatnonzero(self.keep), problem.system.layout
        groups = problem.variances(tuple(np.asarray(value) for value in values)).groups
        blind = np.where(self.keep, 0.0, 1e12 * float(np.max(se)) ** 2)
        sampling = np.broadcast_to(se**2 + variance + blind, (points, len(se)))
        target = np.broadcast_to(seen - offset, sampling.shape)
        precision = precision_of(design)
        pilot = problem.pilot
        own = np.zeros(1)
        for turn in range(4):
            system = System(
                target - design.columns @ pilot,
                design.columns,
                np.where(precision > 0, design.mean - pilot, 0.0),
                precision,
                layout,
            )
            found = conditional(system, Variances(sampling, own, groups))
            b = found.mean + pilot
            where, shift = lives(self, values, b, target, sampling)
            if turn == 3 or not len(rows):
                break
            mean = b @ design.columns.T + offset + shift
            width = np.sqrt(se**2 + variance)
            step = STEP * width[:, rows]
            three = mean[:, rows] + np.array([-1.0, 0.0, 1.0])[:, None, None] * step
            low, at, high = self._sites(values, three, variance[:, rows], rows)
            slope = (high - low) / (2.0 * step)
            bend = np.maximum(-(high - 2.0 * at + low) / step**2, LEAST / width[:, rows] ** 2)
            fresh_target, fresh = target.copy(), sampling.copy()
            fresh[:, rows] = 1.0 / bend
            fresh_target[:, rows] = mean[:, rows] + slope / bend - offset[:, rows]
            target, sampling = fresh_target, fresh
        return b, found.covariance, where

    def _sites(self, values: Sequence[Array], mean: Array, variance: Array, rows: Index) -> Array:
        """Log density of each row at means of shape (..., point, row), a selection counted."""
        log = self.curved.sites.log_density(mean, variance, rows)
        if self.curved.thinning is None:
            return log
        at = dict(zip(self.names, values, strict=True))
        return log + self.curved.thinning.log_factor(mean, variance, rows, at)


def curved_of(design: CurvedDesign, size: int, keep: Mask | None = None) -> Curved:
    """Prepare a model that is not normal for integration, by rules of a size, over all rows unless given."""
    every = np.ones(len(design.near.se), dtype=bool) if keep is None else keep
    return Curved(design, lone_apart(pose(design.near)), every, size)
