"""What a careful reader would ask about a data set: faults, doubts and notes, each with its place.

A fault keeps a row out. A doubt is a number that contradicts another one, or that no study of this size
could give: the row stays in, and somebody should look at the source. A note explains itself, and is
said so that nothing happens in silence. Every threshold below says why it is where it is; all were
tried on the shipped data sets and on 97 Cochrane reviews.
"""

import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final, NamedTuple

from bayesrtw.doubt import contradiction, possible, shape
from bayesrtw.doubt.rows import Rows, some_of
from bayesrtw.doubt.rule import SEVERITIES, Doubt, Severity
from bayesrtw.errors import MOST_FAULTS, MOST_MESSAGE, EvidenceError, Fault, Finding, clipped
from bayesrtw.evidence.table import Evidence
from bayesrtw.reading.flat import NOTHING, Stated
from bayesrtw.reading.imported import QUARANTINED, findings
from bayesrtw.reading.read import Reading, attempt
from bayesrtw.reading.source import read_review, usable

#: Rule of faults that are not of rows.
_WHOLE: Final = "not-well-formed"


class Inspection(NamedTuple):
    """What an inspection of a source found."""

    evidence: Evidence | None  #: The rows without faults; None if there are none.
    doubts: tuple[Doubt, ...]  #: Faults, doubts and notes, gravest first.


def inspect(source: Any, stated: Stated = NOTHING) -> Inspection:
    """Read evidence and say everything that is wrong or doubtful."""
    if isinstance(source, Path):
        try:
            foreign = read_review(source)
        except EvidenceError as error:
            return Inspection(None, (whole(source.name, str(error)),))
        if foreign is not None:
            return Inspection(foreign, _sorted((*_not_used(foreign), *doubts(foreign))))
    return _of_reading(attempt(source, stated))


def _of_reading(found: Reading) -> Inspection:
    listed_ = [each for fault in found.faults for each in _of_fault(fault)]
    if found.evidence is not None:
        listed_ += doubts(found.evidence)
        if not usable(found.evidence) and found.evidence.provenance.dataset == "":
            where = found.evidence.where
            text = f"{where}: no row has an effect and a standard error, so that nothing can be pooled."
            returns = shape.tells_returns(found.evidence)
            text = shape.question(found.evidence) if returns else text
            severity: Severity = "doubt" if returns else "fault"
            listed_.append(Doubt(severity, where, 0, "", "", "nothing-usable", text))
    return Inspection(found.evidence, _sorted(listed_))


def _not_used(evidence: Evidence) -> Iterable[Doubt]:
    """Note the rows of a review that no analysis can pool, cause by cause: reviews print such rows."""
    title = evidence.provenance.title
    for found in findings(evidence):
        message = f"{title}: {found.message[:1].lower()}{found.message[1:]}"
        yield Doubt("note", title, 0, QUARANTINED, "", "not-pooled", message)


def doubts(evidence: Evidence) -> tuple[Doubt, ...]:
    """Say what is doubtful about rows that can be used.

    Parameters
    ----------
    evidence
        The rows; numbers as printed are compared where the source has them.

    Returns
    -------
    tuple of Doubt
        Sorted by severity, then file and row.

    Examples
    --------
    >>> import bayesrtw as brw
    >>> found = doubts(brw.open_dataset("rtw-trials"))
    >>> next(d.value for d in found if d.rule == "interval-off-centre")
    '0.74, 0.48, 1.32'
    """
    rows = Rows(evidence)
    checks = (*contradiction.CHECKS, *possible.CHECKS, *shape.CHECKS)
    return _sorted(found for rule in checks for found in rule(rows))


#: Notes that a result is not printed without, beside every doubt; and doubts that it says by itself.
_BESIDE: Final = frozenset({"zero-cells", "not-heard"})
_SAID: Final = frozenset({"two-primary-rows", "direction-not-stated", "arms-alike"})


def beside(evidence: Evidence, *, counted: bool = False, heard: bool = False) -> list[Finding]:
    """Say beside a result what is doubtful about its rows, one finding a rule."""
    kept = bool(evidence.provenance.dataset)
    named = readable(evidence)
    grouped: dict[str, list[Doubt]] = {}
    wanted = _BESIDE - {"zero-cells" if counted else "", "not-heard" if heard else ""}
    for each in doubts(evidence):
        if each.rule in wanted or (each.severity == "doubt" and each.rule not in _SAID):
            grouped.setdefault(each.rule, []).append(each)
    return [
        Finding(rule, "note" if kept else "warning", named(_joined(several)))
        for rule, several in grouped.items()
    ]


def readable(evidence: Evidence) -> Callable[[str], str]:
    """Give what writes studies, outcomes and parts by their names, where a data set has ids of its own."""
    labels = {name: each.title for name, each in evidence.outcomes.items()}
    labels |= {part.name: part.title for part in evidence.coding.parts}
    if "label" in evidence.data:
        pairs = zip(
            evidence.data["study"].to_numpy(), evidence.data["label"].to_numpy(), strict=True
        )
        labels |= {str(study): str(label) for study, label in pairs if label}
    ids = [name for name in labels if re.search(r"[\d_]", name)]
    if not ids:
        return str
    any_ = "|".join(map(re.escape, sorted(ids, key=len, reverse=True)))
    found = re.compile(rf"study='({any_})'|(?<![\w.])({any_})(?![\w.]*\w)")
    return lambda text: found.sub(lambda each: labels[each[1] or each[2]], text)


def _joined(several: list[Doubt]) -> str:
    first, *others = several
    if not others:
        return first.message
    studies = [re.search(r" \(study=.*?'\)(?=: )", each.message) for each in others]
    rows = some_of([f"{o.row}{s[0] if s else ''}" for o, s in zip(others, studies, strict=True)])
    return f"{first.message} The same of row{'s' if len(others) > 1 else ''} {rows}."


def _sorted(found: Iterable[Doubt]) -> tuple[Doubt, ...]:
    return tuple(sorted(found, key=lambda d: (SEVERITIES.index(d.severity), d.file, d.row, d.rule)))


def _of_fault(fault: Fault) -> Iterable[Doubt]:
    """Name a fault once for every row that it is of."""
    place, rows = fault.place, fault.place.rows or (0,)
    rule = fault.rule or ("not-allowed" if place.rows else "unreadable")
    for row in rows:
        yield Doubt("fault", place.file, row, place.column, fault.value, rule, fault.message)


def whole(name: str, message: str) -> Doubt:
    """Make a fault of something that is not read by rows, such as an analysis."""
    return Doubt("fault", name, 0, "", "", _WHOLE, message)


def noticed(name: str, finding: Finding) -> Doubt:
    """Make a doubt, or a note, of what was noticed about something that is not read by rows."""
    severity: Severity = "note" if finding.severity == "note" else "doubt"
    return Doubt(severity, name, 0, "", "", finding.check, f"{name}: {finding.message}")


def in_words(found: Iterable[Doubt]) -> list[str]:
    """Write findings for people: faults, doubts, then notes, each grouped by file and counted."""
    groups: dict[tuple[Severity, str], list[Doubt]] = {}
    lines = []
    for each in _sorted(found):
        if each.rule == _WHOLE:
            lines.append(f"{each.severity}: {each.message}")
        else:
            groups.setdefault((each.severity, each.file), []).append(each)
    for (severity, file), several in groups.items():
        lines.append(
            ": ".join(each for each in (severity, _counted(len(several), severity), file) if each)
        )
        listed = enumerate(several[:MOST_FAULTS], 1)
        lines += [
            f"  {n}. {clipped(each.message, MOST_MESSAGE)} [{each.rule}]" for n, each in listed
        ]
        if len(several) > MOST_FAULTS:
            lines.append(f"  and {len(several) - MOST_FAULTS} more.")
    return lines


def counts(found: Iterable[Doubt]) -> str:
    """Count findings by severity, in words."""
    gravities = [each.severity for each in found]
    return ", ".join(_counted(gravities.count(name), name) for name in SEVERITIES)


def _counted(count: int, name: str) -> str:
    return f"{count} {name}{'' if count == 1 else 's'}"
