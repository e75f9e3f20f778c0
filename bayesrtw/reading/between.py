"""Rows between results: headings of sections, sums, footnotes, and names that stand once for several rows."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from bayesrtw.errors import EvidenceError
from bayesrtw.reading.headings import meanings, names_studies, of_group, tokens, with_stem
from bayesrtw.reading.speaking import is_control

#: What is written of sums below them.
_OF_SUMS: Final = re.compile(
    r"heterogene?i.*|test (for|of) .*(effect|difference).*"
    r"|(i|tau|τ|chi|χ|q|z)\s*[²2^-]*\s*(squared)?\s*([=:]\s*[<>≤]?\s*[.\d].*|\((?!.*\b(19|20)\d\d\b).*)",
    re.IGNORECASE,
)

#: What stands in the place of a study beside the name of a sum.
_HOW_MANY: Final = re.compile(
    r"^\W*\d*\W*$|^\W*(\w+\s)?(studies|trials|studien)\b(?!.*\d{4})|\bk\s*=", re.IGNORECASE
)

#: The year of a study at the end of its name, and pairs of letters that are of a way to pool.
_DATED: Final = re.compile(r"\b(19|20)\d\d[a-z]?\)?$")
_WAYS: Final = re.compile(r"\b(m(?=\W{1,3}h\b)|i(?=\W{1,3}v\b)|d(?=\W{1,3}l\b))\W+", re.IGNORECASE)

#: How a footnote begins.
_NOTE: Final = re.compile(
    r"((notes?|source|abbreviations?|legend|anmerkung|quelle|data are|values are)\b|\*|†|‡|§|¶)",
    re.IGNORECASE,
)


@dataclass(slots=True)
class Results:
    """Rows that hold results, under a header that may have another column."""

    header: list[str]  #: Headings.
    #: rows, lines: cells, and the line of each row in its file.
    rows: list[list[str]]
    lines: list[int]
    #: Rows that sum up others, which were left out: line and first cell of each.
    totals: list[tuple[int, str]] = field(default_factory=list)
    said: list[str] = field(default_factory=list)  #: What was decided, in words.

    def keep(self, places: Sequence[int]) -> None:
        """Leave out the other rows."""
        self.rows = [self.rows[place] for place in places]
        self.lines = [self.lines[place] for place in places]


def is_total(first: str) -> bool:
    """Whether a row that begins so sums up the rows above it."""
    if _OF_SUMS.fullmatch(first.strip()):
        return True
    plain = re.sub(r"[(\[=:;].*", "", _WAYS.sub(r"\1", first))
    words = [word for word in tokens(plain) if not word.isdigit()]
    roles = [{each.role for each in meanings(word, "sum")} for word in words]
    there = set[str]().union(*roles)
    other = "surname" in there or (len(words) > 1 and "part" in there)
    return all(roles) and ("whole" in there or (other and not _DATED.search(first.strip())))


def results(header: list[str], rows: list[list[str]], lines: list[int], where: str) -> Results:
    """Leave out what is no result, and give every row the names that stand above it."""
    found = Results(header, rows, lines)
    _without_totals(found)
    _without_sections(found, where)
    _named_once(found)
    return found


def breadth(row: Sequence[str]) -> int:
    """Count the cells of a row that hold something."""
    return sum(1 for cell in row if cell)


def _without_totals(found: Results) -> None:
    """Leave out rows that sum up the rows above them, headings that stand again, and footnotes."""
    notes, again, kept = 0, 0, []
    named = [place for place, name in enumerate(found.header) if names_studies(name)]
    numbered = [at for at in named if _numbers(found, at)]
    for place, row in enumerate(found.rows):
        first = next(filter(None, row), "")
        study = next((row[at] for at in named if at < len(row) and is_total(row[at])), "")
        # Where a study has a name, the cell before it may be of an outcome called Overall.
        told = any(
            row[at] and (at in numbered or not _HOW_MANY.search(row[at]))
            for at in named
            if at < len(row)
        )
        first = study or ("" if told and named[0] else first)
        first = "" if _of_one_study(found, row, first) else first
        if len(list(filter(None, row))) > 1 and row == found.header[: len(row)]:
            again += 1
        elif (place or (study and len(found.rows) > 1)) and is_total(first):
            found.totals.append((found.lines[place], first))
        elif place and breadth(row) == 1 and row[0] and _NOTE.match(first):
            notes += 1
        else:
            kept.append(place)
    if notes:
        found.said.append(f"{notes} footnote{'s' * (notes > 1)} left out")
    if again:
        found.said.append(f"headings stand again in {again} row{'s' * (again > 1)}, left out")
    found.keep(kept)


def _numbers(found: Results, at: int) -> bool:
    """Whether a column numbers studies, and does not count them."""
    cells = [row[at] for row in found.rows if at < len(row) and row[at]]
    return all(map(str.isdigit, cells)) and not _HOW_MANY.search(found.header[at])


def _of_one_study(found: Results, row: Sequence[str], first: str) -> bool:
    """Whether a row has the year of a study, or what may be a sum is an outcome of several rows."""
    for at, (head, cell) in enumerate(zip(found.header, row, strict=False)):
        outcome = cell == first and any(w.role == "outcome" for w in meanings(head, "text"))
        year = _DATED.fullmatch(cell) and any(w.role == "year" for w in meanings(head, "name"))
        if year or (outcome and sum(cell in row[at : at + 1] for row in found.rows) > 1):
            return True
    return False


def _without_sections(found: Results, where: str) -> None:
    """Take rows of one cell, the first of which stands above all others, for headings of what follows.

    Where every section has a control group, the sections are studies and the rows are their arms.
    """
    at = next((n for n, cell in enumerate(found.rows[0]) if cell), 0) if found.rows else 0
    alone = [breadth(row) == 1 and any(row[at : at + 1]) for row in found.rows]
    named = at == 0 or names_studies(found.header[at])
    if len(found.header) < 3 or not named or not alone or not alone[0] or alone[-1]:
        return
    label, labels, kept = "", [], []
    for place, row in enumerate(found.rows):
        if alone[place]:
            label = f"{label}: {row[at]}" if place and alone[place - 1] else row[at]
        else:
            kept.append(place)
            labels.append(label)
    names = [found.rows[place][at] for place in kept]
    if any(map(_DATED.search, names)) and all(map(_DATED.search, labels)):
        return  # studies without numbers
    controls = {of for of, name in zip(labels, names, strict=True) if is_control(name)}
    arms = controls == set(labels) and min(Counter(labels).values()) > 1
    effects = any(True for head in found.header for _ in with_stem(head, "effect"))
    effects |= {"t", "c"} <= {end for head in found.header for _, end, _, _ in of_group(head)}
    if not arms and not effects and len(set(labels)) > 1 and min(Counter(names).values()) > 1:
        raise EvidenceError(
            f"{where}: the rows below {labels[0]!r} and {labels[-1]!r} have the same names, such as "
            f"{names[0]!r}: arms, or studies? write study and arm, or outcome, in columns of their own."
        )
    found.header = [
        *found.header[:at],
        "Arm" if arms else found.header[at],
        *found.header[at + 1 :],
    ]
    width = len(found.header)
    for place, of in zip(kept, labels, strict=True):
        row = found.rows[place]
        over = row[width:] if any(row[width:]) else []
        found.rows[place] = [*[*row, *[""] * width][:width], of, *over]
    again = not arms and len(set(labels)) > 1 and min(Counter(names).values()) > 1
    new, said = "subgroup", "headings of the rows below them"
    if again:
        new, said = "outcome", "outcomes of the rows below them"
    if arms:
        new, said = "Study", "studies, and rows are their arms"
    found.header.append("section" if new in found.header else new)
    some = ", ".join(map(repr, list(dict.fromkeys(labels))[:3]))
    found.said.append(f"{some}{', ...' * (len(set(labels)) > 3)} are taken for {said}")
    found.keep(kept)


def _named_once(found: Results) -> None:
    """Give rows without a study that of the row above, if a word tells them from it: an arm, an outcome."""
    texts = [at for at, head in enumerate(found.header) if meanings(head, "text")]
    names = [at for at, head in enumerate(found.header) if meanings(head, "name")]
    at = next((at for at in names if names_studies(found.header[at])), None)
    if at is None:
        return
    empty = [n for n, row in enumerate(found.rows) if at < len(row) and not row[at]]
    words = [[row[t] for t in texts if t < len(row)] for row in found.rows]
    if not empty or not empty[0]:
        return
    if not all(
        any(map(str.isalpha, "".join(words[n]))) and words[n] != words[n - 1] for n in empty
    ):
        return
    for n in empty:
        above, row = found.rows[n - 1], found.rows[n]
        for other in names:
            if other < min(len(row), len(above)):
                row[other] = row[other] or above[other]
    said = f"{found.header[at]!r} is that of the row above in {len(empty)} rows"
    found.said.append(said if len(empty) > 1 else said[:-1])
