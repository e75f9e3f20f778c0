"""What the headings of other people's tables mean: one table of words, compared without case and marks."""

import csv
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final

from bayesrtw.evidence.reported import NUMBERS
from bayesrtw.evidence.rows import TEXT

#: Groups of columns: the programme's and the comparison's.
ARMS: Final = ("t", "c")

#: Columns of this package that are taken by their own names, and which no word of the table means.
HOUSE: Final = frozenset(NUMBERS) | TEXT | {"comparator", "subgroup", "conversion"}

_PARTS: Final = re.compile(r"[^\W\d_]+|\d+")
_CAMEL: Final = re.compile(r"(?<=[a-zß-ÿ])(?=[A-Z])")

#: The letter of a footnote after the name of a measure, or a bracket: ``HRa (95% CI)b``.
_NOTED: Final = re.compile(
    r"(?:(?<=\bHR)|(?<=\bOR)|(?<=\bRR)|(?<=\bMD)|(?<=\bRD)|(?<=\bIRR)|(?<=\bSMD)|(?<=[)\]]))[a-e]\b"
    r"|[ᵃᵇᶜᵈᵉ*†‡§¶]"
)

#: A percent sign that is not one of a level, such as 95 %.
_PERCENT: Final = re.compile(r"(?<!\d)(?<!\d\s)%")

#: Quantiles at the ends of an interval of 95 %, as programs of R head them.
_QUANTILE: Final = re.compile(r"(?<![\d.,])(97|2)[.,]5\s*%")

#: Words beside the end of an interval that say no more of it.
_OF_INTERVAL: Final = frozenset(
    {"ci", "cis", "cri", "ki", "ic", "bi", "95", "conf", "confidence", "interval", "limit", "bound"}
    | {"al", "de", "del", "von", "pa", "av"}
)

#: Levels of intervals as headings have them, to the share.
LEVELS: Final = {str(level): f"{level / 100:g}" for level in (68, 80, 84, 90, 95, 96, 97, 98, 99)}


@dataclass(frozen=True, slots=True)
class Word:
    """What a heading may mean."""

    use: str  #: ``name, text, side, effect, spread, quantity, arm, whole, set`` or ``sum``.
    role: str  #: The column of this package.
    implies: str = ""  #: The measure, or what is printed, that the heading names.


def without_notes(heading: str) -> str:
    """Leave out the marks of footnotes."""
    return _NOTED.sub("", heading)


def _ended(heading: str) -> str:
    """Call quantiles of an interval by the ends that they are, without marks of footnotes."""
    return _QUANTILE.sub(lambda m: " lower " if m[1] == "2" else " upper ", without_notes(heading))


def bare(heading: str) -> str:
    """Write a heading without case, accents, spaces and marks."""
    plain = unicodedata.normalize("NFKD", _ended(heading).casefold())
    return "".join(sign for sign in plain if sign.isalnum())


def tokens(heading: str) -> tuple[str, ...]:
    """Cut a heading into its words."""
    spaced = _PERCENT.sub(" pct ", _CAMEL.sub(" ", _ended(heading)))
    return tuple(bare(part) for part in _PARTS.findall(spaced))


def of_interval(word: "Word", stem: tuple[str, ...]) -> tuple[tuple[str, ...], str]:
    """Leave out what goes with the end of an interval alone, and give its level where it is not 95 %."""
    if word.role not in ("ci_low", "ci_high"):
        return stem, ""
    level = next((LEVELS[part] for part in stem if part in LEVELS and part != "95"), "")
    # IC à 95 %; in aOR the letter is another word.
    words = _OF_INTERVAL | LEVELS.keys() | ({"a"} if LEVELS.keys() & set(stem) else set())
    return tuple(part for part in stem if part not in words), level


@cache
def vocabulary() -> dict[str, tuple[Word, ...]]:
    """Give every known heading, bare, with all that it may mean."""
    found: dict[str, list[Word]] = {}
    for row in _rows():
        if row["use"] != "set":
            word = Word(row["use"], row["role"], row["implies"])
            for each in row["words"].split(";"):
                found.setdefault(bare(each), []).append(word)
    return {heading: tuple(words) for heading, words in found.items()}


@cache
def sets() -> tuple[tuple[str, dict[str, str]], ...]:
    """Give short headings that mean something together only, the largest sets first."""
    found = []
    for row in _rows():
        if row["use"] == "set":
            pairs = (each.split("=") for each in row["words"].split(";"))
            found.append((row["role"], {bare(name): role.strip() for name, role in pairs}))
    return tuple(sorted(found, key=lambda each: -len(each[1])))


def _rows() -> list[dict[str, str]]:
    text = files("bayesrtw.reading").joinpath("headings.csv").read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))


def meanings(heading: str, *uses: str) -> tuple[Word, ...]:
    """Say what a heading may mean as a whole."""
    return tuple(word for word in vocabulary().get(bare(heading), ()) if word.use in uses)


def known(text: str) -> bool:
    """Say whether a text may be a heading that means something."""
    return (
        text in HOUSE
        or bool(meanings(text, "name", "text", "effect", "spread", "quantity", "whole"))
        or any(word.implies for word, _ in with_stem(text, "effect"))
        or any(True for _ in of_group(text))
    )


def names_studies(heading: str) -> bool:
    """Say whether a heading can be of names of studies."""
    return any(
        word.role in ("study", "trial", "author", "cited.as") for word in meanings(heading, "name")
    )


def counts(heading: str) -> bool:
    """Say whether a heading can only be of whole numbers, such as people or events."""
    roles = {word.role for word in meanings(heading, "quantity", "whole")}
    roles |= {role for role, end, _, _ in of_group(heading) if end}
    return bool(roles) and roles <= {"events", "non_events", "n"}


def with_stem(heading: str, *uses: str) -> Iterator[tuple[Word, tuple[str, ...]]]:
    """Find words at the beginning or the end of a heading, and what is left."""
    parts = tokens(heading)
    for word in meanings(heading, *uses):
        yield word, ()
    for length in range(len(parts) - 1, 0, -1):
        for stem, cut in ((parts[length:], parts[:length]), (parts[:-length], parts[-length:])):
            for word in vocabulary().get("".join(cut), ()):
                # A letter is no effect beside other words: neither b of a footnote, nor vitamin D.
                if word.use in uses and (word.use != "effect" or len("".join(cut)) > 1):
                    yield word, stem


def of_group(heading: str) -> Iterator[tuple[str, str, str, tuple[str, ...]]]:
    """Read a heading as a quantity of one of two groups."""
    seen = set()
    for found in _of_group(heading):
        if found not in seen and found[3] != ("i",):
            seen.add(found)
            yield found


def _of_group(heading: str) -> Iterator[tuple[str, str, str, tuple[str, ...]]]:
    alone = {bare(word) for word in re.findall(r"[^\W\d_]+", heading)}
    for word, stem in with_stem(heading, "quantity"):
        named = False
        for place, part in enumerate(stem):
            rest = (*stem[:place], *stem[place + 1 :])
            # A letter or a digit is a group only where it stands alone: p2y12 is a receptor.
            free = len(part) > 1 or not rest or rest == ("i",) or part in alone
            for arm in _arms(part) if free else ():
                named = True
                yield word.role, arm, part, rest
        for arm in _arms("".join(stem)) if len(stem) > 1 else ():
            named = True
            yield word.role, arm, "".join(stem), ()
        if stem and not named:
            yield word.role, "", "", stem
    parts = tokens(heading)
    for place, part in enumerate(parts):
        rest = (*parts[:place], *parts[place + 1 :])
        for quantity, arm, named_by in _compact(part):
            yield quantity, arm, named_by, rest
    for quantity, arm, named_by in _compact("".join(parts)) if len(parts) > 1 else ():
        yield quantity, arm, named_by, ()


def arm_of(heading: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Find which of two groups a heading names, and what else it says."""
    parts = tokens(heading)
    for place, part in enumerate(parts):
        for end in _arms(part):
            yield end, (*parts[:place], *parts[place + 1 :])


def _arms(part: str) -> tuple[str, ...]:
    return tuple(word.role for word in vocabulary().get(part, ()) if word.use == "arm")


@cache
def _compact(part: str) -> tuple[tuple[str, str, str], ...]:
    """Cut a word such as ``n1i``, ``sdt`` or ``cpos`` into a quantity and a group."""
    found = []
    for text in (part, part[:-1]) if part.endswith("i") else (part,):
        for cut in range(1, len(text)):
            head, tail = text[:cut], text[cut:]
            for quantity, arm in ((head, tail), (tail, head)):
                roles = [w.role for w in vocabulary().get(quantity, ()) if w.use == "quantity"]
                found += [(role, of, arm) for role in roles for of in _arms(arm)]
    return tuple(dict.fromkeys(found))
