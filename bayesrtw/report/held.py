"""Tables of a panel as people read them: the answer's change in front, names in full."""

import re
from typing import TYPE_CHECKING, Final

import numpy as np

from bayesrtw.analysis.sensitivity import (
    FAMILIES,
    FAMILY_INFLUENCE,
    POWER,
    RESULT,
    STUDIES,
    WHOLE,
    Panel,
    families_as,
    known_as,
)
from bayesrtw.evidence.measure import Measure
from bayesrtw.evidence.table import Evidence
from bayesrtw.report.words import label, quantity

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

#: Tables whose rows are quantities of the model, or values of its columns.
_QUANTITIES: Final = frozenset({POWER, "Learned from the data", "Tipping shift of effects"})


def held(panel: Panel) -> "dict[str, pd.DataFrame]":
    """Write every table of a panel: heading to rows named in full.

    Tables of specifications, and of influence, have ``change`` in front, of the median against the registered
    one: a ratio of ratios, or a difference. Effects are on the reported scale in every table; what cannot be,
    such as an SD, is named by the scale that it is on: ``sd_log``.
    """
    rows = panel.about.evidence
    names = names_of(rows)
    own = float(str(panel.tables[STUDIES].loc[WHOLE, "median"]))
    told = {**panel.tables, **panel.questions}
    found = {heading: _read(table, rows.measure, own) for heading, table in told.items()}
    for heading in _QUANTITIES & found.keys():
        table = found[heading]
        found[heading] = table.set_axis([label(quantity(str(n))) for n in table.index], axis=0)
    return {
        heading: named(table, names.get(heading, names[STUDIES]))
        for heading, table in found.items()
    }


def names_of(rows: Evidence) -> dict[str, dict[str, str]]:
    """Name what tables of studies and of families leave out as a reader knows it, by heading."""
    families = families_as(rows)
    return {STUDIES: known_as(rows), FAMILIES: families, FAMILY_INFLUENCE: families}


def named(table: "pd.DataFrame", names: dict[str, str]) -> "pd.DataFrame":
    """Name rows that are ids of studies, or of families, as a reader knows them."""
    return table.set_axis([names.get(str(name), str(name)) for name in table.index], axis=0)


#: Columns of effects, of differences between them, and of SDs and means that stay as they are.
_EFFECTS: Final = (
    "median", "lower", "upper", "new_lower", "new_upper", "median_without", "effect", "expected",
    "prior_expected", "prior_lower", "prior_upper",
)  # fmt: skip
_SHIFTS: Final = ("median_change", "shift")
_AS_ANALYSED: Final = ("mean", "sd", "sd_change", "prior_sd", "posterior_sd", "se")


def _read(table: "pd.DataFrame", measure: Measure, registered: float) -> "pd.DataFrame":
    """Write effects on the reported scale, changes in front, and quantities in words."""
    there = [str(name) for name in table.columns]
    made: dict[str, NDArray[np.float64]] = {
        name: measure.back(_floats(table, name)) for name in _EFFECTS if name in there
    }
    if set(RESULT) <= set(there):
        own = float(measure.back(registered))
        made["change"] = made["median"] / own if measure.log else made["median"] - own
    for name in _SHIFTS:
        if name in there and (measure.log or measure.link.name == "identity"):
            shift = _floats(table, name)
            made["change"] = np.exp(shift) if measure.log else shift
            there.remove(name)
    found = table.assign(**made)[[*(["change"] if "change" in made else []), *_first(there)]]
    if measure.link.name != "identity":
        found = found.rename(columns={each: f"{each}_{measure.link.name}" for each in _AS_ANALYSED})
    return found


def _first(names: list[str]) -> list[str]:
    """Put what says how the answer is after its change in front."""
    own = (
        RESULT if set(RESULT) <= set(names) else ("median", "median_without", "probability_change")
    )
    first = [name for name in own if name in names]
    return [*first, *(name for name in names if name not in first)]


def _floats(table: "pd.DataFrame", name: str) -> "NDArray[np.float64]":
    return table[name].to_numpy(dtype=np.float64)


def file_name(heading: str) -> str:
    """Make a name of a file of a heading."""
    return re.sub(r"[^a-z0-9]+", "-", heading.lower()).strip("-") + ".csv"
