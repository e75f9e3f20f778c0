"""Any table as text cells with their places, and a record of every decision taken to read it.

A file of others is read as it is found: the encoding, what parts its cells, its decimal mark, the row of
its headings, row names, titles above and totals below are recognised, and said.
"""

import codecs
import csv
import io
import math
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Final

from bayesrtw.bounded import too_many
from bayesrtw.errors import EvidenceError, Fault, Faults, Whereabouts, shown
from bayesrtw.evidence.cells import Table, unguarded
from bayesrtw.evidence.reported import NUMBERS
from bayesrtw.printed import plain
from bayesrtw.reading.between import breadth, results
from bayesrtw.reading.headings import counts, meanings

#: Words that stand where a number was not reported, without case.
MISSING: Final = frozenset(
    {
        "",
        "na",
        "n/a",
        "nr",
        "n.r.",
        "n.a.",
        "nan",
        "-",
        "--",
        "–",
        "—",
        ".",
        "..",
        "?",
        "#n/a",
        "null",
    }
    | {"none", "not reported", "not available", "missing", "k.a.", "n.d.", "not stated", "unclear"}
    | {
        "nicht berichtet",
        "keine angabe",
        "non rapporté",
        "non disponible",
        "no informado",
        "no reportado",
    }
    | {
        "ikke rapportert",
        "ikke oppgitt",
        "ej rapporterat",
        "ne",
        "not estimable",
        "niet gerapporteerd",
    }
)

#: Rows looked through for the headings, and rows that decide on what parts the cells.
_LOOKED: Final = 25
_SAMPLE: Final = 200

#: Words that stand for numbers that were not reported, within a cell of several.
_NO_NUMBER: Final = MISSING - {"", "-", "--", "–", "—", ".", ".."}

#: A cell of the line under the headings of a Markdown table, and the marks of bold and italic words.
_RULE: Final = re.compile(r":?-{2,}:?")
_MARKS: Final = re.compile(r"(\*{1,3}|_{1,3}|`)(.+)\1")

_DELIMITERS: Final = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars"}

#: Minus signs and spaces that word processors and spreadsheets write into numbers.
_PRINTED: Final = str.maketrans(
    {
        "−": "-",
        "‐": "-",
        "‑": "-",
        "‒": "-",
        "⁻": "-",
        "–": "-",
        "﹣": "-",
        "－": "-",
        "\u00a0": " ",
        "\u2009": " ",
        "\u202f": " ",
        "·": ".",
        "∙": ".",
    }
)

#: What stands before and after cells and is not seen.
_NO_WIDTH: Final = " \t\r\n\f\v\xa0\u2009\u202f\u200b\u2060\ufeff"

#: Marks of footnotes and a percent sign after a number.
_AFTER: Final = re.compile(r"(?<=[\d.])\s*(?:[*†‡§¶‖#]|[ᵃᵇᶜᵈᵉ¹²³⁴⁵⁶⁷⁸⁹])+$|(?<=\d)\s*%$")

#: What stands before a number of people.
_PEOPLE: Final = re.compile(r"^n\s*=\s*(?=\d)", re.IGNORECASE)

#: A number with a percent sign, and nothing else.
_PER_CENT: Final = re.compile(r"^[^(\[]*\d\s*%$")

_PLAIN: Final = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_DECIMAL: Final = re.compile(r"[+-]?\d*[.,]\d+")
_GROUPED: Final = re.compile(r"([+-]?\d{1,3})((?:[ '’]\d{3})+)((?:[.,]\d+)?)")
_MARKED: Final = re.compile(r"[+-]?[\d.,]*\d([eE][+-]?\d+)?")


@dataclass(frozen=True, slots=True)
class Grid:
    """A table as text."""

    table: Table  #: Heading to cells, and the line of each row in its file.
    said: tuple[str, ...] = ()  #: What was decided to read it, in words; joined they are one line.
    #: Rows that sum up others, which were left out: line and first cell of each.
    totals: tuple[tuple[int, str], ...] = ()
    #: Whether numbers have decimal commas; those of whole cells are points here already.
    comma: bool = False
    #: Headings of columns in whose cells a percent sign stood, which is left out: in all that are not 0?
    percent: Mapping[str, bool] = field(default_factory=dict)


@dataclass(slots=True)
class _Draft:
    """Rows with their lines, and what was decided so far."""

    where: str
    rows: list[list[str]]
    lines: list[int]
    faults: Faults
    said: list[str] = field(default_factory=list)
    mark: str = ""


def grid_of_text(raw: bytes, where: str, known: Callable[[str], bool], faults: Faults) -> Grid:
    """Read delimited text."""
    text, encoding = _decoded(raw, where)
    if "\x00" in text:
        raise EvidenceError(f"{where}: holds a NUL character; save it as plain CSV.")
    mark = _delimiter(text)
    aligned = _aligned(text) if not mark else None
    mark = mark or ","
    many = too_many(text, mark)
    if many:
        raise EvidenceError(f"{where}: {many}; give the rows and columns that are needed.")
    if aligned:
        draft = _Draft(where, aligned, list(range(1, len(aligned) + 1)), faults)
        draft.said.append("columns aligned by spaces")
        return _finished(draft, known)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=mark, strict=True)
    draft = _Draft(where, [], [], faults, [f"cells parted by {_DELIMITERS[mark]}"], mark)
    if encoding != "UTF-8":
        draft.said.append(encoding)
    try:
        for row in reader:
            draft.rows.append(row)
            draft.lines.append(reader.line_num)
    except csv.Error as error:
        raise EvidenceError(
            f"{where}: is not CSV: {error}; save it as comma-separated text."
        ) from None
    return _finished(draft, known)


def grid_of_rows(
    rows: Sequence[Sequence[str]],
    where: str,
    known: Callable[[str], bool],
    faults: Faults,
    said: Sequence[str] = (),
) -> Grid:
    """Take rows of cells that are text already, such as those of a sheet."""
    lines = list(range(1, len(rows) + 1))
    return _finished(_Draft(where, [list(row) for row in rows], lines, faults, list(said)), known)


_BYTE_ORDER: Final = (
    (codecs.BOM_UTF8, "utf-8-sig", "UTF-8"),
    (codecs.BOM_UTF16_LE, "utf-16", "UTF-16"),
    (codecs.BOM_UTF16_BE, "utf-16", "UTF-16"),
)


def _decoded(raw: bytes, where: str) -> tuple[str, str]:
    """Decode a file: by its mark, as UTF-8, as UTF-16 by where its zeros stand, else as Windows-1252."""
    marked = next((each for each in _BYTE_ORDER if raw.startswith(each[0])), None)
    codec, name = marked[1:] if marked else ("utf-8", "UTF-8")
    if not marked:
        even, odd = raw[:2000:2].count(0), raw[1:2000:2].count(0)
        half = len(raw[:2000]) // 4
        if max(even, odd) > half > 0 and min(even, odd) < half / 4:
            codec, name = ("utf-16-le" if odd > even else "utf-16-be"), "UTF-16"
    try:
        return raw.decode(codec), name
    except UnicodeDecodeError as error:
        if name != "UTF-8" or codec == "utf-8-sig":
            raise EvidenceError(
                f"{where}: begins as {name} text; byte {error.start} is not; save it as UTF-8."
            ) from None
    try:
        return raw.decode("cp1252"), "Windows-1252"
    except UnicodeDecodeError as error:
        raise EvidenceError(
            f"{where}: must be text in UTF-8, UTF-16 or Windows-1252; byte {error.start} is none of "
            "these; save it as UTF-8."
        ) from None


def _delimiter(text: str) -> str:
    """Choose the mark that cuts most rows into equally many cells; one before spaces comes last."""
    best, found = (0.0, 0), ""
    sample = text[: 400 * _SAMPLE]
    for mark in _DELIMITERS:
        widths = []
        try:
            for row in csv.reader(io.StringIO(sample, newline=""), delimiter=mark):
                if any(cell.strip() for cell in row):
                    widths.append(len(_joined(row, mark)))
                if len(widths) == _SAMPLE:
                    break
        except csv.Error:
            continue
        if not widths:
            continue
        width, count = max(Counter(widths).items(), key=lambda item: (item[1], item[0]))
        spaced = mark in ",;" and sample.count(mark) == sample.count(f"{mark} ")
        if width > 1 and (count / len(widths) - 0.01 * spaced, width) > best:
            best, found = (count / len(widths) - 0.01 * spaced, width), mark
    return found


def _aligned(text: str) -> list[list[str]] | None:
    """Cut lines whose columns are aligned by spaces, as programs print tables; None if they are not."""
    lines = [line.expandtabs().rstrip() for line in text.splitlines()]
    there = [line for line in lines if line][:_SAMPLE]
    if len(there) < 2 or not any("  " in line for line in there[1:]):
        return None
    free = [
        not any(line[at : at + 1].strip() for line in there) for at in range(max(map(len, there)))
    ]
    cuts, held = [], -1
    right = there[0].startswith(
        " "
    )  # then words of a name stand before their heading, else behind it
    for at in range(len(free)):
        if free[at] or not (at == 0 or free[at - 1]):
            continue
        end = free.index(True, at) if True in free[at:] else len(free)
        headed = bool(there[0][at:end].strip())
        held = at if held < 0 or not right else held
        if headed or at == 0:
            cuts.append(held)
            held = -1
    pairs = list(zip(cuts, [*cuts[1:], None], strict=True))
    return [[line[a:b].strip() for a, b in pairs] for line in lines] if len(pairs) > 1 else None


def _finished(draft: _Draft, known: Callable[[str], bool]) -> Grid:
    """Find headings, row names and totals, and put the cells under their headings."""
    where = draft.where
    filled = [place for place, row in enumerate(draft.rows) if any(map(str.strip, row))]
    draft.rows = [
        [unguarded(plain(cell).strip(_NO_WIDTH)) for cell in draft.rows[place]] for place in filled
    ]
    draft.lines = [draft.lines[place] for place in filled]
    if draft.mark == "|":
        _without_marks(draft)
    _whole_cells(draft)
    if not draft.rows:
        raise EvidenceError(f"{where}: is empty; give a header row and one row a result.")
    header = _header(draft, known)
    if not draft.rows:
        raise EvidenceError(f"{where}: has a header and no rows; give one row a result.")
    header = _row_names(draft, header)
    found = results(header, draft.rows, draft.lines, where)
    header, draft.rows, draft.lines = found.header, found.rows, found.lines
    draft.said += found.said
    if not found.rows:
        names = shown([first for _, first in found.totals])
        raise EvidenceError(
            f"{where}: all rows are called sums of others ({names}); name the studies."
        )
    _even(draft, header)
    columns: dict[str, list[str]] = {}
    for at, cells in enumerate(zip(*draft.rows, strict=True)):
        name, numbers = header[at], any(map(_MARKED.fullmatch, map(_unmarked, cells)))
        if name or (any(cells) and (numbers or any(header[at:]))):
            columns[name] = list(cells)
        elif any(cells):
            draft.said.append(
                f"remarks without a heading, such as {max(cells, key=len)!r}, left out"
            )
    if "" in columns:
        raise EvidenceError(
            f"{where}: a column has no name in the header; name every column, each once."
        )
    percent = {
        name: all(_PER_CENT.search(c) or is_missing(c) or not c.strip("0.,") for c in cells)
        for name, cells in columns.items()
        if any(map(_PER_CENT.search, cells))
    }
    comma = _pointed(columns, draft)
    table = Table(where, columns, draft.lines)
    return Grid(table, tuple(draft.said), tuple(found.totals), comma, percent)


def _without_marks(draft: _Draft) -> None:
    """Leave out the rule of a Markdown table, what stands around it, and marks of bold words."""
    rule = [
        n
        for n, row in enumerate(draft.rows)
        if any(row) and all(map(_RULE.fullmatch, filter(None, row)))
    ]
    kept = [n for n, row in enumerate(draft.rows) if n not in rule and (not rule or len(row) > 1)]
    draft.rows = [[_MARKS.sub(r"\2", cell) for cell in draft.rows[n]] for n in kept]
    draft.lines = [draft.lines[n] for n in kept]


def _whole_cells(draft: _Draft) -> None:
    """Join cells that were cut within parentheses, where rows then have equally many cells."""
    joined = [_joined(row, draft.mark) if draft.mark in ",;" else row for row in draft.rows]
    if joined != draft.rows and len(set(map(len, joined))) == 1 < len(set(map(len, draft.rows))):
        draft.rows = joined
        draft.said.append("cells that were cut within parentheses joined")


def _joined(row: Sequence[str], mark: str) -> list[str]:
    made: list[str] = []
    for cell in row:
        if made and _open(made[-1]):
            made[-1] = f"{made[-1]}{mark} {cell}"
        else:
            made.append(cell)
    return made


def _open(cell: str) -> bool:
    return any(cell.count(one) > cell.count(two) for one, two in ("()", "[]"))


def _header(draft: _Draft, known: Callable[[str], bool]) -> list[str]:
    """Find the row of the headings, and leave out what stands above it."""
    rows = draft.rows
    width = Counter(breadth(row) for row in rows[:_SAMPLE]).most_common(1)[0][0]
    scores = []
    for place, row in enumerate(rows[:_LOOKED]):
        cells = [cell for cell in row if cell]
        numbers = sum(_PLAIN.fullmatch(cell) is not None for cell in cells)
        numbers += len(cells) * any(_DECIMAL.fullmatch(cell) for cell in cells)
        scores.append(
            (
                sum(min(2, n) for cell, n in Counter(cells).items() if known(cell))
                if numbers * 2 <= len(cells)
                else -1,
                -place,
            )
        )
    most, place = max(scores)
    place = -place
    if most < 2 and breadth(rows[0]) < min(width, 2) <= max(map(breadth, rows[:_LOOKED])):
        place = next(n for n, row in enumerate(rows) if breadth(row) >= min(width, 2))
    elif most < 2:
        place = 0
    header = list(rows[place])
    if place and len(set(filter(None, header))) < len(list(filter(None, header))):
        header = _over(rows[place - 1], header, every=False)[: len(header)]
    if place:
        draft.said.append(f"headings in row {draft.lines[place]}, rows above it left out")
    first = place + 1
    if first < len(rows) and _parts(rows[first], header):
        header, first = _over(header, rows[first], every=True), first + 1
    # A title above headings that stand again is of the first of several sections.
    titled = bool(place) and breadth(rows[place - 1]) == 1 and rows[place] in rows[first:]
    titles = [place - 1] if titled else []
    kept = [*titles, *range(first, len(rows))]
    draft.rows, draft.lines = [rows[n] for n in kept], [draft.lines[n] for n in kept]
    while header and not header[-1] and not any(any(row[len(header) - 1 :]) for row in draft.rows):
        header.pop()
    _two_ends(header, draft.rows)
    repeated = sorted({name for name in header if name and header.count(name) > 1})
    if repeated:
        raise EvidenceError(
            f"{draft.where}: columns {shown(repeated)} stand twice in the header; name every column, "
            "each once."
        )
    return header


def _parts(row: Sequence[str], header: Sequence[str]) -> bool:
    """Whether a row below the headings has headings of the columns that wider ones stand over."""
    pairs = list(zip(header, row, strict=False))
    words = all(any(map(str.isalpha, cell)) for cell in filter(None, row))
    return words and any(b and not a for a, b in pairs) and not any(row[:1]) and any(header[:1])


def _over(wide: Sequence[str], narrow: Sequence[str], *, every: bool) -> list[str]:
    """Join headings with the wider ones above them: all, or those that stand several times."""
    joined, label = [], ""
    for name, part in zip_longest(wide, narrow, fillvalue=""):
        label = name or label
        told = part and (every or narrow.count(part) > 1)
        joined.append(f"{label} {part}" if told else part or name)
    return joined


def _two_ends(header: list[str], rows: Sequence[Sequence[str]]) -> None:
    """Name two columns of numbers, the first of which alone is called an interval, as its ends."""
    for at in range(1, len(header)):
        interval = any(word.role == "ci" for word in meanings(header[at - 1], "spread"))
        cells = [cell for row in rows for cell in row[at - 1 : at + 1] if cell]
        numbers = sum(bool(_MARKED.fullmatch(_unmarked(cell))) for cell in cells)
        if interval and not header[at] and 2 * numbers > len(cells):
            header[at - 1 : at + 1] = [f"{header[at - 1]} lower", f"{header[at - 1]} upper"]


def _row_names(draft: _Draft, header: list[str]) -> list[str]:
    """Name or leave out the row names that R writes before the first column."""
    rows = draft.rows
    counted = all(len(row) == len(header) + 1 and row[0] == str(n) for n, row in enumerate(rows, 1))
    if header and header[0] and counted:
        header = ["", *header]
    if not header or header[0] or len(header) == 1:
        return header
    names = [row[0] if row else "" for row in rows]
    if all(name.isdigit() for name in names):
        draft.said.append("row names left out")
        draft.rows = [row[1:] for row in rows]
        return header[1:]
    if len(set(names)) == len(names) and all(names) and "row.names" not in header:
        return ["row.names", *header[1:]]
    return header


def _even(draft: _Draft, header: Sequence[str]) -> None:
    """Give every row as many cells as the header has, and name those that cannot be."""
    width = len(header)
    for place, row in enumerate(draft.rows):
        if len(row) == width:
            continue
        over = any(row[width:])
        if over or len(row) < width:
            what = f"has {len(row)} cells; the header has {width}"
            marks = _DELIMITERS.get(draft.mark, "commas")
            remedy = f"quote cells that hold {marks}" if over else f"add the missing {marks}"
            where = Whereabouts(draft.where, (draft.lines[place],))
            draft.faults.add(Fault(what, remedy=remedy, rule="ragged-row", place=where))
        draft.rows[place] = [*row, *[""] * width][:width]


def is_missing(cell: str) -> bool:
    """Whether a cell stands for a number that is not there, or for several."""
    bare = cell.casefold()
    parts = [part for part in re.split(r"[\s()\[\];,–—-]+", bare) if part] if "(" in bare else []
    return bare in MISSING or (bool(parts) and all(part in _NO_NUMBER for part in parts))


def _finite(cells: Sequence[str]) -> bool:
    """Whether all cells that hold something are decimal numbers as computers write them."""
    try:
        return all(math.isfinite(float(cell)) and "_" not in cell for cell in cells if cell)
    except ValueError:
        return False


def _pointed(columns: dict[str, list[str]], draft: _Draft) -> bool:
    """Write the numbers of all columns with a decimal point; say whether they had commas."""
    printed = {}
    for name, cells in columns.items():
        if _thousands(name, cells, draft):
            columns[name] = [cell.replace(",", "").replace(".", "") for cell in cells]
        if _finite(columns[name]):
            continue
        some = [cell for cell in cells[: 50 * _SAMPLE] if not is_missing(cell)][:_SAMPLE]
        if some and not any(_looks_printed(_unmarked(cell)) for cell in some):
            continue  # words: most of the cells are no numbers
        if not some and name not in NUMBERS and any(cell.casefold() == "none" for cell in cells):
            continue  # a word: all comparators are none
        held = [_unmarked(cell) for cell in cells]
        there = [cell for cell in held if not is_missing(cell)]
        if 2 * sum(_looks_printed(cell) for cell in there) >= len(there):
            printed[name] = ["" if is_missing(cell) else cell for cell in held]
            if any(_AFTER.search(cell) for cell in cells):
                draft.said.append(f"marks after numbers left out of {name!r}")
    marks = {mark: any(_shows(mark, cells) for cells in printed.values()) for mark in ",."}
    marks["."] |= any(
        _shows(".", cells)
        for name, cells in columns.items()
        if name not in printed and _finite(cells)
    )
    if marks[","]:
        draft.said.append("decimal commas" + " and points" * marks["."])
        for name, cells in columns.items():
            if name not in printed and any("." in cell for cell in cells) and _finite(cells):
                printed[name] = cells
    for name, cells in printed.items():
        columns[name] = [
            _pointed_cell(cell, cells, marks, draft, name, place)
            for place, cell in enumerate(cells)
        ]
    return marks[","]


def _unmarked(cell: str) -> str:
    """Write a number without printers' signs, and without marks of footnotes and percent after it."""
    return _PEOPLE.sub("", _AFTER.sub("", cell.translate(_PRINTED).strip()))


def _looks_printed(cell: str) -> bool:
    return bool(_MARKED.fullmatch(cell) or _GROUPED.fullmatch(cell))


#: A mark before exactly three digits may part thousands or decimals.
_EITHER: Final = re.compile(r"[+-]?[1-9]\d{0,2}[.,]\d{3}")
_THOUSANDS: Final = re.compile(
    r"[+-]?[1-9]\d{0,2}(?:,\d{3})+\.\d+|[+-]?[1-9]\d{0,2}(?:\.\d{3})+,\d+"
)
_MANY: Final = re.compile(r"[+-]?[1-9]\d{0,2}(?:(?:,\d{3}){2,}|(?:\.\d{3}){2,})")


def _shows(mark: str, cells: Sequence[str]) -> bool:
    """Whether a cell can only be understood with this decimal mark."""
    return any(
        mark in cell
        and (cell.count(mark) == 1 and cell.rfind(mark) > cell.rfind(",."[mark == ","]))
        and not _EITHER.fullmatch(cell)
        for cell in cells
    )


def _thousands(name: str, cells: Sequence[str], draft: _Draft) -> bool:
    """Whether a column counts, and marks in it can only part thousands; say so."""
    there = [cell for cell in cells if not is_missing(cell)]
    marked = [cell for cell in there if _EITHER.fullmatch(cell)]
    if not marked or not all(cell.isdigit() or _EITHER.fullmatch(cell) for cell in there):
        return False
    if not counts(name):
        return False
    draft.said.append(f"{marked[0]!r} of {name!r} is {re.sub('[,.]', '', marked[0])}")
    return True


def _pointed_cell(
    cell: str, column: Sequence[str], marks: dict[str, bool], draft: _Draft, name: str, place: int
) -> str:
    """Write one number with a decimal point; a cell that may be read in two ways is a fault."""
    grouped = _GROUPED.fullmatch(cell)
    if grouped:
        return grouped[1] + re.sub(r"\D", "", grouped[2]) + grouped[3].replace(",", ".")
    if not _MARKED.fullmatch(cell) or not ("," in cell or (marks[","] and "." in cell)):
        return cell
    if _MANY.fullmatch(cell):
        return cell.replace(",", "").replace(".", "")
    if _THOUSANDS.fullmatch(cell):
        mark = cell[max(cell.rfind(","), cell.rfind("."))]
        return cell.replace(",."[mark == ","], "").replace(mark, ".")
    if cell.count(",") + cell.count(".") != 1:
        return cell
    mark = "," if "," in cell else "."
    other = "." if mark == "," else ","
    if not _EITHER.fullmatch(cell) or (_shows(mark, column) and not _shows(other, column)):
        return cell.replace(",", ".")
    if marks[other] and not marks[mark]:
        return cell.replace(mark, "")
    if marks[mark] and not marks[other]:
        return cell.replace(",", ".")
    whole = cell.replace(mark, "")
    what = f"{name} is {cell!r}, which may be {whole} or {cell.replace(',', '.')}"
    remedy = "write it without a mark that parts thousands"
    where = Whereabouts(draft.where, (draft.lines[place],), column=name)
    draft.faults.add(Fault(what, "", remedy, "not-a-number", where, cell))
    return ""
