"""What all figures share: journal width, colours, style, and writing them byte for byte alike."""

import io
import warnings
from pathlib import Path
from typing import Any, Final, cast
from xml.sax.saxutils import escape

import matplotlib.style
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bayesrtw.durable import write_whole
from bayesrtw.errors import OutputError
from bayesrtw.registry import suggestion

#: Points in a centimetre; figures are laid out in points, as their type is.
CM: Final = 72.0 / 2.54

#: Width of a figure across both columns of a journal page (Elsevier and Springer allow 17.4 to 19 cm).
PAGE_WIDTH: Final = 17.0 * CM

#: Points in a millimetre; widths are asked for in millimetres, as journals state them.
MM: Final = 72.0 / 25.4

#: Resolution of PNG files, in dots an inch: what journals ask of pictures that hold type.
DPI: Final = 300

#: Okabe & Ito (2008), https://jfly.uni-koeln.de/color/: told apart with any colour vision. Marks
#: differ in shape too, and the lightness differs wherever two colours meet, so grey print is enough.
INK: Final = "#1a1a1a"
QUIET: Final = "#595959"
FAINT: Final = "#b3b3b3"
BLUE: Final = "#0072B2"
SKY: Final = "#56B4E9"
VERMILLION: Final = "#D55E00"
YELLOW: Final = "#F0E442"
GREEN: Final = "#009E73"
PURPLE: Final = "#CC79A7"
ORANGE: Final = "#E69F00"

#: Laid over matplotlib's defaults while a figure is built or written, whatever the user's own style.
#: Text stays text in SVG: it can be searched, edited and read aloud, and file names in comments or
#: glyph outlines never hold a study's name. Layout is measured in DejaVu Sans, which matplotlib
#: ships; it is wider than what replaces it where it is missing, so nothing comes to overlap.
STYLE: Final[dict[str, Any]] = {
    "font.family": ["DejaVu Sans", "sans-serif"],
    "svg.fonttype": "none",
    "svg.hashsalt": "bayesrtw",
    "text.parse_math": False,
    "figure.facecolor": "white",
    "savefig.dpi": DPI,
}

#: Formats that are written, and metadata that would change with the day or the version, left out.
_METADATA: Final[dict[str, dict[str, Any]]] = {
    "svg": {"Date": None, "Creator": None},
    "png": {"Software": None},
}

#: Lines and letters are packed as small at 3 of 9 as at 6, which takes half as long again.
_SETTINGS: Final[dict[str, dict[str, Any]]] = {
    "svg": {},
    "png": {"pil_kwargs": {"compress_level": 3}},
}


def figure_style() -> Any:
    """Give the context in which figures are built and written.

    Returns
    -------
    context manager
        Matplotlib's defaults with `STYLE` over them; the user's settings come back afterwards.
    """
    return matplotlib.style.context(["default", STYLE])


def write_figure(figure: Figure | Axes, path: Path | str) -> None:
    """Write a figure as SVG or PNG; the same figure gives the same bytes.

    The figure's label is written as the file's title and the labels of its axes as the description:
    what a screen reader says of the picture.

    Parameters
    ----------
    figure
        The figure, or the axes that a plot gives, e.g. ``plot_forest(tree)``, whose figure it is.
    path
        Where to; its suffix, ``.svg`` or ``.png``, decides the format.

    Raises
    ------
    OutputError
        If the suffix is another one, or the file cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> import bayesrtw as brw
    >>> axes = brw.open_dataset("rtw-trials").plot("traffic_light", instrument="PEDro scale")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "figure.svg"
    ...     brw.write_figure(axes.figure, path)
    ...     path.read_text(encoding="utf-8")[:5]
    '<?xml'
    """
    path = Path(path)
    kind = path.suffix.lower().removeprefix(".")
    if kind not in _METADATA:
        raise OutputError(f"{path}: the format is {kind!r}; {suggestion(kind, list(_METADATA))}")
    if not isinstance(figure, Figure):
        figure = cast(Figure, figure.figure)
    content = figure_bytes(figure, kind)
    try:
        write_whole(path, content)
    except OSError as error:
        raise OutputError(
            f"{path}: {error.strerror or error}; choose a folder that exists."
        ) from error


def figure_bytes(figure: Figure, kind: str) -> bytes:
    """Give what `write_figure` writes."""
    title = str(figure.get_label())
    said = [str(axes.get_label()) for axes in figure.axes]
    description = " ".join(text for text in said if text and not text.startswith("_"))
    metadata = {**_METADATA[kind], "Title": title, "Description": description}
    with figure_style(), warnings.catch_warnings():
        if kind == "svg":
            # The reader's fonts draw the text of an SVG, not the ones found here.
            warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        buffer = io.BytesIO()
        figure.savefig(buffer, format=kind, dpi=DPI, metadata=metadata, **_SETTINGS[kind])
    content = buffer.getvalue()
    return _described(content.decode(), description).encode() if kind == "svg" else content


def _described(svg: str, description: str) -> str:
    """Add what screen readers read; matplotlib writes the description for catalogues only."""
    return svg.replace("</title>", f"</title>\n <desc>{escape(description)}</desc>", 1)
