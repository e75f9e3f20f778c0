"""A way to read the results of a table, and the option that asks for it."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from bayesrtw.reading.cleaned import floats
from bayesrtw.reading.headings import Word

#: What says how precise an effect is.
SPREAD: Final = frozenset(
    {"se", "variance", "se_log", "variance_log", "ci_low", "ci_high", "z", "t_value", "p_value"}
)


@dataclass(frozen=True, slots=True)
class Way:
    """A way to read the results of a table."""

    what: str  #: What it takes the rows for, in words.
    roles: Mapping[str, str]  #: Column of this package to heading.
    #: Column of words to what stands in every row of it.
    words: Mapping[str, str] = field(default_factory=dict)
    unused: tuple[str, ...] = ()  #: Options that ask for results which stand in the table too.

    @property
    def option(self) -> str:
        """The option that asks for it."""
        stated = ",".join(f"{heading}={role}" for role, heading in self.roles.items())
        return f"--columns '{stated}'" if set(stated) & set(" ()[]%&;|") else f"--columns {stated}"


def distinct(ways: list[Way], numbers: Mapping[str, list[str]]) -> list[Way]:
    """Drop ways that say what another one says: a ratio beside its logarithm."""
    kept: list[Way] = []
    for way in sorted(ways, key=lambda w: ("effect" not in w.roles, -len(w.roles))):
        mine = on_log(way, numbers)
        if not any(alike(mine, on_log(other, numbers)) for other in kept):
            kept.append(way)
    return kept


def on_log(way: Way, numbers: Mapping[str, list[str]]) -> list[float]:
    """Give the effects of a way, logarithms of ratios."""
    ratio = "estimate" in way.roles and "reported" in way.words
    values = floats(numbers[way.roles.get("effect") or way.roles["estimate"]]).tolist()
    return [(math.log(v) if v > 0 else math.nan) if ratio else v for v in values]


def fitting(
    own: Mapping[str, str], word: Word, columns: Mapping[str, list[str]], heading: str
) -> dict[str, str]:
    """Keep what can say how precise an effect is."""
    logged = word.implies.startswith("log_")
    kept = {r: h for r, h in own.items() if r != "ci"}
    if not (logged or (word.role == "estimate" and word.implies)):
        kept = {r: h for r, h in kept.items() if r not in ("se_log", "variance_log")}
    ends = [kept.get(end, "") for end in ("ci_low", "ci_high")]
    if not all(ends) or (logged and not _within(*(floats(columns[h]) for h in (heading, *ends)))):
        kept = {r: h for r, h in kept.items() if r not in ("ci_low", "ci_high")}
    return kept if kept.keys() & SPREAD else {}


def _within(values: np.ndarray, low: np.ndarray, high: np.ndarray) -> bool:
    """Whether values lie in their intervals, but for some that are wrong."""
    there = np.isfinite(values + low + high)
    inside = there & (low <= values) & (values <= high)
    return bool(2 * inside.sum() >= there.sum())


def alike(one: Sequence[float], two: Sequence[float]) -> bool:
    """Say whether two columns agree but for rounding, where both hold something."""
    both = [(a, b) for a, b in zip(one, two, strict=True) if not math.isnan(a + b)]
    return bool(both) and all(abs(a - b) <= 0.02 + 0.02 * abs(a) for a, b in both)
