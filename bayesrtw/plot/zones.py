"""The probability of each zone of an effect, from large harm to large benefit, one bar an effect.

Harms are red and benefits blue, the darker the larger, and what is trivial is grey between them; neighbours
differ in lightness, so that grey print is enough. A probability stands where it has room. arviz-plots has no
such picture.
"""

from typing import Final

import pandas as pd
from matplotlib.axes import Axes

from bayesrtw.plot.figure import FAINT, INK, MM, figure_style
from bayesrtw.plot.frame import Frame, Side, draw_frame, write
from bayesrtw.plot.lettering import one_line, shorten, type_for, width
from bayesrtw.plot.strip import Sample
from bayesrtw.plot.subject import Source, subject_of
from bayesrtw.printed import spell_probability

#: Height of a row in points, of its bar as a share of it; names take at most this share of the width.
ROW, BAR, NAME_SHARE = 20.0, 0.72, 0.36

#: Columns that are sums of zones and no zones.
SUMS: Final = ("matters", "harms")

#: Dark ends of harm and benefit, as red, green and blue; the lightest share of white that a zone has.
HARM, BENEFIT, LIGHTEST = (213, 94, 0), (0, 78, 124), 0.75


def plot_zones(
    zones: pd.DataFrame,
    source: Source,
    *,
    thresholds: str = "",
    width_mm: float = 84.0,
    ax: Axes | None = None,
) -> Axes:
    """Draw the probability of each zone.

    Parameters
    ----------
    zones
        What `bayesrtw.decision.zones.zone_probabilities` returned.
    source
        What it is of.
    thresholds
        Where zones begin, in words; stands below the picture.
    width_mm
        Width of the figure in millimetres.
    ax
        Empty axes whose place on their figure is used; None makes a figure as high as the bars need.

    Returns
    -------
    Axes
        Across probability, downwards the number of the effect, from 0.

    Raises
    ------
    SpecError
        If `ax` or `width_mm` is too small.
    """
    names = [str(name) for name in zones.columns if name not in SUMS]
    table, subject = zones[names], subject_of(source)
    count = len(table)
    root = None if ax is None else ax.get_figure(root=True)
    room = width_mm * MM if ax is None or root is None else ax.bbox.width * 72.0 / root.dpi
    face = type_for(room).body
    rows = [
        shorten(
            one_line(", ".join(key) if isinstance(key, tuple) else str(key)),
            NAME_SHARE * room,
            face,
        )
        for key in table.index
    ]
    shares = table.to_numpy(dtype=float)
    shades = [_shade(place, len(names)) for place in range(len(names))]
    ticks = (0.0, 0.25, 0.5, 0.75, 1.0)
    frame = Frame(
        kind="Zones",
        described=describe_zones(zones, source, thresholds=thresholds),
        x=Side("Probability", 0.0, 1.0, values=ticks, labels=tuple(f"{t:g}" for t in ticks)),
        y=Side("", count - 0.5, -0.5, values=tuple(range(count)), labels=tuple(rows)),
        height=1.0,
        up=ROW * count,
        legend=tuple(
            (Sample(shade, area=True), name) for shade, name in zip(shades, names, strict=True)
        ),
        notes=(f"{thresholds[:1].upper()}{thresholds[1:]}.",) if thresholds else (),
        caveat=subject.caveat,
    )
    with figure_style():
        axes = draw_frame(frame, ax=ax, width_mm=width_mm)
        axes.spines["left"].set_visible(False)
        axes.tick_params(axis="y", length=0)
        root = axes.get_figure(root=True)
        long = axes.bbox.width * (72.0 / root.dpi if root is not None else 1.0)
        for row in range(count):
            start = 0.0
            for place, name in enumerate(names):
                share = float(shares[row, place])
                axes.barh(
                    row, share, BAR, left=start, color=shades[place], edgecolor=INK, linewidth=0.4,
                    gid=f"{rows[row]}: {name}",
                )  # fmt: skip
                text = spell_probability(share)
                if share * long > width(text, face) + 4.0:
                    # On the darkest blue alone white is read more easily.
                    at, ink = (start + share / 2, row), "white" if place == len(names) - 1 else INK
                    write(axes, at, text, face, axes.transData, ha="center", color=ink)
                start += share
    return axes


def describe_zones(zones: pd.DataFrame, source: Source, *, thresholds: str = "") -> str:
    """Put the picture in words for who cannot see it.

    Parameters
    ----------
    zones, source, thresholds
        As in `plot_zones`.

    Returns
    -------
    str
        Of each effect the probability of every zone.
    """
    names = [str(name) for name in zones.columns if name not in SUMS]
    said = []
    for key, row in zones.iterrows():
        of = ", ".join(key) if isinstance(key, tuple) else str(key)
        told = ", ".join(f"{name} {spell_probability(float(row[name]))}" for name in names)
        said.append(f"{of[:1].upper()}{of[1:]}: {told}.")
    where = f"Zones of the effect: {thresholds}." if thresholds else "Zones of the effect."
    return " ".join(filter(None, [where, *said, subject_of(source).caveat]))


def _shade(place: int, count: int) -> str:
    """Colour of a zone: grey in the middle, light beside it, darker outwards."""
    middle = count // 2
    if place == middle:
        return FAINT
    far = (abs(place - middle) - 1) / max(middle - 1, 1) if middle > 1 else 1.0
    white = LIGHTEST * (1.0 - far)
    end = HARM if place < middle else BENEFIT
    mixed = (round(part + white * (255 - part)) for part in end)
    return "#" + "".join(f"{part:02x}" for part in mixed)
