"""Judgements to priors of bias: a table that a person can read, edit and cite, and what it says of rows.

Biases are on the log ratio scale in the direction of benefit: positive exaggerates it. A study with
judgements gets the sum over its judged domains; without any, the default of its design, which for
non-randomised studies depends on what the result was adjusted for.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bayesrtw.dims import ESTIMATE
from bayesrtw.errors import EvidenceError, Faults, SpecError, shown
from bayesrtw.evidence.cells import SEPARATOR, read_table
from bayesrtw.evidence.quality import OVERALL, Judgement, listed
from bayesrtw.evidence.table import Evidence
from bayesrtw.registry import suggestion

Array = NDArray[np.float64]
_Key = tuple[str, str, str, str, str]

#: Where the shipped table stands, below the package's data.
SHIPPED: Final = ("bias-priors", "bias_priors.csv")

#: A design of cells that hold for all designs.
ANY: Final = "any"

#: Domain and word of a design's default that does not depend on adjustment.
DESIGN: Final = "design"
NO_JUDGEMENT: Final = "no_judgement"

#: The word of a domain that a result was not adjusted for.
NOT_ADJUSTED: Final = "not_adjusted"

#: What a result may be adjusted for; the same words as in the data sets that are shipped.
ADJUSTED_FOR: Final = (
    "prior_absence",
    "diagnosis",
    "health",
    "treatment",
    "age_sex",
    "demographics",
    "work",
    "expectation",
    "programme_type",
    "propensity",
    "matched",
    "period",
    "instrument",
    "selection_model",
    "allocation_rule",
    "not_stated",
    "none",
)

#: Measures that the table speaks about: its sources are ratios of odds ratios, taken as they stand for
#: the other ratios of events.
MEASURES: Final = frozenset(
    {
        "log_hazard_ratio",
        "log_odds_ratio",
        "log_peto_odds_ratio",
        "log_rate_ratio",
        "log_risk_ratio",
    }
)


@dataclass(frozen=True, slots=True)
class BiasCell:
    """What one judgement says of bias.

    Parameters
    ----------
    domain
        Domain of the instrument; of a default, ``design`` or what may have been adjusted for.
    judgement
        The instrument's word; of a default, ``no_judgement``, ``not_adjusted`` or a word of
        `ADJUSTED_FOR`.
    mean, sd
        Of the bias, log ratio scale, positive where it exaggerates the benefit; sd >= 0.
    design
        A study design, or ``any``.
    instrument, version
        Exactly as in ``risk_of_bias.csv``; empty for the default of a design.
    excluded
        Whether the judgement leaves the study out.
    source, note
        Where the numbers come from, and why.
    """

    domain: str
    judgement: str
    mean: float = 0.0
    sd: float = 0.0
    design: str = ANY
    instrument: str = ""
    version: str = ""
    excluded: bool = False
    source: str = ""
    note: str = ""

    def __post_init__(self) -> None:
        if not (math.isfinite(self.mean) and math.isfinite(self.sd) and self.sd >= 0):
            raise SpecError(
                f"bias of {self.judgement!r} in {self.domain!r}: mean must be finite and sd finite and "
                f">= 0; found {self.mean!r} and {self.sd!r}."
            )
        if not self.instrument and self.design == ANY:
            raise SpecError(
                f"bias of {self.judgement!r} in {self.domain!r} names neither an instrument nor a "
                "design; name one."
            )

    @property
    def key(self) -> _Key:
        """What the cell is looked up by."""
        return (self.design, self.instrument, self.version, self.domain, self.judgement)


@dataclass(frozen=True, slots=True)
class BiasMoments:
    """What is known of the bias of every row."""

    #: mean, variance: shape (estimate,), log ratio scale in the direction of benefit; the variance of rows
    #: that are left out is infinite.
    mean: Array
    variance: Array
    how: tuple[str, ...]  #: Shape (estimate,): where each row's moments come from, in words.
    excluded: NDArray[np.bool_]  #: Shape (estimate,): rows whose study a judgement leaves out.
    #: judged, unjudged: studies with judgements that the table maps, and without; in the order of the rows.
    judged: tuple[str, ...]
    unjudged: tuple[str, ...]
    #: Instrument to the number of studies it judged without the table mapping any of it.
    unmapped: Mapping[str, int]
    #: Non-randomised studies without judgement of which nothing is recorded, or only that it was not stated,
    #: about adjustment.
    unadjusted: tuple[str, ...]
    #: Judged studies of which some domains that the table holds were not judged; these add nothing.
    partial: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Part:
    """Moments with their story."""

    mean: float
    variance: float
    how: str
    excluded: bool = False
    partial: bool = False


@cache
def shipped_cells() -> tuple[BiasCell, ...]:
    """Read the table that is shipped.

    Returns
    -------
    tuple of BiasCell
        In the order of the file, ``data/bias-priors/bias_priors.csv``.

    Examples
    --------
    >>> [cell.mean for cell in shipped_cells() if cell.key[1:4] == ("RoB 2", "2019", "measurement")]
    [0.0, 0.0697, 0.1393]
    """
    resource = files("bayesrtw.data").joinpath(*SHIPPED)
    return read_cells(resource.read_bytes(), "/".join(SHIPPED))


def read_cells(raw: bytes, where: str) -> tuple[BiasCell, ...]:
    """Read a table of bias priors."""
    faults = Faults(EvidenceError)
    table = read_table(raw, where, faults)
    names = list(BiasCell.__dataclass_fields__)
    for name in names:
        if name not in table.columns:
            faults.add(
                f"{where}: column {name!r} is missing; {suggestion(name, list(table.columns))}"
            )
    faults.raise_if_any()
    cells: dict[_Key, int] = {}
    found = []
    for place, line in enumerate(table.lines):
        row = {name: table.columns[name][place] for name in names}
        if row["excluded"] not in ("", "yes"):
            faults.add(
                f"{where}: excluded is {row['excluded']!r} in row {line}; write yes, or nothing."
            )
            continue
        try:
            cell = BiasCell(
                domain=row["domain"],
                judgement=row["judgement"],
                mean=float(row["mean"] or 0.0) if row["excluded"] else float(row["mean"]),
                sd=float(row["sd"] or 0.0) if row["excluded"] else float(row["sd"]),
                design=row["design"] or ANY,
                instrument=row["instrument"],
                version=row["version"],
                excluded=bool(row["excluded"]),
                source=row["source"],
                note=row["note"],
            )
        except SpecError as error:
            faults.add(f"{where}: row {line}: {error}")
            continue
        except ValueError:
            faults.add(
                f"{where}: mean is {row['mean']!r} and sd {row['sd']!r} in row {line}; write decimal "
                "numbers."
            )
            continue
        if cell.key in cells:
            faults.add(
                f"{where}: row {line} repeats row {cells[cell.key]} ({cell.domain}, "
                f"{cell.judgement}); leave one out."
            )
        cells.setdefault(cell.key, line)
        found.append(cell)
    faults.raise_if_any()
    return tuple(found)


def overridden(cells: Iterable[BiasCell], own: Iterable[BiasCell]) -> tuple[BiasCell, ...]:
    """Put cells of one's own in place of those of a table."""
    found = {cell.key: cell for cell in cells}
    found.update({cell.key: cell for cell in own})
    return tuple(found.values())


def bias_moments(evidence: Evidence, cells: Sequence[BiasCell]) -> BiasMoments:
    """Look the bias of every row up.

    Several assessments of a study are averaged, and the variance between them is added. Domains are
    summed as if independent; an overall judgement counts only where no domain was judged. Domains that
    the table does not hold for an instrument are not mapped: they change nothing.

    References
    ----------
    .. [1] Turner et al. (2009), JRSS A 172:21-47, doi:10.1111/j.1467-985X.2008.00547.x (sources of bias
       summed, assessors averaged with the variance between them).
    """
    faults = Faults(EvidenceError)
    found = look_up(evidence, cells, faults)
    faults.raise_if_any()
    return found


def look_up(evidence: Evidence, cells: Sequence[BiasCell], faults: Faults) -> BiasMoments:
    """Do what `bias_moments` does, noting faults instead of raising them."""
    _ratio(evidence, faults)
    table = {cell.key: cell for cell in cells}
    studies = [str(study) for study in evidence.data["study"].to_numpy()]
    designs = _column(evidence, "design")
    said = _column(evidence, "adjusted_for")
    names = [str(name) for name in evidence.data[ESTIMATE].to_numpy()]
    unmapped: dict[str, int] = {}
    of_study = {}
    for study, design in dict(zip(studies, designs, strict=True)).items():
        part, loose = _judged(evidence.judgements.of(study), design, table, faults)
        of_study[study] = part
        for instrument in loose:
            unmapped[instrument] = unmapped.get(instrument, 0) + 1
    parts, silent = [], []
    for place, study in enumerate(studies):
        part = of_study[study]
        if part is None:
            words = _words(said[place], names[place], evidence.where, faults)
            where = f"{evidence.where}: row {names[place]!r}"
            part = _default(designs[place], words, table, where, faults)
            randomised = (designs[place], "", "", DESIGN, NO_JUDGEMENT) in table
            if not randomised and not set(words) - {"not_stated"}:
                silent.append(study)
        parts.append(part)
    known = list(dict.fromkeys(studies))
    return BiasMoments(
        mean=np.array([part.mean for part in parts]),
        variance=np.array([math.inf if part.excluded else part.variance for part in parts]),
        how=tuple(part.how for part in parts),
        excluded=np.array([part.excluded for part in parts], dtype=bool),
        judged=tuple(study for study in known if of_study[study] is not None),
        unjudged=tuple(study for study in known if of_study[study] is None),
        unmapped=unmapped,
        unadjusted=tuple(dict.fromkeys(silent)),
        partial=tuple(s for s in known if (part := of_study[s]) is not None and part.partial),
    )


def _ratio(evidence: Evidence, faults: Faults) -> None:
    name = evidence.measure.name
    if name not in MEASURES:
        faults.add(
            f"{evidence.where}: bias priors from judgements are ratios of events; found measure {name!r}. "
            f"Choices: {', '.join(sorted(MEASURES))}. State biases on this scale with additive_bias."
        )


def _column(evidence: Evidence, name: str) -> list[str]:
    if name not in evidence.data:
        return [""] * evidence.size
    return [str(value) for value in evidence.data[name].to_numpy()]


def _words(cell: str, name: str, where: str, faults: Faults) -> list[str]:
    """Split what a result was adjusted for into words, noting unknown ones."""
    words = [word.strip() for word in cell.split(SEPARATOR) if word.strip()]
    for word in words:
        if word not in ADJUSTED_FOR:
            faults.add(
                f"{where}: adjusted_for holds {word!r} in row {name!r}; "
                f"{suggestion(word, ADJUSTED_FOR)}"
            )
    return words


def _judged(
    rows: Sequence[Judgement],
    design: str,
    table: Mapping[_Key, BiasCell],
    faults: Faults,
) -> tuple[_Part | None, set[str]]:
    """Moments of a study from its judgements, and instruments of which nothing is mapped."""
    made: dict[tuple[str, ...], list[Judgement]] = {}
    for row in rows:
        key = (row.instrument, row.version, row.assessor, row.source)
        made.setdefault(key, []).append(row)
    parts, loose, used = [], set(), set()
    for own in made.values():
        part = _assessed(own, design, table, faults)
        if part is None:
            loose.add(own[0].instrument)
        else:
            parts.append(part)
            used.add(own[0].instrument)
    if not parts:
        return None, loose
    left_out = [part for part in parts if part.excluded]
    if left_out:
        return left_out[0], loose - used
    means = np.array([part.mean for part in parts])
    variance = float(np.mean([part.variance for part in parts]) + np.var(means))
    how = "; ".join(part.how for part in parts)
    partial = all(part.partial for part in parts)
    return _Part(float(means.mean()), variance, how, partial=partial), loose - used


def _assessed(
    rows: Sequence[Judgement],
    design: str,
    table: Mapping[_Key, BiasCell],
    faults: Faults,
) -> _Part | None:
    """Moments from one assessment; None where the table maps nothing of it."""
    found: dict[str, BiasCell] = {}
    for row in rows:
        cell = _cell(row, design, table, faults)
        if cell is not None:
            found[row.domain] = cell
    if not found:
        return None
    title = f"{rows[0].instrument} {rows[0].version}".strip()
    for domain, cell in found.items():
        if cell.excluded:
            return _Part(0.0, 0.0, f"left out: {title}, {domain} {cell.judgement}", excluded=True)
    domains = [domain for domain in found if domain != OVERALL] or [OVERALL]
    instruments = {cell.key[1:3] for cell in found.values()}
    held = {key[3] for key in table if key[1:3] in instruments and key[0] in (design, ANY)}
    return _Part(
        sum(found[domain].mean for domain in domains),
        sum(found[domain].sd ** 2 for domain in domains),
        f"{title}: {', '.join(f'{domain} {found[domain].judgement}' for domain in domains)}",
        partial=domains != [OVERALL] and bool(held - set(domains) - {OVERALL}),
    )


def _cell(
    row: Judgement, design: str, table: Mapping[_Key, BiasCell], faults: Faults
) -> BiasCell | None:
    """Look one judgement up, first for the design, then for any."""
    instrument = listed(row.instrument, row.version)
    version = instrument.version if instrument is not None else row.version
    rest = (row.instrument, version, row.domain)
    for of_design in (design, ANY):
        cell = table.get((of_design, *rest, row.judgement))
        if cell is not None:
            return cell
    words = [key[4] for key in table if key[1:4] == rest and key[0] in (design, ANY)]
    if words:
        faults.add(
            f"study {row.study!r}: {row.instrument} {version} judged {row.domain} {row.judgement!r}, a word "
            f"that the table of bias priors does not have; {suggestion(row.judgement, words)}"
        )
    elif instrument is not None and row.domain not in instrument.domains:
        faults.add(
            f"study {row.study!r}: {row.domain!r} is no domain of {row.instrument} {version}; "
            f"{suggestion(row.domain, list(instrument.domains))}"
        )
    return None


def _default(
    design: str,
    words: Sequence[str],
    table: Mapping[_Key, BiasCell],
    where: str,
    faults: Faults,
) -> _Part:
    """Moments of a study without judgement: its design's, reduced by what was adjusted for."""
    own = [cell for key, cell in table.items() if key[:2] == (design, "")]
    if not own:
        known = sorted({key[0] for key in table if not key[1]})
        faults.add(
            f"{where}: design {design!r} has no default in the table of bias priors; "
            f"{suggestion(design, known)}"
        )
        return _Part(0.0, 0.0, "")
    mean, variance, used = 0.0, 0.0, []
    for domain in dict.fromkeys(cell.domain for cell in own):
        cells = {cell.judgement: cell for cell in own if cell.domain == domain}
        named = [cells[word] for word in words if word in cells]
        bare = cells.get(NO_JUDGEMENT) or cells.get(NOT_ADJUSTED)
        if not named and bare is None:
            faults.add(
                f"{where}: {domain!r} of design {design!r} has no {NOT_ADJUSTED!r} in the table of bias "
                "priors; add the cell."
            )
            continue
        best = min(named, key=lambda cell: cell.sd) if named else bare
        assert best is not None
        mean, variance = mean + best.mean, variance + best.sd**2
        if named:
            used.append(best.judgement)
    adjusted = f", adjusted for {shown(dict.fromkeys(used))}" if used else ""
    return _Part(mean, variance, f"no judgement: default of {design}{adjusted}")
