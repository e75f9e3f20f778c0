"""Results of several outcomes as studies of return to work, one row a comparison, in their currencies."""

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from bayesrtw.errors import EvidenceError
from bayesrtw.evidence.counts import counts
from bayesrtw.evidence.hazards import MONTH
from bayesrtw.evidence.labelled import dataset_of
from bayesrtw.evidence.table import Evidence, Outcome
from bayesrtw.model.reported import DATES
from bayesrtw.model.return_to_work import MEASURE, ratios

#: Columns that are read here and mean something else in the rows that come of it.
READ = (
    "effect",
    "se",
    "events_t",
    "n_t",
    "events_c",
    "n_c",
    "median_t",
    "median_c",
    "reversed",
    "multiplier",
)

type Cells = dict[str, float]


def on_one_scale(evidence: Evidence) -> Evidence:
    """Take results of several outcomes as studies that each tell one log hazard ratio of returning to work.

    Rows of one study and contrast become one. A hazard ratio is taken where there is one; otherwise people
    back at work by dates, or a ratio of risks or odds at a date, with medians and mean days of absence. Dates
    and horizons are the follow-up of each row. Outcomes of which less is better are read for their days and
    medians alone: people who are not back are not counted as if they were.

    Parameters
    ----------
    evidence
        Rows of a data set, e.g. ``open_dataset("rtw-trials").select(outcome=[...])``.

    Returns
    -------
    Evidence
        One row a study and contrast, columns as the likelihood `return_to_work` reads them; what could not be
        translated is in ``quarantined``, with the reason. Groups that two contrasts share are taken to be
        different people.

    Raises
    ------
    EvidenceError
        If nothing can be translated.

    Examples
    --------
    >>> import bayesrtw as brw
    >>> rows = brw.open_dataset("rtw-trials").select(outcome=["time_to_rtw", "at_work"], role="primary")
    >>> joint = on_one_scale(rows)
    >>> joint.measure.name, bool(joint.size < rows.size)
    ('log_hazard_ratio', True)
    """
    reader = _Reader(evidence)
    kept: list[int] = []
    told: list[Cells] = []
    left: list[str] = []
    for rows in reader.groups():
        cells, why = reader.read(rows)
        if cells:
            kept.append(reader.speaker(rows))
            told.append(cells)
        else:
            left.append(f"{reader.names[rows[0]]}: {why}")
    if not told:
        raise EvidenceError(
            f"{evidence.where}: no row tells a hazard ratio of returning; rows need hazard ratios, counts, "
            "medians or days, with their follow-up."
        )
    columns: dict[str, NDArray[np.generic]] = {
        str(name): values.to_numpy()[kept]
        for name, values in evidence.data.data_vars.items()
        if str(name) not in READ
    }
    for name in sorted({name for cells in told for name in cells} | {"effect", "se"}):
        columns[name] = np.array([cells.get(name, math.nan) for cells in told])
    columns["measure"] = np.full(len(told), MEASURE, dtype=object)
    columns["outcome"] = np.full(len(told), "return_to_work", dtype=object)
    outcome = Outcome("return_to_work", "return to work", "higher")
    return replace(
        evidence,
        data=dataset_of(columns),
        outcomes={"return_to_work": outcome},
        dependence=(),
        quarantined=(*evidence.quarantined, *left),
        places=type(evidence.places)(),
    )


class _Reader:
    """Rows of evidence, read for what they tell of returning to work."""

    def __init__(self, evidence: Evidence) -> None:
        self.evidence = evidence
        self.names = evidence.data["estimate"].to_numpy().astype(str)
        self.seen = counts(evidence, 2)
        self.measure = evidence.data["measure"].to_numpy().astype(str)
        self.outcome = evidence.data["outcome"].to_numpy().astype(str)
        self.ratio = ratios(evidence)

    def number(self, name: str, row: int) -> float:
        """Give a number of a row; NaN where there is none."""
        if name not in self.evidence.data or self.evidence.data[name].dtype == object:
            return math.nan
        return float(self.evidence.data[name].to_numpy()[row])

    def text(self, name: str, row: int) -> str:
        """Give a text of a row."""
        known = name in self.evidence.data
        return str(self.evidence.data[name].to_numpy()[row]) if known else ""

    def groups(self) -> Iterator[list[int]]:
        """Give rows of one study and contrast, in order of appearance."""
        found: dict[tuple[str, str, str], list[int]] = {}
        for row in range(self.evidence.size):
            key = (self.text("study", row), self.text("contrast", row), self.text("stratum", row))
            found.setdefault(key, []).append(row)
        yield from found.values()

    def speaker(self, rows: list[int]) -> int:
        """Give the row that reports a hazard ratio, or the first."""
        told = (row for row in rows if self.measure[row] == MEASURE and self.ratio[row])
        return next(told, rows[0])

    def read(self, rows: list[int]) -> tuple[Cells, str]:
        """Give what a comparison reports in the columns of the likelihood, or why nothing."""
        row = self.speaker(rows)
        if self.measure[row] == MEASURE and self.ratio[row]:
            return {"effect": self.number("effect", row), "se": self.number("se", row)}, ""
        cells: Cells = {}
        why = ["no hazard ratio, counts, medians or days"]
        for row in rows:
            better = self.evidence.outcomes[self.outcome[row]].benefit
            day = self.number("follow_up_months", row) * MONTH
            if better == "higher":
                self._back(row, day, cells, why)
            elif self.evidence.outcomes[self.outcome[row]].unit == "days":
                self._away(row, day, cells, why)
        return cells, "" if cells else why[-1]

    def _back(self, row: int, day: float, cells: Cells, why: list[str]) -> None:
        """Add people back at work by a date, or a ratio there."""
        events, n = self.seen.events[:, row], self.seen.size[:, row]
        effect, se = self.number("effect", row), self.number("se", row)
        kind = {"log_risk_ratio": "risk_ratio", "log_odds_ratio": "odds_ratio"}.get(
            self.measure[row]
        )
        if not (np.isfinite([*events, *n]).all() or (kind and math.isfinite(effect) and se > 0)):
            return
        if not day > 0:
            why.append("people back at work without a date")
            return
        free = [end for end in DATES if f"at{end}" not in cells]
        if not free or day in [cells.get(f"at{end}") for end in DATES]:
            return
        end = free[0]
        if np.isfinite([*events, *n]).all():
            if "n_t" in cells and [cells["n_t"], cells["n_c"]] != n.tolist():
                return
            cells |= {f"events_t{end}": events[0], f"events_c{end}": events[1], f"at{end}": day}
            cells |= {"n_t": n[0], "n_c": n[1]}
        elif kind:
            share = self.number("pct_c", row) / 100.0
            if kind == "odds_ratio" and not 0 < share < 1:
                why.append("an odds ratio without the share back without the programme")
                return
            cells |= {f"share_c{end}": share} if 0 < share < 1 else {}
            cells |= {f"{kind}{end}": math.exp(effect), f"{kind}_se{end}": se, f"at{end}": day}

    def _away(self, row: int, day: float, cells: Cells, why: list[str]) -> None:
        """Add medians and mean days of absence."""
        if self.text("reversed", row) == "yes":
            why.append("days that were turned round")
            return
        times = self.number("multiplier", row)
        times = times if math.isfinite(times) else 1.0
        medians = {f"median_{arm}": times * self.number(f"median_{arm}", row) for arm in "tc"}
        people = {f"n_{arm}": self.number(f"n_{arm}", row) for arm in "tc"}
        if all(math.isfinite(each) for each in (*medians.values(), *people.values())):
            cells |= medians | people
        means = {f"days_{arm}": times * self.number(f"mean_{arm}", row) for arm in "tc"}
        errors = {f"days_{arm}_se": times * self._error(arm, row) for arm in "tc"}
        if not all(math.isfinite(each) for each in (*means.values(), *errors.values())):
            why.append("days without the means of both arms and their errors")
        elif not day > 0:
            why.append("days of absence over a time that is not stated")
        elif max(means.values()) >= day:
            why.append(f"mean days of absence beyond the {day:.0f} days of follow-up")
        else:
            cells |= means | errors | {"horizon": day}

    def _error(self, arm: str, row: int) -> float:
        """Give the standard error of an arm's mean, from whatever is printed of it."""
        sd, n = self.number(f"sd_{arm}", row), self.number(f"n_{arm}", row)
        low, high = (self.number(f"ci_{end}_mean_{arm}", row) for end in ("low", "high"))
        printed = (
            self.number(f"se_mean_{arm}", row),
            sd / math.sqrt(n) if n > 0 else math.nan,
            (high - low) / (2.0 * float(ndtri(0.975))),
        )
        return next((each for each in printed if each > 0), math.nan)
