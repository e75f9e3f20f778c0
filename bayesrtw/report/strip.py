"""The small plots of the page's own forest: one line a row, on one axis, moved by the reader's choices."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from markupsafe import Markup

from bayesrtw.evidence.measure import Measure
from bayesrtw.plot.lettering import Face, width
from bayesrtw.plot.scale import limits, ticks
from bayesrtw.report.svg import canvas, element, line

#: Size of one plot in the page's pixels.
WIDTH, HEIGHT = 240, 30

#: Type of the tick labels.
_TICK = Face(7.5)


@dataclass(frozen=True, slots=True)
class Strip:
    """One axis for all rows."""

    content: dict[str, Any]  #: The record, with a grid.
    measure: Measure  #: Its measure.
    #: low, high: ends of the axis on the analysis scale.
    low: float
    high: float

    @classmethod
    def of(cls, content: dict[str, Any], measure: Measure) -> "Strip":
        """Choose the axis."""
        told = [row for row in content["rows"] if row["se"] is not None]
        effect = np.array([row["effect"] for row in told])
        half = 1.96 * np.array([row["se"] for row in told])
        first = content["explore"]["cells"][0][0][0]
        answers = {
            each["of"]: np.array(answer[:3], dtype=float)
            for each, answer in zip(
                content["explore"]["estimands"], first["answers"] if first else [], strict=False
            )
        }
        nothing = np.zeros(0)
        low, high = limits(
            effect - half,
            effect + half,
            pooled=answers.get(content["pooled"]["of"], nothing),
            levels=nothing,
            new=answers.get(content["pooled"]["new"], nothing),
            measure=measure,
        )
        return cls(content, measure, low, high)

    def across(self, effect: float) -> float:
        """Place an effect."""
        place = (effect - self.low) / (self.high - self.low) * WIDTH
        return round(min(float(WIDTH), max(0.0, place)), 3)

    def estimate(self, place: int) -> Markup:
        """Draw a row that the grid shows: what the study reports, and what the model makes of it."""
        own = self.content["rows"][self.content["explore"]["shown"][place]]
        first = self.content["explore"]["cells"][0][0][0]
        effect = first["effects"][place] if first else None
        weight = max(0.0, first["weights"][place] or 0.0) if first else 0.0
        side = round(3 + 12 * weight**0.5, 3)
        x = [self.across(each) for each in effect] if effect else [0.0, 0.0, 0.0]
        given = [
            line("given", (x[1], x[2]), (20, 20)),
            element("circle", {"class": "given", "cx": x[0], "cy": 20, "r": 3}),
        ]
        # Counts without events are heard and report no effect of their own.
        if own["se"] is None:
            return self._plot(given)
        middle = self.across(own["effect"])
        ends = [self.across(own["effect"] + z * own["se"]) for z in (-1.96, 1.96)]
        box = {"x": round(middle - side / 2, 3), "y": round(10 - side / 2, 3)}
        box |= {"width": side, "height": side}
        mine = [
            line("mine", (ends[0], ends[1]), (10, 10)),
            element("rect", {"class": "mine", "data-effect": repr(own["effect"]), **box}),
        ]
        return self._plot([*mine, *given])

    def summary(self, place: int, of: str) -> Markup:
        """Draw the pooled effect as a diamond, the new setting as a line."""
        first = self.content["explore"]["cells"][0][0][0]
        middle, left, right = (self.across(each) for each in first["answers"][place][:3])
        if of == self.content["pooled"]["of"]:
            points = f"{left},15 {middle},8 {right},15 {middle},22"
            drawn = {"class": "pool", "data-summary": place, "points": points}
            part = element("polygon", drawn)
        else:
            part = line("given", (left, right), (15, 15), {"data-summary": place})
        return self._plot([part])

    def axis(self) -> Markup:
        """Write the ticks."""
        values, labels = ticks(
            self.low,
            self.high,
            measure=self.measure,
            length=WIDTH,
            label_width=lambda label: width(label, _TICK),
        )
        parts = []
        for value, label in zip(values, labels, strict=True):
            x = self.across(float(self.measure.forward(value)))
            at = min(WIDTH - 8.0, max(8.0, x))
            parts.append(line("null", (x, x), (0, 5)))
            parts.append(element("text", {"class": "tick", "x": at, "y": 18}, label))
        return self._plot(parts, lines=False)

    def _plot(self, parts: list[Markup], *, lines: bool = True) -> Markup:
        if lines:
            null = self.across(0.0)
            none = [line("null", (null, null), (-1, 31))] if self.measure.groups == 2 else []
            parts = [*none, self._mean(), *parts]
        return canvas(WIDTH, HEIGHT, *parts)

    def _mean(self) -> Markup:
        first = self.content["explore"]["cells"][0][0][0]
        for each, answer in zip(
            self.content["explore"]["estimands"], first["answers"], strict=False
        ):
            if each["of"] == self.content["pooled"]["of"]:
                x = self.across(answer[0])
                return line("mean", (x, x), (-1, 31))
        return Markup("")
