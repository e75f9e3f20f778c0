"""One flat table to evidence, whatever file or frame it stands in: one row a result, or a row an arm."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from bayesrtw.errors import EvidenceError, Fault, Faults
from bayesrtw.evidence.cells import Places, Table, numbers
from bayesrtw.evidence.frame import ONLY_RETURNS, misspelt
from bayesrtw.evidence.labelled import dataset_of
from bayesrtw.evidence.measure import Benefit, measure_called
from bayesrtw.evidence.rows import all_numbers
from bayesrtw.evidence.table import Evidence, Outcome, Provenance
from bayesrtw.printed import STATE_IT
from bayesrtw.reading.columns import understood
from bayesrtw.reading.files import grid_of
from bayesrtw.reading.headings import HOUSE
from bayesrtw.reading.revision import mark

if TYPE_CHECKING:
    import pandas as pd


#: What is said where nobody states which effects are good.
UNSTATED: Final = f"No direction of benefit was stated, so nothing is called a benefit; {STATE_IT}."

#: Measure of tables of return to work in whatever currency.
MEASURE: Final = "log_hazard_ratio"

#: How it is said that a row sums up others.
SUMS_UP: Final = "sums up other rows and was left out."


@dataclass(frozen=True, slots=True)
class Stated:
    """What a person says of a table, in place of what would be found."""

    #: Heading in the table to column of this package.
    columns: Mapping[str, str] = field(default_factory=dict)
    measure: str = ""  #: Measure of every row.
    #: Direction of benefit of every outcome; None where nobody states one.
    benefit: Benefit | None = None
    sheet: str = ""  #: Sheet of a workbook.
    unit: str = ""  #: Unit of the differences of every outcome, such as days.
    arms: bool = False  #: Whether one row an arm stays so, as networks of treatments need.


NOTHING = Stated()


def flat_table(
    source: "Path | pd.DataFrame", stated: Stated, faults: Faults
) -> tuple[Table, Provenance]:
    """Read a flat table into the columns of this package."""
    grid, raw = grid_of(source, stated.sheet, faults, stated.columns)
    own = _of_returns(grid.table, stated, faults)
    table = replace(
        grid.table, columns={h: cells for h, cells in grid.table.columns.items() if h not in own}
    )
    names = {h: role for h, role in stated.columns.items() if h not in own}
    try:
        read = understood(
            replace(grid, table=table), names, stated.measure, arms=stated.arms, beside=bool(own)
        )
    except EvidenceError:
        # Cells that could not be read may be why nothing was understood: they are named first.
        faults.raise_if_any()
        raise
    totals = tuple(f"Row {line} ({first!r}) {SUMS_UP}" for line, first in grid.totals)
    plain = (*grid.said, *read.said)
    reading = "; ".join(plain) if plain != ("cells parted by commas",) else ""
    provenance = Provenance(
        title=grid.table.where,
        sha256=hashlib.sha256(raw).hexdigest() if raw else "",
        limits=totals,
        reading=f"{grid.table.where}: {reading}." if reading else "",
        columns=dict(read.roles),
    )
    for heading, name in own.items():
        read.table.columns[name] = grid.table.columns[heading]
    return read.table, provenance


def _of_returns(table: Table, stated: Stated, faults: Faults) -> dict[str, str]:
    """Give headings that the likelihood `return_to_work` alone reads, where all rows tell hazard ratios."""
    measures = {stated.measure} if stated.measure else set(table.columns.get("measure", ("",)))
    called = {heading: stated.columns.get(heading, heading) for heading in table.columns}
    found = {heading: name for heading, name in called.items() if name in ONLY_RETURNS}
    beside = [name for name in found.values() if not name.startswith(("risk_ratio", "odds_ratio"))]
    if (
        stated.arms
        or not beside
        or {measure_called(each) or each for each in measures} != {MEASURE}
    ):
        return {}
    for heading, name in found.items():
        numbers(
            replace(table, columns=table.columns | {name: table.columns[heading]}), name, faults
        )
    others = (heading for heading, cells in table.columns.items() if all_numbers(cells))
    misspelt((called[each] for each in others if called[each] not in HOUSE), table.where, faults)
    return found


def flat_evidence(
    table: Table,
    columns: dict[str, NDArray[np.generic]],
    provenance: Provenance,
    stated: Stated,
    faults: Faults,
) -> Evidence | None:
    """Make evidence of a flat table whose rows were converted."""
    columns |= mark(columns, table.where, table.lines, faults)
    outcomes, silent = _outcomes(table, columns, stated.benefit, faults)
    if stated.unit:
        outcomes = {name: replace(each, unit=stated.unit) for name, each in outcomes.items()}
    if faults:
        return None
    limits = provenance.limits
    if stated.benefit is not None:
        limits = (
            *limits,
            f"Direction of benefit: {stated.benefit} for every outcome, given by hand.",
        )
    elif silent:
        limits = (*limits, UNSTATED)
    return Evidence(
        dataset_of(columns),
        replace(provenance, limits=limits),
        outcomes,
        places=Places(table.where, tuple(table.lines)),
    )


def _outcomes(
    table: Table,
    columns: dict[str, NDArray[np.generic]],
    given: Benefit | None,
    faults: Faults,
) -> tuple[dict[str, Outcome], bool]:
    """Give every outcome its direction of benefit; say whether nobody stated one."""
    names = columns.setdefault("outcome", np.full(table.count, "effect", dtype=object))
    stated = columns.get("benefit") if given is None else None
    outcomes: dict[str, Outcome] = {}
    for row, name in enumerate(map(str, names)):
        benefit: Any = str(stated[row]) if stated is not None else given or ""
        if benefit not in ("higher", "lower", ""):
            what, remedy = f"benefit is {benefit!r}", "Choices: higher, lower"
            place = table.at(row, column="benefit")
            faults.add(Fault(what, "", remedy, "not-allowed", place, benefit))
            continue
        known = outcomes.get(name)
        if known is not None and known.benefit != benefit:
            what = f"benefit of outcome {name!r} is {benefit!r} in row {table.lines[row]} and "
            what += f"{known.benefit!r} before"
            # Of the whole outcome: leaving out the rows of one side would decide its direction.
            place = table.at(column="benefit")
            remedy, rule = "give an outcome one direction", "outcome-with-two-directions"
            faults.add(Fault(what, "", remedy, rule, place, benefit))
        if known is None:
            outcomes[name] = Outcome(name, name.replace("_", " "), benefit)
    return outcomes, not any(each.benefit for each in outcomes.values())


def check_frame(source: object) -> None:
    """Refuse what is neither a path nor a data frame."""
    if not hasattr(source, "columns") or not hasattr(source, "iloc"):
        raise EvidenceError(
            f"data frame: found {type(source).__name__}; give a path or a pandas DataFrame."
        )


def checked_benefit(benefit: object) -> Benefit | None:
    """Check a direction of benefit."""
    if not benefit:
        return None
    if benefit not in ("higher", "lower"):
        raise EvidenceError(f"benefit is {benefit!r}; Choices: higher, lower.")
    return benefit


def parsed_columns(texts: Sequence[str]) -> dict[str, str]:
    """Read what columns are from a command line."""
    found: dict[str, str] = {}
    for text in texts:
        held = ""
        for part in text.split(","):
            held = f"{held},{part}" if held else part
            heading, equals, role = held.rpartition("=")
            if equals:
                found[heading.strip()] = role.strip()
                held = ""
        if held:
            raise EvidenceError(
                f"--columns: found {held!r}; write heading=column, such as yi=effect,vi=variance."
            )
    return found


def proposal(found: Provenance) -> str:
    """Write what columns were taken for, for a person to edit."""
    lines = [f"# {found.reading or f'{found.title}: columns as they are called.'}", "[columns]"]
    lines += [
        f"{json.dumps(h, ensure_ascii=False)} = {json.dumps(r)}" for r, h in found.columns.items()
    ]
    return "\n".join(lines) + "\n"
