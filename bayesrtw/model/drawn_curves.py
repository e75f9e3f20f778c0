"""Curves of return of single studies, drawn given their effects and everything that they report."""

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bayesrtw.evidence.hazards import ReturnCurve
from bayesrtw.model.returns import FURTHEST, REACH, Returns

Array = NDArray[np.float64]

#: Points of a look at where a curve may lie (place, shape), how often it is narrowed; and of what is drawn
#: from.
LOOKED, NARROWED, DRAWN = (49, 25), 4, (61, 31)
#: Points of levels of the programme that are drawn from, for each of places.
FINER: Final = 16
#: Log of the share of its maximum at which a curve may not be.
GONE: Final = 14.0


def drawn(study: Returns, theta: Array, rng: np.random.Generator) -> ReturnCurve:
    """Draw a curve of the comparison for each effect, shape (draw,), within cells of a grid."""
    place, shape = _home(study, np.quantile(theta, [0.02, 0.5, 0.98]))
    places, shapes = (
        np.linspace(*ends, count) for ends, count in zip((place, shape), DRAWN, strict=True)
    )
    log = _log(study, theta, places, shapes).reshape(len(theta), -1)
    weight = np.exp(log - log.max(axis=1, keepdims=True))
    summed = np.cumsum(weight, axis=1)
    cell = np.sum(summed < rng.uniform(size=(len(theta), 1)) * summed[:, -1:], axis=1)
    at, of = np.unravel_index(np.minimum(cell, log.shape[1] - 1), DRAWN)
    steps = rng.uniform(-0.5, 0.5, size=(2, len(theta)))
    own = places[at] + steps[0] * (places[1] - places[0])
    return study.shape.curve(own, shapes[of] + steps[1] * (shapes[1] - shapes[0]), study.day)


def _log(study: Returns, theta: Array, places: Array, shapes: Array) -> Array:
    """Log density of what a study reports and its curve, shape (effect, place, shape)."""
    with np.errstate(over="ignore", under="ignore", invalid="ignore", divide="ignore"):
        if study.by_arm:
            found = _by_arm(study, theta, places, shapes)
        else:
            # Where all is told of the one day that places are of, shapes change nothing.
            own = shapes[:1] if study.flat and study.day else shapes
            found = study.log_joint(theta[:, None, None], places[:, None], own)
        found = found + study.shape.log_place(places[:, None], shapes, study.day)
        found = found + study.shape.log_law(shapes)
    return np.where(np.isnan(found), -np.inf, found)


def _by_arm(study: Returns, theta: Array, places: Array, shapes: Array) -> Array:
    """Log density of what a study reports; the programme's along straight lines between levels."""
    ends = places[0] + theta.min(), places[-1] + theta.max()
    count = FINER * math.ceil((ends[1] - ends[0]) / (places[1] - places[0])) + 2
    level, gap = np.linspace(*ends, count, retstep=True)
    told = study.log_of_arm(1, level[:, None], shapes)
    at = (theta[:, None] + places - level[0]) / gap
    piece = np.clip(at.astype(np.intp), 0, count - 2)
    share = (at - piece)[..., None]
    moved = (1.0 - share) * told[piece] + share * told[piece + 1]
    return np.asarray(study.log_of_arm(0, places[:, None], shapes) + moved)


def _home(study: Returns, theta: Array) -> tuple[tuple[float, float], tuple[float, float]]:
    """Give the ends of places and of shapes that may be."""
    (mean, sd), (centre, spread) = study.shape.median, study.shape.shape
    ends = (
        FURTHEST if study.day else (mean - REACH * sd, mean + REACH * sd),
        (centre - 5.0 * spread, centre + 5.0 * spread),
    )
    for _ in range(NARROWED):
        axes = [np.linspace(*pair, count) for pair, count in zip(ends, LOOKED, strict=True)]
        log = _log(study, theta, *axes)
        alive = np.any(log > log.max(axis=(1, 2), keepdims=True) - GONE, axis=0)
        found = []
        for axis, grid in enumerate(axes):
            some = np.flatnonzero(alive.any(axis=1 - axis))
            gap = grid[1] - grid[0]
            found.append((float(grid[some[0]] - gap), float(grid[some[-1]] + gap)))
        ends = (found[0], found[1])
    return ends
