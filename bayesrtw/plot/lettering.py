"""Text that fits: measured, shortened in the middle, wrapped into lines."""

import math
import unicodedata
import warnings
from bisect import bisect_left
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from matplotlib.font_manager import FontProperties
from matplotlib.textpath import text_to_path

#: DejaVu Sans comes with matplotlib, so the layout is the same on every machine.
FAMILY: Final = ["DejaVu Sans", "sans-serif"]

ELLIPSIS: Final = "…"

#: Share of a shortened text that is kept in front of the ellipsis: names begin with the author, and
#: end with what tells two rows of one study apart.
FRONT: Final = 0.6

#: Words up to which the first line of a text is looked for at first.
FIRST: Final = 16

#: On a screen of 100 dots an inch letters are set on whole dots, which can make a line longer by 4%.
HINTED: Final = 0.96

#: Characters that would break a line, or that XML forbids.
_UNWRITABLE: Final = frozenset({"Cc", "Cs", "Cn", "Zl", "Zp"})

#: Marks that turn the direction of writing: of a name, they would turn what stands beside it too.
_TURNING: Final = frozenset(
    "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
)

#: Figures narrower than this, in points, stand in one column of a journal and have smaller type.
NARROW: Final = 340.0


@dataclass(frozen=True, slots=True)
class Face:
    """A size and a weight of type."""

    size: float  #: In points.
    bold: bool = False  #: Whether it is bold.

    def properties(self) -> FontProperties:
        """Give matplotlib's name for it."""
        return FontProperties(
            family=FAMILY,
            size=self.size,
            weight="bold" if self.bold else "normal",
            style="normal",
        )


@dataclass(frozen=True, slots=True)
class Type:
    """The faces of a figure."""

    #: title, body, strong, small: of headings of the figure, of names and numbers, of column headings, of
    #: notes.
    title: Face
    body: Face
    strong: Face
    small: Face


#: No journal asks for more than 7 points in a full page; in one column 6 are the least (Nature: 5).
PAGE_TYPE: Final = Type(Face(9.0, bold=True), Face(7.5), Face(7.5, bold=True), Face(7.0))
COLUMN_TYPE: Final = Type(Face(8.0, bold=True), Face(6.5), Face(6.5, bold=True), Face(6.0))


def type_for(room: float) -> Type:
    """Choose the faces of a figure."""
    return COLUMN_TYPE if room < NARROW else PAGE_TYPE


def one_line(text: str) -> str:
    """Bring a name from a data file to one printable line."""
    if text.isascii() and text.isprintable():
        return " ".join(text.split())
    kept = (" " if unicodedata.category(c) in _UNWRITABLE else c for c in text if c not in _TURNING)
    return " ".join("".join(kept).split())


def width(text: str, face: Face) -> float:
    """Measure a line of text."""
    return _measured(text, face)


#: A page of a report measures a third as many different lines as it measures lines.
@lru_cache(maxsize=8192)
def _measured(text: str, face: Face) -> float:
    with warnings.catch_warnings():
        # Drawing will say so, if it matters there.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        measured = text_to_path.get_text_width_height_descent(text, face.properties(), ismath=False)
    return float(measured[0])


def shorten(text: str, room: float, face: Face) -> str:
    """Shorten a line in its middle until it fits."""
    if width(text, face) <= room:
        return text
    least, most = 0, len(text) - 1
    while least < most:
        middle = (least + most + 1) // 2
        if width(_middle_out(text, middle), face) <= room:
            least = middle
        else:
            most = middle - 1
    return _middle_out(text, least)


def _middle_out(text: str, kept: int) -> str:
    front = math.ceil(FRONT * kept)
    back = text[len(text) - (kept - front) :]
    while back and unicodedata.combining(back[0]):
        back = back[1:]
    return f"{text[:front].rstrip()}{ELLIPSIS}{back.lstrip()}"


def wrap(text: str, room: float, face: Face) -> list[str]:
    """Break text into lines that fit."""
    room *= HINTED
    words = list(filter(None, text.split(" ")))
    lines: list[str] = []
    while words:

        def too_long(count: int, words: list[str] = words) -> bool:
            return width(" ".join(words[:count]), face) > room

        # Lines of a text have about as many words each: as many as the one before are tried first.
        most = min(len(words), 2 * (lines[-1].count(" ") + 1) if lines else FIRST)
        while most < len(words) and not too_long(most):
            most = min(2 * most, len(words))
        count = max(1, bisect_left(range(most + 1), True, lo=1, key=too_long) - 1)
        line = " ".join(words[:count])
        lines.append(line if count > 1 else shorten(line, room, face))
        words = words[count:]
    return lines
