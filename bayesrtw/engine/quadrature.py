"""Integration over hyperparameters: look first, then lay the nodes.

In a coordinate u in which a hyperparameter's posterior is smooth (``tau = exp(u) - shift`` for a
standard deviation, the logit for a correlation) the mode and the range in which the density exceeds
1e-16 of its maximum are located, and Gauss-Legendre nodes are laid on that range, so the same code
serves two studies and a hundred thousand. With several hyperparameters this is done for the first,
and for the others at every node of the first, so that ranges follow the posterior's shape. Leading
axes of every array are independent problems.
"""

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from bayesrtw.posterior.axis import Axis
from bayesrtw.posterior.nodes import Nodes, Range, rule

Array = NDArray[np.float64]

#: The range of integration ends where the density has fallen by this much (log scale): 1e-16.
DROP = 37.0
#: Rounds in which a look may be widened by half its span at either end.
WIDENINGS = 16
#: Rounds and points of the look at several hyperparameters together.
LOOKS = 3
POINTS = 17
#: Points of one zoom onto the mode.
ZOOM = 9
#: Estimates up to which points 0.72 apart in u miss no more than exp(-17) of the peak of an SD's
#: posterior: the first look then shows where it lives, without a search for the mode.
COARSE = 128
#: Points between the last point of a look that carries something and the first that does not.
SPLIT = 7
#: A shared look that keeps this share of its span is close enough.
SHRUNK = 0.8
#: The search away from the mode goes no further than this in u: a factor 1e130 in tau, whose
#: square is still a double.
FAR = 300.0
#: Steps of the walk from the mode that are looked at together.
STRIDE = 3


#: Unnormalised log density of the hyperparameters: one array for each, which broadcast together to
#: (..., point), to that shape.
LogDensity = Callable[[tuple[Array, ...]], Array]


def locate(
    f: Callable[[Array], Array], axis: Axis, look: Array, *, size: int, moment: int | Array = 0
) -> Range:
    """Find where a posterior of one coordinate is not negligible: `f` (..., point); `moment` (..., 1)."""
    fine = 1.0 / math.sqrt(2.0 * size)
    seen = f(look)
    near = _seen(f, axis, look, seen, moment) if size <= COARSE else None
    if near is not None:
        return near
    top = np.argmax(seen, axis=-1)
    left = look[np.maximum(top - 1, 0)]
    right = look[np.minimum(top + 1, len(look) - 1)]
    widest = float(np.max(np.diff(look)[1:]))
    for _ in range(max(1, math.ceil(math.log(2.0 * widest / fine) / math.log((ZOOM - 1) / 2)))):
        grid = np.linspace(left, right, ZOOM, axis=-1)
        best = np.argmax(f(grid), axis=-1)[..., None]
        left = np.take_along_axis(grid, np.maximum(best - 1, 0), -1)[..., 0]
        right = np.take_along_axis(grid, np.minimum(best + 1, ZOOM - 1), -1)[..., 0]
    mode = np.where(left <= axis.floor, axis.floor, 0.5 * (left + right))
    mode = np.where(right >= axis.ceiling, axis.ceiling, mode)
    peak = f(mode[..., None])
    steps = 0.25 * fine * 2.0 ** np.arange(math.ceil(math.log2(4.0 * FAR / fine)) + 1.0)
    steps = np.minimum(steps, FAR)
    high = _end(
        lambda u: f(u) + moment * np.maximum(u - mode[..., None], 0.0),
        mode,
        peak,
        steps,
        axis.ceiling,
    )
    low = _end(f, mode, peak, -steps, axis.floor)
    # A second hump that the search from the mode has missed shows in the first look.
    alive = seen > peak - DROP
    low = np.minimum(low, np.min(np.where(alive, look, np.inf), axis=-1))
    high = np.maximum(high, np.max(np.where(alive, look, -np.inf), axis=-1))
    return Range(low, high)


def together(
    f: Callable[[Array], Array], axis: Axis, look: Array, *, moment: Array, points: int
) -> Range | None:
    """Find one range in which none of several posteriors is negligible, from looks that they share.

    `f` (point,); `moment` (problem, 1); gives (1,).
    """
    peak, mode = np.full(moment.shape, -np.inf), np.zeros(moment.shape)
    for _ in range(WIDENINGS):
        seen = f(look)
        top = np.argmax(seen, axis=-1)[:, None]
        best = np.take_along_axis(seen, top, -1)
        mode = np.where(best > peak, look[top], mode)
        peak = np.maximum(best, peak)
        alive = np.any(seen + moment * np.maximum(look - mode, 0.0) > peak - DROP, axis=0)
        if not alive.any():
            return None
        first, last = int(np.argmax(alive)), len(look) - 1 - int(np.argmax(alive[::-1]))
        if (first == 0 and look[0] > axis.floor) or (
            last == len(look) - 1 and look[-1] < axis.ceiling
        ):
            return None
        low, high = float(look[max(first - 1, 0)]), float(look[min(last + 1, len(look) - 1)])
        if high - low > SHRUNK * (look[-1] - look[0]):
            return Range(np.array([low]), np.array([high]))
        look = np.linspace(low, high, points)
    return None


def _seen(
    f: Callable[[Array], Array], axis: Axis, look: Array, seen: Array, moment: int | Array
) -> Range | None:
    """Take the range from the first look and a closer one at its ends; None if it is too short."""
    top = np.argmax(seen, axis=-1)[..., None]
    mode, least = look[top], np.take_along_axis(seen, top, -1) - DROP

    def alive(u: Array, value: Array) -> NDArray[np.bool_]:
        return np.asarray(value + moment * np.maximum(u - mode, 0.0) > least)

    each = alive(look, seen)
    last = len(look) - 1
    first, final = np.argmax(each, axis=-1), last - np.argmax(each[..., ::-1], axis=-1)
    open_low, open_high = look[0] > axis.floor, look[-1] < axis.ceiling
    if (open_low and np.any(first == 0)) or (open_high and np.any(final == last)):
        return None
    outer = np.stack([look[np.maximum(first - 1, 0)], look[np.minimum(final + 1, last)]], axis=-1)
    inner = np.stack([look[first], look[final]], axis=-1)
    grid = outer[..., None] + (inner - outer)[..., None] * (np.arange(SPLIT + 1.0) / (SPLIT + 1))
    flat = grid.reshape(*grid.shape[:-2], -1)
    carries = alive(flat, f(flat)).reshape(grid.shape)
    # From outside: the last point that carries nothing, or the one next to what does.
    place = np.where(np.any(carries, axis=-1), np.argmax(carries, axis=-1) - 1, SPLIT)
    ends = np.take_along_axis(grid, np.maximum(place, 0)[..., None], -1)[..., 0]
    return Range(ends[..., 0], ends[..., 1])


def _end(
    f: Callable[[Array], Array], mode: Array, peak: Array, steps: Array, limit: float
) -> Array:
    """Walk from the mode until the density has fallen by DROP, then close in on the place."""
    down = bool(steps[0] < 0)

    def fallen(u: Array) -> NDArray[np.bool_]:
        beyond = u <= limit if down else u >= limit
        return np.asarray((f(u) < peak - DROP) | beyond)

    u = mode[..., None] + steps
    if math.isfinite(limit):
        u = np.maximum(u, limit) if down else np.minimum(u, limit)
    gone = np.zeros(u.shape, dtype=bool)
    # The last steps are far beyond every posterior, where densities may be dear.
    for start in range(0, len(steps), STRIDE):
        if np.all(np.any(gone, axis=-1)):
            break
        cut = slice(start, start + STRIDE)
        gone[..., cut] = fallen(u[..., cut])
    if not np.all(np.any(gone, axis=-1)):
        raise ArithmeticError("the posterior does not fall off")
    first = np.argmax(gone, axis=-1)[..., None]
    outer = np.take_along_axis(u, first, -1)
    before = np.take_along_axis(u, np.maximum(first - 1, 0), -1)
    inner = np.where(first > 0, before, mode[..., None])
    grid = inner + (outer - inner) * np.linspace(0.0, 1.0, ZOOM)
    gone = fallen(grid)
    gone[..., -1] = True
    first = np.argmax(gone, axis=-1)[..., None]
    return np.asarray(np.take_along_axis(grid, first, -1)[..., 0])


def _between(f: Callable[[Array], Array], look: Array, moment: int | Array) -> Range:
    """Take the range from two looks alone: a little wider than need be, and cheap."""
    for _ in range(2):
        seen = f(look)
        peak = np.argmax(seen, axis=-1)[..., None]
        each = np.broadcast_to(look, seen.shape)
        above = np.maximum(each - np.take_along_axis(each, peak, -1), 0.0)
        alive = seen + moment * above > np.take_along_axis(seen, peak, -1) - DROP
        count = look.shape[-1]
        first = np.maximum(np.argmax(alive, axis=-1) - 1, 0)
        last = np.minimum(count - np.argmax(alive[..., ::-1], axis=-1), count - 1)
        low = np.take_along_axis(each, first[..., None], -1)[..., 0]
        high = np.take_along_axis(each, last[..., None], -1)[..., 0]
        look = np.linspace(low, high, count, axis=-1)
    return Range(low, high)


def _in_u(log_density: LogDensity, axis: Axis) -> Callable[[Array], Array]:
    """Turn a density of one hyperparameter into one of its coordinate."""

    def f(u: Array) -> Array:
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            value = log_density((axis.value(u),)) + axis.log_jacobian(u)
        return np.where(np.isnan(value), -np.inf, value)

    return f


def _grid(looks: Sequence[Array]) -> list[Array]:
    """Every combination of points: an axis for each array, which has length one elsewhere."""
    return list(np.meshgrid(*looks, indexing="ij", sparse=True))


def looks(
    log_density: LogDensity, axes: Sequence[Axis], moments: Sequence[int | Array]
) -> list[Array]:
    """Find points of a first look that suit several hyperparameters together."""
    if len(axes) == 1:
        return [axes[0].look]
    found = [axis.look for axis in axes]
    for _ in range(WIDENINGS):
        kept = _alive(log_density, axes, found, moments)
        wider = [
            _widened(points, own, axis) for points, own, axis in zip(found, kept, axes, strict=True)
        ]
        if all(new is old for new, old in zip(wider, found, strict=True)):
            break
        found = wider
    for _ in range(LOOKS):
        for place, own in enumerate(_alive(log_density, axes, found, moments)):
            points = found[place]
            low, high = max(own[0] - 1, 0), min(own[-1] + 1, len(points) - 1)
            found[place] = np.linspace(points[low], points[high], POINTS)
    return found


def _alive(
    log_density: LogDensity,
    axes: Sequence[Axis],
    at: Sequence[Array],
    moments: Sequence[int | Array],
) -> list[NDArray[np.intp]]:
    """Find which points of each axis carry something, in any of the problems."""
    grid = _grid(at)
    each = tuple(axis.value(u) for axis, u in zip(axes, grid, strict=True))
    jacobian = sum(axis.log_jacobian(u) for axis, u in zip(axes, grid, strict=True))
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        seen = log_density(each) + jacobian
    seen = np.where(np.isnan(seen), -np.inf, seen)
    seen = seen.reshape(*seen.shape[: -len(axes)], -1)
    flat = [np.broadcast_to(u, [len(points) for points in at]).reshape(-1) for u in grid]
    top = np.argmax(seen, axis=-1)[..., None]
    seen = seen - np.take_along_axis(seen, top, -1)
    kept = []
    for place, (u, moment) in enumerate(zip(flat, moments, strict=True)):
        carried = np.max(
            (seen + moment * np.maximum(u - u[top], 0.0)).reshape(-1, seen.shape[-1]), axis=0
        )
        others = tuple(axis for axis in range(len(axes)) if axis != place)
        lives = (carried > -DROP).reshape([len(points) for points in at])
        kept.append(np.flatnonzero(np.any(lives, axis=others)))
    return kept


def _widened(points: Array, kept: NDArray[np.intp], axis: Axis) -> Array:
    """Widen a look by half its span at an end where the density is not negligible yet."""
    low, high = float(points[0]), float(points[-1])
    half = 0.5 * (high - low)
    if kept[-1] == len(points) - 1 and high < axis.ceiling:
        high = min(high + half, axis.ceiling)
    if kept[0] == 0 and low > axis.floor:
        low = max(low - half, axis.floor)
    if high > FAR or low < -FAR:
        raise ArithmeticError("the posterior does not fall off")
    unchanged = low == points[0] and high == points[-1]
    return points if unchanged else np.linspace(low, high, len(points))


def _profile(log_density: LogDensity, axes: Sequence[Axis], at: Sequence[Array]) -> LogDensity:
    """Take the first hyperparameter's density at the best of a grid of the others."""
    grids, own = _grid(at[1:]), (1,) * len(at[1:])
    others = [axis.value(u) for axis, u in zip(axes[1:], grids, strict=True)]
    jacobian = sum(axis.log_jacobian(u) for axis, u in zip(axes[1:], grids, strict=True))

    def profile(values: tuple[Array, ...]) -> Array:
        first = values[0].reshape(*values[0].shape, *own)
        seen = log_density((first, *others)) + jacobian
        seen = np.where(np.isnan(seen), -np.inf, seen)
        return np.max(seen.reshape(*seen.shape[: -len(own)], -1), axis=-1)

    return profile


def lay(
    log_density: LogDensity,
    axes: Sequence[Axis],
    counts: Sequence[int],
    at: Sequence[Array],
    *,
    size: int,
    moments: Sequence[int | Array],
    lead: int = 0,
    first: Range | None = None,
    earlier: Nodes | None = None,
) -> Nodes:
    """Lay nodes and weigh them."""
    place = len(at) - len(axes)
    if earlier is not None:
        first = earlier.ranges[0]
    if first is None:
        outer = log_density if len(axes) == 1 else _profile(log_density, axes, at[place:])
        density = _in_u(outer, axes[0])
        if place == 0:
            first = locate(density, axes[0], at[0], size=size, moment=moments[0])
        else:
            first = _between(density, at[place].reshape(*(1,) * lead, -1), moments[0])
    x, w = rule(counts[0])
    half = 0.5 * (first.high - first.low)[..., None]
    u = first.low[..., None] + half * (x + 1.0)
    value = axes[0].value(u)
    log = np.log(w) + np.log(half) + axes[0].log_jacobian(u)
    if len(axes) == 1:
        log = log + log_density((value,))
        total = _log_sum(log)
        return Nodes((value,), log - total[..., None], total, (first,), tuple(counts))

    inner = held_at(log_density, (value,))
    second = None if earlier is None else _beside(earlier, x)
    found = lay(
        inner, axes[1:], counts[1:], at, size=size, moments=moments[1:], lead=lead + 1, first=second
    )
    log = log + found.log_total
    total = _log_sum(log)
    joint = (log - total[..., None])[..., None] + found.log_weight
    flat = (*joint.shape[:-2], joint.shape[-2] * joint.shape[-1])
    spread = np.broadcast_to(value[..., None], joint.shape).reshape(flat)
    values = (spread, *(other.reshape(flat) for other in found.values))
    return Nodes(values, joint.reshape(flat), total, (first, *found.ranges), tuple(counts))


def _beside(earlier: Nodes, x: Array) -> Range | None:
    """Take ranges of the second hyperparameter where nodes on both sides of a place have the same.

    Ranges are a step wider than need be, and ends move one way between two nodes. Where these differ, the
    wider range would be taken round after round, and nodes would lie ever thinner: they are looked for anew.
    """
    known = rule(earlier.counts[0])[0]
    right = np.minimum(np.searchsorted(known, x), len(known) - 1)
    left, own = np.maximum(right - 1, 0), earlier.ranges[1]
    if any(np.any(end[..., left] != end[..., right]) for end in (own.low, own.high)):
        return None
    return Range(own.low[..., left], own.high[..., left])


def log_rule(nodes: Nodes, axes: Sequence[Axis]) -> Array:
    """Give the logs of the bare weights of nodes of one problem: what they count without a density.

    gives (node,).
    """
    found = np.zeros(nodes.counts)
    for place, (own, axis, count) in enumerate(zip(nodes.ranges, axes, nodes.counts, strict=True)):
        x, w = rule(count)
        half = 0.5 * (own.high - own.low)[..., None]
        u = own.low[..., None] + half * (x + 1.0)
        each = np.log(w) + np.log(half) + axis.log_jacobian(u)
        found = found + each.reshape(*each.shape, *(1,) * (len(axes) - place - 1))
    return found.reshape(-1)


def held_at(log_density: LogDensity, held: tuple[Array, ...]) -> LogDensity:
    """Fix the first hyperparameters of a density at many values: one problem for each; `held` (...,)."""

    def rest(values: tuple[Array, ...]) -> Array:
        points = max(value.ndim for value in values) - held[0].ndim
        spread = [value.reshape(*value.shape, *(1,) * points) for value in held]
        return log_density((*spread, *values))

    return rest


def _log_sum(log: Array) -> Array:
    peak = np.max(log, axis=-1, keepdims=True)
    return np.asarray(np.log(np.sum(np.exp(log - peak), axis=-1)) + peak[..., 0])
