"""Cells that hold several numbers: ``0.82 (0.65 to 1.03)``, ``12/120``, ``14.2 (3.3)``."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from bayesrtw.reading.grid import is_missing
from bayesrtw.reading.headings import (
    LEVELS,
    bare,
    counts,
    meanings,
    of_group,
    with_stem,
    without_notes,
)

_NUMBER: Final = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
_BETWEEN: Final = (
    r"(?:\s*(?:,|;|~|\bto\b|\bbis\b|\btil\b|\btill\b|\bà\b|\ba\b|\.\.\.?|–|—|→)\s*|\s+-\s+|-)"
)
_PAIR: Final = rf"[(\[]?\s*({_NUMBER})\s*{_BETWEEN}\s*({_NUMBER})\s*[)\]]?"

#: What may stand around the events and people of a cell: their percentage.
_SHARE: Final = r"[\d.,]+\s*%?"

#: A number and its interval, an interval, events of people, a mean and its SD, perhaps with the people.
_SHAPES: Final = {
    "people": re.compile(rf"({_NUMBER})\s*\(\s*({_NUMBER})\s*\)"),
    "share": re.compile(rf"({_NUMBER})\s*\(\s*{_SHARE}\s*\)"),
    "estimate": re.compile(
        rf"({_NUMBER})\s*[,;]?\s*[(\[](?:(?:95\s*%[-\s]*:?)?(?:[^\W\d_]+\s*[:=]?)?|CI\s*95\s*%\s*:?)\s*{_PAIR}\s*[)\]]?"
    ),
    "interval": re.compile(_PAIR),
    "of": re.compile(
        rf"(?:{_SHARE}\s*[(\[]\s*)?({_NUMBER})\s*(?:/|\bof\b|\bvon\b)\s*({_NUMBER})\s*[)\]]?"
        rf"(?:\s*[=,;:]?\s*[(\[]?\s*{_SHARE}\s*[)\]]?)?"
    ),
    "joined": re.compile(rf"({_NUMBER})\s*[,;:]?\s+{_PAIR}"),
    "spread": re.compile(
        rf"({_NUMBER})\s*(?:[(\[]\s*({_NUMBER})\s*[)\]]|±\s*({_NUMBER}))"
        rf"(?:\s*[,;]?\s*[(\[]?\s*(?:n\s*=\s*)?(\d+)\s*[)\]]?)?"
    ),
}

#: Shapes of whole numbers.
_COUNTS: Final = ("people", "share", "of")

#: A P value after an estimate, and its name in a heading.
_P_VALUE: Final = re.compile(
    r"\s*[;,]?\s*(?:[(\[]\s*)?\bp(?:-?value)?\s*[=<>≤≈]\s*[.\d]+|\s+n\.?s\.?$", re.I
)
_P_NAMED: Final = re.compile(r"\s*[;,/]\s*p(?:[- ]?(?:values?|wert|verdi|värde))?\s*$", re.I)

#: Ends of an interval that a space alone parts.
_WITHIN: Final = re.compile(r"([(\[][-+]?[\d.]+)\s+([\d.]+\s*[)\]])")

#: The name of an effect before its number: ``aHR = 1.2``.
_NAMED: Final = re.compile(r"([^\W\d_][^\d=:([–—]*?)\s*[=:]?\s*(?=[-+.\d–—])")

#: How ends of intervals are joined where nothing else can be meant.
_JOINED: Final = re.compile(
    r"(?<=\d)\s*(?:/|\band\b|\bund\b|\bog\b|\boch\b|\bet\b|\by\b)\s*(?=[-+.\d])"
)

#: Levels of intervals that are known.
_ANY: Final = "|".join(LEVELS)

#: What is written of a confidence interval beside the name of an estimate.
_LEVEL: Final = re.compile(
    rf"[(\[,]?\s*(?:(?<![\d.])(?P<before>{_ANY})\s*(?:%|per ?cent)?\s*)?[-,]?\s*"
    r"\b(ci|ki|ic|bi|cri|confidence interval|credible interval)\b"
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
    {"−": "-", "‐": "-", "‑": "-", "⁻": "-", "\u00a0": " ", "\u2009": " ", "\u202f": " "}
    | {
        "‒": "–",
        "―": "—",
        "（": "(",
        "）": ")",
        "，": ",",
        "；": ";",
        "：": ":",
        "～": "~",
        "＝": "=",
    }
    | dict.fromkeys("*†‡§¶ᵃᵇᶜᵈᵉ", "")
)

_BRACES: Final = str.maketrans("{}", "()")

#: Dashes that are minus signs: those before a number that nothing stands before, or another dash or word.
_MINUS: Final = re.compile(
    r"(?:(?<=[(\[,;–—])|(?<=\bto)|(?<=\bbis)|(?<=\btil)|(?<=\btill)|(?<=\b[aà])|^)(\s*)[–—-]\s*(?=[\d.])"
)

#: The mark of a footnote after the whole cell.
_NOTE: Final = re.compile(r"(?<=[)\]])\s*[a-z]$")

#: The decimal point of The Lancet.
_RAISED: Final = re.compile(r"(?<=\d)[·∙‧⋅](?=\d)")


@dataclass(slots=True)
class Split:
    """Columns, one number a cell."""

    columns: dict[str, list[str]] = field(default_factory=dict)  #: Heading to cells.
    said: list[str] = field(default_factory=list)  #: Which columns held several numbers, in words.
    #: Headings of numbers that had a percent sign, which is left out: in all rows?
    percent: dict[str, bool] = field(default_factory=dict)


def split(columns: dict[str, list[str]], *, comma: bool) -> Split:
    """Put the numbers of cells that hold several into columns of their own."""
    found = Split()
    for heading, cells in columns.items():
        own = _Cells(heading, cells, comma=comma)
        parts = own.parts()
        if parts is None:
            found.columns[heading] = cells
            continue
        found.said.append(f"{heading!r} holds several numbers a cell")
        for name, values in parts.items():
            made = f"{name} of {heading}" if name in columns and name != heading else name
            found.columns[made] = values
            found.percent |= {made: own.every} if own.percent else {}
    return found


class _Cells:
    """Cells of one column, written so that their shape is seen."""

    def __init__(self, heading: str, cells: Sequence[str], *, comma: bool) -> None:
        self.cells = cells
        self.there = [cell for cell in cells if not is_missing(cell)]
        self.percent = self.every = False
        self.measures: dict[str, str] = {}
        self.heading = without_notes(heading.translate(_BRACES))
        signs = ("(", "[", "{", "/", "±", " of ", " von ", "95%", "95 %")
        interval = bool(_LEVEL.search(self.heading) or _of_interval(self.heading))
        first = self.there[:50]
        self.split = interval or any(sign in cell for cell in first for sign in signs)
        if self.split:
            self.written = {cell: _pointed(cell, comma=comma) for cell in self.there}
            self._bare(interval=interval)

    def _bare(self, *, interval: bool) -> None:
        """Take P values, names of effects and percent signs of estimates out of cells."""
        plain = {c: _P_VALUE.sub("", text) for c, text in self.written.items()}
        if plain != self.written:
            self.heading = _P_NAMED.sub("", self.heading)
        if interval:
            plain = {c: _JOINED.sub(" to ", t.replace("from ", "")) for c, t in plain.items()}
            plain = {c: _WITHIN.sub(r"\1 to \2", t) for c, t in plain.items()}
        named = {c: _NAMED.match(text) for c, text in plain.items()}
        words = {c: m[1].strip(" ,;") for c, m in named.items() if m and _measures(m[1])}
        own = set[str]().union(*map(_measures, re.split(r"[/,;]", _LEVEL.sub("", self.heading))))
        if len(words) < len(plain) or (
            own and not all(map(own.__and__, map(_measures, words.values())))
        ):
            # A name that is not that of the column stays in its cell, so that it is named.
            words = {c: w for c, w in words.items() if _measures(w) & own}
        plain = {
            c: _MINUS.sub(r"\1-", t[m.end() :]) if (m := named[c]) and c in words else t
            for c, t in plain.items()
        }
        plain = {
            c: re.sub(r"^([-+.\d]+)\s*[,;]?\s*((95\s*%|(CI|KI|IC)\b).*)$", r"\1 (\2)", t)
            for c, t in plain.items()
        }
        own = _measures(self.heading)
        if len(words) == len(plain) and not all(_measures(word) & own for word in words.values()):
            one = set(words.values())
            self.heading = one.pop() if len(one) == 1 else "Estimate"
            self.measures = words if self.heading == "Estimate" else {}
        self.written = plain

    def parts(self) -> dict[str, list[str]] | None:
        """Cut the cells, if most of them have one shape that goes with the heading."""
        if not self.split or not self.there:
            return None
        inside = [_INSIDE.search(text) for text in self.written.values()]
        levels = {found[1] if found else "95" for found in inside}
        if (
            len(levels) == 1
            and levels <= LEVELS.keys() - {"95"}
            and not _LEVEL.search(self.heading)
        ):
            # Every cell says the level of its interval; where they differ, cells stay whole and are named.
            self.heading = f"{self.heading} ({levels.pop()}% CI)"
            self.written = {c: _INSIDE.sub("(", text) for c, text in self.written.items()}
        for shape, pattern in _SHAPES.items():
            texts = {c: _whole(c) for c in self.there} if shape in _COUNTS else self.written
            signs = [len(re.findall(r"\d\s*%", text)) for text in texts.values()]
            most = {"estimate": 3, "interval": 2}.get(shape, 0)
            self.percent = most > 0 and 2 * sum(n >= most for n in signs) > len(signs)
            self.every = min(signs) >= most
            if self.percent:
                texts = {c: re.sub(r"(?<=\d)\s*%", "", t) for c, t in texts.items()}
            fits = {cell: pattern.fullmatch(text) for cell, text in texts.items()}
            count = max(
                (len(list(filter(None, f.groups()))) for f in fits.values() if f), default=0
            )
            names = _names(self.heading, shape, count)
            if names and 2 * sum(map(bool, fits.values())) >= len(texts):
                return self._cut(names, fits)
        return None

    def _cut(
        self, names: Sequence[str], fits: Mapping[str, re.Match[str] | None]
    ) -> dict[str, list[str]]:
        columns: dict[str, list[str]] = {name: [] for name in names}
        for cell in self.cells:
            fit = fits.get(cell)
            # A cell of another shape stays whole, so that whatever is in it is named.
            whole = ["" if is_missing(cell) else cell, *[""] * len(names)]
            parts = [part for part in fit.groups() if part] if fit else whole
            for name, part in zip(names, [*parts, *whole[1:]], strict=False):
                columns[name].append(part)
        if self.measures:
            columns["Measure"] = [self.measures.get(cell, "") for cell in self.cells]
        return columns


def _measures(word: str) -> set[str]:
    return {w.implies for w, _ in with_stem(word, "effect") if w.implies and len(word) > 1}


def _names(heading: str, shape: str, count: int) -> tuple[str, ...]:
    """Name the parts of a column, of which there are as many as `count`."""
    if shape == "people":
        of = re.fullmatch(r"(.*?)\s*[(\[](?:N|[Tt]otal)[)\]](.*)", heading)
        events = of and any(role == "events" for role, *_ in of_group(f"{of[1]}{of[2]}"))
        return _of_people(f"{of[1]}{of[2]}") if of and events else ()
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
    if shape in ("estimate", "joined"):
        if _RANGE.search(heading) or (shape == "joined" and not _LEVEL.search(heading)):
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
    return _of_people(heading) if shape == "of" else _of_spread(heading, count)


def _of_people(heading: str) -> tuple[str, ...]:
    """Name events and people of a column such as ``Intervention (n/N)`` or ``Events T``."""
    short = re.sub(
        r"[(\[,]?\s*\b(n\s*/\s*n|events?\s*/\s*(total|n)|n\s*/\s*total)\b\s*[)\]]?|%",
        "",
        heading,
        flags=re.I,
    )
    if counts(short):
        words = [
            w
            for w in short.split()
            if not any(m.role == "events" for m in meanings(w, "quantity")) or len(w) < 3
        ]
        short = " ".join(words)
    return f"{short.strip()} events".strip(), f"{short.strip()} total".strip()


#: What the second number of a cell is, by the first.
_BESIDE: Final = {
    "mean": {"sd": "sd", "se_mean": "sem"},
    "mean_change": {"sd": "sd change"},
    "mean_final": {"sd": "sd final"},
    "mean_baseline": {"sd": "sd baseline"},
}


def _of_spread(heading: str, count: int) -> tuple[str, ...]:
    """Name a mean and its SD, or an effect and its standard error, by the two words that stand together."""
    for first in re.finditer(r"(?=([^\W\d_]+)([^\S\n]+[^\W\d_]+)?)(?<![^\W\d_])", heading):
        for one in (f"{first[1]}{first[2] or ''}", first[1]):
            end = first.start() + len(one)
            then = re.match(r"\s*[,(\[±/;]+\s*((?:[^\W\d_]+[-. ]?){1,2})", heading[end:])
            for second in (then[1].strip(" .-"), re.split(r"[-. ]", then[1])[0]) if then else ():
                after = heading[end + heading[end:].index(second) + len(second) :]
                rest = (
                    re.sub(r"[;,]?\s*[(\[]?\bn\b[)\]]?\s*$", "", after, flags=re.I)
                    if count > 2
                    else after
                )
                if count > 2 and rest == after:
                    return ()
                around = f"{heading[: first.start()]} {rest}".strip(" )],;:.(")
                names = _two(one, second, around)
                if names:
                    return (*names, f"{around} n") if count > 2 else names
    return ()


def _two(one: str, second: str, around: str) -> tuple[str, ...]:
    """Name a number and what says how precise it is."""
    spreads = {word.role for word in meanings(second, "quantity")}
    for word in meanings(one, "quantity"):
        for role in spreads & _BESIDE.get(word.role, {}).keys():
            name = word.role.replace("_", " ")
            return f"{around} {name}".strip(), f"{around} {_BESIDE[word.role][role]}".strip()
    error = any(word.role == "se" for word in meanings(second, "spread"))
    whole = f"{around} {one}".strip()
    return (whole, f"SE {whole}") if error and any(True for _ in with_stem(whole, "effect")) else ()


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
    text = _RAISED.sub(".", _NOTE.sub("", cell.translate(_SIGNS).translate(_BRACES).strip()))
    text = _MINUS.sub(r"\1-", text)
    if re.search(r"\d,\d", text) and (comma or "." not in text):
        text = re.sub(r"(?<=\d),(?=\d)", ".", text)
    return text
