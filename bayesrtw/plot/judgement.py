"""Judgements of risk of bias as marks: a colour, and a sign that says the same without it.

The signs are those of robvis (McGuinness & Higgins 2021, doi:10.1002/jrsm.1411), whose green and red
look alike to one man in twelve; the colours here are Okabe and Ito's, from light to dark as the risk
grows. Instruments that are not listed keep their own words.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.font_manager import FontProperties
from matplotlib.path import Path
from matplotlib.textpath import TextPath
from matplotlib.transforms import Transform

from bayesrtw.analysis.run import Synthesis
from bayesrtw.errors import SpecError
from bayesrtw.evidence.quality import OVERALL, Judgement, Judgements, listed
from bayesrtw.evidence.table import Evidence
from bayesrtw.plot.figure import FAINT, INK, QUIET, SKY, VERMILLION, YELLOW
from bayesrtw.plot.lettering import FAMILY, one_line
from bayesrtw.plot.subject import evidence_of
from bayesrtw.registry import suggestion


@dataclass(frozen=True, slots=True)
class Mark:
    """How a judgement looks."""

    sign: str  #: One character.
    #: fill, ink: colours of the disc and of the sign.
    fill: str
    ink: str
    text: str  #: The judgement in words.


@dataclass(frozen=True, slots=True)
class Dots:
    """Judgements beside rows."""

    headings: tuple[str, ...]  #: Short names of the domains.
    instrument: str  #: By what was judged.
    explained: str  #: What the short names stand for.
    #: One tuple a row, one mark a domain; None where nothing was judged.
    marks: tuple[tuple[Mark | None, ...], ...]


#: Words of listed instruments, from the lowest risk to the highest, and what is not known.
MARKS: Final = {
    "low": Mark("+", SKY, INK, "low"),
    "low_except_confounding": Mark("+", SKY, INK, "low, except for confounding"),
    "some_concerns": Mark("−", YELLOW, INK, "some concerns"),
    "moderate": Mark("−", YELLOW, INK, "moderate"),
    "high": Mark("×", VERMILLION, "white", "high"),
    "serious": Mark("×", VERMILLION, "white", "serious"),
    "critical": Mark("!", INK, "white", "critical"),
    "no_information": Mark("?", "white", INK, "no information"),
}

#: Of cells that nobody judged.
MISSING: Final = Mark("·", "white", QUIET, "not judged")

#: Fills of words of instruments that are not listed: none of them says good or bad.
_OWN_FILLS: Final = (("white", INK), (FAINT, INK), (QUIET, "white"), (INK, "white"))

#: Domains of the listed instruments as a reader knows them.
DOMAINS: Final[Mapping[tuple[str, str], str]] = {
    ("RoB 2", "randomisation"): "randomisation process",
    ("RoB 2", "deviations"): "deviations from intended interventions",
    ("RoB 2", "missing_data"): "missing outcome data",
    ("RoB 2", "measurement"): "measurement of the outcome",
    ("RoB 2", "selection"): "selection of the reported result",
    ("ROBINS-I", "confounding"): "confounding",
    ("ROBINS-I", "participants"): "selection of participants",
    ("ROBINS-I", "classification"): "classification of interventions",
    ("ROBINS-I", "deviations"): "deviations from intended interventions",
    ("ROBINS-I", "missing_data"): "missing data",
    ("ROBINS-I", "measurement"): "measurement of outcomes",
    ("ROBINS-I", "selection"): "selection of the reported result",
}


#: How a number begins or stands alone, as a share or a score; and what stands where there is none.
_NUMBER: Final = re.compile(r"^[<>≤≥~]?\s*-?\d+(?:[.,]\d+)?\s*%?\s*(?:$|[(,;/])")
_NONE: Final = re.compile(r"(?i)n\.?/?a\.?|-|–|unclear|not (?:given|reported)")


@dataclass(frozen=True, slots=True)
class Sheet:
    """Judgements by one instrument, study by domain."""

    instrument: str  #: Name and version.
    #: In the instrument's order, or the file's; the overall judgement last.
    domains: tuple[str, ...]
    titles: tuple[str, ...]  #: The domains as a reader knows them.
    #: Ids, and where several people judged a study the assessor in brackets.
    studies: tuple[str, ...]
    cells: tuple[tuple[Mark, ...], ...]  #: One tuple a study, one mark a domain.

    @property
    def legend(self) -> tuple[Mark, ...]:
        """Marks that occur, lowest risk first."""
        return tuple(sorted_marks(mark for row in self.cells for mark in row))


def sorted_marks(marks: Iterable[Mark]) -> list[Mark]:
    """Sort marks by the risk they stand for."""
    found = set(marks)
    order = list(MARKS.values())
    known = [mark for mark in order if mark in found]
    own = sorted(found - {*order, MISSING}, key=lambda mark: mark.text)
    return [*known, *own, *([MISSING] if MISSING in found else [])]


def sheet_in(source: Synthesis | Evidence, instrument: str, version: str) -> Sheet:
    """Arrange the judgements of a synthesis or of evidence, its studies in the order of its rows."""
    evidence = evidence_of(source, None, "risk of bias")
    studies = [str(study) for study in evidence.data["study"].to_numpy()]
    return sheet_of(evidence.judgements, studies, instrument=instrument, version=version)


def sheet_of(
    judgements: Judgements,
    studies: Sequence[str] | None,
    *,
    instrument: str = "",
    version: str = "",
) -> Sheet:
    """Arrange judgements by one instrument as studies by domains."""
    wanted = None if studies is None else set(studies)
    rows = [
        row for row in judgements.rows if row.judgement and (wanted is None or row.study in wanted)
    ]
    used = list(dict.fromkeys((row.instrument, row.version) for row in rows))
    chosen = [
        pair
        for pair in used
        if (not instrument or pair[0] == instrument) and (not version or pair[1] == version)
    ]
    if len(chosen) != 1:
        names = [f"{name} {release}".strip() for name, release in used]
        if not names:
            raise SpecError(
                "these studies have no judgements of risk of bias; add risk_of_bias.csv."
            )
        asked = f"{instrument} {version}".strip()
        raise SpecError(
            f"instrument is {asked!r}; one picture shows one instrument. {suggestion(asked, names)}"
        )
    counted = numeric_items(Judgements(tuple(rows)))
    rows = [
        row
        for row in rows
        if (row.instrument, row.version) == chosen[0] and row.domain not in counted
    ]
    if not rows:
        raise SpecError(
            f"{' '.join(chosen[0]).strip()} holds numbers, no judgements; a forest plot has columns for them."
        )
    order = list(dict.fromkeys(studies if studies is not None else [row.study for row in rows]))
    return _arranged(chosen[0], rows, order)


def numeric_items(judgements: Judgements) -> dict[str, dict[str, str]]:
    """Find the items of instruments that hold numbers: a loss to follow-up of 13 % is no judgement."""
    of: dict[str, dict[str, str]] = {}
    for row in judgements.rows:
        if row.judgement:
            of.setdefault(row.domain, {}).setdefault(row.study, one_line(row.judgement))
    numbers = {
        domain: {study: word for study, word in said.items() if _NUMBER.search(word)}
        for domain, said in of.items()
    }
    return {
        domain: found
        for domain, found in numbers.items()
        if found and all(_NUMBER.search(w) or _NONE.fullmatch(w) for w in of[domain].values())
    }


def _arranged(pair: tuple[str, str], rows: list[Judgement], order: list[str]) -> Sheet:
    known = listed(*pair)
    domains = list(known.domains) if known else list(dict.fromkeys(row.domain for row in rows))
    domains = [name for name in domains if name != OVERALL] + [OVERALL] * (OVERALL in domains)
    own = _own_marks([row.judgement for row in rows])
    by_cell = {(row.study, row.assessor, row.domain): row.judgement for row in rows}
    names, cells = [], []
    for study in order:
        assessors = list(dict.fromkeys(row.assessor for row in rows if row.study == study))
        for assessor in assessors:
            names.append(f"{study} ({assessor})" if len(assessors) > 1 else study)
            words = [by_cell.get((study, assessor, domain), "") for domain in domains]
            cells.append(tuple(own[word] if word else MISSING for word in words))
    return Sheet(
        instrument=" ".join(part for part in pair if part),
        domains=tuple(domains),
        titles=tuple(domain_title(pair[0], domain) for domain in domains),
        studies=tuple(names),
        cells=tuple(cells),
    )


def _own_marks(words: Sequence[str]) -> dict[str, Mark]:
    """Give each word its mark; words that no listed instrument has get letters and greys."""
    found: dict[str, Mark] = {}
    taken: dict[str, int] = {}
    for word in dict.fromkeys(words):
        plain = word.strip().lower().replace(" ", "_")
        if plain in MARKS:
            found[word] = MARKS[plain]
            continue
        line = one_line(word) or "?"
        sign = line[0].upper()
        place = taken.get(sign, 0)
        taken[sign] = place + 1
        fill, ink = _OWN_FILLS[place % len(_OWN_FILLS)]
        found[word] = Mark(sign, fill, ink, line)
    return found


def domain_title(instrument: str, domain: str) -> str:
    """Name a domain for a reader."""
    if domain == OVERALL:
        return "Overall"
    title = DOMAINS.get((instrument, domain), one_line(domain).replace("_", " "))
    return title[:1].upper() + title[1:]


def draw_discs(
    axes: Axes,
    marks: Sequence[Mark],
    x: Sequence[float],
    y: Sequence[float],
    *,
    diameter: float,
    transform: Transform | None = None,
) -> None:
    """Draw judgements: discs with their signs, one collection a kind; `x`, `y` (mark,)."""
    at = axes.transData if transform is None else transform
    across, up = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    for mark in dict.fromkeys(marks):
        here = np.array([each == mark for each in marks])
        axes.scatter(
            across[here],
            up[here],
            s=diameter**2,
            marker="o",
            facecolor=mark.fill,
            edgecolor=INK,
            linewidths=0.4,
            clip_on=False,
            zorder=3,
            gid=f"judgement: {mark.text}",
            transform=at,
        )
        axes.scatter(
            across[here],
            up[here],
            s=(0.62 * diameter * _extent(mark.sign)) ** 2,
            marker=_sign(mark.sign),
            facecolor=mark.ink,
            edgecolor="none",
            linewidths=0,
            clip_on=False,
            zorder=4,
            transform=at,
        )


@cache
def _sign(character: str) -> Path:
    """Outline of a character, centred, as matplotlib wants its markers: it scales them to one."""
    path = TextPath(
        (0.0, 0.0), character, size=1.0, prop=FontProperties(family=FAMILY, weight="bold")
    )
    vertices, codes = np.asarray(path.vertices), path.codes
    if codes is None or not len(vertices):
        return Path(np.zeros((1, 2)))
    # The point of a closing command is not drawn, and would shift and shrink the sign.
    drawn = vertices[codes != Path.CLOSEPOLY]
    centre = 0.5 * (drawn.min(axis=0) + drawn.max(axis=0))
    moved = np.where((codes != Path.CLOSEPOLY)[:, None], vertices - centre, 0.0)
    return Path(moved, codes)


@cache
def _extent(character: str) -> float:
    """Size of a sign relative to a plus, so that a minus stays flat and a dot small."""
    reference = np.abs(_sign("+").vertices).max()
    return float(min(1.35, np.abs(_sign(character).vertices).max() / reference))
