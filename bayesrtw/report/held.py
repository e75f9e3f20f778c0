"""Tables of a panel as people read them: the answer's change in front, names in full."""

import re
from typing import TYPE_CHECKING

import numpy as np

from bayesrtw.analysis.sensitivity import (
    FAMILIES,
    FAMILY_INFLUENCE,
    RESULT,
    STUDIES,
    WHOLE,
    Panel,
    families_as,
    known_as,
)
from bayesrtw.evidence.measure import Measure
from bayesrtw.evidence.table import Evidence

if TYPE_CHECKING:
    import pandas as pd


def held(panel: Panel) -> "dict[str, pd.DataFrame]":
    """Write every table of a panel: heading to rows named in full.

    Tables of specifications have ``change`` in front, of the median against the registered one: a ratio of
    ratios, or a difference; their medians with ends are on the reported scale. Others stay as they are.
    """
    rows = panel.about.evidence
    names = names_of(rows)
    own = float(str(panel.tables[STUDIES].loc[WHOLE, "median"]))
    found = {heading: _changed(table, rows.measure, own) for heading, table in panel.tables.items()}
    return {
        heading: named(table, names.get(heading, names[STUDIES]))
        for heading, table in {**found, **panel.questions}.items()
    }


def names_of(rows: Evidence) -> dict[str, dict[str, str]]:
    """Name what tables of studies and of families leave out as a reader knows it, by heading."""
    families = families_as(rows)
    return {STUDIES: known_as(rows), FAMILIES: families, FAMILY_INFLUENCE: families}


def named(table: "pd.DataFrame", names: dict[str, str]) -> "pd.DataFrame":
    """Name rows that are ids of studies, or of families, as a reader knows them."""
    return table.set_axis([names.get(str(name), str(name)) for name in table.index], axis=0)


def _changed(table: "pd.DataFrame", measure: Measure, registered: float) -> "pd.DataFrame":
    ends = {name: measure.back(table[name].to_numpy(dtype=np.float64)) for name in RESULT[:3]}
    own = float(measure.back(registered))
    change = ends["median"] / own if measure.log else ends["median"] - own
    back = table.drop(columns=list(RESULT[:3])).assign(change=change, **ends)
    first = ["change", *RESULT]
    return back[[*first, *(name for name in back.columns if name not in first)]]


def file_name(heading: str) -> str:
    """Make a name of a file of a heading."""
    return re.sub(r"[^a-z0-9]+", "-", heading.lower()).strip("-") + ".csv"
