"""Evidence drawn from a model: parameters from their priors, estimates given them.

Everything is read off the arrays of `bayesrtw.model.design`, so a term that gives its part of them
(`Fixed`, `Grouped` or `Noise`, a hyperparameter, a block of covariance) is drawn without a line here. The
design stays that of the evidence: standard errors, groups, moderators and known covariance are kept, and
only effects are new.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from bayesrtw.dims import ESTIMATE
from bayesrtw.errors import Faults, SpecError, shown
from bayesrtw.evidence.counts import with_events
from bayesrtw.evidence.table import Evidence
from bayesrtw.model.checked import hold, paired
from bayesrtw.model.counted import Counted
from bayesrtw.model.design import Block, Design, build, build_curved
from bayesrtw.model.observation import is_normal
from bayesrtw.model.selection import Thinning
from bayesrtw.model.spec import Model
from bayesrtw.model.term import given
from bayesrtw.registry import kind_of

Array = NDArray[np.float64]

#: Studies that are drawn at most until a selection lets one through.
MOST_TRIES = 100_000

#: How often as many data sets are drawn as are wanted, where some are impossible.
TRIES = 400


@dataclass(frozen=True, slots=True, eq=False)
class Simulated:
    """Data sets drawn from a model, with what they were drawn from.

    Attributes
    ----------
    effect
        Estimates, shape (replicate, estimate), analysis scale.
    truth
        True value of every reported quantity, name (``mu``, ``beta[dose]``, ``theta[Study 1]``,
        ``theta_new``, ``tau`` ...) to shape (replicate,); in the order of summaries.
    variables
        Name of each quantity to its variable and label, e.g. ``("theta", "Study 1")``; an empty label
        for a scalar.
    events
        Where the likelihood is one of counts, events, shape (group, replicate, estimate), of the programme
        first; `effect` is empty then.
    """

    effect: Array
    truth: Mapping[str, Array]
    variables: Mapping[str, tuple[str, str]]
    events: Array | None = None

    @property
    def size(self) -> int:
        """How many data sets there are."""
        return len(self.effect)

    def at(self, which: NDArray[np.bool_] | slice) -> "Simulated":
        """Take some of the data sets.

        Parameters
        ----------
        which
            Mask of shape (replicate,), or a slice.

        Returns
        -------
        Simulated
            Those.
        """
        events = None if self.events is None else self.events[:, which]
        truth = {name: values[which] for name, values in self.truth.items()}
        return replace(self, effect=self.effect[which], truth=truth, events=events)

    def rows(self, model: Model, evidence: Evidence, replicate: int) -> Evidence:
        """Give one data set as evidence.

        Parameters
        ----------
        model, evidence
            What it was drawn from.
        replicate
            Which, from 0.

        Returns
        -------
        Evidence
            The rows with other effects, or other events.
        """
        counted = model.likelihood.offers.counted
        if self.events is None or counted is None:
            return with_effects(evidence, self.effect[replicate])
        return with_events(evidence, self.events[:, replicate], counted.reads.among)


def simulate(model: Model, evidence: Evidence, replicates: int, *, seed: int) -> Simulated:
    """Draw data sets from a model, with the design of given evidence.

    Parameters
    ----------
    model
        Its priors are all proper.
    evidence
        Rows whose standard errors, groups, moderators and known covariance every data set has; their
        effects are not used.
    replicates
        How many data sets; >= 1.
    seed
        Seed of every draw. The same seed gives the same digits on the same platform and versions.

    Returns
    -------
    Simulated
        The estimates, or events where the likelihood is one of counts, and the true values.

    Raises
    ------
    SpecError
        If a prior is improper, if a term or the likelihood is not Gaussian and does not say how it is
        drawn, or if `replicates` is not positive.

    Examples
    --------
    >>> import pandas as pd
    >>> import bayesrtw as brw
    >>> frame = pd.DataFrame({"study": list("ABC"), "effect": [0.3, 0.1, 0.2], "se": [0.1] * 3})
    >>> model = brw.Model(terms=(brw.Intercept(brw.prior.Normal(0, 0.5)),
    ...                          brw.Exchangeable(brw.prior.HalfNormal(0.25))))
    >>> drawn = simulate(model, brw.Evidence.from_frame(frame), 100, seed=1)
    >>> drawn.effect.shape
    (100, 3)
    >>> list(drawn.truth)
    ['mu', 'theta_new', 'tau', 'theta[A]', 'theta[B]', 'theta[C]']
    """
    paired(model, evidence)
    if replicates < 1:
        raise SpecError(f"replicates must be at least 1; found {replicates!r}.")
    counted = model.likelihood.offers.counted
    if counted is None and not is_normal(model.likelihood.observe(evidence)):
        raise SpecError(
            f"simulate draws normal estimates and counts, and {kind_of(model.likelihood)!r} is neither: "
            "use a model with a normal likelihood."
        )
    parts = [given(term, evidence) for term in model.terms]
    disturbs = [each for term in model.terms if (each := term.facts.disturbs) is not None]
    unknown = [
        kind_of(term)
        for term, part in zip(model.terms, parts, strict=True)
        if (part.sampled or part.risks is not None) and term.facts.disturbs is None
    ]
    if unknown:
        raise SpecError(
            f"simulate draws Gaussian terms, and those that say how; {shown(unknown)} of this model does "
            "not: leave it out."
        )
    design = build(model, evidence, partial=True)
    _refuse_improper(design)
    rng = np.random.default_rng(seed)
    if counted is not None:
        return _counted(model, counted, evidence, design, replicates, rng)
    known = offset(design, evidence)
    if model.selection is not None:
        hold(model, evidence)
        shares = [np.ones(evidence.size), *(part.noise.share for part in parts if part.noise)]
        thinning = model.selection.thin(evidence).weakened(np.prod(shares, axis=0))
        drawn = draw(design, replicates, rng, (thinning, known))
        return replace(drawn, effect=drawn.effect + known)
    drawn = draw(design, replicates, rng)
    effect = drawn.effect + known
    for each in disturbs:
        effect = effect + each.draw(evidence, replicates, rng)
    return replace(drawn, effect=effect)


def _counted(
    model: Model,
    likelihood: Counted,
    evidence: Evidence,
    design: Design,
    replicates: int,
    rng: np.random.Generator,
) -> Simulated:
    """Draw events given effects; data sets with what is impossible are drawn again."""
    curved, noise = (
        build_curved(model, evidence),
        [given(term, evidence).noise for term in model.terms],
    )
    shares = [part.share for part in noise if part is not None]
    thinned = curved.thinning is not None
    if thinned or curved.risks or any(np.any(share != 1.0) for share in shares):
        raise SpecError(
            "simulate draws counts without a share of their information, a selection, and biases that "
            "studies have or have not; leave those out."
        )
    parts: list[tuple[Simulated, Array]] = []
    found, tries = 0, 0
    while found < replicates and tries < TRIES:
        tries += 1
        drawn = draw(design, replicates, rng, errors=False)
        spread = np.sqrt(curved.variance) * rng.standard_normal(drawn.effect.shape)
        events = likelihood.draw(evidence, drawn.effect + curved.offset + spread, rng)
        possible = np.all(np.isfinite(events), axis=(0, 2))
        found += int(possible.sum())
        parts.append((drawn.at(possible), events[:, possible]))
    if found < replicates:
        raise SpecError(
            f"simulate: {TRIES * replicates} data sets held {found} without a probability above 1; give the "
            "baselines of the log link a prior that keeps them below it."
        )
    truth = {
        name: np.concatenate([part.truth[name] for part, _ in parts])[:replicates]
        for name in parts[0][0].truth
    }
    every = np.concatenate([events for _, events in parts], axis=1)[:, :replicates]
    empty = np.full(every.shape[1:], np.nan)
    return Simulated(effect=empty, truth=truth, variables=parts[0][0].variables, events=every)


def draw(
    design: Design,
    replicates: int,
    rng: np.random.Generator,
    through: tuple[Thinning, Array] | None = None,
    *,
    errors: bool = True,
) -> Simulated:
    """Draw data sets from a design whose priors are proper: `through` (estimate,)."""
    hyper = {name: prior.ppf(rng.random(replicates)) for name, prior in design.hyper.items()}
    b = _coefficients(design, replicates, rng)
    theta, new = _effects(design, hyper, b, rng)
    biases = _biases(design, hyper, b, rng)
    error = _errors(design, hyper, replicates, rng) if errors else np.zeros(theta.shape)
    effect = theta + biases + error
    if through is not None:
        theta, effect = _seen(design, hyper, b, (theta, effect, error), through, rng)
    drawn: dict[tuple[str, str], Array] = {}
    for variable, quantity in design.quantities.items():
        values = b @ quantity.combine.T
        for place, label in enumerate(quantity.labels):
            drawn[variable, label] = values[:, place]
    if "mu" in design.quantities and design.hyper:
        drawn["theta_new", ""] = drawn["mu", ""] + new
        if design.mix is not None:
            drawn_from = rng.choice(len(design.mix.share), size=replicates, p=design.mix.share)
            expected = np.sum(b * design.mix.rows[drawn_from], axis=1)
            spread = np.sqrt(design.new_variance(hyper, replicates))
            each = [design.new_variance(hyper, replicates, far) for far in design.mix.along]
            own = np.sqrt(np.stack(each, axis=-1)[np.arange(replicates), drawn_from])
            wider = np.divide(own, spread, out=np.ones(replicates), where=spread > 0)
            drawn["theta_new_studies", ""] = expected + wider * new
    for name, values in hyper.items():
        drawn[name, ""] = values
    for place, label in enumerate(design.labels):
        drawn["theta", str(label)] = theta[:, place]
    named = {key: f"{key[0]}[{key[1]}]" if key[1] else key[0] for key in drawn}
    return Simulated(
        effect=effect,
        truth={named[key]: values for key, values in drawn.items()},
        variables={name: key for key, name in named.items()},
    )


def _effects(
    design: Design, hyper: Mapping[str, Array], b: Array, rng: np.random.Generator
) -> tuple[Array, Array]:
    """Draw effects (replicate, estimate), and what a new setting differs by (replicate,)."""
    theta, new = b @ design.of_effects.T + _levels(design, b, rng), np.zeros(len(b))
    for part in design.grouped:
        if not part.varies:
            continue
        theta = theta + part.drawn(hyper, len(b), rng)
        if part.of_new:
            new = new + np.sqrt(part.new_variance(hyper)) * rng.standard_normal(len(b))
    return theta, new


def _seen(
    design: Design,
    hyper: Mapping[str, Array],
    b: Array,
    first: tuple[Array, Array, Array],
    through: tuple[Thinning, Array],
    rng: np.random.Generator,
) -> tuple[Array, Array]:
    """Draw studies again until a selection lets one through in every place: effects and estimates."""
    thinning, known = through
    theta, effect, error = first
    found, seen = (theta.copy(), effect.copy()), np.zeros(theta.shape, dtype=bool)
    rows = np.arange(len(b))
    for _ in range(MOST_TRIES):
        at = {name: value[rows] for name, value in hyper.items()}
        taken = rng.random(effect.shape) <= thinning.chance(effect + known, error, at)
        fresh = taken & ~seen[rows]
        for all_of, own in zip(found, (theta, effect), strict=True):
            all_of[rows] = np.where(fresh, own, all_of[rows])
        seen[rows] |= taken
        rows = np.flatnonzero(~seen.all(axis=1))
        if not len(rows):
            return found
        at = {name: value[rows] for name, value in hyper.items()}
        theta, _ = _effects(design, at, b[rows], rng)
        biases = _biases(design, at, b[rows], rng)
        error = _errors(design, at, len(rows), rng)
        effect = theta + biases + error
    raise SpecError(
        f"simulate: a selection lets none of {MOST_TRIES} studies through; its weights under the priors are "
        "next to nothing: give them priors further from 0."
    )


def offset(design: Design, evidence: Evidence) -> Array:
    """Give the known biases that a design has taken off its evidence: gives (estimate,)."""
    return np.asarray(evidence.data["effect"].to_numpy(), dtype=np.float64) - design.effect


def with_effects(evidence: Evidence, effect: Array) -> Evidence:
    """Put other effects in place of those of the evidence: `effect` (estimate,)."""
    return replace(evidence, data=evidence.data.assign(effect=(ESTIMATE, effect)))


def _coefficients(design: Design, replicates: int, rng: np.random.Generator) -> Array:
    """Draw coefficients, shape (replicate, column); one of them may have a mixture for a prior."""
    mixed = None if design.mixture is None else design.mixture.column
    precision = design.precision.copy()
    if mixed is not None:
        precision[mixed] = 1.0
    z = rng.standard_normal((replicates, len(precision)))
    b = np.asarray(design.mean + z / np.sqrt(precision))
    if design.mixture is not None:
        parts = design.mixture.parts
        share = np.exp(parts.log_weight)
        chosen = rng.choice(len(share), size=replicates, p=share / share.sum())
        b[:, mixed] = parts.mean[chosen] + parts.sd[chosen] * z[:, mixed]
    return b


def _levels(design: Design, b: Array, rng: np.random.Generator) -> Array:
    """Draw levels and values that are missing: what they add to their mean, shape (replicate, estimate)."""
    found = np.zeros((len(b), len(design.se)))
    if design.uncertain is not None:
        _, column, sd = design.uncertain
        found += b[:, column, None] * sd * rng.standard_normal(found.shape)
    if design.unreported is None:
        return found
    level = design.unreported.draw(len(b), rng)
    for row in design.unreported.silent:
        apart = design.of_levels[row] - design.of_effects[row]
        found[:, row] = np.sum(b * apart[level[:, row]], axis=1)
    return found


def _biases(
    design: Design, hyper: Mapping[str, Array], b: Array, rng: np.random.Generator
) -> Array:
    """Draw what is between estimates and effects besides sampling error and known biases."""
    found = b @ (design.columns - design.of_effects).T
    for part in design.shift:
        found = found + part.factor * hyper[part.name][:, None]
    for part in design.scatter:
        sd = np.sqrt(part.factor) * np.abs(hyper[part.name])[:, None]
        found = found + sd * rng.standard_normal(found.shape)
    return np.asarray(found)


def _errors(
    design: Design, hyper: Mapping[str, Array], replicates: int, rng: np.random.Generator
) -> Array:
    """Draw sampling errors, shape (replicate, estimate)."""
    z = rng.standard_normal((replicates, len(design.se)))
    spread = np.broadcast_to(design.se, z.shape)
    if design.excess is not None:
        spread = spread * np.sqrt(1.0 + design.excess * hyper["icc"][:, None])
    errors = spread * z
    for block in design.blocks:
        inside = _block_errors(block, hyper, z[:, block.rows], rng)
        if design.excess is not None:
            inside = inside * np.sqrt(1.0 + block.excess * hyper["icc"][:, None])
        errors[:, block.rows] = inside + np.sqrt(block.bias) * rng.standard_normal(inside.shape)
    return np.asarray(errors)


def _block_errors(
    block: Block, hyper: Mapping[str, Array], z: Array, rng: np.random.Generator
) -> Array:
    """Correlated errors; z has the shape (replicate, member).

    An unknown correlation rho scales what is off the diagonal: (1 - rho) diag(C) + rho C, a sum of two
    covariances, so that no matrix is factored for each replicate.
    """
    root = _root(block.covariance)
    if not block.correlation:
        return np.asarray(z @ root.T)
    rho = hyper[block.correlation][:, None]
    alone = np.sqrt(np.diagonal(block.covariance)) * z
    together = rng.standard_normal(z.shape) @ root.T
    return np.asarray(np.sqrt(1.0 - rho) * alone + np.sqrt(rho) * together)


def _root(covariance: Array) -> Array:
    """Square root of a covariance that may be singular: a correlation of one is."""
    values, vectors = np.linalg.eigh(covariance)
    return np.asarray(vectors * np.sqrt(np.maximum(values, 0.0)))


def _refuse_improper(design: Design) -> None:
    faults = Faults(SpecError)
    flat = design.flat
    for variable, quantity in design.quantities.items():
        if variable == "mu_level":
            continue
        for label, row in zip(quantity.labels, quantity.combine, strict=True):
            if np.any(row[flat] != 0):
                name = f"{variable}[{label}]" if label else variable
                faults.add(
                    f"simulate: {name} has a flat prior, which nothing can be drawn from; give it a "
                    "normal prior."
                )
    for name, prior in design.hyper.items():
        if not prior.proper:
            faults.add(
                f"simulate: {name} has the improper prior {kind_of(prior)!r}, which nothing can be "
                "drawn from; give it a proper prior."
            )
    faults.raise_if_any()
