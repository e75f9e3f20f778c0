"""What an analysis states for a decision before the fit: the baseline, where effects matter, amounts."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from bayesrtw.decision.baseline import StatedBaseline
from bayesrtw.decision.change import OF_DAYS, PER_1000
from bayesrtw.decision.cost_stakes import Stakes
from bayesrtw.decision.zones import Zones
from bayesrtw.errors import SpecError, shown
from bayesrtw.evidence.measure import Measure


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What those who decide state before the fit.

    Parameters
    ----------
    baseline
        What happens without the programme in the people that it is about; None where nobody says.
    zones
        Where effects begin to matter.
    stakes
        What programmes cost and a day of work is worth; None where nobody says.
    target
        Whom and what it is about: column of the evidence to values, such as ``condition = ["msk"]``; rows of
        others are indirect evidence.
    """

    baseline: StatedBaseline | None = None
    zones: Zones = field(default_factory=Zones)
    stakes: Stakes | None = None
    target: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def check(self, measure: Measure) -> None:
        """Refuse what effects in some measure cannot be held against, before any row is read.

        Parameters
        ----------
        measure
            Of the effects.

        Raises
        ------
        SpecError
            If zones are on a scale that the measure does not have, or days are needed that it does not tell;
            or what is stated hangs on a baseline that is missing.
        """
        if self.stakes is not None and measure.name not in OF_DAYS:
            raise SpecError(
                f"stakes: net benefit is of days regained, which {shown(OF_DAYS)} tell; effects are in "
                f"{measure.name}."
            )
        if self.stakes is not None and OF_DAYS[measure.name] and self.baseline is None:
            raise SpecError(
                "stakes: days regained hang on a baseline; state it, with its source, as [decision.baseline]."
            )
        scale = self.zones.scale
        if scale == "per_1000" and measure.name not in PER_1000:
            raise SpecError(
                f"zones: per_1000 is of measures that move a risk or a rate, {shown(PER_1000)}; effects are "
                f"in {measure.name}."
            )
        if scale in ("above_ratio", "below_ratio") and not measure.ratio:
            raise SpecError(
                f"zones: {scale} is of ratios; effects are in {measure.name}: use days or difference."
            )
        if scale == "difference" and (measure.link.name != "identity" or measure.groups != 2):
            raise SpecError(
                f"zones: difference is of differences; effects are in {measure.name}: use above_ratio "
                "or below_ratio."
            )
        if scale == "days" and measure.name not in OF_DAYS:
            raise SpecError(f"zones: days are of {shown(OF_DAYS)}; effects are in {measure.name}.")
        needed = scale == "per_1000" or (scale == "days" and OF_DAYS[measure.name])
        if needed and self.baseline is None:
            raise SpecError(
                f"zones: {scale} hangs on a baseline; state it, with its source, as [decision.baseline]."
            )
