"""A synthesis in a notebook: its answers as printed, and what stands behind them, as a page opens."""

from io import StringIO

from rich.console import Console

from bayesrtw.analysis.run import Synthesis
from bayesrtw.pictured import as_html, rows_as_html
from bayesrtw.report.behind import behind
from bayesrtw.report.block import Head, plain
from bayesrtw.report.document import document
from bayesrtw.report.numbers import Printer
from bayesrtw.report.tables import latex
from bayesrtw.report.text import answer_rows, headline, show


def first_screen(synthesis: Synthesis) -> str:
    """Write it as HTML; alternatives are not worked out."""
    content = document(synthesis)
    n = Printer.of(content)
    headings, rows = answer_rows(synthesis)
    lines = [f"{name}: {plain(said, n)}" for name, said in behind(content, n.measure)]
    told = [f"{each.severity}: {each.message}" for each in synthesis.findings]
    warned = [line for line in told if not line.startswith("note")]
    notes = len(told) - len(warned)
    more = f"{notes} notes in .findings; pictures: .plot()" if notes else "pictures: .plot()"
    return as_html(
        synthesis.analysis.title,
        [synthesis.analysis.question, headline(synthesis)],
        [rows_as_html(headings, rows), as_html("", [*lines, *warned, more])],
    )


def as_text(synthesis: Synthesis) -> str:
    """Write what a terminal shows of it, without colours."""
    written = StringIO()
    show(synthesis, document(synthesis), Console(file=written, width=110, color_system=None))
    return written.getvalue().strip()


def as_latex(synthesis: Synthesis) -> str:
    """Write its answers as a table."""
    headings, rows = answer_rows(synthesis)
    heads = (Head(headings[:1]), Head(headings[1:2], "num"), Head(headings[2:]))
    cells = [list(row) for row in (headings, *rows)]
    return latex(synthesis.analysis.title, heads, cells, headline(synthesis))
