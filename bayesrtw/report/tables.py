"""The tables of a report as files: CSV, LaTeX, and one workbook."""

import csv
import io
import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

from bayesrtw.evidence.cells import guarded
from bayesrtw.report.block import Block, Controls, Folded, Head, Tabular, plain
from bayesrtw.report.numbers import Printer, clean
from bayesrtw.report.outline import outline

#: What LaTeX reads as a mark, and how it is written as a letter.
_LATEX: Final = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{",
    "}": r"\}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}",
    ">": r"\textgreater{}", "−": r"$-$", "–": "--", "μ": r"$\mu$", "τ": r"$\tau$", "²": r"$^2$",
    "\u00a0": "~", "±": r"$\pm$", "×": r"$\times$", "∞": r"$\infty$",
}  # fmt: skip

#: Names of sheets are no longer in a workbook.
_SHEET: Final = 31


def tables(content: dict[str, Any]) -> dict[str, bytes]:
    """Write every table of a report: name of the file to its bytes."""
    n = Printer.of(content)
    found: dict[str, bytes] = {}
    rows: list[tuple[str, list[list[str]]]] = []
    for name, block in _named(content):
        cells = _cells(block, n)
        rows.append((name, cells))
        found[f"{name}.csv"] = _csv(cells)
        found[f"{name}.tex"] = latex(block.label, block.head, cells, block.caption).encode()
    found["tables.xlsx"] = _workbook(rows)
    return found


def _named(content: dict[str, Any]) -> Iterator[tuple[str, Tabular]]:
    """Name each table by its section and its label."""
    seen: set[str] = set()
    for section in outline(content).sections:
        for block in _within(section.blocks):
            stem = re.sub(r"[^a-z0-9]+", "-", f"{section.id}-{block.label}".lower()).strip("-")[:60]
            name = stem
            while name in seen:
                name = f"{stem}-{sum(each.startswith(stem) for each in seen) + 1}"
            seen.add(name)
            yield name, block


def _within(blocks: Sequence[Block]) -> Iterator[Tabular]:
    for block in blocks:
        if isinstance(block, Tabular):
            yield block
        elif isinstance(block, Folded):
            yield from _within(block.blocks)
        elif isinstance(block, Controls):
            yield from _within(block.still)


def _cells(block: Tabular, n: Printer) -> list[list[str]]:
    texts = [[each.text for each in block.head], *(list(row) for row in block.rows)]
    return [[" ".join(clean(plain(text, n)).split()) for text in row] for row in texts]


def _csv(cells: Sequence[Sequence[str]]) -> bytes:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows([[guarded(c) for c in row] for row in cells])
    return out.getvalue().encode()


def latex(
    label: str, head: Sequence[Head], cells: Sequence[Sequence[str]], caption: str = ""
) -> str:
    """Write a table with booktabs; the first row of cells is its head."""
    sides = "".join(
        "r" if each.style == "num" else "p{4cm}" if each.style == "words" else "l" for each in head
    )
    lines = [" & ".join(map(_escaped, row)) + r" \\" for row in cells]
    said = ". ".join(each.rstrip(".") for each in (label, caption) if each)
    return "\n".join(
        [
            r"\begin{table}", r"\centering", rf"\caption{{{_escaped(said)}.}}",
            rf"\begin{{tabular}}{{{sides}}}", r"\toprule", lines[0], r"\midrule", *lines[1:],
            r"\bottomrule", r"\end{tabular}", r"\end{table}", "",
        ]
    )  # fmt: skip


def _escaped(text: str) -> str:
    return "".join(_LATEX.get(each, each) for each in text)


def _workbook(rows: Sequence[tuple[str, Sequence[Sequence[str]]]]) -> bytes:
    """Write a sheet a table; cells are text, as printed, so that no program runs or changes them."""
    from openpyxl import Workbook  # noqa: PLC0415 - a tenth of a second
    from openpyxl.styles import Alignment, Font  # noqa: PLC0415

    book = Workbook()
    book.remove(book.active)
    for place, (name, cells) in enumerate(rows, 1):
        sheet = book.create_sheet(f"{place} {name}"[:_SHEET])
        for row in cells:
            sheet.append([guarded(cell) for cell in row])
        for cell in sheet[1]:
            cell.font, cell.alignment = Font(bold=True), Alignment(wrap_text=True, vertical="top")
        for column in sheet.columns:
            longest = max(len(str(cell.value or "")) for cell in column)
            sheet.column_dimensions[column[0].column_letter].width = min(60, longest + 2)
        sheet.freeze_panes = "B2"
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()
