"""Pictures inside a page: SVG without styles, scripts or foreign names, read aloud by its description."""

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from xml.etree.ElementTree import Element

from defusedxml.ElementTree import fromstring
from markupsafe import Markup

from bayesrtw.report.svg import element

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from bayesrtw.report.figures import Drawn

#: Elements and attributes that pictures need; anything else is dropped.
ELEMENTS: Final = frozenset(
    [
        "svg",
        "g",
        "defs",
        "path",
        "rect",
        "use",
        "text",
        "tspan",
        "clipPath",
        "circle",
        "line",
        "pattern",
    ]
)
ATTRIBUTES: Final = frozenset(
    [
        *("id", "d", "x", "y", "x1", "x2", "y1", "y2", "r", "cx", "cy", "width", "height", "href"),
        *("viewBox", "transform", "clip-path", "opacity", "fill", "fill-opacity", "fill-rule"),
        *("stroke", "stroke-width", "stroke-opacity", "stroke-dasharray", "stroke-dashoffset"),
        *("stroke-linecap", "stroke-linejoin", "stroke-miterlimit", "text-anchor"),
        "patternUnits",
        *("font-size", "font-weight", "font-style"),
    ]
)

#: Inches: between the widths of one and a half and of two columns of a journal (5.1 and 6.7).
NARROW: Final = 6.0

_NAMESPACE: Final = re.compile(r"\{[^}]*\}")
_REFERENCE: Final = re.compile(r"url\(#([^)]+)\)")


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture with its words."""

    name: str  #: Its id in the page, unique there.
    #: title, description: what a screen reader says.
    title: str
    description: str
    caption: str  #: What stands under it.
    svg: Markup  #: Markup for the page.
    section: str = "pictures"  #: Id of the section that it stands in.
    #: Whether it was drawn narrower than a page, so that it is not blown up to its width.
    narrow: bool = False


def picture(drawn: "Drawn", name: str) -> Picture:
    """Bring a figure into a page."""
    figure, root = drawn.figure, fromstring(drawn.svg)
    title = str(figure.get_label()) or name
    description = described(figure)
    svg = _inline(root, name, title, description)
    narrow = float(figure.get_figwidth()) < NARROW
    return Picture(name, title, description, drawn.caption, svg, drawn.section, narrow)


def described(figure: "Figure") -> str:
    """Take the words of a figure for who cannot see it."""
    said = [str(axes.get_label()) for axes in figure.axes]
    return " ".join(text for text in said if text and not text.startswith("_"))


def _inline(root: Element, name: str, title: str, description: str) -> Markup:
    """Write the tree anew with what a page needs of it."""
    attributes = {
        "viewBox": root.get("viewBox", ""),
        "role": "img",
        "aria-labelledby": f"{name}-title",
        "aria-describedby": f"{name}-desc",
        "preserveAspectRatio": "xMidYMid meet",
        "stroke-linejoin": "round",
        "stroke-linecap": "butt",
    }
    said = (
        element("title", {"id": f"{name}-title"}, title),
        element("desc", {"id": f"{name}-desc"}, description),
    )
    return element("svg", attributes, *said, *(_written(child, name) for child in root))


def _written(drawn: Element, name: str, *, shared: bool = False) -> Markup:
    tag = _NAMESPACE.sub("", str(drawn.tag))
    if tag not in ELEMENTS:
        return Markup()
    attributes = {_NAMESPACE.sub("", key): value for key, value in drawn.attrib.items()}
    attributes |= _declarations(attributes.pop("style", ""))
    if shared and tag == "path":
        # A mark has the colours of its use, which a dark page changes; its own no rule would reach.
        attributes = {key: value for key, value in attributes.items() if not _coloured(key, value)}
    kept = {key: _attribute(key, value, name) for key, value in attributes.items()}
    words = tag in ("text", "tspan")
    inner: list[Markup | str] = [(drawn.text or "").strip("\n")] if words else []
    for child in drawn:
        inner.append(_written(child, name, shared=tag == "defs"))
        inner += [(child.tail or "").strip("\n")] if words else []
    return element(tag, {key: text for key, text in kept.items() if text is not None}, *inner)


def _coloured(key: str, value: str) -> bool:
    return key in ("stroke", "fill") and value != "none"


def _declarations(style: str) -> dict[str, str]:
    """Turn a style into attributes: a page that allows no inline style still draws it."""
    pairs = (part.split(":", 1) for part in style.split(";") if ":" in part)
    return {key.strip(): value.strip() for key, value in pairs}


def _attribute(key: str, value: str, name: str) -> str | None:
    """Keep a known attribute, with ids that no other picture has."""
    if key not in ATTRIBUTES:
        return None
    if key == "id":
        return f"{name}-{value}"
    if key == "href":
        return f"#{name}-{value[1:]}" if value.startswith("#") else None
    return _REFERENCE.sub(lambda found: f"url(#{name}-{found.group(1)})", value)
