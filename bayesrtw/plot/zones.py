"""The probability of each zone of an effect, from large harm to large benefit, one bar an effect.

Harms are red and benefits blue, the darker the larger, and what is trivial is grey between them; neighbours
differ in lightness, so that grey print is enough. A probability stands where it has room. arviz-plots has no
such picture.
"""

from functools import partial
from typing import Final

import pandas as pd

from bayesrtw.plot.bars import NAME_SHARE, BarPart, bars
from bayesrtw.plot.figure import FAINT, INK
from bayesrtw.plot.frame import Frame, Tailored, draw_tailored
from bayesrtw.plot.lettering import one_line, shorten, type_for
from bayesrtw.plot.strip import Sample
from bayesrtw.plot.subject import Source, subject_of
from bayesrtw.plot.verbs import verbs
from bayesrtw.printed import spell_probability

#: Height of a row in points.
ROW: Final = 20.0

#: Columns that are sums of zones and no zones.
SUMS: Final = ("matters", "harms")

#: Dark ends of harm and benefit, as red, green and blue; the lightest share of white that a zone has.
HARM, BENEFIT, LIGHTEST = (213, 94, 0), (0, 78, 124), 0.75


def _tailored(zones: pd.DataFrame, source: Source, *, thresholds: str = "") -> Tailored:
    """Draw the probability of each zone.

    Parameters
    ----------
    zones
        What `bayesrtw.decision.zones.zone_probabilities` returned.
    source
        What it is of.
    thresholds
        Where zones begin, in words; stands below the picture.

    Returns
    -------
    Tailored
        Across probability, downwards the number of the effect, from 0.
    """
    caveat = subject_of(source).caveat
    table = zones[[name for name in zones.columns if name not in SUMS]]
    said = []
    for name, row in zip(_effects(table), table.to_numpy(dtype=float).tolist(), strict=True):
        told = (f"{zone} {spell_probability(p)}" for zone, p in zip(table, row, strict=True))
        said.append(f"{name[:1].upper()}{name[1:]}: {', '.join(told)}.")
    where = f"Zones of the effect: {thresholds}." if thresholds else "Zones of the effect."
    described = " ".join(filter(None, [where, *said, caveat]))
    return Tailored(described, partial(_laid, table, described, thresholds, caveat))


def _effects(table: pd.DataFrame) -> list[str]:
    """Name the effects of the rows."""
    return [", ".join(key) if isinstance(key, tuple) else str(key) for key in table.index]


def _laid(table: pd.DataFrame, told: str, thresholds: str, caveat: str, room: float) -> Frame:
    """Lay bars out for a width."""
    face, count = type_for(room).body, table.shape[1]
    names = [shorten(one_line(each), NAME_SHARE * room, face) for each in _effects(table)]
    # On the darkest blue alone white is read more easily.
    looks = [
        (_shade(place, count), "white" if place == count - 1 else INK, str(zone))
        for place, zone in enumerate(table)
    ]
    every = [
        [
            BarPart(share, shade, ink, spell_probability(share), f"{name}: {zone}")
            for share, (shade, ink, zone) in zip(shares, looks, strict=True)
        ]
        for name, shares in zip(names, table.to_numpy(dtype=float).tolist(), strict=True)
    ]
    return bars(
        "Zones",
        told,
        "Probability",
        names,
        every,
        room=room,
        row=ROW,
        legend=((Sample(shade, area=True), zone) for shade, _, zone in looks),
        notes=(f"{thresholds[:1].upper()}{thresholds[1:]}.",) if thresholds else (),
        caveat=caveat,
    )


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


plot_zones, describe_zones = verbs(_tailored, draw_tailored, width_mm=84.0)
