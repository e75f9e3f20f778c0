"""What was integrated out of a PyMC graph, after it was sampled: effects behind estimates, and densities.

Given a draw of the rest, effects and errors are normal. A draw of both from their distributions is corrected
by what it leaves of the estimates (Journel & Huijbregts 1978, Mining Geostatistics, VII.C): it then has the
conditional distribution, however close to zero an SD is.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from bayesrtw.model.joint import Joint, sampling_covariance

Array = NDArray[np.float64]

HALF_LOG_2PI = 0.5 * math.log(2.0 * math.pi)

#: Numbers of one array that are worked on at once: ten megabytes.
AT_ONCE = 1_000_000


class Spread(NamedTuple):
    """A normal effect that was integrated out, in draws."""

    sd: Array  #: What the group's standard normal is multiplied by, shape (draw, estimate).
    group: NDArray[np.intp]  #: Group of each estimate, shape (estimate,).
    biases: bool  #: Whether it separates estimates from effects.


class Risk(NamedTuple):
    """Normals that estimates are one of, in draws; see `bayesrtw.model.term.Allocation`."""

    rows: NDArray[np.intp]  #: Which estimates, shape (row,).
    of_effects: bool  #: Whether what tells them apart belongs to effects.
    #: weight, shift, spread: shape (draw, row, part).
    weight: Array
    shift: Array
    spread: Array


@dataclass(frozen=True, slots=True, eq=False)
class Sampled:
    """Draws of everything that was not integrated out."""

    at: Joint  #: Sets of estimates that are seen together.
    residual: Array  #: Estimates less their means, shape (draw, estimate).
    #: sampling, hyper: as `bayesrtw.model.joint.sampling_covariance` takes them; hyperparameters have shape
    #: (draw, 1, 1).
    sampling: Mapping[str, Array]
    hyper: Mapping[str, Array]
    spreads: tuple[Spread, ...]  #: What was integrated out.
    risks: tuple[Risk, ...] = ()  #: Estimates that are biased or not.

    def parts(self) -> Iterator["Sampled"]:
        """Give some draws at a time, so that covariances of all are never held at once."""
        size = max(1, AT_ONCE // self.at.members.size)
        for start in range(0, len(self.residual), size):
            cut = slice(start, start + size)
            yield replace(
                self,
                residual=self.residual[cut],
                hyper={name: values[cut] for name, values in self.hyper.items()},
                spreads=tuple(each._replace(sd=each.sd[cut]) for each in self.spreads),
                risks=tuple(
                    Risk(*each[:2], *(values[cut] for values in each[2:])) for each in self.risks
                ),
            )

    def covariance(self, *, biases: bool) -> Array:
        """Of effects, or of biases and sampling errors; shape (draw, estimate, member)."""
        total = np.zeros((len(self.residual), *self.at.members.shape))
        if biases:
            total += sampling_covariance(self.sampling, self.hyper)
        for each in self.spreads:
            if each.biases == biases:
                both = each.sd[:, :, None] * each.sd[:, self.at.members]
                total += both * self.at.among(each.group)
        return total


def condition(drawn: Sampled, rng: np.random.Generator) -> tuple[Array, Array]:
    """Draw the effects given everything else, and give the density of each estimate.

    gives (draw, estimate).
    """
    found = [_condition(part, rng) for part in drawn.parts()]
    effect, density = (np.concatenate(each) for each in zip(*found, strict=True))
    return effect, density


def _condition(drawn: Sampled, rng: np.random.Generator) -> tuple[Array, Array]:
    """Do so for draws that are held at once."""
    signal, error = drawn.covariance(biases=False), drawn.covariance(biases=True)
    residual = drawn.residual.copy()
    effect = np.zeros(residual.shape)
    for spread in drawn.spreads:
        if not spread.biases:
            normal = rng.standard_normal((len(residual), int(spread.group.max()) + 1))
            effect += spread.sd * normal[:, spread.group]
    added = np.zeros(residual.shape)
    mixed = [_allocate(each, residual, signal, error, added, rng) for each in drawn.risks]
    noise = rng.standard_normal(residual.shape)
    density = np.empty(residual.shape)
    moved = effect + added
    size_of = drawn.at.inside.sum(axis=1)
    for size in np.unique(size_of):
        rows = np.unique(drawn.at.members[size_of == size, :size], axis=0)
        own, noisy = signal[:, rows, :size], error[:, rows, :size]
        inverse = np.linalg.inv(own + noisy)
        simulated = np.linalg.cholesky(noisy) @ noise[:, rows, None] + effect[:, rows, None]
        moved[:, rows] += (own @ inverse @ (residual[:, rows, None] - simulated))[..., 0]
        weighted = (inverse @ residual[:, rows, None])[..., 0]
        precision = np.diagonal(inverse, axis1=-2, axis2=-1)
        density[:, rows] = 0.5 * np.log(precision) - 0.5 * weighted**2 / precision - HALF_LOG_2PI
    for each, values in zip(drawn.risks, mixed, strict=True):
        density[:, each.rows] = values
    return moved, density


def _allocate(
    risk: Risk,
    residual: Array,
    signal: Array,
    error: Array,
    added: Array,
    rng: np.random.Generator,
) -> Array:
    """Say which of its normals each estimate is, change what is left of it so, and give its density."""
    rows = risk.rows
    plain = (signal[:, rows, 0] + error[:, rows, 0])[..., None]
    variance, left = plain + risk.spread**2, residual[:, rows, None] - risk.shift
    with np.errstate(divide="ignore"):
        weight = np.log(risk.weight)
    log = weight - 0.5 * np.log(variance) - 0.5 * left**2 / variance - HALF_LOG_2PI
    density: Array = logsumexp(log, axis=-1)
    upto = np.cumsum(np.exp(log - density[..., None]), axis=-1)
    chosen = np.sum(rng.random(density.shape)[..., None] > upto[..., :-1], axis=-1)[..., None]
    residual[:, rows] = np.take_along_axis(left, chosen, axis=-1)[..., 0]
    error[:, rows, 0] += np.take_along_axis(risk.spread**2, chosen, axis=-1)[..., 0]
    if risk.of_effects:
        added[:, rows] += np.take_along_axis(risk.shift, chosen, axis=-1)[..., 0]
    return density
