"""Individual times to return as a paper reports them: adjusted hazard ratios, medians, shares by dates."""

import math
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bayesrtw.errors import EvidenceError, Fault, Faults, Whereabouts, shown
from bayesrtw.evidence.convert import normal_quantile
from bayesrtw.registry import suggestion

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]

#: What a study is called where no column says it.
UNNAMED: Final = "own data"
#: Endings of the columns of dates, as the likelihood `return_to_work` reads them.
DATES: Final = ("", "_2", "_3")
#: A further Newton step, in SDs of a covariate, beyond which a Cox model has not come to rest.
AT_REST: Final = 1e-4
#: Rows of a fault that are listed.
LISTED: Final = 5


class Columns(NamedTuple):
    """Which columns of a frame are what; see `Evidence.from_survival`."""

    time: str
    event: str
    arm: str
    covariates: tuple[str, ...]
    strata: tuple[str, ...]
    study: str

    @property
    def used(self) -> list[str]:
        """Those that must be complete."""
        own = [self.time, self.event, self.arm, *self.covariates, *self.strata]
        return own + ([self.study] if self.study else [])


@dataclass(frozen=True, slots=True, eq=False)
class Returned:
    """When people of one group returned, by Kaplan and Meier.

    Attributes
    ----------
    day
        Days on which somebody returned, ascending, shape (step,).
    left
        Share not yet back after each, shape (step,).
    spread
        SD of the complementary log-log of that share, by Greenwood, shape (step,); NaN where nobody is left.
    last
        Day until which anybody was followed.
    """

    day: Array
    left: Array
    spread: Array
    last: float

    @classmethod
    def of(cls, time: Array, event: Array) -> "Returned":
        """Take times, and whether each is a return (1) or the end of follow-up (0); shapes (person,)."""
        day, back = np.unique(time[event == 1], return_counts=True)
        at_risk = len(time) - np.searchsorted(np.sort(time), day)
        left = np.cumprod(1.0 - back / at_risk)
        with np.errstate(divide="ignore", invalid="ignore"):
            greenwood = np.cumsum(back / (at_risk * (at_risk - back)))
            spread = np.sqrt(greenwood) / np.abs(np.log(left))
        return cls(day, left, np.where(left > 0, spread, np.nan), float(time.max()))

    def _bounds(self, level: float) -> tuple[Array, Array]:
        """Give the ends of the interval of the share not yet back after each step."""
        z = normal_quantile(level)
        with np.errstate(invalid="ignore"):
            return self.left ** np.exp(z * self.spread), self.left ** np.exp(-z * self.spread)

    def by(self, day: float, level: float = 0.95) -> tuple[float, float, float]:
        """Share back by a day, with its interval; NaN where nobody was followed so long."""
        step = int(np.searchsorted(self.day, day, side="right")) - 1
        ended = len(self.left) > 0 and self.left[-1] == 0
        if day > self.last and not ended:
            return math.nan, math.nan, math.nan
        if step < 0:
            return 0.0, math.nan, math.nan
        low, high = (float(each[step]) for each in self._bounds(level))
        return 1.0 - float(self.left[step]), 1.0 - high, 1.0 - low

    def median(self, level: float = 0.95) -> tuple[float, float, float]:
        """Day by which half are back, with the interval of Brookmeyer and Crowley; NaN where not reached."""
        low, high = self._bounds(level)
        return self._half(self.left), self._half(low), self._half(high)

    def _half(self, share: Array) -> float:
        """First day on which a share is at most a half; the middle of the days on which it is a half."""
        reached = np.flatnonzero(share <= 0.5 + 1e-12)
        if not len(reached):
            return math.nan
        first = int(reached[0])
        flat = abs(float(share[first]) - 0.5) <= 1e-12 and first + 1 < len(self.day)
        return float(self.day[first] + self.day[first + 1]) / 2 if flat else float(self.day[first])


def reports(
    frame: "pd.DataFrame", columns: Columns, programme: object, days: Sequence[float]
) -> "pd.DataFrame":
    """Report individual times as papers do, one row a study."""
    import pandas as pd  # noqa: PLC0415

    faults = Faults(EvidenceError)
    _columns_there(frame, columns, days, faults)
    faults.raise_if_any()
    held = frame.reset_index(drop=True)
    _cells(held, columns, faults)
    faults.raise_if_any()
    rows = []
    for name, own in _studies(held, columns.study):
        treated = _arms(own, columns.arm, name, programme, faults)
        if treated is None:
            continue
        time, event = (
            own[each].to_numpy(dtype=np.float64) for each in (columns.time, columns.event)
        )
        row: dict[str, object] = {"study": name}
        if _anybody(time, event, treated, name, faults):
            row |= _hazard_ratio(own, time, event, treated, columns, name, faults)
        rows.append(row | _arm_by_arm(time, event, treated, days))
    faults.raise_if_any()
    return pd.DataFrame(rows)


def _columns_there(
    frame: "pd.DataFrame", columns: Columns, days: Sequence[float], faults: Faults
) -> None:
    """Find columns and dates that cannot be read."""
    if not hasattr(frame, "columns"):
        raise EvidenceError(f"data frame: found {type(frame).__name__}; give a pandas DataFrame.")
    names = [str(each) for each in frame.columns]
    for wanted in dict.fromkeys(columns.used):
        if names.count(wanted) != 1:
            what = "stands twice" if wanted in names else "is missing"
            hint = "rename one." if wanted in names else suggestion(wanted, names)
            faults.add(f"data frame: column {wanted!r} {what}; {hint}")
    twice = sorted({each for each in columns.used if columns.used.count(each) > 1})
    if twice:
        faults.add(f"data frame: {shown(twice)} is named for two purposes; name a column once.")
    if not len(frame):
        faults.add("data frame: there is nobody in it; give one row a person.")
    if len(days) > len(DATES) or not all(math.isfinite(each) and each > 0 for each in days):
        faults.add(
            f"days are {list(days)!r}; give at most {len(DATES)} positive days, e.g. (91, 182, 365)."
        )


def _cells(frame: "pd.DataFrame", columns: Columns, faults: Faults) -> None:
    """Find people whose cells cannot be used."""
    import pandas as pd  # noqa: PLC0415

    for name in columns.used:
        _note(
            faults,
            frame[name].isna().to_numpy(),
            name,
            "nothing",
            "every person needs a value",
            "leave these people out, or fill in what is known of them: both are assumptions",
        )
        odd = frame[name].map(lambda cell: isinstance(cell, list | dict | set)).to_numpy(dtype=bool)
        _note(faults, odd, name, "a collection", "a cell holds one value", "write one")
    # Dates and spans of time would be counted in nanoseconds.
    spans = pd.api.types.is_datetime64_any_dtype, pd.api.types.is_timedelta64_dtype
    numbers = {
        name: np.full(len(frame), np.nan)
        if any(kind(frame[name]) for kind in spans)
        else pd.to_numeric(frame[name], errors="coerce").to_numpy(dtype=np.float64)
        for name in (columns.time, columns.event)
    }
    for name, values in numbers.items():
        odd = np.isnan(values) & frame[name].notna().to_numpy()
        _note(faults, odd, name, "what is no number", f"{name} must be a number", "write it as one")
    time, event = numbers[columns.time], numbers[columns.event]
    _note(
        faults, (time < 0) | np.isinf(time), columns.time, "a negative or infinite number",
        "times are days since the start, 0 or more", "count from the same start for everybody",
    )  # fmt: skip
    competing = event > 1
    _note(
        faults, competing, columns.event, "codes above 1",
        "1 is a return and 0 the end of follow-up",
        "code return as 1; what ends absence otherwise, such as a pension, as 0 gives hazard ratios of "
        "returning among those still away, and shares back that are too high",
    )  # fmt: skip
    bad = ~np.isin(event, (0.0, 1.0)) & ~competing & np.isfinite(event)
    _note(
        faults, bad, columns.event, "other numbers", "1 is a return and 0 the end of follow-up",
        "code it so",
    )  # fmt: skip


def _note(
    faults: Faults, rows: NDArray[np.bool_], column: str, found: str, allowed: str, remedy: str
) -> None:
    """Note one fault of several people in a column."""
    places = np.flatnonzero(rows)
    if len(places):
        at = Whereabouts("data frame", tuple(int(each) + 1 for each in places[:LISTED]), "", column)
        more = f" in {len(places)} rows" if len(places) > LISTED else ""
        faults.add(
            Fault(f"found {found} in column {column!r}{more}", allowed, remedy, "survival", at)
        )


def _studies(frame: "pd.DataFrame", study: str) -> Iterator[tuple[str, "pd.DataFrame"]]:
    """Give the people of each study, in order of appearance."""
    if not study:
        yield UNNAMED, frame
        return
    for name, own in frame.groupby(study, sort=False, observed=True):
        yield str(name), own


def _arms(
    frame: "pd.DataFrame", arm: str, name: str, programme: object, faults: Faults
) -> NDArray[np.bool_] | None:
    """Say who had the programme."""
    cells = frame[arm]
    present = cells.unique().tolist()
    where = f"data frame: study {name!r}: column {arm!r}"
    if len(present) != 2:
        faults.add(
            f"{where} holds {len(present)} arm{'s' * (len(present) != 1)} ({shown(map(str, present))}); two "
            "are compared: keep the people of two."
        )
        return None
    if programme is None and not set(present) <= {0, 1}:
        faults.add(
            f"{where} holds {shown(map(str, present))}; say which is the programme: programme={present[0]!r}."
        )
        return None
    wanted = 1 if programme is None else programme
    if wanted not in present:
        faults.add(f"{where} holds {shown(map(str, present))}; found programme={wanted!r}.")
        return None
    return (cells == wanted).to_numpy(dtype=bool)


def _anybody(
    time: Array, event: Array, treated: NDArray[np.bool_], name: str, faults: Faults
) -> bool:
    """Note arms in which nobody returned, or that nobody followed: their hazard ratio has no end."""
    for own, which in ((treated, "with the programme"), (~treated, "without the programme")):
        if not event[own].any():
            faults.add(
                f"data frame: study {name!r}: nobody {which} returned ({int(own.sum())} people in at most "
                f"{time[own].max():g} days), so that no hazard ratio is finite; give counts at a date to "
                "Evidence.from_returns, which needs none."
            )
            return False
    return True


def _hazard_ratio(
    frame: "pd.DataFrame",
    time: Array,
    event: Array,
    treated: NDArray[np.bool_],
    columns: Columns,
    name: str,
    faults: Faults,
) -> dict[str, object]:
    """Fit a Cox model, ties by Efron: log hazard ratio and its standard error."""
    where = f"data frame: study {name!r}"
    parts: list[tuple[str, Array]] = [("the arm", treated.astype(np.float64))]
    parts += [each for column in columns.covariates for each in _coded(frame[column], column)]
    parts = [each for each in parts if np.ptp(each[1]) > 0]
    names, matrix = [each[0] for each in parts], np.column_stack([each[1] for each in parts])
    scale = matrix.std(axis=0)
    matrix = (matrix - matrix.mean(axis=0)) / scale
    groups: NDArray[np.intp] = np.zeros(len(time), dtype=np.intp)
    if columns.strata:
        groups = np.asarray(frame.groupby(list(columns.strata), observed=True).ngroup(), np.intp)
    # A partial likelihood knows differences within strata only.
    for each in range(int(groups.max()) + 1):
        matrix[groups == each] -= matrix[groups == each].mean(axis=0)
    if np.linalg.matrix_rank(matrix, tol=1e-9 * len(matrix)) < len(names):
        faults.add(
            f"{where}: the arm, covariates and strata tell one another ({shown(names)}), so that none has an "
            "effect of its own; leave out what repeats another."
        )
        return {}
    beta, se, restless = _cox(time, event, matrix, groups, names)
    if restless:
        faults.add(
            f"{where}: the Cox model has no finite coefficient of {shown(restless)}: some value goes with "
            "nobody's return, or there are too few returns for so many covariates; join levels, or leave it "
            "out."
        )
        return {}
    varied = {each.split(" = ")[0] for each in names[1:]}
    kept = [each for each in columns.covariates if each in varied]
    return {
        "effect": beta / scale[0],
        "se": se / scale[0],
        "adjusted": "yes" if kept or columns.strata else "no",
        "adjusted_for": ", ".join([*kept, *(f"{each} (strata)" for each in columns.strata)]),
    }


def _coded(cells: "pd.Series[Any]", column: str) -> list[tuple[str, Array]]:
    """Give a covariate as numbers: itself, or one column for each level but the first."""
    import pandas as pd  # noqa: PLC0415

    if pd.api.types.is_numeric_dtype(cells):
        return [(column, cells.to_numpy(dtype=np.float64))]
    words = cells.astype(str).to_numpy()
    levels = sorted(set(words.tolist()))
    return [(f"{column} = {each}", (words == each).astype(np.float64)) for each in levels[1:]]


def _cox(
    time: Array, event: Array, matrix: Array, strata: NDArray[np.intp], names: Sequence[str]
) -> tuple[float, float, list[str]]:
    """Maximise a partial likelihood: the first coefficient, its standard error, and which have no maximum."""
    try:
        from statsmodels.duration.hazard_regression import PHReg  # noqa: PLC0415
    except ImportError:
        raise EvidenceError(
            "adjusted hazard ratios need the package statsmodels; install it: pip install bayesrtw[survival]."
        ) from None
    model = PHReg(time, matrix, status=event, strata=strata, ties="efron")
    with warnings.catch_warnings():
        # Whether it has come to rest is asked below.
        warnings.simplefilter("ignore")
        try:
            beta = np.asarray(model.fit(disp=False).params, dtype=np.float64)
            information = -np.asarray(model.hessian(beta), dtype=np.float64)
            step = np.linalg.solve(information, np.asarray(model.score(beta), dtype=np.float64))
            se = np.sqrt(np.diag(np.linalg.inv(information)))
        except np.linalg.LinAlgError:
            return math.nan, math.nan, list(names)
    with np.errstate(invalid="ignore"):
        still = (np.abs(step) < AT_REST) & np.isfinite(se)
    return (
        float(beta[0]),
        float(se[0]),
        [each for each, fine in zip(names, still, strict=True) if not fine],
    )


def _arm_by_arm(
    time: Array, event: Array, treated: NDArray[np.bool_], days: Sequence[float]
) -> dict[str, object]:
    """Give people, medians and shares by dates of both arms; counts where nobody was lost before the date."""
    found: dict[str, object] = {"follow_up_days": float(time.max())}
    whole = [not np.any((time < day) & (event == 0)) for day in days]
    for end, day in zip(DATES, days, strict=False):
        found[f"at{end}"] = float(day)
    for arm, own in (("t", treated), ("c", ~treated)):
        curve = Returned.of(time[own], event[own])
        found[f"n_{arm}"] = float(own.sum())
        names = (f"median_{arm}", f"median_{arm}_low", f"median_{arm}_high")
        found |= dict(zip(names, curve.median(), strict=True))
        for end, day, complete in zip(DATES, days, whole, strict=False):
            names = (f"share_{arm}{end}", f"share_{arm}_low{end}", f"share_{arm}_high{end}")
            found |= dict(zip(names, curve.by(day), strict=True))
            if complete:
                found[f"events_{arm}{end}"] = float(np.sum((time[own] <= day) & (event[own] == 1)))
    return found
