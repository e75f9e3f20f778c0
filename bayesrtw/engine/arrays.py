"""What follows from the arrays of a design alone: its rows, whether it is proper, which moments exist."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bayesrtw.engine.integrate import tail_power
from bayesrtw.errors import SpecError
from bayesrtw.model.design import Design, mixed
from bayesrtw.posterior.marginal import MARGIN
from bayesrtw.registry import kind_of

Array = NDArray[np.float64]

#: Singular value, of columns scaled to length one, below which they count as collinear: precisions go
#: by its square, and 1e-14 of them is left to rounding.
COLLINEAR = 1e-7

#: How a refusal begins that no other engine can mend.
IMPROPER = "The posterior is improper"


class Improper(str):
    """Why a posterior is improper: no other engine helps."""

    __slots__ = ()


def masked(design: Design, keep: NDArray[np.bool_]) -> Design:
    """Take rows, with columns, levels and centring as they are: a level without rows is its prior's.

    Each of the studies that are left counts once in their mix.
    """
    if keep.all():
        return design
    place = np.cumsum(keep) - 1
    blocks = []
    for block in design.blocks:
        stays = keep[block.rows]
        if stays.sum() > 1:
            rows = np.asarray(place[block.rows[stays]], dtype=np.intp)
            blocks.append(block.kept(stays, rows))
    design = mixed(design, keep)
    unreported = None if design.unreported is None else design.unreported.kept(keep)
    columns = design.columns[keep]
    if unreported is not None:
        columns[unreported.silent] = unreported.expected()[unreported.silent]
    return replace(
        design,
        effect=design.effect[keep],
        se=design.se[keep],
        columns=columns,
        unreported=unreported,
        uncertain=None
        if design.uncertain is None
        else design.uncertain._replace(sd=design.uncertain.sd[keep]),
        grouped=tuple(part.kept(keep) for part in design.grouped),
        labels=design.labels[keep],
        studies=design.studies[keep],
        levels={column: levels[keep] for column, levels in design.levels.items()},
        blocks=tuple(blocks),
        excess=None if design.excess is None else design.excess[keep],
        scatter=tuple(replace(part, factor=part.factor[keep]) for part in design.scatter),
        shift=tuple(replace(part, factor=part.factor[keep]) for part in design.shift),
        spoken=None if design.spoken is None else design.spoken[keep],
    )


def mean_of(design: Design) -> Array:
    """Say which combination of the coefficients is the headline's pooled mean, shape (column,)."""
    if "mu" not in design.quantities:
        raise SpecError("the model has no intercept, so there is no pooled mean; add one.")
    return np.asarray(design.quantities[design.pooled].combine[0])


def drawn_like(
    design: Design, data: Mapping[str, Any], expected: Array, rng: np.random.Generator
) -> Array:
    """Draw the effect in a new setting that is like one of the studies, shape (chain, draw).

    Its deviation is that of the new setting at the mean over levels, wider where SDs differ; `expected` is
    the model's mean at each part of the mix, shape (chain, draw, part).
    """
    mix = design.mix
    assert mix is not None
    deviation = data["theta_new"][1] - data["mu"][1]
    chosen = rng.choice(len(mix.share), size=deviation.shape, p=mix.share)
    own = np.take_along_axis(expected, chosen[..., None], axis=-1)[..., 0]
    if mix.along.any():
        at = {name: data[name][1].reshape(-1) for name in design.hyper}
        count = deviation.size
        each = [design.new_variance(at, count, along) for along in mix.along]
        ratio = np.sqrt(np.stack(each, axis=-1) / design.new_variance(at, count)[:, None])
        ratio = ratio.reshape(*deviation.shape, -1)
        deviation = deviation * np.take_along_axis(ratio, chosen[..., None], axis=-1)[..., 0]
    return np.asarray(own + deviation)


def improper(design: Design) -> Improper | None:
    """Say why a posterior would be improper, and what to change; None if it is proper."""
    flat = design.columns[:, design.flat]
    count, width = flat.shape
    size = np.maximum(np.linalg.norm(flat, axis=0), 1e-300)
    if width and np.linalg.matrix_rank(flat / size, tol=COLLINEAR) < width:
        return Improper(
            f"{IMPROPER}: coefficients with flat priors cannot be told apart by these "
            f"{count} rows. Give them normal priors, or leave moderators out."
        )
    for part in design.grouped:
        for place, name in enumerate(part.hyper):
            prior = design.hyper[name]
            groups = len(np.unique(part.group[part.which == place]))
            # The likelihood of an SD falls as tau^-(groups - p); the product must be integrable.
            if not prior.proper and groups - width + prior.tail_power <= 1:
                return Improper(
                    f"{IMPROPER}: {name} has the improper prior {kind_of(prior)!r} and "
                    f"{groups} groups with {width} flat coefficients do not bound it. Use a proper "
                    f"prior for {name}."
                )
    return None


def back_moments(design: Design) -> int:
    """Count the moments that exp(effect in a new setting) has: 0, 1 or 2.

    exp(m tau^2 m / 2) must be integrable against the priors of every SD that a new setting has: half-normal
    with scale below 1 for the mean, below 1/2 for the SD, or bounded.
    """
    most = 2
    for part in design.grouped:
        for name in part.of_new:
            rate = design.hyper[name].tail_rate
            most = min(most, 2 if rate > 2.0 else 1 if rate > 0.5 else 0)
    return most


def moments_of(design: Design) -> int:
    """Count the moments that a quantity has which grows with tau: 0, 1 or 2."""
    tail = tail_power(design)
    return 2 if tail > 3 + MARGIN else 1 if tail > 2 + MARGIN else 0
