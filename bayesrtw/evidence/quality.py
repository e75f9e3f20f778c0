"""Risk-of-bias judgements: by instrument and version, by domain, who judged and when.

An instrument is data: its domains, and the words that each may be judged with, from best to worst.
Judgements by an instrument that is not listed are kept with the instrument's own name and words; no
word is ever turned into a word of another instrument, and what was not judged stays missing.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from bayesrtw.errors import Fault, Faults
from bayesrtw.evidence.cells import Table
from bayesrtw.registry import meant, suggestion

#: The domain that every listed instrument sums up in.
OVERALL: Final = "overall"

#: Columns that a file of judgements must have.
NEEDED: Final = ("study", "instrument", "domain", "judgement")

#: A day, a month or a year.
_DATE: Final = re.compile(r"\d{4}(-(0[1-9]|1[0-2])(-(0[1-9]|[12]\d|3[01]))?)?")


@dataclass(frozen=True, slots=True)
class Instrument:
    """An instrument of which the domains and words are known."""

    #: name, version: as they are written in ``risk_of_bias.csv``; the version is the year of its release.
    name: str
    version: str
    #: Domain to the words allowed for it, from the lowest risk of bias to the highest.
    domains: Mapping[str, tuple[str, ...]]
    designs: frozenset[str]  #: Study designs that it was made for.
    source: str  #: Where domains and words were read.


#: How grave each word is; words of one instrument are compared with one another, and no_information
#: has no place in the order.
_GRAVITY: Final = {
    "low": 0,
    "low_except_confounding": 0,
    "some_concerns": 1,
    "moderate": 1,
    "high": 2,
    "serious": 2,
    "critical": 3,
}

_ROB_2: Final = ("low", "some_concerns", "high")
_ROBINS_1: Final = ("low", "moderate", "serious", "critical", "no_information")
_ROBINS_2: Final = ("low", "moderate", "serious", "critical")
#: ROBINS-I V2 words its best judgement of confounding, and hence of the whole, as "low risk of bias
#: except for concerns about uncontrolled confounding".
_ROBINS_2_CONFOUNDING: Final = ("low_except_confounding", *_ROBINS_2)

#: Domain names are ours and short; the order is that of the instrument.
INSTRUMENTS: Final = (
    Instrument(
        "RoB 2",
        "2019",
        dict.fromkeys(
            ("randomisation", "deviations", "missing_data", "measurement", "selection", OVERALL),
            _ROB_2,
        ),
        frozenset({"rct", "cluster_rct"}),
        "Sterne et al. (2019), BMJ 366:l4898, doi:10.1136/bmj.l4898; selection is that of the "
        "reported result",
    ),
    Instrument(
        "ROBINS-I",
        "2016",
        dict.fromkeys(
            (
                "confounding",
                "participants",
                "classification",
                "deviations",
                "missing_data",
                "measurement",
                "selection",
                OVERALL,
            ),
            _ROBINS_1,
        ),
        frozenset({"non_randomised", "cohort"}),
        "Sterne et al. (2016), BMJ 355:i4919, doi:10.1136/bmj.i4919; participants is selection of "
        "participants, selection that of the reported result",
    ),
    Instrument(
        "ROBINS-I",
        "2025",
        {
            "confounding": _ROBINS_2_CONFOUNDING,
            "classification": _ROBINS_2,
            "participants": _ROBINS_2,
            "missing_data": _ROBINS_2,
            "measurement": _ROBINS_2,
            "selection": _ROBINS_2,
            OVERALL: _ROBINS_2_CONFOUNDING,
        },
        frozenset({"non_randomised", "cohort"}),
        "ROBINS-I V2 for follow-up studies, 20 November 2025, "
        "https://sites.google.com/site/riskofbiastool/welcome/robins-i-v2, which calls it a draft "
        "that may change: six domains (deviations was dropped), no judgement of no information",
    ),
)


@dataclass(frozen=True, slots=True)
class Judgement:
    """One judgement of one domain of one study."""

    study: str  #: Id of the study.
    #: instrument, version: by what it was judged; the version is empty where the source gives none.
    instrument: str
    version: str
    #: domain, judgement: the instrument's own words; an empty judgement is a missing one.
    domain: str
    judgement: str
    #: assessor, assessed: who judged, and on which day, month or year; empty where not stated.
    assessor: str = ""
    assessed: str = ""
    source: str = ""  #: Where the judgement was read.


class Coverage(NamedTuple):
    """Which of some studies have judgements."""

    #: judged, unjudged: ids of the studies with and without any judgement, in the order asked for.
    judged: tuple[str, ...]
    unjudged: tuple[str, ...]
    #: Name of each instrument to the number of these studies judged by it.
    instruments: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Judgements:
    """The judgements of a data set.

    Examples
    --------
    >>> low = Judgement("hart1977", "RoB 2", "2019", "overall", "low", assessor="AB")
    >>> found = Judgements((low,))
    >>> found.overall("hart1977")[0].judgement
    'low'
    >>> found.coverage(["hart1977", "stein1953"]).unjudged
    ('stein1953',)
    """

    #: One each study, instrument, domain and assessor, in the order of the file.
    rows: tuple[Judgement, ...] = ()

    def of(self, study: str) -> tuple[Judgement, ...]:
        """Give the judgements of a study."""
        return tuple(row for row in self.rows if row.study == study and row.judgement)

    def overall(self, study: str) -> tuple[Judgement, ...]:
        """Give the overall judgements of a study: as they were made, never worked out here."""
        return tuple(row for row in self.of(study) if row.domain == OVERALL)

    def gravest(self, study: str) -> str:
        """Give the gravest overall judgement of a study by a listed instrument."""
        words = [
            row.judgement
            for row in self.overall(study)
            if listed(row.instrument, row.version) is not None and row.judgement in _GRAVITY
        ]
        return max(words, key=lambda word: _GRAVITY[word], default="")

    def missing(self, study: str) -> Mapping[str, tuple[str, ...]]:
        """Name the domains of listed instruments that were not judged.

        Parameters
        ----------
        study
            Id of a study.

        Returns
        -------
        Mapping
            Name and version of each listed instrument that was used, to its domains without a
            judgement; complete assessments are left out.
        """
        found = {}
        for name, version in dict.fromkeys((row.instrument, row.version) for row in self.rows):
            instrument = listed(name, version)
            rows = [r for r in self.of(study) if (r.instrument, r.version) == (name, version)]
            if instrument is None or not rows:
                continue
            judged = {row.domain for row in rows}
            left = tuple(domain for domain in instrument.domains if domain not in judged)
            if left:
                found[f"{name} {version}".strip()] = left
        return found

    def coverage(self, studies: Iterable[str]) -> Coverage:
        """Count which studies have judgements, and by what."""
        asked = tuple(dict.fromkeys(studies))
        used = {study: {row.instrument for row in self.of(study)} for study in asked}
        names = dict.fromkeys(row.instrument for row in self.rows)
        counts = {name: sum(name in used[study] for study in asked) for name in names}
        return Coverage(
            tuple(study for study in asked if used[study]),
            tuple(study for study in asked if not used[study]),
            {name: count for name, count in counts.items() if count},
        )


def listed(name: str, version: str) -> Instrument | None:
    """Look an instrument up."""
    found = [each for each in INSTRUMENTS if each.name == name]
    if not version and len(found) == 1:
        return found[0]
    return next((each for each in found if each.version == version), None)


class Contradiction(NamedTuple):
    """A judgement that does not fit a design, or the other judgements beside it."""

    rule: str  #: ``"wrong-instrument"`` or ``"overall-too-low"``.
    #: column, value: what stands where.
    column: str
    value: str
    text: str  #: What was found and what to do.


def contradictions(judgements: Judgements, designs: Mapping[str, str]) -> list[Contradiction]:
    """Find judgements that do not fit the design of the study, or one another."""
    made: dict[tuple[str, ...], dict[str, str]] = {}
    for row in judgements.rows:
        key = (row.study, row.instrument, row.version, row.assessor, row.source)
        made.setdefault(key, {})[row.domain] = row.judgement
    found = []
    for (study, name, version, *_), words in made.items():
        instrument = listed(name, version)
        if instrument is None:
            continue
        design = designs.get(study, "")
        if design and design not in instrument.designs:
            fit = next((each.name for each in INSTRUMENTS if design in each.designs), "another one")
            text = (
                f"study {study!r} has design {design!r} and was judged by {name}; judge it by {fit}"
            )
            found.append(Contradiction("wrong-instrument", "instrument", name, text))
        ranks = {domain: _GRAVITY.get(word, -1) for domain, word in words.items()}
        whole = ranks.pop(OVERALL, -1)
        worst = max(ranks, key=lambda domain: ranks[domain], default="")
        if worst and -1 < whole < ranks[worst]:
            text = (
                f"study {study!r} is {words[OVERALL]!r} overall and {words[worst]!r} in {worst}; "
                f"{name} makes the whole at least as grave as each domain; correct one of them"
            )
            found.append(Contradiction("overall-too-low", "judgement", words[OVERALL], text))
    return found


def read_judgements(table: Table, studies: Iterable[str], faults: Faults) -> Judgements:
    """Read ``risk_of_bias.csv`` and hold its words against the instruments."""
    absent = [name for name in NEEDED if name not in table.columns]
    for name in absent:
        hint = suggestion(name, list(table.columns))
        what = f"column {name!r} is missing"
        faults.add(
            Fault(what, remedy=hint, rule="missing-column", place=table.at(column=name), value=name)
        )
    if absent:
        return Judgements()
    known = list(dict.fromkeys(studies))
    rows: list[Judgement] = []
    seen: dict[Judgement, int] = {}
    for place, line in enumerate(table.lines):
        cells = {name: column[place] for name, column in table.columns.items()}
        row = Judgement(**{name: cells.get(name, "") for name in Judgement.__dataclass_fields__})
        for column, rule, allowed in _faults(row, known):
            value = cells.get(column, "")
            where = table.at(place, column=column)
            faults.add(Fault(f"{column} is {value!r}", "", allowed, rule, where, value))
        if row in seen:
            remedy = "a judgement stands once: leave one out, or name the assessor"
            what = f"repeats row {seen[row]}"
            faults.add(Fault(what, "", remedy, "repeated-row", table.at(place)))
        seen.setdefault(row, line)
        rows.append(row)
    return Judgements(tuple(rows))


def _faults(row: Judgement, studies: list[str]) -> list[tuple[str, str, str]]:
    """Say what is wrong with a judgement: the column, the rule, and what is allowed there."""
    found = []
    word = "not-allowed"
    if row.study not in studies:
        hint = suggestion(row.study, studies) if len(studies) <= 20 else _near(row.study, studies)
        found.append(("study", "unknown-study", f"it is not in studies.csv; {hint}"))
    if row.assessed and not _DATE.fullmatch(row.assessed):
        found.append(("assessed", word, "write a date as 2026-11-22, 2026-11 or 2026."))
    for column in ("instrument", "domain"):
        if not getattr(row, column):
            found.append((column, word, "it must not be empty; name it as its source does."))
    versions = [each.version for each in INSTRUMENTS if each.name == row.instrument]
    if not versions:
        right = _misspelt(row.instrument)
        if right:
            what = f"write {right}; other instruments keep their own name."
            found.append(("instrument", word, what))
        return found
    instrument = listed(row.instrument, row.version)
    if instrument is None:
        what = f"{row.instrument} has versions {', '.join(versions)}; write one of them."
        found.append(("version", word, what))
    elif row.domain and row.domain not in instrument.domains:
        hint = suggestion(row.domain, list(instrument.domains))
        found.append(("domain", word, f"it is no domain of {_full(instrument)}; {hint}"))
    elif row.judgement and row.judgement not in instrument.domains[row.domain or OVERALL]:
        hint = suggestion(row.judgement, instrument.domains[row.domain or OVERALL])
        found.append(
            ("judgement", word, f"it is no word of {_full(instrument)} for {row.domain}; {hint}")
        )
    return found


def _full(instrument: Instrument) -> str:
    return f"{instrument.name} ({instrument.version})"


def _near(name: str, choices: list[str]) -> str:
    """Give the first sentence of a suggestion, where listing every choice would bury it."""
    return meant(name, choices) or "add the study there, or correct the name."


def _misspelt(name: str) -> str:
    """Say how a listed instrument is written, where a name differs only in looks or version."""
    plain = re.sub(r"[^a-z0-9]", "", name.lower())
    if re.fullmatch(r"(cochrane)?(rob|riskofbias)(tool)?(2|20|2019)", plain):
        return "'RoB 2'"
    if re.fullmatch(r"robinsi(tool)?(v?[12]|2016|2024|2025|version[12])?", plain):
        return "'ROBINS-I' with version 2016 or 2025"
    return ""
