"""From an effect to people: the risk with the programme, at a risk without it that somebody states."""

from collections.abc import Callable
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bayesrtw.errors import SpecError

Array = NDArray[np.float64]

#: Baseline risks that a page prints before anybody chooses one.
BASELINES = (0.25, 0.5, 0.75)


class _Moves(NamedTuple):
    """How a measure moves a risk, and the effect that does it; of effect or risk, and baseline."""

    to: Callable[[Array, Array], Array]
    effect: Callable[[Array, Array], Array]


def _odds(risk: Array) -> Array:
    return np.asarray(risk / (1.0 - risk))


def _by_hazard(effect: Array, baseline: Array) -> Array:
    return np.asarray(-np.expm1(np.exp(effect) * np.log1p(-baseline)))


def _by_odds(effect: Array, baseline: Array) -> Array:
    # One minus the risk has no overflow of its own where the odds have none.
    return np.asarray(1.0 / (1.0 + np.exp(-effect) / _odds(baseline)))


_ODDS: Final = _Moves(_by_odds, lambda to, baseline: np.log(_odds(to)) - np.log(_odds(baseline)))

#: Measures that move a risk, and how; others have no absolute effect of this kind.
_WAYS: Final[dict[str, _Moves]] = {
    "log_hazard_ratio": _Moves(
        _by_hazard, lambda to, baseline: np.log(np.log1p(-to) / np.log1p(-baseline))
    ),
    "log_risk_ratio": _Moves(
        lambda effect, baseline: np.minimum(1.0, baseline * np.exp(effect)),
        lambda to, baseline: np.log(to / baseline),
    ),
    "log_odds_ratio": _ODDS,
    "log_peto_odds_ratio": _ODDS,
    "risk_difference": _Moves(
        lambda effect, baseline: np.clip(baseline + effect, 0.0, 1.0),
        lambda to, baseline: to - baseline,
    ),
}

#: Their names.
MEASURES: Final = tuple(_WAYS)


def risk(measure: str, effect: ArrayLike, baseline: ArrayLike) -> Array:
    """Give the risk with the programme.

    Parameters
    ----------
    measure
        One of `MEASURES`.
    effect
        Analysis scale.
    baseline
        Risk without the programme, in (0, 1); the two broadcast.

    Returns
    -------
    ndarray
        In [0, 1]; a risk ratio or difference that would lead beyond leads to the end.

    Raises
    ------
    SpecError
        If the measure moves no risk, or a baseline is none.

    Examples
    --------
    >>> import math
    >>> round(float(risk("log_hazard_ratio", math.log(1.25), 0.799)), 3)
    0.865
    """
    return _way(measure).to(np.asarray(effect, dtype=np.float64), _risks(baseline))


def effect_for(measure: str, wanted: ArrayLike, baseline: ArrayLike) -> Array:
    """Give the effect that leads from a baseline to a risk: the inverse of `risk`."""
    to, base = np.broadcast_arrays(np.asarray(wanted, dtype=np.float64), _risks(baseline))
    inside = (to > 0) & (to < 1)
    found = _way(measure).effect(np.where(inside, to, base), base)
    return np.where(inside, found, np.where(to <= 0, -np.inf, np.inf))


def per_thousand(measure: str, effect: ArrayLike, baseline: ArrayLike) -> Array:
    """Give how many more of 1000 people have the event with the programme."""
    return np.asarray(
        1000.0 * (risk(measure, effect, baseline) - np.asarray(baseline, dtype=np.float64))
    )


def _risks(baseline: ArrayLike) -> Array:
    found = np.asarray(baseline, dtype=np.float64)
    if not np.all((found > 0) & (found < 1)):
        raise SpecError(f"baseline must lie in (0, 1); found {baseline!r}.")
    return found


def _way(measure: str) -> _Moves:
    if measure not in _WAYS:
        raise SpecError(f"measure {measure!r} moves no risk; those that do: {', '.join(MEASURES)}.")
    return _WAYS[measure]
