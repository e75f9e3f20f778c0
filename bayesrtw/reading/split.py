"""Cells that hold several numbers: ``0.82 (0.65 to 1.03)``, ``12/120``, ``14.2 (3.3)``."""

import re
from collections.abc import Sequence
from typing import Final

from bayesrtw.reading.grid import is_missing
from bayesrtw.reading.headings import LEVELS, bare, counts, meanings

_NUMBER: Final = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
_BETWEEN: Final = (
    r"(?:\s*(?:,|;|\bto\b|\bbis\b|\btil\b|\btill\b|\bà\b|\ba\b|\.\.\.?|–|—)\s*|\s+-\s+|-)"
)
_PAIR: Final = rf"[(\[]?\s*({_NUMBER})\s*{_BETWEEN}\s*({_NUMBER})\s*[)\]]?"

#: A number and its interval, an interval, events of people, a mean and its SD.
_SHAPES: Final = {
    "share": re.compile(rf"({_NUMBER})\s*\(\s*[\d.,]+\s*%?\s*\)"),
    "estimate": re.compile(
        rf"({_NUMBER})\s*[,;]?\s*[(\[](?:95\s*%\s*\w+\s*:?)?\s*{_PAIR}\s*[)\]]?"
    ),
    "interval": re.compile(_PAIR),
    "of": re.compile(
        rf"({_NUMBER})\s*(?:/|\bof\b|\bvon\b)\s*({_NUMBER})(?:\s*\([\d.,]+\s*%?\s*\))?"
    ),
    "spread": re.compile(rf"({_NUMBER})\s*(?:\(\s*({_NUMBER})\s*\)|±\s*({_NUMBER}))"),
}

#: Levels of intervals that are known.
_ANY: Final = "|".join(LEVELS)

#: What is written of a confidence interval beside the name of an estimate.
_LEVEL: Final = re.compile(
    rf"[(\[,]?\s*(?:(?<![\d.])(?P<before>{_ANY})\s*%?\s*)?[-,]?\s*\b(ci|ki|ic|bi|confidence interval)\b"
    rf"\s*(?:\(?(?:(?:à|a|al|del?|von|på|av)\s+)?(?P<after>{_ANY})(?![\d.])\s*%?)?[)\]]?",
    re.I,
)

#: The level of an interval in its own cell.
_INSIDE: Final = re.compile(r"[(\[]\s*(\d\d(?:\.\d+)?)\s*%\s*(?:[A-Za-z]+\s*)?:?\s*")

#: What is written of quartiles, and of ranges, which are no confidence intervals.
_QUARTILES: Final = re.compile(
    r"[(\[,]?\s*\b(iqr|inter-?quartile range|q1\s*[-–,;to]+\s*q3|p25\s*[-–,;to]+\s*p75)\b\s*[)\]]?",
    re.I,
)
_RANGE: Final = re.compile(r"\b(range|min|max|spannweite|étendue|rango)\b", re.I)

#: Headings, bare, that say what the two parts of a cell are.
_INTERVAL: Final = re.compile(
    r"(95)?(ci|ki|ic|confidenceinterval|konfidensinterval.*|konfidenzintervall?|intervall?e?de.*)(95)?"
)

_SIGNS: Final = str.maketrans(
    {"−": "-", "‐": "-", "‑": "-", "\u00a0": " ", "\u2009": " ", "\u202f": " "}
    | dict.fromkeys("*†‡§¶ᵃᵇᶜᵈᵉ", "")
)

#: Dashes that are minus signs: those before a number that nothing stands before, or another dash or word.
_MINUS: Final = re.compile(
    r"(?:(?<=[(\[,;–—])|(?<=\bto)|(?<=\bbis)|(?<=\btil)|(?<=\btill)|(?<=\b[aà])|^)(\s*)[–—](?=[\d.])"
)

#: The mark of a footnote after the whole cell.
_NOTE: Final = re.compile(r"(?<=[)\]])\s*[a-z]$")

#: The decimal point of The Lancet.
_RAISED: Final = re.compile(r"(?<=\d)[·∙‧⋅](?=\d)")


def split(
    columns: dict[str, list[str]], *, comma: bool
) -> tuple[dict[str, list[str]], tuple[str, ...]]:
    """Put the numbers of cells that hold several into columns of their own."""
    found: dict[str, list[str]] = {}
    said = []
    for heading, cells in columns.items():
        parts = _parts(heading, cells, comma=comma)
        if parts is None:
            found[heading] = cells
            continue
        said.append(f"{heading!r} holds several numbers a cell")
        for name, values in parts.items():
            found[name if name not in columns or name == heading else f"{name} of {heading}"] = (
                values
            )
    return found, tuple(said)


def _parts(heading: str, cells: Sequence[str], *, comma: bool) -> dict[str, list[str]] | None:
    """Cut the cells of a column, if most of them have one shape that goes with the heading."""
    first = [cell for cell in cells[:10_000] if not is_missing(cell)][:50]
    signs = ("(", "[", "/", "±", " of ", " von ")
    if not any(sign in cell for cell in first for sign in signs) and not _of_interval(heading):
        return None
    there = [cell for cell in cells if not is_missing(cell)]
    written = {cell: _pointed(cell, comma=comma) for cell in there}
    inside = [_INSIDE.search(text) for text in written.values()]
    levels = {found[1] if found else "95" for found in inside}
    if len(levels) == 1 and levels <= LEVELS.keys() - {"95"} and not _LEVEL.search(heading):
        # Every cell says the level of its interval; where they differ, cells stay whole and are named.
        heading = f"{heading} ({levels.pop()}% CI)"
        written = {cell: _INSIDE.sub("(", text) for cell, text in written.items()}
    for shape, pattern in _SHAPES.items():
        texts = {c: _whole(c) for c in there} if shape in ("of", "share") else written
        fits = {cell: pattern.fullmatch(text) for cell, text in texts.items()}
        names = _names(heading, shape)
        if not names or not texts or 2 * sum(map(bool, fits.values())) < len(texts):
            continue
        columns: dict[str, list[str]] = {name: [] for name in names}
        for cell in cells:
            fit = fits.get(cell)
            # A cell of another shape stays whole, so that whatever is in it is named.
            parts = [part for part in fit.groups() if part] if fit else [cell, *[""] * len(names)]
            for name, part in zip(names, parts, strict=False):
                columns[name].append("" if is_missing(part) else part)
        return columns
    return None


def _names(heading: str, shape: str) -> tuple[str, ...]:
    """Name the parts of a column."""
    if shape == "share":
        short = re.sub(r"[(\[,]?\s*\bn\s*\(\s*%\s*\)\s*[)\]]?|\(\s*%\s*\)", "", heading, flags=re.I)
        short = short.strip(" ,;")
        if counts(short):
            return (short,)
        return (f"{short} events",) if short != heading else ()
    if shape == "estimate" and _QUARTILES.search(heading):
        name = re.sub(r"\b(median|med)\b", "", _QUARTILES.sub("", heading), flags=re.I).strip(
            " ,;("
        )
        return f"{name} median", f"{name} q1", f"{name} q3"
    if shape == "estimate":
        if _RANGE.search(heading):
            return ()
        found = _LEVEL.search(heading)
        level = (found["before"] or found["after"] or "") if found else ""
        name = _LEVEL.sub("", heading).strip(" ,;(") or heading
        if re.search(r"\d\s*%", name):
            return ()  # a level that is not known
        end = "ci" if level in ("", "95") else f"ci {level}"
        return name, f"{name} {end} low", f"{name} {end} high"
    if shape == "interval":
        return _of_interval(heading)
    short = re.sub(
        r"[(\[,]?\s*\b(n\s*/\s*n|events?\s*/\s*(total|n)|n\s*/\s*total)\b\s*[)\]]?",
        "",
        heading,
        flags=re.I,
    )
    if shape == "of":
        return f"{short} events".strip(), f"{short} total".strip()
    short = re.sub(
        r"[(\[,]?\s*\b(mean|mw|mittelwert|m)\b\s*[,(\[±]?\s*\b(sd|s)\b\s*[)\]]*",
        "",
        heading,
        flags=re.I,
    )
    if short != heading:
        return f"{short.strip()} mean", f"{short.strip()} sd"
    short = re.sub(
        r"[(\[,]?\s*\b(mean|mw|mittelwert|m)\b\s*[,(\[±]?\s*\b(se|sem)\b\s*[)\]]*",
        "",
        heading,
        flags=re.I,
    )
    if short != heading:
        return f"{short.strip()} mean", f"{short.strip()} sem"
    short = re.sub(r"\s*\(\s*(se|s\.e\.|standard error)\s*\)$", "", heading, flags=re.I)
    effect = short != heading and meanings(short, "effect")
    return (short, f"SE {short}") if effect else ()


def _of_interval(heading: str) -> tuple[str, ...]:
    """Name the ends of a column of intervals, with their level and what they are of."""
    if _INTERVAL.fullmatch(bare(heading)):
        return "ci_low", "ci_high"
    found = _LEVEL.search(heading)
    if not found:
        return ()
    level = found["before"] or found["after"] or ""
    of = _LEVEL.sub("", heading).strip(" ,;()[]")
    if re.search(r"\d\s*%", of):
        return ()
    end = " ".join(filter(None, (of, "ci", "" if level == "95" else level)))
    return f"{end} low", f"{end} high"


def _whole(cell: str) -> str:
    """Write the counts of a cell without marks that part thousands."""
    text = _RAISED.sub(".", cell.translate(_SIGNS).strip())
    return re.sub(r"(?<=\d)[.,' ](?=\d{3}(?!\d))", "", text)


def _pointed(cell: str, *, comma: bool) -> str:
    """Write the numbers of a cell with decimal points and minus signs, and without its footnote."""
    text = _RAISED.sub(".", _NOTE.sub("", cell.translate(_SIGNS).strip()))
    text = _MINUS.sub(r"\1-", text)
    if re.search(r"\d,\d", text) and (comma or "." not in text):
        text = re.sub(r"(?<=\d),(?=\d)", ".", text)
    return text
