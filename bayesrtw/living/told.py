"""What the page of a stored run tells, held against its document: its numbers and its class."""

import html
import re
from collections.abc import Iterator
from importlib.metadata import version
from typing import Any, Final

from bayesrtw.bounded import bytes_of
from bayesrtw.errors import BayesrtwError
from bayesrtw.living.plain import parsed
from bayesrtw.living.store import Run
from bayesrtw.report.numbers import Printer, resolve

#: A number of a page, as `bayesrtw.report.numbers.Printer.show` writes it, and how many are named at most.
_NUMBER: Final = re.compile(
    r'<data class="n" data-path="([^"]*)" data-style="([^"]*)"(?: data-cell="[^"]*")?'
    r'(?: value="([^"]*)")?>([^<]*)</data>'
)
_NAMED: Final = 3


def untold(run: Run) -> Iterator[str]:
    """Say where the page of a run does not tell what its document says."""
    path = run.folder / "report.html"
    if not path.is_file():
        return
    try:
        content = parsed(bytes_of(run.folder / "synthesis.json"))
        page = bytes_of(path).decode()
        wrong = list(_wrong(page, content))
        concluded = str(content.get("conclusion") or "")
    except (OSError, ValueError, LookupError, TypeError, AttributeError, BayesrtwError) as error:
        # A file that is not as it was written is a fault already.
        yield f"report.html cannot be held against synthesis.json ({type(error).__name__}: {error})."
        return
    if wrong:
        more = f" and {len(wrong) - _NAMED} more" if len(wrong) > _NAMED else ""
        yield f"report.html and synthesis.json differ: {'; '.join(wrong[:_NAMED])}{more}."
    if concluded and html.escape(concluded, quote=False) not in page:
        yield f"report.html does not name the class of synthesis.json, {concluded!r}."


def _wrong(page: str, content: dict[str, Any]) -> Iterator[str]:
    """Name numbers that are others than the document's, or printed as others."""
    found = _NUMBER.findall(page)
    if not found:
        yield "the page has no number with its place"
    # Another version may print other digits of the same value.
    same = content.get("versions", {}).get("bayesrtw") == version("bayesrtw")
    printer = Printer.of(content)
    for place, style, value, text in found:
        at = html.unescape(place)
        known = resolve(content, at)
        if value != ("" if known is None else repr(known)):
            yield f"{at} is {value or 'empty'} on the page and {known!r} in the document"
        elif same and html.unescape(text) != printer.text(at, style):
            yield f"{at} is printed as {html.unescape(text)}, and is {printer.text(at, style)}"
