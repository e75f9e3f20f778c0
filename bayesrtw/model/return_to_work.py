"""Return to work in whatever currency it was reported, on the scale of the log hazard ratio, in one file."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from bayesrtw.dims import ESTIMATE
from bayesrtw.errors import Finding, SpecError, shown
from bayesrtw.evidence.counts import numbers_in
from bayesrtw.evidence.hazards import MONTH, ReturnCurve
from bayesrtw.evidence.table import Evidence
from bayesrtw.model.contract import normal
from bayesrtw.model.counted import remembered
from bayesrtw.model.currency import Averaged, Back, BothArms, Report, Shape
from bayesrtw.model.curves import Curves, Estimated, OneStudy, curves
from bayesrtw.model.drawn_curves import drawn
from bayesrtw.model.hypergeometric import share_of
from bayesrtw.model.likelihood import Offers
from bayesrtw.model.prior import Normal, Prior
from bayesrtw.model.returns import Returns
from bayesrtw.model.sampled import log_density
from bayesrtw.model.term import Allocation
from bayesrtw.model.translated import OneSaid, Spoken, apart
from bayesrtw.registry import component

if TYPE_CHECKING:
    from pytensor.tensor import TensorVariable

Array = NDArray[np.float64]

#: Gives the number of a column; NaN where there is none.
type Reader = Callable[[str], float]

MEASURE: Final = "log_hazard_ratio"
#: Further dates of the same study: endings of the names of its columns.
DATES: Final = ("", "_2", "_3")
#: BothArms by the endings of their columns: comparison, programme.
ARMS: Final = ("_c", "_t")
#: What a study may report beside a hazard ratio, each with an excess of its own.
CURRENCIES: Final = ("counts", "ratios", "medians", "days")
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


class ReportedRow(NamedTuple):
    """What one row reports: counts at dates, other numbers, people, and what is wrong with it."""

    back: Back | None
    numbers: tuple[Report, ...]
    n: Array
    faults: tuple[str, ...]


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
        risk_ratio, odds_ratio, *_se, at    of being back by a day; `*_se` is of the logarithm; share_c, the
                                            share back without the programme: an odds ratio needs it
        median_t, median_c, n_t, n_c        days; with q1_t, q3_t, q1_c, q3_c, or median_t_low, median_t_high
        median_ratio, median_ratio_se       `_se` is of the logarithm
        days_t, days_t_se, days_c, ...      mean days of absence up to day `horizon`
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
    cut
        Day at which the hazard changes; 0 for a Weibull law.
    change, later
        A day, and by how much the log hazard ratio is larger after it than before; ``theta_i`` is the one
        before. A reported hazard ratio then lies between both as people return, until ``follow_up_days``.
    excess_counts, excess_ratios, excess_medians, excess_days
        SD, log hazard ratio, by which the translation of a currency misses the effect of a study: recurrent
        absence, hazards that are not proportional.

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
        return Offers(inspects=self, speaks=self)

    @property
    def correlation(self) -> None:
        """Studies are independent."""

    @property
    def clustering(self) -> None:
        """People are counted one by one."""

    def columns(self) -> tuple[str, ...]:
        """Columns whose gaps are faults before any fit: `faults` looks at what rows report."""
        return ()

    def hyper(self) -> Mapping[str, Prior]:
        """Give none: curves are integrated study by study."""
        return {}

    def hears(self, evidence: Evidence) -> NDArray[np.bool_]:
        """Take rows without a hazard ratio that report something else."""
        return np.array(
            [
                bool(row.numbers) or row.back is not None or bool(row.faults)
                for row in _rows(evidence)
            ],
            dtype=bool,
        )

    def currencies(self, evidence: Evidence) -> list[tuple[str, ...]]:
        """Give the currencies that each row speaks in: hazard ratios, or those of `CURRENCIES`."""
        return [
            ("hazard ratios",) if ratio else _spoken(own)
            for ratio, own in zip(_ratios(evidence), _rows(evidence), strict=True)
        ]

    def faults(self, evidence: Evidence) -> list[str]:
        """Say what stands in the way; empty if nothing does."""
        measures = {str(each) for each in evidence.data["measure"].to_numpy()} - {MEASURE}
        if measures:
            return [
                f"{evidence.where}: effects are {shown(sorted(measures))}; this likelihood tells log hazard "
                "ratios: give measure = 'log_hazard_ratio', and what else was reported in columns of its own."
            ]
        names, told = evidence.data[ESTIMATE].to_numpy().astype(str).tolist(), _ratios(evidence)
        found = []
        for row, (name, own) in enumerate(zip(names, _rows(evidence), strict=True)):
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
        told, rows = _ratios(evidence), _rows(evidence)
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
        beside = [
            str(names[row])
            for row, own in enumerate(rows)
            if told[row]
            and (own.back is not None or own.numbers)
            and _text(evidence, "adjusted", row) == "yes"
        ]
        if beside:
            text = (
                f"{shown(beside)}: an adjusted hazard ratio stands beside crude counts, medians or days of "
                "the same people; the hazard ratio alone is used."
            )
            found.append(Finding("adjusted-beside-crude", "note", text))
        return found

    @remembered
    def observe(self, evidence: Evidence) -> Curves:
        """Each study is a site: normal where it reports a hazard ratio, a curve otherwise."""
        names = evidence.data[ESTIMATE].to_numpy().astype(str)
        effect, se = (numbers_in(evidence, name) for name in ("effect", "se"))
        told, units = _ratios(evidence), list[OneStudy]()
        near = np.stack([effect, se])
        ends = _ends(evidence)
        for row, own in enumerate(_rows(evidence)):
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
        sites, told = self.observe(evidence), _ratios(evidence)
        names, near = evidence.data[ESTIMATE].to_numpy().astype(str), np.stack(sites.near)
        found = []
        for row, own in enumerate(_rows(evidence)):
            kind = "adjusted " * (_text(evidence, "adjusted", row) == "yes") + "hazard ratio"
            whole = OneSaid(kind, sites.units[row].log, (float(near[0, row]), float(near[1, row])))
            groups = apart(own.back, own.numbers)
            if not told[row]:
                whole = whole._replace(said=groups[0].said if len(groups) == 1 else "together")
            parts = []
            for said, back, numbers in groups if told[row] or len(groups) > 1 else ():
                study = self._study(f"{names[row]}: {said}", ReportedRow(back, numbers, own.n, ()))
                spread = (study.best[0], study.spread)
                parts.append(OneSaid(said, study.log, spread, heard=not told[row]))
            found.append(Spoken(whole, tuple(parts)))
        return tuple(found)

    @property
    def _curves(self) -> Shape:
        """Curves that a study may have."""
        places = {name: normal(getattr(self, name)) for name in ("median", "shape")}
        return Shape(self.cut, places["median"] or (0, 1), places["shape"] or (0, 1))

    def drawn_curves(self, evidence: Evidence, theta: Array, seed: int) -> dict[int, ReturnCurve]:
        """Draw curves of the comparison, (draw,), of rows that tell one, given effects, (draw, row)."""
        rng, told = np.random.default_rng(seed), _ratios(evidence)
        names = evidence.data[ESTIMATE].to_numpy().astype(str)
        return {
            row: drawn(self._study(str(names[row]), own), theta[:, row], rng)
            for row, own in enumerate(_rows(evidence))
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
        excess = {"counts": own["counts"]} | {kind: own[name] for kind, name in _CURRENCY.items()}
        excess["share"] = 0.0
        change = self.change, self.later
        return Returns(name, row.numbers, row.back, row.n, self._curves, excess, change)

    def pymc(
        self, eta: "TensorVariable", evidence: Evidence, allocations: tuple[Allocation, ...] = ()
    ) -> None:
        """Add the observed variable to the PyMC model in context: curves are integrated before."""
        import pymc as pm  # noqa: PLC0415

        if allocations:
            raise SpecError(
                "Nuts cannot sample likelihood 'return_to_work' with a bias mixture; use Exact()."
            )
        sites = self.observe(evidence).weakened(share_of(evidence))
        pm.CustomDist(
            "effect",
            eta,
            logp=lambda value, theta: log_density(sites, theta) + 0.0 * value,
            observed=pm.Data("effect_data", sites.seen),
            dtype="float64",
        )


def _text(evidence: Evidence, name: str, row: int) -> str:
    return str(evidence.data[name].to_numpy()[row]) if name in evidence.data else ""


def _spoken(row: ReportedRow) -> tuple[str, ...]:
    """Give the currencies of a row without a hazard ratio."""
    found = {"counts"} if row.back is not None else set()
    return tuple(sorted(found | {_CURRENCY[each.kind] for each in row.numbers}))


def _ratios(evidence: Evidence) -> NDArray[np.bool_]:
    """Which rows report a hazard ratio."""
    effect, se = numbers_in(evidence, "effect"), numbers_in(evidence, "se")
    return np.isfinite(effect) & (se > 0)


def _ends(evidence: Evidence) -> Array:
    """Give the days until which people were followed, shape (row,); infinite where nobody says."""
    found = np.full(evidence.size, math.inf)
    for name, days in (("follow_up_months", MONTH), ("follow_up_days", 1.0)):
        if name in evidence.data:
            told = numbers_in(evidence, name) * days
            found = np.where(told > 0, told, found)
    return found


def _rows(evidence: Evidence) -> list[ReportedRow]:
    """Read what rows report beside a hazard ratio."""
    names = [str(name) for name in evidence.data.data_vars]
    columns = {name: numbers_in(evidence, name) for name in names}
    return [
        _row({name: float(values[row]) for name, values in columns.items()})
        for row in range(evidence.size)
    ]


def _row(cells: Mapping[str, float]) -> ReportedRow:
    """Read one row."""

    def of(name: str) -> float:
        return cells.get(name, math.nan)

    faults: list[str] = []
    n = np.array([of("n_c"), of("n_t")])
    back = _back(of, n, faults)
    numbers: list[Report] = []
    counted = set() if back is None else set(back.day.tolist())
    for end in DATES:
        day = of(f"at{end}")
        for kind in ("risk_ratio", "odds_ratio"):
            ratio, se = of(f"{kind}{end}"), of(f"{kind}_se{end}")
            if not math.isfinite(ratio) or day in counted:
                continue
            if not (ratio > 0 and se > 0):
                faults.append(
                    f"{kind}{end} needs to be positive, with {kind}_se{end}, of its logarithm."
                )
            elif not day > 0:
                faults.append(f"{kind}{end} has no date; give at{end}, days.")
            else:
                share = of(f"share_c{end}")
                if 0 < share < 1:
                    numbers.append(_share(share, n[0], day))
                elif kind == "odds_ratio":
                    faults.append(
                        f"odds_ratio{end} alone does not tell a hazard ratio where most people return: give "
                        f"share_c{end}, the share back without the programme by that day."
                    )
                numbers.append(Report(kind, math.log(ratio), se, day))
                counted.add(day)
        if day not in counted:
            numbers += _shares(of, end, day, faults)
    numbers += _medians(of, n, faults)
    numbers += _days(of, faults)
    return ReportedRow(back, tuple(numbers), n, tuple(faults))


def _share(share: float, n: float, day: float) -> Report:
    """Take a share back without the programme; of 100 people where nobody says of how many."""
    people = n if n > 0 else 100.0
    hazard = -math.log1p(-share)
    return Report(
        "share", math.log(hazard), math.sqrt(share / (people * (1.0 - share))) / hazard, day, 0
    )


def _shares(of: Reader, end: str, day: float, faults: list[str]) -> list[Report]:
    """Read shares back of both arms with their intervals, as complementary log-logs."""
    told = [
        [of(f"share{arm}{which}{end}") for which in ("", "_low", "_high")] for arm in reversed(ARMS)
    ]
    # Of one arm alone, or without an interval, they say nothing of an effect.
    if not np.isfinite(told).all():
        return []
    if not day > 0:
        faults.append(f"share_t{end} and share_c{end} have no date; give at{end}, days.")
        return []
    if any(not 0 < low < share < high < 1 for share, low, high in told):
        faults.append(
            f"share_t{end} and share_c{end} must lie between 0 and 1, inside their intervals; give shares "
            "and not per cent, or counts."
        )
        return []
    levels = np.log(-np.log1p(-np.array(told)))
    se = (levels[:, 2] - levels[:, 1]) / (2.0 * float(ndtri(0.975)))
    return [Report("back", levels[row, 0], se[row], day, arm) for row, arm in ((0, 1), (1, 0))]


def _back(of: Reader, n: Array, faults: list[str]) -> Back | None:
    """Read counts at dates."""
    days, events = [], []
    for end in DATES:
        some = np.array([of(f"events{arm}{end}") for arm in ARMS])
        if not np.isfinite(some).any():
            continue
        day = of(f"at{end}")
        if not np.all(np.isfinite(some) & np.isfinite(n)):
            faults.append(
                f"events of one arm only, or no n_t and n_c; give events{ARMS[1]}{end}, "
                f"n_t, events{ARMS[0]}{end}, n_c."
            )
        elif not day > 0:
            faults.append(
                f"people back at work have no date: give at{end}, the day by which they were counted."
            )
        elif np.any((some < 0) | (some > n) | (some != np.round(some)) | (n != np.round(n))):
            faults.append(f"events{end} must be whole numbers between 0 and the people of the arm.")
        else:
            days.append(day)
            events.append(some)
    if not days or faults:
        return None
    order = np.argsort(days)
    seen = np.array(events)[order].T
    if np.any(np.diff(seen, axis=1) < 0):
        faults.append(
            "fewer people are back at a later date: these are not first returns, some were absent again. "
            "Keep one date, and give excess_counts for what recurrence adds."
        )
        return None
    return Back(np.array(days)[order], seen, n)


def _medians(of: Reader, n: Array, faults: list[str]) -> list[Report]:
    """Read medians, quartiles and their ratio."""
    found: list[Report] = []
    for arm, end in enumerate(ARMS):
        median = of(f"median{end}")
        quartiles = [of(f"{name}{end}") for name in ("q1", "q3")]
        low, high = of(f"median{end}_low"), of(f"median{end}_high")
        if not math.isfinite(median):
            continue
        if not median > 0:
            faults.append(f"median{end} must be positive, in days; found {median:g}.")
            continue
        last = of("follow_up_days")
        if math.isfinite(last) and median > last:
            faults.append(
                f"median{end} of {median:g} days lies beyond a follow-up of {last:g}; check both."
            )
            continue
        se = math.nan
        if 0 < low < median < high:
            se = (math.log(high) - math.log(low)) / (2.0 * float(ndtri(0.975)))
        elif not math.isfinite(n[arm]):
            faults.append(f"median{end} needs n{end}, or median{end}_low and median{end}_high.")
            continue
        found.append(Report("quantile", math.log(median), se, 0.5, arm))
        for share, value in zip((0.25, 0.75), quartiles, strict=True):
            if math.isfinite(value) and math.isfinite(n[arm]):
                if not value > 0 or (value < median) != (share < 0.5):
                    faults.append(
                        f"quartiles{end} must be positive and hold the median between them."
                    )
                    break
                found.append(Report("quantile", math.log(value), math.nan, share, arm))
    ratio, se = of("median_ratio"), of("median_ratio_se")
    if math.isfinite(ratio) and not found:
        if ratio > 0 and se > 0:
            found.append(Report("median_ratio", math.log(ratio), se, 0.5))
        else:
            faults.append(
                "median_ratio needs to be positive, with median_ratio_se, of its logarithm."
            )
    return found


def _days(of: Reader, faults: list[str]) -> list[Report]:
    """Read mean days of absence up to a horizon."""
    horizon, found = of("horizon"), list[Report]()
    told = [(f"days{end}", f"days{end}_se", arm) for arm, end in enumerate(ARMS)]
    if math.isfinite(of("days_difference")):
        if not math.isfinite(of("days_c")):
            faults.append(
                "days_difference says little without what it is a difference from: give days_c as well, the "
                "mean days without the programme."
            )
            return found
        told[1] = ("days_difference", "days_difference_se", 1)
    for name, spread, arm in told:
        value, se = of(name), of(spread)
        if not math.isfinite(value):
            continue
        if not horizon > 0:
            faults.append(
                f"{name} has no horizon: give the days over which absence was counted, e.g. 365."
            )
            break
        if not se > 0 and (name != "days_c" or not of("n_c") > 0):
            faults.append(f"{name} needs {spread}, its standard error.")
            break
        least = -horizon if name == "days_difference" else 0.0
        if not least < value < horizon:
            faults.append(
                f"{name} of {value:g} cannot be over a horizon of {horizon:g} days; check both, and the unit."
            )
            break
        error = se if se > 0 else math.nan
        if name == "days_difference":
            found.append(Report(name, value, error, horizon))
        else:
            share = value / horizon
            odds = math.log(share / (1.0 - share)), error / (horizon * share * (1.0 - share))
            found.append(Report("days", *odds, horizon, arm))
    return found
