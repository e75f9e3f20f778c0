"""Return to work in whatever currency it was reported, on the scale of the log hazard ratio, in one file."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.polynomial import chebyshev
from numpy.typing import NDArray

from bayesrtw.dims import ESTIMATE
from bayesrtw.errors import Finding, SpecError, shown
from bayesrtw.evidence.convert import normal_quantile
from bayesrtw.evidence.counts import numbers_in
from bayesrtw.evidence.hazards import MONTH, ReturnCurve
from bayesrtw.evidence.table import Evidence
from bayesrtw.model.bias import as_reported, share_of
from bayesrtw.model.contract import normal
from bayesrtw.model.counted import remembered
from bayesrtw.model.currency import Averaged, Back, BothArms, Report, Shape
from bayesrtw.model.curves import KEPT, Curves, Estimated, OneStudy, curves
from bayesrtw.model.drawn_curves import drawn
from bayesrtw.model.likelihood import Offers
from bayesrtw.model.prior import Normal, Prior
from bayesrtw.model.reported import ReportedRow, reported
from bayesrtw.model.returns import Returns
from bayesrtw.model.sampled import log_density, see
from bayesrtw.model.term import Allocation, Hyper
from bayesrtw.model.translated import OneSaid, Spoken, apart
from bayesrtw.registry import component

if TYPE_CHECKING:
    from pytensor.tensor import TensorVariable

Array = NDArray[np.float64]

MEASURE: Final = "log_hazard_ratio"
#: What a study may report beside a hazard ratio, each with an excess of its own.
CURRENCIES: Final = ("counts", "ratios", "medians", "days")
#: Probability of intervals that contradict each other where they have nothing in common.
SURE: Final = 0.99
#: Columns of ranges.
RANGES: Final = tuple(f"{end}_{arm}" for end in ("min", "max") for arm in "tc")
#: How a log hazard ratio is said to be made of numbers that speak for themselves here.
MADE: Final = (" from counts", " from percentages", " from medians")
#: Common shapes at which densities are laid where they are sampled, how far they reach in prior SDs, and how
#: near to their ends a shape may come.
SHAPES, FAR, INSIDE = 17, 5.0, 1.0 - 1e-9
_CURRENCY: Final = {
    "risk_ratio": "ratios",
    "odds_ratio": "ratios",
    "share": "ratios",
    "back": "counts",
    "quantile": "medians",
    "median_ratio": "medians",
    "days": "days",
    "days_difference": "days",
}


@component("likelihood", "return_to_work")
@dataclass(frozen=True, slots=True)
class ReturnToWork:
    """Hazard ratios, shares back at work, medians and days of absence, each as one log hazard ratio.

    Rows are studies; ``theta_i`` is the log hazard ratio of returning to work. A row with a hazard ratio
    speaks through it (``effect`` and ``se``). Any other row speaks through what it reports, given its own
    curve of return without the programme, which is integrated out::

        events_t, n_t, events_c, n_c, at    people back by day `at` (at_2, at_3: later dates, same people)
        share_t, share_t_low, share_t_high  shares back by day `at`, of both arms, with 95 % intervals, where
                                            nobody was counted, as Kaplan-Meier curves tell them
        risk_ratio, odds_ratio, *_se, at    of being back by a day; `*_se` is of the logarithm, or `*_low`,
                                            `*_high`, 95 %; share_c, the share back without the programme:
                                            an odds ratio needs it; of n_c people, who follow from the
                                            error where nobody tells them
        median_t, median_c, n_t, n_c        days; with q1_t, q3_t, q1_c, q3_c, or median_t_low, median_t_high;
                                            ranges (min_t, max_t) add nothing: n and the curve tell the error
        median_ratio, median_ratio_se       `_se` is of the logarithm; or median_ratio_low, median_ratio_high
        days_t, days_t_se, days_c, ...      mean days of absence up to day `horizon`; or days_t_sd, n_t, ...
        days_difference, days_difference_se a difference of arms, beside days_c

    Counts are binomial (multinomial over dates) with ``1 - exp(-H_i(t) exp(theta_i))`` back by day t, which
    needs no curve where there is one date. [1]_ [2]_ All else is normal around what theta and the curve make
    of it (mean days on the log odds of the share of the horizon that is spent away, as an arm cannot be away
    longer); numbers of the same people go together as their influence functions do, a little less (0.95).
    The curve is a Weibull law, or has one hazard until `cut` and another after it.

    Hazards are proportional until the last date; recurrent absence is negligible, or carried by an excess.

    Parameters
    ----------
    median
        Prior of the log of the median (days) without the programme, in each study: a `Normal`. With
        a `cut` it is the median that the hazard before it would make.
    shape
        Prior of the log of the Weibull shape in each study or, with a `cut`, of the later hazard over the
        earlier one: a `Normal`. The default says that hazards fall: half of the shapes lie below 0.8. [3]_
    between
        SD between studies of that log shape around a common one, which then is a hyperparameter,
        ``log_shape``, with `shape` as its prior: ``log k_i ~ N(log_shape, between)``; 0 for one shape of all
        studies. What some tell of it by medians, quartiles or shares at two dates others are read by. None,
        the default, gives each study a shape of its own that no other study tells. Not where each study
        tells its curve, or all report hazard ratios or counts at one date: it then moves nothing.
    known
        The common log shape, where it is not to be learned: studies have `between` around it.
    cut
        Day at which the hazard changes; 0 for a Weibull law.
    change, later
        A day, and by how much the log hazard ratio is larger after it than before; ``theta_i`` is the one
        before. A reported hazard ratio then lies between both as people return, until ``follow_up_days``.
    excess_counts, excess_ratios, excess_medians, excess_days
        SD, log hazard ratio, by which the translation of a currency misses the effect of a study: recurrent
        absence, hazards that are not proportional. Of counts it is summed over; other numbers it moves by
        their slope at the study's best estimate.

    Raises
    ------
    SpecError
        If a prior is not normal, or an SD or the cut is negative.

    References
    ----------
    .. [1] Prentice RL, Gloeckler LA (1978). Biometrics 34:57-67. doi:10.2307/2529588
    .. [2] Woods BS, Hawkins N, Scott DA (2010). BMC Med Res Methodol 10:54. doi:10.1186/1471-2288-10-54
    .. [3] The project's own judgement. In `rapid-rtw-cohort` two programmes have 0.6 and 0.3 (median 55 days
       and 88 % back within 360; 109 days and 63 %): vary it.

    Examples
    --------
    >>> ReturnToWork(excess_days=0.1).columns()
    ()
    """

    median: Prior = Normal(math.log(120.0), 1.0)  # noqa: RUF009 - frozen
    shape: Prior = Normal(math.log(0.8), 0.25)  # noqa: RUF009 - frozen
    between: float | None = None
    known: float | None = None
    cut: float = 0.0
    change: float = 0.0
    later: float = 0.0
    excess_counts: float = 0.0
    excess_ratios: float = 0.0
    excess_medians: float = 0.0
    excess_days: float = 0.0

    def __post_init__(self) -> None:
        for name in ("median", "shape"):
            if normal(getattr(self, name)) is None:
                raise SpecError(f"{name} is the prior of a logarithm and must be normal.")
        if self.between is not None and not (self.between >= 0 and math.isfinite(self.between)):
            raise SpecError(
                f"between is an SD of log shapes between studies, 0 for one shape, or None; found "
                f"{self.between!r}."
            )
        if self.known is not None and (self.between is None or not math.isfinite(self.known)):
            raise SpecError(
                f"known is a common log shape, around which studies have between; found {self.known!r} with "
                f"between {self.between!r}."
            )
        if not (self.cut >= 0 and math.isfinite(self.cut)):
            raise SpecError(f"cut is a day, or 0 for a Weibull law; found {self.cut!r}.")
        if not (self.change >= 0 and math.isfinite(self.change) and math.isfinite(self.later)):
            raise SpecError(
                f"change is a day, or 0; found {self.change!r}, with later {self.later!r}."
            )
        if self.later and not self.change:
            raise SpecError("later says how a hazard ratio changes: give change, the day, as well.")
        for name, value in self._excess.items():
            if not (value >= 0 and math.isfinite(value)):
                raise SpecError(f"excess_{name} must not be negative; found {value!r}.")

    @property
    def _excess(self) -> dict[str, float]:
        """SDs by which translations miss, by currency."""
        return {name: float(getattr(self, f"excess_{name}")) for name in CURRENCIES}

    @property
    def offers(self) -> Offers:
        """See `Likelihood`."""
        return Offers(inspects=self, speaks=self, settled=self if self.hyper() else None)

    @property
    def correlation(self) -> None:
        """Studies are independent."""

    @property
    def clustering(self) -> None:
        """People are counted one by one."""

    def columns(self) -> tuple[str, ...]:
        """Columns whose gaps are faults before any fit: `faults` looks at what rows report."""
        return ()

    def hyper(self) -> Mapping[str, Hyper]:
        """Give the common shape; other curves are integrated study by study."""
        if self.between is None or self.known is not None:
            return {}
        return {"log_shape": Hyper(self.shape, "shape", "study", setting="shape")}

    def at(self, value: float) -> "ReturnToWork":
        """Give the likelihood at a common log shape."""
        return replace(self, known=value)

    def hears(self, evidence: Evidence) -> NDArray[np.bool_]:
        """Take rows without a hazard ratio that report something else."""
        return np.array(
            [
                bool(row.numbers) or row.back is not None or bool(row.faults)
                for row in reported(evidence)
            ],
            dtype=bool,
        )

    def currencies(self, evidence: Evidence) -> list[tuple[str, ...]]:
        """Give the currencies that each row speaks in: hazard ratios, or those of `CURRENCIES`."""
        return [
            ("hazard ratios",) if ratio else _spoken(own)
            for ratio, own in zip(ratios(evidence), reported(evidence), strict=True)
        ]

    def faults(self, evidence: Evidence) -> list[str]:
        """Say what stands in the way; empty if nothing does."""
        measures = {str(each) for each in evidence.data["measure"].to_numpy()} - {MEASURE}
        if measures:
            return [
                f"{evidence.where}: effects are {shown(sorted(measures))}; this likelihood tells log hazard "
                "ratios: give measure = 'log_hazard_ratio', and what else was reported in columns of its own."
            ]
        names, told = evidence.data[ESTIMATE].to_numpy().astype(str).tolist(), ratios(evidence)
        found = []
        for row, (name, own) in enumerate(zip(names, reported(evidence), strict=True)):
            if told[row]:
                continue
            found += [f"{evidence.where}: row {name!r}: {said}" for said in own.faults]
            if not own.faults and own.back is None and not own.numbers:
                found.append(
                    f"{evidence.where}: row {name!r} reports nothing that tells a hazard ratio; give effect "
                    "and se, or counts, medians or days with their dates, or leave it out."
                )
        return found

    def findings(self, evidence: Evidence) -> list[Finding]:
        """Say which rows were translated, from what, and what that assumes."""
        told, rows = ratios(evidence), reported(evidence)
        names = evidence.data[ESTIMATE].to_numpy().astype(str)
        by: dict[str, list[str]] = {}
        for row, own in enumerate(rows):
            for each in () if told[row] else _spoken(own):
                by.setdefault(each, []).append(str(names[row]))
        found = []
        if by:
            listed = "; ".join(f"{each}: {shown(own)}" for each, own in sorted(by.items()))
            text = (
                f"{int((~told).sum())} of {evidence.size} rows report no hazard ratio and are translated "
                f"({listed}). That takes hazards to be proportional until the last date and recurrent "
                "absence to be negligible."
            )
            found.append(Finding("translated", "note", text))
        if "days" in by and not self.excess_days:
            text = (
                f"{shown(by['days'])}: mean days count every absence of the time, and are read as days until "
                "the first return; state excess_days, the SD by which that may miss, or leave them out."
            )
            found.append(Finding("recurrent-absence", "warning", text))
        ranges = [name for name in RANGES if np.isfinite(numbers_in(evidence, name)).any()]
        if ranges:
            text = (
                f"{shown(ranges)}: the shortest and the longest absence are not heard; what a median errs by "
                "follows from the people of its arm and the curve, or from median_t_low and median_t_high."
            )
            found.append(Finding("range-unheard", "note", text))
        for row, own in enumerate(rows):
            if not told[row] and own.other_unit:
                text = (
                    f"{str(names[row])!r}: {own.other_unit} looks like months or weeks; dates, horizons and "
                    "medians are days, of which 12 months have 365 and 12 weeks 84. Mend the unit; let it "
                    "stand if they are days."
                )
                found.append(Finding("unit-of-days", "warning", text))
            if not told[row] and own.disordered:
                text = (
                    f"{str(names[row])!r}: {own.disordered}; what stands at each is read by its own date. "
                    "Check that dates stand with their numbers."
                )
                found.append(Finding("dates-out-of-order", "warning", text))
        return found + self._twice(evidence, told) + self._beside(evidence, told, rows)

    def _twice(self, evidence: Evidence, told: NDArray[np.bool_]) -> list[Finding]:
        """Name rows of one study that may tell of the same people, though not by hazard ratios alone."""
        keys = [name for name in ("study", "contrast", "stratum") if name in evidence.data]
        of = list(zip(*(evidence.data[name].to_numpy().astype(str) for name in keys), strict=True))
        names = evidence.data[ESTIMATE].to_numpy().astype(str)
        found = []
        for each in dict.fromkeys(of):
            own = [row for row, key in enumerate(of) if key == each]
            if len(own) > 1 and not told[own].all():
                text = (
                    f"{shown([str(names[row]) for row in own])} are of one study and taken for different "
                    "people. What the same people report belongs in one row (events_t_2, at_2 for a second "
                    "date), and counts beside a hazard ratio of theirs are left out; where people differ, "
                    "say so in a column contrast or stratum."
                )
                found.append(Finding("same-people", "warning", text))
        return found

    def _beside(
        self, evidence: Evidence, told: NDArray[np.bool_], rows: list[ReportedRow]
    ) -> list[Finding]:
        """Say where a hazard ratio stands beside other numbers of the same people, and contradicts them."""
        names = evidence.data[ESTIMATE].to_numpy().astype(str)
        also = [row for row, own in enumerate(rows) if told[row] and (own.back or own.numbers)]
        adjusted = [row for row in also if _adjusted(evidence, row)]
        found = []
        if adjusted:
            text = (
                f"{shown([str(names[row]) for row in adjusted])}: an adjusted hazard ratio stands beside "
                "crude counts, medians or days of the same people; the hazard ratio alone is used. Take "
                "it out of the row to hear these instead, or these out to have no more said of them."
            )
            found.append(Finding("adjusted-beside-crude", "note", text))
        effect, se = (numbers_in(evidence, name) for name in ("effect", "se"))
        for row in sorted(set(also) - set(adjusted)):
            own = np.exp(effect[row] + se[row] * normal_quantile(SURE) * np.array([0.0, -1.0, 1.0]))
            for part in self._apart(str(names[row]), rows[row], heard=False):
                other = part.supported(SURE)
                if other is not None and (np.exp(other[2]) < own[1] or np.exp(other[1]) > own[2]):
                    text = (
                        f"{str(names[row])!r}: its hazard ratio of {own[0]:.2f} and {part.said}, which "
                        f"tell {math.exp(other[0]):.2f}, contradict each other; check both, and which arm "
                        "comes first. The hazard ratio alone is used."
                    )
                    found.append(Finding("currencies-contradict", "warning", text))
        return found

    @remembered
    def observe(self, evidence: Evidence) -> Curves:
        """Each study is a site: normal where it reports a hazard ratio, a curve otherwise."""
        names = evidence.data[ESTIMATE].to_numpy().astype(str)
        effect, se = (numbers_in(evidence, name) for name in ("effect", "se"))
        told, units = ratios(evidence), list[OneStudy]()
        near = np.stack([effect, se])
        ends = _ends(evidence)
        for row, own in enumerate(reported(evidence)):
            name = str(names[row])
            if not told[row]:
                study = self._study(name, own)
                near[:, row] = study.best[0], study.spread
                units.append(study)
            elif self.later and ends[row] > self.change:
                change, ratio = (self.change, self.later), (float(effect[row]), float(se[row]))
                averaged = Averaged.of(name, *ratio, self._curves, change, float(ends[row]))
                near[:, row] = averaged.best
                units.append(averaged)
            else:
                units.append(Estimated(name, float(effect[row]), float(se[row])))
        return curves(units, *near)

    @remembered
    def spoken(self, evidence: Evidence) -> tuple[Spoken, ...]:
        """Give what every row says, and its numbers each alone, as functions of the log hazard ratio."""
        sites, told = self.observe(evidence), ratios(evidence)
        names, near = evidence.data[ESTIMATE].to_numpy().astype(str), np.stack(sites.near)
        found = []
        for row, own in enumerate(reported(evidence)):
            kind = "adjusted " * _adjusted(evidence, row) + "hazard ratio"
            whole = OneSaid(kind, sites.units[row].log, (float(near[0, row]), float(near[1, row])))
            groups = apart(own.back, own.numbers)
            if not told[row]:
                whole = whole._replace(said=groups[0].said if len(groups) == 1 else "together")
            some = told[row] or len(groups) > 1
            parts = self._apart(str(names[row]), own, heard=not told[row]) if some else ()
            found.append(Spoken(whole, tuple(parts)))
        return tuple(found)

    def _apart(self, name: str, row: ReportedRow, *, heard: bool) -> list[OneSaid]:
        """Give what each number of a row says alone."""
        found = []
        for said, back, numbers in apart(row.back, row.numbers):
            study = self._study(f"{name}: {said}", ReportedRow(back, numbers, row.n, ()))
            found.append(OneSaid(said, study.log, (study.best[0], study.spread), heard))
        return found

    @property
    def _curves(self) -> Shape:
        """Curves that a study may have."""
        median, (mean, sd) = normal(self.median) or (0.0, 1.0), normal(self.shape) or (0.0, 1.0)
        apart = 0.0 if self.between is None else self.between
        own = (mean, math.hypot(sd, apart)) if self.known is None else (self.known, apart)
        return Shape(self.cut, median, own)

    def drawn_curves(self, evidence: Evidence, theta: Array, seed: int) -> dict[int, ReturnCurve]:
        """Draw curves of the comparison, (draw,), of rows that tell one, given effects, (draw, row)."""
        rng, told = np.random.default_rng(seed), ratios(evidence)
        names = evidence.data[ESTIMATE].to_numpy().astype(str)
        return {
            row: drawn(self._study(str(names[row]), own), theta[:, row], rng)
            for row, own in enumerate(reported(evidence))
            if not told[row]
        }

    def treated(self, curve: ReturnCurve, theta: Array) -> ReturnCurve:
        """Give the curve of the programme by that of the comparison and an effect; they broadcast."""
        return BothArms.of(theta, curve, (self.change, self.later)).programme

    @property
    def assumed(self) -> str:
        """Say what is taken of hazards."""
        if not self.later:
            return "Hazards are taken to be proportional"
        return (
            f"Hazard ratios are {math.exp(self.later):.2f} times as large after day {self.change:g}"
        )

    def _study(self, name: str, row: ReportedRow) -> Returns:
        """Take a row as a study with a curve of its own."""
        own = self._excess
        counted = "ratios" if row.back is not None and row.back.ratio else "counts"
        excess = {"counts": own[counted]} | {kind: own[name] for kind, name in _CURRENCY.items()}
        excess["share"] = 0.0
        told = tuple(each._replace(se=each.se if each.se > 0 else math.nan) for each in row.numbers)
        back = None if row.back is None else tuple(_alike(each) for each in row.back[:3])
        change = self.change, self.later
        whole = name, told, back, _alike(row.n), self._curves, tuple(excess.items()), change
        return _returns(*whole)

    def pymc(
        self, eta: "TensorVariable", evidence: Evidence, allocations: tuple[Allocation, ...] = ()
    ) -> None:
        """Add the observed variable to the PyMC model in context: curves are integrated before."""
        import pymc as pm  # noqa: PLC0415
        import pytensor.tensor as pt  # noqa: PLC0415

        rows, share = as_reported(evidence), share_of(evidence)
        seen = pm.Data("effect_data", self.observe(rows).weakened(share).seen)
        if not self.hyper():
            sites = [self.observe(rows).weakened(share)]
            see("return_to_work", eta, allocations, lambda _, at: log_density(sites, at)[0], seen)
            return
        # A polynomial through densities at Chebyshev's points, in the shape.
        place = np.cos(np.pi * np.arange(SHAPES) / (SHAPES - 1))
        mean, sd = normal(self.shape) or (0.0, 1.0)
        sites = [
            self.at(mean + FAR * sd * each).observe(rows).weakened(share) for each in place.tolist()
        ]
        series = np.linalg.inv(chebyshev.chebvander(place, SHAPES - 1))

        def logp(_: Any, theta: "TensorVariable", shape: "TensorVariable") -> "TensorVariable":
            angle = pt.arccos(pt.clip((shape - mean) / (FAR * sd), -INSIDE, INSIDE))
            powers = pt.stack([pt.cos(degree * angle) for degree in range(SHAPES)], axis=-1)
            return pt.sum((powers @ series).T * log_density(sites, theta), axis=0)

        common = pt.zeros(evidence.size) + self.shape.pymc("log_shape")
        see("return_to_work", eta, allocations, logp, seen, common)


def _alike(values: Array) -> tuple[float, ...]:
    """Give numbers as one can look them up: there is one NaN."""
    return tuple(math.nan if math.isnan(each) else each for each in values.ravel().tolist())


@lru_cache(maxsize=KEPT)
def _returns(
    name: str,
    numbers: tuple[Report, ...],
    back: tuple[tuple[float, ...], ...] | None,
    n: tuple[float, ...],
    shape: Shape,
    excess: tuple[tuple[str, float], ...],
    change: tuple[float, float],
) -> Returns:
    """Take a study once: it stands in many models and selections of rows, and is laid a single time."""
    seen = None
    if back is not None:
        day, events, people = (np.array(each) for each in back)
        seen = Back(day, events.reshape(2, -1), people)
    return Returns(name, numbers, seen, np.array(n), shape, dict(excess), change)


def _adjusted(evidence: Evidence, row: int) -> bool:
    """Whether a row says that its hazard ratio is adjusted."""
    if "adjusted" not in evidence.data:
        return False
    said = str(evidence.data["adjusted"].to_numpy()[row]).strip().lower()
    return said in ("yes", "true", "1", "1.0")


def _spoken(row: ReportedRow) -> tuple[str, ...]:
    """Give the currencies of a row without a hazard ratio."""
    found = set() if row.back is None else {"ratios" if row.back.ratio else "counts"}
    return tuple(sorted(found | {_CURRENCY[each.kind] for each in row.numbers}))


def ratios(evidence: Evidence) -> NDArray[np.bool_]:
    """Which rows report a hazard ratio, and not only counts or medians that one was made of."""
    effect, se = numbers_in(evidence, "effect"), numbers_in(evidence, "se")
    told = np.isfinite(effect) & (se > 0)
    if "conversion" not in evidence.data:
        return np.asarray(told, dtype=bool)
    how = [str(each) for each in evidence.data["conversion"].to_numpy()]
    return np.asarray(told & [not any(each in said for each in MADE) for said in how], dtype=bool)


def _ends(evidence: Evidence) -> Array:
    """Give the days until which people were followed, shape (row,); infinite where nobody says."""
    found = np.full(evidence.size, math.inf)
    for name, days in (("follow_up_months", MONTH), ("follow_up_days", 1.0)):
        if name in evidence.data:
            told = numbers_in(evidence, name) * days
            found = np.where(told > 0, told, found)
    return found
