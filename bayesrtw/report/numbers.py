"""Numbers on a page: each printed from the record, and marked with the place that it comes from."""

import html
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

from markupsafe import Markup

from bayesrtw.printed import NONE, finer, signed, spell, spell_change, spell_probability

if TYPE_CHECKING:
    from bayesrtw.evidence.measure import Measure

#: Control characters, which neither HTML nor XML may hold, and halves of characters.
_UNFIT: Final = {
    **dict.fromkeys([*range(9), 11, 12, *range(14, 32), *range(127, 160), 65534, 65535], "�"),
    **dict.fromkeys(range(0xD800, 0xE000), "\ufffd"),
}


def clean(text: object) -> str:
    """Take out what no page can hold."""
    return str(text).translate(_UNFIT)


def pointer(*keys: object) -> str:
    """Write a JSON pointer (RFC 6901)."""
    return "".join("/" + str(key).replace("~", "~0").replace("/", "~1") for key in keys)


def resolve(content: Any, path: str) -> Any:
    """Follow a JSON pointer."""
    for key in path.split("/")[1:]:
        name = key.replace("~1", "/").replace("~0", "~")
        content = content[int(name)] if isinstance(content, list) else content[name]
    return content


def places_of(estimates: Iterable[tuple[float | None, float | None]], measure: "Measure") -> int:
    """Choose the decimals that the intervals of estimates (effect, standard error) deserve as printed."""
    known = [
        (float(effect), 1.96 * float(se))
        for effect, se in estimates
        if effect is not None and se and math.isfinite(se)
    ]
    return measure.places([y - half for y, half in known], [y + half for y, half in known])


@dataclass(frozen=True, slots=True)
class Printer:
    """How the numbers of one record are printed."""

    content: dict[str, Any]  #: The record.
    measure: "Measure"  #: Its measure.
    places: int  #: Decimals of effects.

    @classmethod
    def none(cls) -> "Printer":
        """Serve texts that print no number of a record."""
        return cls({}, cast("Measure", None), 2)

    @classmethod
    def of(cls, content: dict[str, Any]) -> "Printer":
        """Choose the decimals that the record's intervals deserve."""
        from bayesrtw.evidence.measure import measure_named  # noqa: PLC0415 - NumPy

        measure = measure_named(content["measure"])
        return cls(
            content,
            measure,
            places_of(((row["effect"], row["se"]) for row in content["rows"]), measure),
        )

    def text(self, path: str, style: str = "effect") -> str:
        """Print a number."""
        value = resolve(self.content, path)
        return self.spelt(value, style)

    def spelt(self, value: float | None, style: str) -> str:
        """Print a value in a style."""
        if value is None or not math.isfinite(value):
            return NONE
        if style == "analysis":
            value, style = float(self.measure.back(value)), "effect"
        if style.startswith("effect"):
            places = int(style.removeprefix("effect") or self.places)
            return spell(value, log=self.measure.ratio, places=places)
        if style == "reach":
            return ">9999" if value > 9999 else f"{value:.2f}" if value < 10 else f"{value:,.0f}"
        if style == "change":
            return spell_change(value, log=self.measure.log, places=self.places)
        if style == "probability":
            return spell_probability(value)
        if style == "spread":
            return signed(f"{value:.{self.places if self.measure.link.name == 'identity' else 2}f}")
        if style == "percent":
            return signed(f"{100 * value:.{0 if value in (0.25, 0.5, 0.75) else 1}f}")
        if style == "people":
            return signed(f"{value:.0f}")
        if style == "p_value":
            return "<0.001" if value < 0.001 else f"{value:.3f}"
        if style == "signed":
            text = signed(f"{value:.0f}")
            return text if text[0] in "−0" else f"+{text}"
        plain = {
            "plain": "{:.10g}",
            "se": "{:#.3g}",
            "two": "{:.2f}",
            "error": "{:.0e}",
            "factor": "{:#.3g}",
            "scale": "{:.2g}",
        }
        return signed(plain.get(style, "{:,.0f}").format(value))

    def show(self, path: str, style: str = "effect", cell: str = "") -> Markup:
        """Print a number as an element that says where it stands."""
        value = resolve(self.content, path)
        own = f' data-cell="{html.escape(cell)}"' if cell else ""
        at = f' value="{value!r}"' if value is not None else ""
        return Markup(
            f'<data class="n" data-path="{html.escape(path)}" data-style="{style}"{own}{at}>'
            f"{html.escape(self.text(path, style))}</data>"
        )

    def style_of(self, path: str, style: str) -> str:
        """Give the style of an interval's numbers: effects have more decimals where they need them."""
        if style != "effect" or not (self.measure.ratio or self.measure.link.name == "identity"):
            return style
        low, high = (resolve(self.content, f"{path}/{end}") for end in ("lower", "upper"))
        if low is None or high is None:
            return style
        places = finer(low, high, log=self.measure.ratio, places=self.places)
        return style if places == self.places else f"effect{places}"

    def interval(self, path: str, style: str = "effect") -> Markup:
        """Print a median with its interval."""
        style = self.style_of(path, style)
        middle, low, high = (
            self.show(f"{path}/{end}", style) for end in ("median", "lower", "upper")
        )
        return Markup('<span class="iv">{} ({} to {})</span>').format(middle, low, high)
