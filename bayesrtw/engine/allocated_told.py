"""What rows tell of coefficients where some do not report their level."""

import numpy as np
from numpy.typing import NDArray

from bayesrtw.engine.allocated_lines import AtNodes, Here
from bayesrtw.engine.allocated_states import Line
from bayesrtw.engine.allocation import Allocated
from bayesrtw.engine.each_normal import EachNormal
from bayesrtw.model.design import Design

Array = NDArray[np.float64]

#: Classes of allocations that are merged to one normal a node, along the first two axes of their means.
CLASSES = (4, 2)
#: Slices along these are alike, and the outermost begin here, in SDs.
REACH = 2.0
#: Normals with less weight than this are left out; an allocation has at least so much where it is sorted.
NEGLIGIBLE, TRIFLE = 1e-10, 1e-300


def slopes_of(at: AtNodes, problem: Allocated, mu: Array) -> Array:
    """Slope of the mean of a combination of coefficients in what each kept row reports, shape (row,).

    V^-1 times its covariance with what the model says of the rows, levels and all.
    """
    width, silent = len(mu), len(problem.unreported.silent)
    lines = [Line(row) for row in np.eye(width)]
    lines += [Line(np.zeros(width), row) for row in np.eye(silent)]

    def of(here: Here) -> Array:
        states, share = here.states, here.share
        mean, white, _ = states.whitened(Line(mu))
        mean -= np.einsum("na,na->n", share, mean)[:, None]
        covariance = np.empty((len(share), len(lines)))
        for place, line in enumerate(lines):
            own, slopes, _ = states.whitened(line)
            both = mean * own
            for one, other in zip(white, slopes, strict=True):
                both += one * other
            covariance[:, place] = np.einsum("na,na->n", share, both)
        covariance[:, :width] += states.points.rest @ mu
        solved = problem.solved(here.values)
        solved = np.broadcast_to(solved, (len(covariance), *solved.shape[-2:]))
        return np.asarray(np.einsum("nek,nk->ne", solved, covariance))

    return at.mean(("shares", mu.tobytes()), len(problem.design.se), of)


def normals_of(at: AtNodes, problem: Allocated, design: Design, combine: Array) -> EachNormal:
    """Give combinations of coefficients, shape (label, column), as a few normals a node, of like allocations.

    What a row tells is its slope given an allocation, times what its arms differ by there.
    """
    rows, (count, width) = len(design.se), combine.shape
    silent = problem.unreported.silent
    every = problem.away(np.arange(len(problem.allocations)))
    columns = design.columns @ combine.T
    under = (every + design.columns[silent]) @ combine.T
    alike = _alike(at, combine)

    def of(here: Here) -> Array:
        states, share = here.states, here.share
        whitened = [states.whitened(Line(row)) for row in np.eye(width)]
        mean = np.einsum("lc,cna->lna", combine, np.array([own for own, _, _ in whitened]))
        white = np.empty((width, len(states.pull), *share.shape))
        for own, (_, slopes, _) in zip(white, whitened, strict=True):
            for one, slope in zip(own, slopes, strict=True):
                one[:] = slope
        # Covariances of coefficients with what is asked, given an allocation.
        asked = np.einsum("lc,cmna->lmna", combine, white)
        within = np.einsum("cmna,lmna->ncla", white, asked)
        within += (states.points.rest @ combine.T)[..., None]
        solved = problem.solved(here.values)
        steep = np.einsum("nec,ncla,na->nel", solved[..., :width], within, share)
        moved = np.einsum("arc,ncla->nrla", every, within)
        steep += np.einsum("ner,nrla,na->nel", solved[..., width:], moved, share)
        told = steep * columns
        # A silent row differs by what the allocation says.
        own = np.einsum("nrc,ncla->nrla", solved[:, silent, :width], within)
        own += np.einsum("nrs,nsla->nrla", solved[:, silent, width:], moved)
        told[:, silent] = np.einsum("nrla,arl,na->nrl", own, under, share)
        spread = np.einsum("kc,ncla->nkla", combine, within)
        spread += np.einsum("kna,lna->nkla", mean, mean)
        parts = [share[:, :, None], np.moveaxis(mean, 0, -1), np.moveaxis(spread, -1, 1)]
        parts[1:] = [
            each * share.reshape(*share.shape, *[1] * (each.ndim - 2)) for each in parts[1:]
        ]
        summed = [np.tensordot(each, alike, axes=(1, 0)).reshape(len(share), -1) for each in parts]
        return np.hstack([*summed, told.reshape(len(share), -1)])

    classes = alike.shape[1]
    sizes = classes * np.array([1, count, count**2])
    found = at.at_carried(("normals", combine.tobytes()), int(sizes.sum()) + rows * count, of)
    share, mean, second, told = np.split(found, np.cumsum(sizes), axis=1)
    weight = at.weight[:, None] * share
    node, own = np.nonzero(weight > NEGLIGIBLE)
    total = share[node, own]
    mean = mean.reshape(-1, count, classes)[node, :, own] / total[:, None]
    second = second.reshape(-1, count, count, classes)[node, :, :, own] / total[:, None, None]
    values = tuple(value[at.carry][node] for value in at.nodes.values)
    named = dict(zip(problem.names, values, strict=True))
    return EachNormal(
        weight[node, own] / weight[node, own].sum(),
        mean + combine @ problem.problem.pilot,
        second - mean[:, :, None] * mean[:, None],
        values,
        design.new_variance(named, len(node)),
        (at.weight @ told).reshape(rows, count),
        own,
    )


def _alike(at: AtNodes, combine: Array) -> Array:
    """Sort allocations by where they put what is asked, shape (allocation, class)."""
    count = len(combine)

    def of(here: Here) -> Array:
        mean = [here.states.along(Line(row))[0] for row in combine]
        each = np.stack([np.ones_like(here.share), *mean], axis=-1) * here.share[..., None]
        return np.asarray(each.reshape(len(each), -1))

    size = len(at.problem.allocations) * (count + 1)
    found = at.mean(("alike", combine.tobytes()), size, of).reshape(-1, count + 1)
    weight = np.maximum(found[:, 0], TRIFLE)
    mean = found[:, 1:] / weight[:, None]
    middle = weight @ mean / weight.sum()
    apart = (mean - middle) * np.sqrt(weight)[:, None]
    axes = np.linalg.svd(apart, full_matrices=False)[2][: len(CLASSES)]
    place = np.zeros(len(weight), dtype=np.intp)
    for axis, many in zip(axes, CLASSES, strict=False):
        z = (mean - middle) @ axis
        z /= np.sqrt(weight @ z**2 / weight.sum()) or 1.0
        place = place * many + np.clip(
            np.floor(many * (z / REACH + 1.0) / 2.0), 0, many - 1
        ).astype(int)
    return np.asarray(np.eye(place.max() + 1)[place][:, np.unique(place)])
