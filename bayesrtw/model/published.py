"""Published priors, one row a cell of ``published.csv`` beside this file.

Heterogeneity of log odds ratios (Turner et al. 2015) and of standardised mean differences (Rhodes et
al. 2015) by outcome and comparison, and of five measures in Cochrane reviews, with priors of the
effect (Bartos et al. 2021, 2023). The table says where in the paper a number stands, from which
software it was read, and what is doubtful about it; numbers are kept on the scale they are printed
on, mostly that of tau^2, and put on the scale of tau here.
"""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from bayesrtw.errors import SpecError
from bayesrtw.model.prior import HalfNormal, InverseGamma, LogNormal, LogStudentT, Prior
from bayesrtw.registry import suggestion


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """A published prior."""

    collection: str  #: ``Turner``, ``Rhodes`` or ``Cochrane``.
    #: Review group or medical area; empty if there is none, ``all`` for the whole database.
    group: str
    measure: str  #: The measure that it was fitted to.
    parameter: str  #: ``tau``, or ``mu`` for a prior of the effect.
    scale: str  #: What the printed parameters describe: ``tau``, ``tau2`` or ``mu``.
    #: outcomes, comparisons: types of outcome and of comparison that it is for; empty means any.
    outcomes: tuple[str, ...]
    comparisons: tuple[str, ...]
    distribution: str  #: Family, as printed.
    #: location, spread, shape, df: its parameters, as printed; 0 where the family has none.
    location: float
    spread: float
    shape: float
    df: float
    #: source, place, read_from: the paper, where it stands there, and the software in which the numbers were
    #: read.
    source: str
    place: str
    read_from: str
    #: What is doubtful about the cell; printed wherever the prior is offered. Empty if nothing is.
    flag: str

    @property
    def name(self) -> str:
        """Short name, for tables."""
        parts = [
            f"{self.collection} {self.group}".strip() if self.group != "all" else "Cochrane, all"
        ]
        if self.outcomes:
            parts.append(" or ".join(self.outcomes).replace("_", " "))
        if self.comparisons:
            shared = self.comparisons[0] if len(self.comparisons) == 1 else "non-pharma"
            parts.append(shared.replace("non_pharma", "non-pharma").replace("_", " "))
        if not self.outcomes and self.collection != "Cochrane":
            parts.append("any outcome")
        return ", ".join(parts)

    @property
    def tau(self) -> Prior:
        """The prior of the heterogeneity SD."""
        if self.parameter != "tau":
            raise SpecError(f"{self.name} ({self.measure}) is a prior of the effect, not of tau.")
        half = 0.5 if self.scale == "tau2" else 1.0
        if self.distribution == "log_normal":
            return LogNormal(half * self.location, half * self.spread)
        if self.distribution == "log_student_t":
            return LogStudentT(self.df, half * self.location, half * self.spread)
        if self.distribution == "inverse_gamma":
            return InverseGamma(self.shape, self.spread)
        return HalfNormal(self.spread)


@cache
def published() -> tuple[Published, ...]:
    """Read the table of published priors.

    Returns
    -------
    tuple of Published
        In the order of the file.
    """
    text = files("bayesrtw.model").joinpath("published.csv").read_text(encoding="utf-8")
    return tuple(_entry(row) for row in csv.DictReader(text.splitlines()))


def _entry(row: dict[str, str]) -> Published:
    location, spread, shape, df = (
        float(row[name] or 0.0) for name in ("location", "spread", "shape", "df")
    )
    return Published(
        collection=row["collection"],
        group=row["group"],
        measure=row["measure"],
        parameter=row["parameter"],
        scale=row["scale"],
        outcomes=tuple(row["outcome"].split()),
        comparisons=tuple(row["comparison"].split()),
        distribution=row["distribution"],
        location=location,
        spread=spread,
        shape=shape,
        df=df,
        source=row["source"],
        place=row["place"],
        read_from=row["read_from"],
        flag=row["flag"],
    )


def priors_for(
    measure: str,
    *,
    parameter: str = "tau",
    outcome: str = "",
    comparison: str = "",
    groups: Sequence[str] = ("", "other", "all"),
) -> tuple[Published, ...]:
    """Give the published priors that fit a measure."""
    table = published()
    for what, asked, known in (
        ("outcome", [outcome] if outcome else [], {o for e in table for o in e.outcomes}),
        (
            "comparison",
            [comparison] if comparison else [],
            {c for e in table for c in e.comparisons},
        ),
        ("group", list(groups), {entry.group for entry in table}),
        ("parameter", [parameter], {entry.parameter for entry in table}),
    ):
        for one in asked:
            if one not in known:
                raise SpecError(f"{what} is {one!r}; {suggestion(one, sorted(known))}")
    return tuple(
        entry
        for entry in table
        if entry.measure == measure
        and entry.parameter == parameter
        and entry.group in groups
        and (
            (not entry.outcomes and not entry.comparisons)
            or (outcome in entry.outcomes and comparison in entry.comparisons)
        )
    )


#: Half-normal scales that are tried on log scales and for standardised differences, from sceptical
#: to wide; for differences in a unit they are multiplied by the registered scale.
SCALES: tuple[float, ...] = (0.1, 0.25, 0.5, 1.0)


def panel(
    measure: str,
    unit_scale: float = 1.0,
    *,
    outcome: str = "",
    comparison: str = "",
    group: str = "all",
) -> dict[str, Prior]:
    """Give the priors of tau that a result should be held against.

    Parameters
    ----------
    measure
        Name of the measure.
    unit_scale
        What the half-normal scales are multiplied by: 1 for ratios and standardised differences.
    outcome, comparison
        See `priors_for`.
    group
        Review group whose own priors are wanted beside those of the whole database, e.g. ``Work``.

    Returns
    -------
    dict
        Name to prior: half-normal ones, then those published for the measure; a doubtful one says so
        in its name.
    """
    found: dict[str, Prior] = {
        f"half-normal({scale * unit_scale:g})": HalfNormal(scale * unit_scale) for scale in SCALES
    }
    groups = tuple(dict.fromkeys(("", "other", group, "all")))
    for entry in priors_for(measure, outcome=outcome, comparison=comparison, groups=groups):
        doi = entry.source.rsplit(" ", 1)[-1]
        doubt = f"; DOUBTFUL: {entry.flag}" if entry.flag else ""
        found[f"{entry.name} ({doi}{doubt})"] = entry.tau
    return found
