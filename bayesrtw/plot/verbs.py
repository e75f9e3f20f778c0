"""The two verbs of a picture: what it holds is read once, then drawn, or put in words."""

import inspect
import sys
from collections.abc import Callable
from typing import Any, Protocol

from matplotlib.axes import Axes

#: What every picture takes beside what it reads.
_PLACE = """
width_mm
    Width of the figure in millimetres; what does not fit is left out.
ax
    Empty axes whose place on their figure is used; None makes a figure.

Returns
-------
Axes
"""

_RAISES = """
SpecError
    If what is given lacks what the picture needs, or `ax` or `width_mm` is too small.
"""


class Described(Protocol):
    """What a picture holds, which knows its words."""

    def describe(self) -> str:
        """Put the picture in words."""


def verbs[Content: Described](
    read: Callable[..., Content],
    draw: Callable[..., Axes],
    *,
    tell: Callable[[Content], str] = lambda content: content.describe(),
    width_mm: float,
) -> tuple[Callable[..., Axes], Callable[..., str]]:
    """Make ``plot_<name>`` and ``describe_<name>`` of the module <name>, of what reads its content."""
    widest = width_mm

    def plot(*given: Any, width_mm: float = widest, ax: Axes | None = None, **options: Any) -> Axes:
        return draw(read(*given, **options), ax=ax, width_mm=width_mm)

    def describe(*given: Any, **options: Any) -> str:
        return tell(read(*given, **options))

    own = inspect.signature(read)
    place = list(inspect.signature(plot).parameters.values())[1:-1]
    asked, _, shown = inspect.cleandoc(read.__doc__ or "").partition("\n\nReturns\n-------\n")
    shown = shown.partition("\n")[2]
    raises = "" if "Raises\n" in shown else f"\n\nRaises\n------{_RAISES}"
    _named(plot, read, [*own.parameters.values(), *place], f"{asked}{_PLACE}{shown}{raises}")
    said = "Put the picture in words for who cannot see it; the arguments are those of the picture."
    _named(describe, read, list(own.parameters.values()), said)
    return plot, describe


def _named(
    verb: Callable[..., Any], read: Callable[..., Any], takes: list[inspect.Parameter], doc: str
) -> None:
    """Give a verb the name, home, arguments and words that one written by hand would have."""
    home = sys.modules[read.__module__].__name__
    name = f"{verb.__name__}_{home.rpartition('.')[2]}"
    vars(verb)["__signature__"] = inspect.Signature(takes)
    verb.__name__ = verb.__qualname__ = name
    verb.__module__, verb.__doc__ = home, doc
