"""A source read for import: its rows as printed and as evidence; unusable rows are quarantined.

A data set folder is strict: a faulty row is a fault of the file. A review by others is not ours to
mend: a row that cannot be used stays, without its numbers, beside its cause in the column
``quarantined``, and its effect is missing. The others are used.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from bayesrtw.dims import ESTIMATE
from bayesrtw.errors import EvidenceError, Faults, Finding
from bayesrtw.evidence.cells import Table
from bayesrtw.evidence.labelled import dataset_of
from bayesrtw.evidence.measure import MEASURES, Benefit
from bayesrtw.evidence.quality import Judgements, read_judgements
from bayesrtw.evidence.reported import NUMBERS, OnScale, analysis_scale
from bayesrtw.evidence.rows import TEXT
from bayesrtw.evidence.table import Evidence, Outcome, Provenance
from bayesrtw.printed import STATE_IT
from bayesrtw.reading.review import AGREES, NO_SE, ROUNDING, Cells, ReviewRow, Setting, row_of

#: Column that says why a row is not used.
QUARANTINED: Final = "quarantined"

#: What judgements of a review are called that do not say which instrument they follow.
INSTRUMENT: Final = "the review's own domains"

#: Cause of a row that the package's own checks refuse; what they say follows it.
CONTRADICTORY: Final = "the printed numbers contradict each other"

#: What a quarantined row keeps in its own columns; its numbers move into the cause.
_KEPT: Final = (
    "study",
    "label",
    "outcome",
    "comparison",
    "subgroup",
    "year",
    "measure",
    "review_estimate",
    "review_ci_low",
    "review_ci_high",
    "review_weight",
    "locator",
    "note",
)

#: Columns of an imported results table, in this order; those that are empty throughout are left out.
_ORDER: Final = (
    "study",
    "label",
    "outcome",
    "comparison",
    "subgroup",
    "reported",
    "measure",
    "events_t",
    "n_t",
    "events_c",
    "n_c",
    "mean_t",
    "sd_t",
    "mean_c",
    "sd_c",
    "o_minus_e",
    "variance",
    "estimate",
    "se",
    "review_estimate",
    "review_ci_low",
    "review_ci_high",
    "review_weight",
    "year",
    "locator",
    "note",
    QUARANTINED,
)

#: Studies named in one sentence before the rest is only counted.
_NAMED: Final = 12

#: Longest title that is part of an outcome's name.
_LONGEST: Final = 60


@dataclass(frozen=True, slots=True, eq=False)
class Imported:
    """What an importer read."""

    evidence: Evidence  #: The rows on the scale of analysis.
    #: results, studies: the same rows and their studies as printed: what a data set folder holds.
    results: Table
    studies: Table
    risk_of_bias: Table  #: Judgements, study by domain; no rows where the source has none.


def findings(evidence: Evidence) -> tuple[Finding, ...]:
    """Name the quarantined rows, one finding a cause."""
    if QUARANTINED not in evidence.data:
        return ()
    causes = evidence.data[QUARANTINED].to_numpy()
    labels = evidence.data[ESTIMATE].to_numpy()
    rows: dict[str, list[str]] = {}
    for label, cause in zip(labels, causes, strict=True):
        if str(cause):
            rows.setdefault(_short(str(cause)), []).append(str(label))
    return tuple(
        Finding("quarantined", "warning", f"Not used ({len(names)}), {cause}: {_listed(names)}.")
        for cause, names in rows.items()
    )


def _short(cause: str) -> str:
    """Cause without the row's own numbers."""
    return CONTRADICTORY if cause.startswith(CONTRADICTORY) else cause.split(" [", 1)[0]


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


def gather(
    entries: Sequence[ReviewRow],
    provenance: Provenance,
    *,
    studies: Mapping[str, Mapping[str, str]],
    risk_of_bias: Sequence[Mapping[str, str]] = (),
    benefit: Benefit | None = None,
) -> Imported:
    """Convert the rows of a review; what cannot be used is quarantined with its cause."""
    if not entries:
        raise EvidenceError(
            f"{provenance.title}: holds no study rows in its analyses; give a review with data."
        )
    names = _outcome_names(entries)
    rows, found = [], []
    with np.errstate(all="ignore"):
        for entry in entries:
            row, on_scale = _converted(entry, names[id(entry.setting)])
            rows.append(row)
            found.append(on_scale)
    _label(rows)
    table = _table(rows, provenance.title)
    columns = _columns(table)
    if "se" in columns:
        columns["se_printed"] = columns["se"]
    columns |= {
        "effect": np.array([each.effect for each in found]),
        "se": np.array([each.se for each in found]),
        "measure": np.array([each.measure for each in found], dtype=object),
        "conversion": np.array([each.conversion for each in found], dtype=object),
    }
    known = {
        name: {key: _clean(value) for key, value in studies.get(name, {}).items()}
        for name in dict.fromkeys(row["study"] for row in rows)
    }
    study_table = _study_table(known, provenance.title)
    _join(columns, study_table)
    outcomes, limits = _outcomes(entries, names, benefit)
    evidence = Evidence(
        dataset_of(columns), replace(provenance, studies=study_table.count), outcomes
    )
    provenance = replace(
        evidence.provenance,
        limits=(*provenance.limits, *limits, *_counted(evidence)),
        disagreements=(*provenance.disagreements, *_disagreements(evidence)),
    )
    bias = _bias_table(risk_of_bias, known, provenance.title)
    faults = Faults(EvidenceError)
    judgements = read_judgements(bias, known, faults) if bias.count else Judgements()
    faults.raise_if_any()
    return Imported(
        replace(
            evidence, provenance=provenance, judgements=judgements, quarantined=_sentences(evidence)
        ),
        table,
        study_table,
        bias,
    )


def _bias_table(
    judged: Sequence[Mapping[str, str]], studies: Mapping[str, object], where: str
) -> Table:
    """Judgements of the studies that have rows, each once; reviews have their own domains."""
    rows: dict[tuple[str, str], dict[str, str]] = {}
    for each in judged:
        row = {key: _clean(value) for key, value in each.items()}
        if row["study"] in studies and row["domain"] and row["judgement"]:
            rows.setdefault((row["study"], row["domain"]), {**row, "instrument": INSTRUMENT})
    return _table(
        list(rows.values()), where, ("study", "instrument", "domain", "judgement", "support")
    )


def _sentences(evidence: Evidence) -> tuple[str, ...]:
    if QUARANTINED not in evidence.data:
        return ()
    columns = [evidence.data[name].to_numpy() for name in ("locator", "study", QUARANTINED)]
    return tuple(
        f"{locator} (study={study!r}): {cause}."
        for locator, study, cause in zip(*columns, strict=True)
        if cause
    )


def _clean(cell: str) -> str:
    """One line without surrounding white space, so that a CSV file gives it back as it is."""
    return " ".join(cell.replace("\x00", " ").split())


def _outcome_names(entries: Sequence[ReviewRow]) -> dict[int, str]:
    """Give every analysis a name of its own: its number and its title."""
    names: dict[int, str] = {}
    taken: set[str] = set()
    for entry in entries:
        setting = entry.setting
        if id(setting) in names:
            continue
        title = _clean(setting.name)[:_LONGEST].strip()
        name = base = f"{_clean(setting.group)}.{_clean(setting.number)} {title}".strip()
        place = 2
        while name in taken:
            name, place = f"{base} ({place})", place + 1
        taken.add(name)
        names[id(setting)] = name
    return names


def _converted(entry: ReviewRow, outcome: str) -> tuple[dict[str, str], OnScale]:
    """Convert one row, or quarantine it."""
    cells = row_of(entry)
    row = {
        "study": _clean(entry.study) or "unnamed study",
        "outcome": outcome,
        "comparison": _clean(entry.setting.comparison),
        "subgroup": _clean(entry.subgroup),
        "locator": _clean(entry.locator),
        **{name: _clean(cell) for name, cell in cells.text.items()},
        "note": "; ".join(filter(None, [_clean(entry.note), *cells.notes])),
    }
    if not cells.cause:
        numeric = {name: float(cell) for name, cell in row.items() if name in NUMBERS and cell}
        text = {name: cell for name, cell in row.items() if name not in NUMBERS}
        found = analysis_scale(text, numeric)
        cells.cause = _refused(found)
        if not cells.cause:
            return row, found
    return _quarantined(row, cells)


def _refused(found: OnScale) -> str:
    if found.faults:
        return f"{CONTRADICTORY}: {'; '.join(each.text for each in found.faults)}"
    if not math.isfinite(found.effect):
        return f"{CONTRADICTORY}: the effect is not finite"
    return "" if 0 < found.se < math.inf else NO_SE


def _quarantined(row: dict[str, str], cells: Cells) -> tuple[dict[str, str], OnScale]:
    """Move the numbers of a row into its cause."""
    kept = {name: cell for name, cell in row.items() if name in _KEPT}
    numbers = [f"{name}={cell}" for name, cell in row.items() if name not in (*_KEPT, "reported")]
    measure = row["measure"] if row["measure"] in MEASURES else "generic"
    held = f" [{', '.join(numbers)}]" if numbers else ""
    kept |= {"reported": "effect", "measure": measure, QUARANTINED: f"{cells.cause}{held}"}
    return kept, analysis_scale(kept, {})


def _label(rows: Sequence[dict[str, str]]) -> None:
    """Tell the rows of a study in one analysis apart by their subgroups."""
    count: dict[tuple[str, str], int] = {}
    for row in rows:
        key = row["study"], row["outcome"]
        count[key] = count.get(key, 0) + 1
    for row in rows:
        repeated = count[row["study"], row["outcome"]] > 1 and row["subgroup"]
        row["label"] = f"{row['study']} ({row['subgroup']})" if repeated else row["study"]


def _table(rows: Sequence[Mapping[str, str]], where: str, order: Sequence[str] = _ORDER) -> Table:
    """Rows as columns of text; without those that are empty throughout."""
    always = ("study", "outcome", "estimate") if order is _ORDER else order
    columns = {name: [row.get(name, "") for row in rows] for name in order}
    kept = {name: cells for name, cells in columns.items() if name in always or any(cells)}
    return Table(where, kept, list(range(2, len(rows) + 2)))


def _study_table(studies: Mapping[str, Mapping[str, str]], where: str) -> Table:
    names = dict.fromkeys(key for known in studies.values() for key in known)
    rows = [{"study": study, **known} for study, known in studies.items()]
    return _table(rows, where, ("study", *names))


def _columns(table: Table) -> dict[str, NDArray[np.generic]]:
    """Text to numbers where a data set folder would do so."""
    columns: dict[str, NDArray[np.generic]] = {}
    for name, cells in table.columns.items():
        numeric = name in NUMBERS or (name not in TEXT and all_numbers(cells))
        if numeric:
            columns[name] = np.array([float(cell) if cell else math.nan for cell in cells])
        else:
            columns[name] = np.array(cells, dtype=object)
    return columns


def all_numbers(cells: Sequence[str]) -> bool:
    """Whether a column holds finite numbers and empty cells only, and at least one number."""
    try:
        return any(cells) and all(
            math.isfinite(float(cell)) and "_" not in cell for cell in cells if cell
        )
    except ValueError:
        return False


def _join(columns: dict[str, NDArray[np.generic]], studies: Table) -> None:
    """Put what is known of the studies beside their rows."""
    place = {study: row for row, study in enumerate(studies.columns["study"])}
    rows = [place[str(study)] for study in columns["study"]]
    for name, values in _columns(studies).items():
        if name != "study":
            columns[name] = values[rows]


def _outcomes(
    entries: Sequence[ReviewRow], names: Mapping[int, str], benefit: Benefit | None
) -> tuple[dict[str, Outcome], tuple[str, ...]]:
    settings = {names[id(entry.setting)]: entry.setting for entry in entries}
    outcomes = {
        name: Outcome(
            name,
            _title(setting),
            benefit or setting.benefit or "",
            _clean(setting.unit),
            *map(_clean, setting.sides),
        )
        for name, setting in settings.items()
    }
    limits = []
    if benefit is not None:
        limits.append(f"Direction of benefit: {benefit} for every outcome, given by hand.")
    else:
        silent = [name for name, setting in settings.items() if setting.benefit is None]
        stated = len(settings) - len(silent)
        if stated:
            limits.append(
                f"Direction of benefit of {stated} analyses: taken from the labels of their graphs."
            )
        if silent:
            limits.append(
                f"No direction of benefit was stated for {len(silent)} analyses: nothing is called a "
                f"benefit there; {STATE_IT}."
            )
    apart = [name for name, setting in settings.items() if not setting.totals]
    if apart:
        limits.append(
            f"The review shows no overall result for {len(apart)} analyses, so their rows may repeat "
            f"studies or not belong together: {_listed(apart)}."
        )
    return outcomes, tuple(limits)


def _title(setting: Setting) -> str:
    title = _clean(setting.name) or f"analysis {setting.group}.{setting.number}"
    comparison = _clean(setting.comparison)
    return f"{title} ({comparison})" if comparison else title


def _counted(evidence: Evidence) -> tuple[str, ...]:
    """Say how many rows are quarantined and why."""
    if QUARANTINED not in evidence.data:
        return ()
    causes: dict[str, int] = {}
    for cause in map(str, evidence.data[QUARANTINED].to_numpy()):
        if cause:
            causes[_short(cause)] = causes.get(_short(cause), 0) + 1
    listed = "; ".join(f"{count}: {cause}" for cause, count in causes.items())
    return (
        f"Quarantined {sum(causes.values())} of {evidence.size} rows (column {QUARANTINED!r} names "
        f"the cause and keeps the numbers): {listed}.",
    )


def disagrees(evidence: Evidence) -> NDArray[np.bool_]:
    """Say which recomputed effects differ from the ones that the review displays."""
    if "review_estimate" not in evidence.data:
        return np.zeros(evidence.size, dtype=bool)
    printed = np.asarray(evidence.data["review_estimate"].to_numpy(), dtype=np.float64)
    effect = np.asarray(evidence.data["effect"].to_numpy(), dtype=np.float64)
    names = evidence.data["measure"].to_numpy()
    log = np.array([MEASURES[str(name)].log for name in names])
    generic = names == "generic"
    with np.errstate(all="ignore"):
        room = AGREES * np.abs(printed) + ROUNDING
        ratio, plain = np.abs(np.exp(effect) - printed) > room, np.abs(effect - printed) > room
    off = np.where(generic, ratio & plain, np.where(log, ratio, plain))
    return np.asarray(off & np.isfinite(printed) & np.isfinite(effect), dtype=bool)


def _disagreements(evidence: Evidence) -> tuple[str, ...]:
    off = disagrees(evidence)
    if not off.any():
        return ()
    rows: Any = evidence.rows(off)
    names = [
        f"{outcome}, {study}"
        for outcome, study in zip(
            rows.data["outcome"].to_numpy(), rows.data["study"].to_numpy(), strict=True
        )
    ]
    return (
        f"{len(names)} recomputed effects differ from the displayed ones by more than 0.1 %: "
        f"{_listed(names)}.",
    )
