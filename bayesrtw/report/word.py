"""A report as a Word document; the same record gives the same bytes."""

import io
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from docx import Document
from docx.oxml.ns import qn
from docx.shared import Cm, Pt

from bayesrtw.report.block import (
    Block,
    Bullets,
    Controls,
    Folded,
    Heading,
    Listing,
    Paragraph,
    Pictures,
    Tabular,
    Terms,
    plain,
)
from bayesrtw.report.numbers import Printer, clean
from bayesrtw.report.outline import outline

#: The time that every file in the document bears: the first that the ZIP format can write.
STAMP: Final = (1980, 1, 1, 0, 0, 0)

#: Centimetres between the margins.
WIDTH: Final = 17.0


@dataclass(frozen=True, slots=True)
class Image:
    """A picture for a document.

    Attributes
    ----------
    png
        Its bytes.
    caption
        What stands under it.
    description
        What a screen reader says.
    section
        Id of the section that it stands in.
    width
        In centimetres; it is not blown up.
    """

    png: bytes
    caption: str
    description: str
    section: str
    width: float = WIDTH


def render_docx(content: dict[str, Any], images: Sequence[Image] = ()) -> bytes:
    """Write a report as DOCX."""
    n, found = Printer.of(content), outline(content)
    document = Document()
    _page(document)
    document.add_heading(_words(found.title), level=1)
    _write(document, found.opening, n, ())
    for section in found.sections:
        document.add_heading(_words(section.title), level=2)
        shown = [image for image in images if image.section == section.id]
        _write(document, section.blocks, n, shown)
    return _stamped(document, content)


def _write(document: Any, blocks: Sequence[Block], n: Printer, images: Sequence[Image]) -> None:
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
            _table(document, block, n)
        elif isinstance(block, Listing):
            for line in clean(block.text).splitlines():
                run = document.add_paragraph(style="No Spacing").add_run(line.replace("\t", " "))
                run.font.name, run.font.size = "Courier New", Pt(8)
        elif isinstance(block, Folded):
            document.add_heading(_words(block.title), level=3)
            _write(document, block.blocks, n, images)
        elif isinstance(block, Controls):
            _write(document, block.still, n, images)
        elif isinstance(block, Pictures):
            for image in images:
                _picture(document, image)


def _picture(document: Any, image: Image) -> None:
    shape = document.add_picture(io.BytesIO(image.png), width=Cm(min(WIDTH, image.width)))
    shape._inline.docPr.set("descr", _words(image.description))
    document.add_paragraph(_words(image.caption), style="Caption")


def _page(document: Any) -> None:
    section = document.sections[0]
    section.page_width, section.page_height = Cm(21), Cm(29.7)
    section.left_margin = section.right_margin = Cm(2)
    document.styles["Normal"].font.name = "Calibri"
    document.styles["Normal"].font.size = Pt(10.5)


def _table(document: Any, block: Tabular, n: Printer) -> None:
    if block.caption:
        document.add_paragraph(_words(block.caption), style="Caption")
    table = document.add_table(rows=1, cols=len(block.head), style="Light List Accent 1")
    # Cells are addressed once: looking each up anew costs the square of their number.
    for cell, head in zip(table.rows[0].cells, block.head, strict=True):
        cell.text = _words(plain(head.text, n))
    header = table.rows[0]._tr.get_or_add_trPr()
    mark = header.makeelement(qn("w:tblHeader"), {qn("w:val"): "true"})
    header.append(mark)
    for row in block.rows:
        for cell, text in zip(table.add_row().cells, row, strict=True):
            cell.text = _words(plain(text, n))
    document.add_paragraph()


def _words(text: object) -> str:
    """Keep to one line: tabs and breaks in data would become marks of the document."""
    return " ".join(clean(text).split())


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
