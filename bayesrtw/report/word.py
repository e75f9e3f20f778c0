"""A report as a Word document with its supplement; the same record gives the same bytes."""

import io
import re
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

import numpy as np
from docx import Document
from docx.enum.section import WD_ORIENT, WD_SECTION
from docx.enum.text import WD_ALIGN_PARAGRAPH
from docx.oxml import OxmlElement
from docx.oxml.ns import qn
from docx.shared import Cm, Pt, RGBColor

from bayesrtw.report.block import (
    Block,
    Bullets,
    Heading,
    Listing,
    Paragraph,
    Pictures,
    Tabular,
    Terms,
    plain,
)
from bayesrtw.report.divide import divided
from bayesrtw.report.numbers import Printer, clean
from bayesrtw.report.outline import outline
from bayesrtw.report.shorten import shortened

#: The time that every file in the document bears: the first that the ZIP format can write.
STAMP: Final = (1980, 1, 1, 0, 0, 0)

#: Centimetres between the margins, upright and on a page turned round.
WIDTH: Final = 17.0
TURNED: Final = 25.7

#: A picture is no higher, in cm, so that its heading and its caption stand on the same page of 25.7.
HEIGHT: Final = 21.5

#: Size of type in tables, in points; and how wide a character of it is, in centimetres, generously: a
#: word that is wider than its column would be broken.
SIZE: Final = 8.0
CHARACTER: Final = 0.175

#: What a cell has around its words, in centimetres.
AROUND: Final = 0.45

#: No column of long text asks for more than this for itself.
WORDS_LEAST: Final = 2.6

#: Letters from which on an address may be broken, where it may be, and where lines end.
LONG: Final = 20
BREAK: Final = "\N{ZERO WIDTH SPACE}"
PARTS: Final = re.compile(rf"[ {BREAK}]|(?<=\w-)(?=\w)")

#: Centimetres that are given at a time, and how much more the highest cell of a row counts than others.
STEP: Final = 0.1
TALL: Final = 6.0

#: Whitespace at which a line may be broken.
_BREAKING: Final = re.compile(r"[^\S\u00a0\u202f]+")

Part = Literal["report", "supplement"]


@dataclass(frozen=True, slots=True)
class Image:
    """A picture for a document."""

    png: bytes  #: Its bytes.
    caption: str  #: What stands under it.
    description: str  #: What a screen reader says.
    section: str  #: Id of the section that it stands in.
    width: float = WIDTH  #: In centimetres; it is not blown up.
    aside: bool = False  #: Whether it stands in the supplement.


def render_docx(
    content: dict[str, Any], images: Sequence[Image] = (), part: Part = "report"
) -> bytes:
    """Write a report, or its supplement, as DOCX."""
    n, found = Printer.of(content), divided(shortened(outline(content)))[part == "supplement"]
    document = Document()
    _page(document)
    document.add_heading(_words(found.title), level=1)
    _write(document, found.opening, n, (), WIDTH)
    turned = False
    for section in found.sections:
        shown = [
            image
            for image in images
            if image.section == section.id and image.aside == (part == "supplement")
        ]
        if not shown and all(isinstance(block, Pictures) for block in section.blocks):
            continue
        wide = any(_is_wide(block, n) for block in section.blocks)
        if wide != turned:
            _turn(document, wide=wide)
        turned = wide
        document.add_heading(_words(section.title), level=2)
        _write(document, section.blocks, n, shown, TURNED if wide else WIDTH)
    return _stamped(document, content)


#: Margins and size of type of a page that holds a table and little else, in centimetres and points.
NARROW: Final = 1.4
SMALL: Final = 8.5


def blocks_as_docx(title: str, blocks: Sequence[Block]) -> bytes:
    """Write blocks on pages turned round, for a table that is to fit one of them."""
    document = Document()
    _page(document)
    section = document.sections[0]
    section.orientation = WD_ORIENT.LANDSCAPE
    section.page_width, section.page_height = Cm(29.7), Cm(21)
    for side in ("left", "right", "top", "bottom"):
        setattr(section, f"{side}_margin", Cm(NARROW))
    normal = document.styles["Normal"]
    normal.font.size, normal.paragraph_format.space_after = Pt(SMALL), Pt(3)
    document.add_heading(_words(title), level=1)
    _write(document, blocks, Printer.none(), (), 29.7 - 2 * NARROW)
    for table in document.tables:  # rows of many lines run together without a rule between them
        borders, rule = OxmlElement("w:tblBorders"), OxmlElement("w:insideH")
        for name, value in (("val", "single"), ("sz", "4"), ("color", "A6A6A6")):
            rule.set(qn(f"w:{name}"), value)
        borders.append(rule)
        # The schema has an order, and Word minds it: borders stand before the layout.
        table._tbl.tblPr.find(qn("w:tblLayout")).addprevious(borders)
    return _stamped(document, {"title": title})


def _is_wide(block: Block, n: Printer) -> bool:
    """Whether a table needs a page that is turned round."""
    if not isinstance(block, Tabular):
        return False
    return sum(_asked(block, *_texts(block, n))[0]) > WIDTH


def _write(
    document: Any, blocks: Sequence[Block], n: Printer, images: Sequence[Image], room: float
) -> None:
    for block in blocks:
        if isinstance(block, Heading):
            document.add_heading(_words(block.text), level=3)
        elif isinstance(block, Paragraph):
            run = document.add_paragraph().add_run(_words(plain(block.text, n)))
            run.bold = block.kind == "caveat"
        elif isinstance(block, Bullets):
            for item in block.items:
                document.add_paragraph(_words(plain(item, n)), style="List Bullet")
        elif isinstance(block, Terms):
            for name, text in block.pairs:
                document.add_paragraph(f"{name}: {_words(plain(text, n))}", style="List Bullet")
        elif isinstance(block, Tabular):
            _table(document, block, n, room)
        elif isinstance(block, Listing):
            for line in clean(block.text).splitlines():
                run = document.add_paragraph(style="No Spacing").add_run(line.replace("\t", " "))
                run.font.name, run.font.size = "Courier New", Pt(SIZE)
        elif isinstance(block, Pictures):
            for image in images:
                _picture(document, image)


def _picture(document: Any, image: Image) -> None:
    shape = document.add_picture(io.BytesIO(image.png), width=Cm(min(WIDTH, image.width)))
    shrink = min(1.0, Cm(HEIGHT) / shape.height)
    shape.width, shape.height = round(shape.width * shrink), round(shape.height * shrink)
    document.paragraphs[-1].paragraph_format.keep_with_next = True
    shape._inline.docPr.set("descr", _words(image.description))
    document.add_paragraph(_words(image.caption), style="Caption")


def _page(document: Any) -> None:
    section = document.sections[0]
    section.page_width, section.page_height = Cm(21), Cm(29.7)
    section.left_margin = section.right_margin = Cm(2)
    section.top_margin = section.bottom_margin = Cm(2)
    document.styles["Normal"].font.name = "Calibri"
    document.styles["Normal"].font.size = Pt(10.5)
    document.styles["Normal"].paragraph_format.space_after = Pt(5)
    caption = document.styles["Caption"].font
    caption.color.rgb, caption.bold, caption.size = RGBColor(64, 64, 64), False, Pt(9)


def _turn(document: Any, *, wide: bool) -> None:
    """Begin a page that is turned round, or an upright one again."""
    section = document.add_section(WD_SECTION.NEW_PAGE)
    section.orientation = WD_ORIENT.LANDSCAPE if wide else WD_ORIENT.PORTRAIT
    section.page_width, section.page_height = (Cm(29.7), Cm(21)) if wide else (Cm(21), Cm(29.7))


def _texts(block: Tabular, n: Printer) -> tuple[list[str], list[list[str]]]:
    """Write heads and cells as words."""
    head = [_words(plain(each.text, n)) for each in block.head]
    return head, [[_breakable(_words(plain(text, n))) for text in row] for row in block.rows]


def _breakable(text: str) -> str:
    """Let long addresses end a line after a slash or a point."""
    return " ".join(
        re.sub(r"(?<=[/.])(?=\w)", BREAK, word) if len(word) > LONG else word
        for word in text.split(" ")
    )


def _table(document: Any, block: Tabular, n: Printer, room: float) -> None:
    head, rows = _texts(block, n)
    least, wanted = _asked(block, head, rows)
    if block.caption:
        caption = document.add_paragraph(_words(block.caption), style="Caption")
        caption.paragraph_format.keep_with_next = True
    table = document.add_table(rows=1, cols=len(block.head), style="Light Shading")
    table.autofit = False
    look = table._tbl.tblPr.find(qn("w:tblLook"))
    if look is not None:  # no bands: rules above and below are enough
        look.set(qn("w:val"), "0620")
        look.set(qn("w:noHBand"), "1")
    widths = _shared(least, wanted, rows, room)
    for column, width in zip(table.columns, widths, strict=True):
        column.width = Cm(width)
    sides = [each.style == "num" for each in block.head]
    # Cells are addressed once: looking each up anew costs the square of their number.
    _fill(table.rows[0], head, widths, sides, bold=True)
    header = table.rows[0]._tr.get_or_add_trPr()
    for name in ("w:tblHeader", "w:cantSplit"):
        mark = OxmlElement(name)
        mark.set(qn("w:val"), "true")
        header.append(mark)
    for place, row in enumerate(rows):
        made = table.add_row()
        _fill(made, row, widths, sides, bold=place in block.own)
        made._tr.get_or_add_trPr().append(OxmlElement("w:cantSplit"))
    document.add_paragraph()


def _fill(
    row: Any, texts: Sequence[str], widths: Sequence[float], right: Sequence[bool], *, bold: bool
) -> None:
    for place, (cell, text) in enumerate(zip(row.cells, texts, strict=True)):
        cell.width = Cm(widths[place])
        paragraph = cell.paragraphs[0]
        paragraph.paragraph_format.space_after = Pt(1)
        # An address that is copied must be whole: programs end lines inside it by themselves.
        run = paragraph.add_run(text.replace(BREAK, ""))
        run.font.size, run.bold = Pt(SIZE), bold
        if right[place]:
            paragraph.alignment = WD_ALIGN_PARAGRAPH.RIGHT


def _asked(
    block: Tabular, head: Sequence[str], rows: Sequence[Sequence[str]]
) -> tuple[list[float], list[float]]:
    """Say how wide each column must be so that no word breaks, and how wide to have one line."""
    least, wanted = [], []
    for place, each in enumerate(block.head):
        cells = [row[place] for row in rows]
        longest = max(len(word) for text in (*cells, "") for word in PARTS.split(text))
        # Heads are bold, which is wider.
        longest = max(longest, 1 + max(len(word) for word in head[place].split(" ")))
        if each.style == "num":
            longest = max([longest, *map(len, cells)])
        full = max(len(text) for text in (head[place], *cells, ""))
        must = CHARACTER * longest + AROUND
        if each.style == "words" and full > longest:
            must = max(must, WORDS_LEAST)
        least.append(must)
        wanted.append(max(must, CHARACTER * full + AROUND))
    return least, wanted


def _shared(
    least: Sequence[float],
    wanted: Sequence[float],
    rows: Sequence[Sequence[str]],
    room: float,
) -> list[float]:
    """Share the width: everyone gets the least, and the rest goes where it makes the table lower."""
    if sum(least) >= room:
        return [room * each / sum(least) for each in least]
    if sum(wanted) <= room:
        return list(wanted)
    length = CHARACTER * np.array([[len(text) for text in row] for row in rows], dtype=float)
    length = length.reshape(-1, len(least))
    steps = STEP * np.eye(len(least))
    widths, most = np.array(least), np.array(wanted)
    for _ in range(int((room - sum(least)) / STEP)):
        tried = (widths + steps)[:, None, :] - AROUND
        # A row is as high as its longest cell, more or less: others soon are the longest.
        high = np.sum(np.sum((length / tried) ** TALL, axis=2) ** (1 / TALL), axis=1)
        high[widths + STEP > most] = np.inf
        widths = widths + steps[int(np.argmin(high))]
    return [float(width) for width in widths]


def _words(text: object) -> str:
    """Keep to one line: tabs and breaks in data would become marks of the document."""
    return _BREAKING.sub(" ", clean(text)).strip()


def _stamped(document: Any, content: dict[str, Any]) -> bytes:
    """Write the file with properties and times that do not change."""
    properties = document.core_properties
    properties.author = properties.last_modified_by = "bayesrtw"
    properties.title = _words(content["title"])[:255]
    properties.created = properties.modified = datetime(*STAMP)
    properties.revision = 1
    raw = io.BytesIO()
    document.save(raw)
    out = io.BytesIO()
    with zipfile.ZipFile(raw) as source, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as target:
        for name in sorted(
            source.namelist(), key=lambda each: (each != "[Content_Types].xml", each)
        ):
            entry = zipfile.ZipInfo(name, STAMP)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            target.writestr(entry, source.read(name))
    return out.getvalue()
