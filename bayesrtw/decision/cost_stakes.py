"""What a decision costs and is worth, as those who decide state it: amounts with their laws, and options."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import gammaincinv, ndtri

from bayesrtw.errors import SpecError, shown

Array = NDArray[np.float64]

#: Laws of an amount.
Law = Literal["fixed", "normal", "gamma", "lognormal"]


def _lognormal(mean: float, sd: float, q: Array) -> Array:
    """Quantiles of a lognormal amount with this mean and SD of its own."""
    wide = math.log1p((sd / mean) ** 2)
    return np.asarray(np.exp(math.log(mean) - 0.5 * wide + math.sqrt(wide) * ndtri(q)))


#: Quantile functions of laws with a mean and an SD; of probabilities.
_LAWS: Final[dict[str, Callable[[float, float, Array], Array]]] = {
    "fixed": lambda mean, _, q: np.full(q.shape, mean),
    "normal": lambda mean, sd, q: mean + sd * ndtri(q),
    "gamma": lambda mean, sd, q: gammaincinv((mean / sd) ** 2, q) * sd**2 / mean,
    "lognormal": _lognormal,
}

#: What is done where nothing new is.
NOTHING: Final = "none of them"


@dataclass(frozen=True, slots=True, kw_only=True)
class Amount:
    """An amount of money and what is not known of it.

    Parameters
    ----------
    mean
        In the currency that is stated beside it.
    sd
        Standard deviation of what is believed of it, not of what people cost; 0 for ``fixed``.
    law
        ``"fixed"``, ``"normal"``, ``"gamma"`` or ``"lognormal"``; the last two are positive.
    """

    mean: float
    sd: float = 0.0
    law: Law = "fixed"

    def __post_init__(self) -> None:
        if self.law not in _LAWS:
            raise SpecError(f"law is {self.law!r}; choose one of {shown(list(_LAWS), 4)}.")
        if not (math.isfinite(self.mean) and math.isfinite(self.sd) and self.sd >= 0):
            raise SpecError(
                f"mean must be finite and sd finite and at least 0; found {self.mean!r} and {self.sd!r}."
            )
        if (self.law == "fixed") != (self.sd == 0):
            raise SpecError(
                f"law is {self.law!r} with sd {self.sd!r}: an amount without an SD is 'fixed', and one with "
                "an SD has the law 'normal', 'gamma' or 'lognormal'."
            )
        if self.law in ("gamma", "lognormal") and not self.mean > 0:
            raise SpecError(f"a {self.law} amount has a mean above 0; found {self.mean!r}.")

    def ppf(self, q: ArrayLike) -> Array:
        """Give quantiles.

        Parameters
        ----------
        q
            Probabilities in (0, 1), any shape.

        Returns
        -------
        ndarray
            Same shape, in the currency.
        """
        return np.asarray(_LAWS[self.law](self.mean, self.sd, np.asarray(q, dtype=np.float64)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """A programme that may be adopted.

    Parameters
    ----------
    name
        What it is called in tables.
    cost
        Of the programme for each person who is offered it, above what is done without it.
    at
        Column of a moderator to its value, as of `bayesrtw.predict`: a programme type or a set of components.
        Moderators that are not named stay where the pooled mean has them.
    """

    name: str
    cost: Amount
    at: Mapping[str, str | float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialCost:
    """What a next trial costs.

    Parameters
    ----------
    fixed
        Whatever its size; >= 0.
    person
        For each person who takes part, in whichever group; >= 0.
    """

    fixed: float
    person: float

    def __post_init__(self) -> None:
        for name in ("fixed", "person"):
            value = getattr(self, name)
            if not (value >= 0 and math.isfinite(value)):
                raise SpecError(
                    f"{name} is a cost of a trial and must be at least 0; found {value!r}."
                )

    def of(self, n: float) -> float:
        """Give the cost of a trial of so many people, both groups together."""
        return self.fixed + self.person * n


@dataclass(frozen=True, slots=True, kw_only=True)
class Stakes:
    """What a decision is about. Whoever decides states all of it: no price and no population is assumed.

    Parameters
    ----------
    currency
        Of every amount, e.g. ``"EUR"``.
    source
        Where the amounts are from; it stands beside every result.
    day
        What one day of work regained is worth: the willingness to pay for it.
    option
        Programmes of which at most one is adopted; each is held against doing none of them.
    people
        Who the decision is about over the years that it stands, for the value of a trial to all of them.
    trial
        What a next trial costs.
    """

    currency: str
    source: str
    day: Amount
    option: tuple[Option, ...]
    people: float | None = None
    trial: TrialCost | None = None

    def __post_init__(self) -> None:
        if not self.currency.strip():
            raise SpecError(
                "currency is empty: amounts mean nothing without one; write e.g. 'EUR'."
            )
        if not self.source.strip():
            raise SpecError(
                "source is empty: say where the amounts are from; it stands beside every result."
            )
        if self.day.mean <= 0:
            raise SpecError(
                f"day is what a day of work regained is worth, above 0; found {self.day.mean!r}."
            )
        if not self.option:
            raise SpecError("option is empty: state at least one programme with its cost.")
        names = [each.name for each in self.option]
        twice = sorted({name for name in names if names.count(name) > 1 or name == NOTHING})
        if twice:
            raise SpecError(
                f"option {shown(twice)} stands twice or is {NOTHING!r}, which is there already; give each a "
                "name of its own."
            )
        if self.people is not None and not (self.people > 0 and math.isfinite(self.people)):
            raise SpecError(f"people must be a number above 0; found {self.people!r}.")

    @property
    def names(self) -> tuple[str, ...]:
        """What may be done, first none of them."""
        return (NOTHING, *(each.name for each in self.option))

    def net(self, days: Array, day: float | None = None) -> Array:
        """Give the expected net benefit a person of each option.

        Parameters
        ----------
        days
            Expected days regained, shape (..., option).
        day
            What a day is worth, in place of the mean of what is stated.

        Returns
        -------
        ndarray, shape (..., 1 + option)
            In the currency; 0 for none of them.
        """
        cost = np.array([each.cost.mean for each in self.option])
        return _beside_nothing((self.day.mean if day is None else day) * days - cost)

    def drawn(self, days: Array, u: Array, day: float | None = None) -> Array:
        """Give net benefits under every uncertainty.

        Parameters
        ----------
        days
            Days regained, shape (draw, option).
        u
            Independent uniform coordinates, shape (draw, 1 + option).
        day
            What a day is worth, in place of what is stated.

        Returns
        -------
        ndarray, shape (draw, 1 + option)
            In the currency; 0 for none of them.
        """
        worth = self.day.ppf(u[:, :1]) if day is None else day
        cost = [each.cost.ppf(own) for each, own in zip(self.option, u[:, 1:].T, strict=False)]
        return _beside_nothing(worth * days - np.stack(cost, axis=1))


def _beside_nothing(net: Array) -> Array:
    """Put doing nothing first, whose net benefit is 0."""
    return np.concatenate([np.zeros((*net.shape[:-1], 1)), net], axis=-1)


def spell_money(value: float, currency: str = "") -> str:
    """Write an amount: whole from a hundred on, else with two decimals."""
    text = f"{value:,.0f}" if abs(value) >= 100 else f"{value:.2f}".removesuffix(".00")
    return f"{text} {currency}".strip().replace("-", "−")
