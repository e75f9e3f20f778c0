"""Whether comparisons of a network are made in like studies: moderators by comparison."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bayesrtw.errors import SpecError, shown
from bayesrtw.evidence.table import Evidence
from bayesrtw.model.treatments import Treatments, treatments_of
from bayesrtw.pictured import Pictured, as_html
from bayesrtw.printed import figure
from bayesrtw.question.answer import table_as_html
from bayesrtw.question.asked import About, Subject, about
from bayesrtw.question.inconsistency import counted
from bayesrtw.question.league import PAIR
from bayesrtw.registry import suggestion

Array = NDArray[np.float64]

#: How far the studies of a comparison lie from all, in SDs of all, to be named.
APART = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class Transitivity(Pictured):
    """Moderators by comparison.

    Attributes
    ----------
    table
        Index ``moderator, treatment, against``, each study once; first rows ``all`` of every study:
        ``studies`` that report it, ``mean, sd, least, most``, ``missing`` studies, and ``apart``, how far the
        mean lies from that of all studies, in SDs of all. A level of a text column is a moderator of its own,
        ``column: level``, whose mean is the share of studies that have it.
    about
        What was asked.
    """

    table: pd.DataFrame
    about: About

    def _words(self) -> str:
        far = self.table[self.table["apart"].abs() >= APART]
        moderators = self.table.index.unique("moderator")
        said = [
            f"{moderator} in {one} vs {other} ({figure(row['mean'])}, {counted(row['studies'])}, "
            f"{row['apart']:+.1f} SDs)"
            for (moderator, one, other), row in zip(
                far.index.tolist(), far.to_dict("records"), strict=True
            )
        ]
        head = f"{len(moderators)} moderators by comparison, each study once."
        if not said:
            return self.about.said(
                head, f"No comparison lies {APART:g} SD or more from all studies."
            )
        return self.about.said(
            head, f"{APART:g} SD or more from all studies lie: {'; '.join(said)}."
        )

    def _repr_html_(self) -> str:
        """Give the table, for a notebook."""
        return as_html("Transitivity", [self._words()], [table_as_html(self.table)])


def transitivity(
    model: Subject, evidence: Evidence | None = None, *, columns: Sequence[str] = ()
) -> Transitivity:
    """Hold the studies of each comparison against all others in what may move effects.

    Indirect evidence is as good as studies of different comparisons are alike in what moves effects. Nothing
    is fitted.

    Parameters
    ----------
    model, evidence
        A model with rows or a synthesis; a term says what arms consist of.
    columns
        Columns of the evidence, numbers or text; the moderators of the model, other than its arms, unless
        given.

    Returns
    -------
    Transitivity
        ``table``, one row a moderator and comparison.

    Raises
    ------
    SpecError
        If no column is named and the model has no moderator, or a column does not exist.

    Examples
    --------
    >>> import pandas as pd
    >>> import bayesrtw as brw
    >>> frame = pd.DataFrame({"study": ["A", "A", "B", "B"], "arm": ["none", "x", "none", "y"],
    ...                       "mean": [0.0, 1.0, 0.2, 0.4], "se": 0.3, "age": [40, 40, 60, 60]})
    >>> parts = brw.terms.Components(brw.prior.Normal(0, 2), arm="arm", none=("none",))
    >>> model = brw.Model(terms=(parts, brw.Common()))
    >>> found = brw.network.transitivity(model, brw.Evidence.from_arms(frame), columns=["age"])
    >>> float(found.table.loc[("age", "y", "none"), "mean"])
    60.0
    """
    asked = about(model, evidence)
    network = treatments_of(asked.model, asked.evidence)
    data = asked.evidence.data
    wanted = list(columns) or [
        each.column for each in asked.model.moderators if each.shape != "sets"
    ]
    have = [str(name) for name in data.data_vars]
    if not wanted:
        raise SpecError(
            f"the model has no moderator beside its arms; name columns of {shown(sorted(have), 20)}."
        )
    for name in wanted:
        if name not in have:
            raise SpecError(f"no column {name!r}; {suggestion(name, have)}")
    rows, index = [], []
    for name in wanted:
        for title, of_study in _values(network, name):
            every = np.array(list(of_study.values()))
            rows.append(_told(every, every))
            index.append((title, "all", ""))
            for pair in network.compared:
                own = np.array([of_study[study] for study in network.comparing(*pair)])
                rows.append(_told(own, every))
                index.append((title, network.names[pair[0]], network.names[pair[1]]))
    names = pd.MultiIndex.from_tuples(index, names=["moderator", *PAIR])
    return Transitivity(pd.DataFrame(rows, index=names), asked)


def _values(network: Treatments, column: str) -> list[tuple[str, dict[str, float]]]:
    """Give a number of each study, NaN where it reports none; of text one for each level."""
    cells = network.evidence.data[column].to_numpy()
    if cells.dtype != object:
        return [(column, _by_study(network, cells.astype(float)))]
    words = cells.astype(str)
    told = words != ""
    return [
        (f"{column}: {level}", _by_study(network, np.where(told, words == level, np.nan)))
        for level in sorted(set(words[told]))
    ]


def _by_study(network: Treatments, values: Array) -> dict[str, float]:
    """Average the rows of each study that report a value."""
    found = {}
    for study in network.of_studies:
        own = values[network.study == study]
        known = own[np.isfinite(own)]
        found[study] = float(known.mean()) if known.size else np.nan
    return found


def _told(own: Array, every: Array) -> dict[str, float]:
    """Sum up numbers of studies, and say how far they lie from all."""
    known, all_ = own[np.isfinite(own)], every[np.isfinite(every)]
    spread = float(all_.std(ddof=1)) if all_.size > 1 else 0.0
    some = known.size > 0
    mean = float(known.mean()) if some else np.nan
    return {
        "studies": known.size,
        "mean": mean,
        "sd": float(known.std(ddof=1)) if known.size > 1 else np.nan,
        "least": float(known.min()) if some else np.nan,
        "most": float(known.max()) if some else np.nan,
        "missing": own.size - known.size,
        "apart": (mean - float(all_.mean())) / spread if some and spread > 0 else np.nan,
    }
