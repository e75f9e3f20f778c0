"""A way to read the results of a table, and the option that asks for it."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from bayesrtw.reading.cleaned import floats


@dataclass(frozen=True, slots=True)
class Way:
    """A way to read the results of a table.

    Attributes
    ----------
    what
        What it takes the rows for, in words.
    roles
        Column of this package to heading.
    words
        Column of words to what stands in every row of it.
    unused
        Options that ask for results which stand in the table too.
    """

    what: str
    roles: Mapping[str, str]
    words: Mapping[str, str] = field(default_factory=dict)
    unused: tuple[str, ...] = ()

    @property
    def option(self) -> str:
        """The option that asks for it."""
        stated = ",".join(f"{heading}={role}" for role, heading in self.roles.items())
        return f"--columns '{stated}'" if set(stated) & set(" ()[]%&;|") else f"--columns {stated}"


def distinct(ways: list[Way], numbers: Mapping[str, list[str]]) -> list[Way]:
    """Drop ways that say what another one says: a ratio beside its logarithm.

    Parameters
    ----------
    ways
        Ways to read the effects of a table.
    numbers
        Heading to cells.

    Returns
    -------
    list of Way
        Those that are left, effects before ratios.
    """
    kept: list[Way] = []
    for way in sorted(ways, key=lambda w: ("effect" not in w.roles, -len(w.roles))):
        mine = on_log(way, numbers)
        if not any(alike(mine, on_log(other, numbers)) for other in kept):
            kept.append(way)
    return kept


def on_log(way: Way, numbers: Mapping[str, list[str]]) -> list[float]:
    """Give the effects of a way, logarithms of ratios.

    Parameters
    ----------
    way
        The way.
    numbers
        Heading to cells.

    Returns
    -------
    list of float
        One a row; nan where there is none.
    """
    ratio = "estimate" in way.roles and "reported" in way.words
    values = floats(numbers[way.roles.get("effect") or way.roles["estimate"]]).tolist()
    return [(math.log(v) if v > 0 else math.nan) if ratio else v for v in values]


def alike(one: Sequence[float], two: Sequence[float]) -> bool:
    """Say whether two columns agree but for rounding, where both hold something.

    Parameters
    ----------
    one, two
        Effects, one a row.

    Returns
    -------
    bool
        False where no row has both.
    """
    both = [(a, b) for a, b in zip(one, two, strict=True) if not math.isnan(a + b)]
    return bool(both) and all(abs(a - b) <= 0.02 + 0.02 * abs(a) for a, b in both)
