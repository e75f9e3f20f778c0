"""A report as a Word document; the same record gives the same bytes."""

import io
import zipfile
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from docx import Document
from docx.oxml.ns import qn
from docx.shared import Cm, Pt

from bayesrtw.report.numbers import clean
from bayesrtw.report.outline import outline

#: The time that every file in the document bears: the first that the ZIP format can write.
STAMP: Final = (1980, 1, 1, 0, 0, 0)


def render_docx(
    content: dict[str, Any], pictures: Mapping[str, tuple[bytes, str]] | None = None
) -> bytes:
    """Write a report as DOCX.

    Parameters
    ----------
    content
        A record, as `bayesrtw.report.record.record` gives it.
    pictures
        Name to PNG and caption.

    Returns
    -------
    bytes
        The file. Words from data are text runs: no field, link or formula comes of them.
    """
    document = Document()
    _page(document)
    for block in outline(content):
        if block.kind == "heading":
            document.add_heading(_words(block.text), level=block.level)
        elif block.kind == "list":
            for item in block.items:
                document.add_paragraph(_words(item), style="List Bullet")
        elif block.kind == "table":
            _table(document, block.head, block.rows)
        elif block.kind == "pictures":
            for png, caption in (pictures or {}).values():
                document.add_picture(io.BytesIO(png), width=Cm(17))
                document.add_paragraph(_words(caption), style="Caption")
        else:
            run = document.add_paragraph().add_run(_words(block.text))
            run.bold = block.kind == "caveat"
    return _stamped(document, content)


def _page(document: Any) -> None:
    section = document.sections[0]
    section.page_width, section.page_height = Cm(21), Cm(29.7)
    section.left_margin = section.right_margin = Cm(2)
    document.styles["Normal"].font.name = "Calibri"
    document.styles["Normal"].font.size = Pt(10.5)


def _table(document: Any, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    table = document.add_table(rows=1, cols=len(head), style="Light List Accent 1")
    # Cells are addressed once: looking each up anew costs the square of their number.
    for cell, text in zip(table.rows[0].cells, head, strict=True):
        cell.text = _words(text)
    header = table.rows[0]._tr.get_or_add_trPr()
    mark = header.makeelement(qn("w:tblHeader"), {qn("w:val"): "true"})
    header.append(mark)
    for row in rows:
        for cell, text in zip(table.add_row().cells, row, strict=True):
            cell.text = _words(text)
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
