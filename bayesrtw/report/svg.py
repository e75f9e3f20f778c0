"""Elements of SVG inside a page: the one writer of pictures, strips and courses."""

from collections.abc import Mapping
from types import MappingProxyType

from markupsafe import Markup, escape


def element(tag: str, attributes: Mapping[str, object], *inner: Markup | str) -> Markup:
    """Write an element."""
    named = "".join(f' {name}="{escape(value)}"' for name, value in attributes.items())
    if not inner:
        return Markup(f"<{tag}{named}/>")
    return Markup(f"<{tag}{named}>{''.join(str(escape(each)) for each in inner)}</{tag}>")


def line(
    kind: str,
    x: tuple[object, object],
    y: tuple[object, object],
    more: Mapping[str, object] = MappingProxyType({}),
) -> Markup:
    """Draw a line."""
    ends = {"x1": x[0], "x2": x[1], "y1": y[0], "y2": y[1]}
    return element("line", {"class": kind, **more, **ends})


def canvas(width: float, height: float, *parts: Markup, label: str = "") -> Markup:
    """Put parts on a canvas."""
    said = {"role": "img", "aria-label": label} if label else {"aria-hidden": "true"}
    box = {"viewBox": f"0 0 {width:g} {height:g}", **said, "focusable": "false"}
    return element("svg", box, *parts)
