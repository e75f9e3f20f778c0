"""Numbers that contradict one another, or that no study of this size could give.

Every threshold says why it is where it is; all were tried on the shipped data sets and on 97 Cochrane
reviews.
"""

import math
import re
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from itertools import combinations
from typing import Final, NamedTuple

import numpy as np
from scipy.special import ndtr, ndtri

from bayesrtw.doubt.rows import REGISTRY, Rows, some_of
from bayesrtw.doubt.rule import Doubt, Severity
from bayesrtw.evidence import convert
from bayesrtw.evidence.groups import CONTINUITY, Converted
from bayesrtw.evidence.measure import Measure
from bayesrtw.evidence.quality import contradictions
from bayesrtw.evidence.reported import ASYMMETRY
from bayesrtw.evidence.route import SILENT
from bayesrtw.printed import STATE_IT
from bayesrtw.reading.flat import SUMS_UP

#: A difference between a printed estimate and the crude one counts from this many standard errors on:
#: it then moves a weighted mean by less than a tenth of the error that the row is allowed. Smaller ones
#: are rounding, or adjustment that changes nothing.
DIFFERS: Final = 0.1
#: Tests of one hypothesis on the same people (Wald, score, likelihood ratio, log-rank, t with few degrees
#: of freedom) differ by less than this in z, or by this share of it: beyond rounding, the printed pairs of
#: the shipped trials differ by less than 0.4, but for the one that is named as a disagreement (by 1.5).
P_GAP: Final = 0.5
P_SHARE: Final = 0.15
#: Adjustment for covariates does not lower the standard error of a log odds or hazard ratio (Robinson &
#: Jewell 1991, doi:10.2307/1403444); 0.8 leaves room for rounding and for approximate formulas.
SMALL_SE: Final = 0.8
#: A log ratio of counts has at most this standard error with half an event in each arm: sqrt(2 + 2) = 2;
#: beyond 2.5 a standard deviation may stand for it.
LARGE_SE: Final = 2.5
#: A standard deviation this many times smaller than the median of the outcome's others, both as it is and
#: relative to its mean, while sqrt(n) times it would fit: 3 is sqrt(9), and arms of fewer than 9 are rare.
SD_RATIO: Final = 3.0
#: How far from the others' median the corrected value may be, as a ratio; in 96 Cochrane reviews 80 %
#: of the standard deviations of mean differences are within it of their outcome's median.
SD_FITS: Final = 2.0
#: Standard deviations of other rows that are needed for a comparison.
SD_OTHERS: Final = 4
#: Medians that differ by less than a tenth say nothing about the direction of a hazard ratio.
MEDIAN_RATIO: Final = 1.1
#: Studies of the same size and year are compared from this size on: small round sizes recur by chance.
SAME_SIZE: Final = 20
#: Floating-point error of a percentage: 33 of 176 are 18.75, which may be printed 18.8.
EPSILON: Final = 1e-9
#: A result is clear beyond this many standard errors: p < .05, two-sided.
CLEAR: Final = 1.96
#: People from which on equal counts in all four cells are more than a coincidence of small trials.
SAME_COUNTS: Final = 60

_LESS_IS_GOOD: Final = re.compile(
    r"sick|absence|days_(off|to)|off_work|benefits|pension|job_loss|unemploy|incapacity"
)
_MORE_IS_GOOD: Final = re.compile(r"at_work|employed|ever_rtw|return_to_work|work_participation")
_P: Final = re.compile(r"\s*([<>]?)=?\s*(0?\.\d+|[01])\s*")
_CELLS: Final = ("events_t", "n_t", "events_c", "n_c")
_FROM_COUNTS: Final[Mapping[str, Callable[..., Converted]]] = {
    "log_odds_ratio": convert.log_odds_ratio,
    "log_risk_ratio": convert.log_risk_ratio,
    "risk_difference": convert.risk_difference,
}


def _half_unit(value: float) -> float:
    """Most by which rounding may have changed a printed number."""
    exponent = int(Decimal(f"{value:.12g}").normalize().as_tuple().exponent)
    return 0.5 * 10.0 ** min(exponent, 0)


def _slack(value: float, scale: Measure) -> float:
    """Most by which rounding may have changed a printed number, on the scale of analysis."""
    half = _half_unit(value)
    if not scale.log:
        return half
    return math.inf if half >= value else -math.log1p(-half / value)


def _off_centre(rows: Rows) -> Iterator[Doubt]:
    """Find intervals that no unprinted digit can centre on their estimate."""
    for row in rows.having("ci_low", "ci_high"):
        value, low, high = (
            rows.printed(row),
            rows.number("ci_low", row),
            rows.number("ci_high", row),
        )
        scale = rows.scale(row)
        if not low < high or math.isnan(value) or (scale.log and min(value, low) <= 0):
            continue
        x, a, b = (float(scale.forward(v)) for v in (value, low, high))
        slack = _slack(value, scale) + (_slack(low, scale) + _slack(high, scale)) / 2
        if abs(x - (a + b) / 2) <= max(slack, ASYMMETRY * (b - a) / 2):
            continue
        centre, lower, upper = (float(scale.back(v)) for v in ((a + b) / 2, 2 * x - b, 2 * x - a))
        hint = "correct it against the source, or leave the interval empty"
        if not scale.log and min(value, low) > 0:
            log_off = abs(math.log(value / math.sqrt(low * high)))
            if log_off < ASYMMETRY * math.log(high / low) / 2:
                hint = "on the log scale it is centred: if this is a ratio, name it in reported"
        text = (
            f"the interval is not centred on its estimate; found {value:g} ({low:g} to {high:g}), "
            f"centred on {centre:.3g}; a lower limit of {lower:.3g} or an upper one of {upper:.3g} "
            f"would fit; {hint}"
        )
        yield rows.doubt(row, "estimate_printed, ci_low, ci_high", "interval-off-centre", text)


def _p_values(rows: Rows) -> Iterator[Doubt]:
    """Hold printed p values against effects and standard errors, or percentages."""
    for row in range(rows.size):
        printed = rows.text("p_value", row)
        found = _P.fullmatch(printed) if printed else None
        if found is None:
            continue
        z, slack = _z(rows, row)
        if math.isnan(z) or "p value" in rows.text("conversion", row):
            continue
        bound, p = found[1], float(found[2])
        half = 0.0 if bound else 0.5 * 10.0 ** -len(found[2].partition(".")[2])
        least = -float(ndtri(min(1.0, p + half) / 2)) if bound != ">" else 0.0
        most = -float(ndtri(max(p - half, 1e-300) / 2)) if bound != "<" else math.inf
        gap = max(least - z - slack, z - slack - most)
        if gap > max(P_GAP, P_SHARE * z):
            text = (
                f"the p value {printed} does not fit the other numbers, which give about "
                f"{2 * float(ndtr(-z)):.2g}; correct whichever differs from the source"
            )
            yield rows.doubt(row, "p_value", "p-value-disagrees", text)


def _z(rows: Rows, row: int) -> tuple[float, float]:
    """Give |effect| / se and what rounding may have changed of it."""
    effect, se = rows.number("effect", row), rows.number("se", row)
    if not math.isnan(effect + se):
        value, scale = rows.printed(row), rows.scale(row)
        off, wide, z = 0.0, 0.0, abs(effect) / se
        if not math.isnan(value):
            off = _slack(value, scale) * abs(rows.factor(row))
        if rows.has(row, "ci_low", "ci_high"):
            limits = (rows.number("ci_low", row), rows.number("ci_high", row))
            wide = sum(_slack(v, scale) for v in limits) * abs(rows.factor(row)) / 3.92
        return z, (off + z * wide) / max(se - wide, se / 4)
    several = {
        rows.text("contrast", r) for r in range(rows.size) if rows.study[r] == rows.study[row]
    }
    if rows.has(row, "pct_t", "pct_c"):
        half = rows.people(row) / 2 if len(several) == 1 else math.nan
        n = [rows.number(c, row) if rows.has(row, c) else half for c in ("n_t", "n_c")]
        t, c = rows.number("pct_t", row) / 100, rows.number("pct_c", row) / 100
        variance = t * (1 - t) / n[0] + c * (1 - c) / n[1]
        return (abs(t - c) / math.sqrt(variance), 0.0) if variance > 0 else (math.nan, 0.0)
    return math.nan, 0.0


def _crude(rows: Rows) -> Iterator[Doubt]:
    """Hold printed estimates against the counts and means of the same study."""
    summed = {*rows.having(*_CELLS), *rows.having("mean_t", "mean_c")}
    for group in rows.grouped(range(rows.size), "study") if summed else ():
        sums = [row for row in group if row in summed]
        for row in group if sums else ():
            if math.isnan(rows.printed(row)):
                continue
            others = [o for o in sums if rows.agree(row, o, "follow_up_months")]
            others = [o for o in others if rows.equal(row, o, "stratum", "arm", "comparison")]
            same = [o for o in others if rows.equal(row, o, "outcome", "contrast")]
            related = [o for o in others if _MORE_IS_GOOD.search(rows.text("outcome", o))]
            if row in sums:
                yield from _compared(rows, row, row)
            elif same:
                for other in same:
                    yield from _compared(rows, row, other)
            elif len(related) == 1 and _MORE_IS_GOOD.search(rows.text("outcome", row)):
                yield from _compared(rows, row, related[0], related=True)


def _compared(rows: Rows, row: int, other: int, *, related: bool = False) -> Iterator[Doubt]:
    """Compare a printed estimate with the crude one of another row, or of its own."""
    measure, effect, se = rows.measure(row), rows.number("effect", row), rows.number("se", row)
    crude, crude_se = _crude_effect(rows, measure.name, other)
    factor, value, scale = rows.factor(row), rows.printed(row), rows.scale(row)
    crude *= abs(factor) * (-1.0 if other != row and rows.factor(other) < 0 else 1.0)
    if math.isnan(crude + effect):
        return
    spread = crude_se if math.isnan(se) else se
    spread = effect / 2 if math.isnan(spread) else spread
    slack = _slack(value, scale) * abs(factor) + DIFFERS * abs(spread)
    shown, off = float(measure.back(crude / factor)), abs(effect - crude)
    source = "counts" if rows.has(other, *_CELLS) else "means"
    where = "" if other == row else f" of row {rows.line(other)}"
    text = (
        f"the {source}{where} give a crude {measure.title.lower()} of {shown:.3g}; the row gives "
        f"{float(measure.back(effect / factor)):.3g}"
    )
    column = "effect" if math.isnan(rows.number("estimate_printed", row)) else "estimate_printed"
    if abs(effect + crude) <= slack and abs(crude) > 0.5 * abs(spread):
        hint = "the same turned round; write reversed=yes if it is printed so, or correct the arms"
        yield rows.doubt(row, column, "turned-round", f"{text}, {hint}")
    elif off > slack:
        adjusted = rows.text("adjusted", row) == "yes" and off < 1.96 * abs(spread)
        why = "check estimate, counts and people against the source, or write adjusted=yes"
        why = "it is adjusted, which may be why" if adjusted else why
        if related:
            names = rows.text("outcome", row), rows.text("outcome", other)
            why = f"the outcomes are called {names[0]} and {names[1]}; check that both are right"
        severity: Severity = "note" if adjusted or related else "doubt"
        yield rows.doubt(row, column, "crude-disagrees", f"{text}; {why}", severity)
    if source == "counts" and not related and se < SMALL_SE * crude_se * abs(factor):
        text = (
            f"the standard error is {se:.3g}, that of the counts{where} {crude_se:.3g}; check the "
            "interval, its level and the counts"
        )
        yield rows.doubt(row, "ci_low, ci_high", "se-too-small", text)


def _crude_effect(rows: Rows, name: str, row: int) -> tuple[float, float]:
    """Give the effect that counts or means give, and its standard error; NaN where they give none."""
    if name in _FROM_COUNTS and rows.has(row, *_CELLS):
        a, n1, c, n0 = (rows.number(column, row) for column in _CELLS)
        if min(n1, n0) > 0 and 0 <= a <= n1 and 0 <= c <= n0:
            found = _FROM_COUNTS[name](a, n1, c, n0)
            return float(found.effect), float(found.se)
    t, c = rows.number("mean_t", row), rows.number("mean_c", row)
    if name == "mean_difference":
        return t - c, math.nan
    if name in ("log_rate_ratio", "log_ratio_of_means") and min(t, c) > 0:
        return math.log(t / c), math.nan
    return math.nan, math.nan


def _percentages(rows: Rows) -> Iterator[Doubt]:
    """Hold printed percentages against counts."""
    for row in rows.with_some("pct_t", "pct_c"):
        for arm in ("t", "c"):
            printed, events, n = (rows.number(f"{c}_{arm}", row) for c in ("pct", "events", "n"))
            share = 100 * events / n if n > 0 else math.nan
            if (
                not math.isnan(share + printed)
                and abs(share - printed) > _half_unit(printed) + EPSILON
            ):
                text = (
                    f"pct_{arm} is {printed:g}; {events:g} of {n:g} are {share:.4g} %; correct the "
                    "counts or the percentage against the source"
                )
                yield rows.doubt(row, f"pct_{arm}", "percentages-disagree", text)


class _Arm(NamedTuple):
    """An arm with its standard deviation, typed or from a typed standard error."""

    row: int
    column: str
    sd: float
    relative: float
    n: float


def _arms(rows: Rows, row: int) -> Iterator[_Arm]:
    for arm in ("t", "c"):
        n, mean, sd, se = (rows.number(f"{c}_{arm}", row) for c in ("n", "mean", "sd", "se_mean"))
        name, value = ("sd", sd) if math.isnan(se) else ("se_mean", se * math.sqrt(max(n, 0)))
        if value > 0 and n > 1 and not math.isnan(mean):
            relative = value / abs(mean) if mean else math.inf
            yield _Arm(row, f"{name}_{arm}", value, relative, n)


def _median_without(values: Sequence[float], gone: Sequence[float]) -> float:
    """Give the median of increasing values without some of them."""
    places = sorted(gone)
    held = {value: bisect_left(values, value) for value in places}
    ranks = []
    for value in places:
        ranks.append(held[value])
        held[value] += 1
    left = len(values) - len(gone)

    def at(place: int) -> float:
        for rank in ranks:
            if rank > place:
                break
            place += 1
        return values[place]

    return (at((left - 1) // 2) + at(left // 2)) / 2


def _spreads(rows: Rows) -> Iterator[Doubt]:
    """Find standard errors typed as standard deviations and the other way round."""
    there = rows.with_some("sd_t", "sd_c", "se_mean_t", "se_mean_c")
    for group in rows.grouped(there, "outcome", "comparison", "analysis", "measure"):
        own: dict[str, list[_Arm]] = {}
        for row in group:
            own.setdefault(rows.study[row], []).extend(_arms(rows, row))
        arms = [arm for each in own.values() for arm in each]
        sds, all_relative = sorted(arm.sd for arm in arms), sorted(arm.relative for arm in arms)
        for study, each in own.items():
            if len(arms) - len(each) < SD_OTHERS:
                own[study] = []
        typical = {
            study: (
                _median_without(sds, [arm.sd for arm in each]),
                _median_without(all_relative, [arm.relative for arm in each]),
            )
            for study, each in own.items()
            if each
        }
        for row in group:
            mine = [arm for arm in own[rows.study[row]] if arm.row == row]
            if len(mine) < 2:
                continue
            sd, share = typical[rows.study[row]]
            ratios, relative = [arm.sd / sd for arm in mine], [arm.relative / share for arm in mine]
            as_sd = max(*ratios, *relative) < 1 / SD_RATIO and mine[0].column.startswith("sd")
            as_se = min(*ratios, *relative) > SD_RATIO and mine[0].column.startswith("se")
            power = 0.5 if as_sd else -0.5
            off = max(abs(math.log(r * m.n**power)) for r, m in zip(ratios, mine, strict=True))
            if (as_sd or as_se) and off < math.log(SD_FITS):
                columns = f"{mine[0].column}, {mine[1].column}"
                meant = (
                    "standard errors, write them in se_mean" if as_sd else "SDs, write them in sd"
                )
                text = (
                    f"{columns}: standard deviations are {ratios[0]:.2g} and {ratios[1]:.2g} times those "
                    f"of the outcome's other rows, {'' if as_sd else '1 / '}sqrt(n) times them would fit; "
                    f"if the source prints {meant}"
                )
                yield rows.doubt(row, columns, "sd-or-se", text)


def _sizes(rows: Rows) -> Iterator[Doubt]:
    """Hold standard errors and groups against the number of people."""
    large = set(np.flatnonzero(rows.evidence.data["se"].to_numpy() > LARGE_SE).tolist())
    for row in sorted(large.union(rows.with_some("n_t", "n_c", "n", "study_n"))):
        n, study = [rows.number("n_t", row), rows.number("n_c", row)], rows.people(row)
        if sum(n) > study:
            text = (
                f"n_t + n_c is {sum(n):g}; the study has {study:g} people; correct the sizes, or n in "
                "the study's row"
            )
            yield rows.doubt(row, "n_t, n_c", "people-do-not-add-up", text)
        n = [study / 2, study / 2] if math.isnan(sum(n)) else n
        se, least = rows.number("se", row) / abs(rows.factor(row)), _least_se(rows, row, n)
        # Single arms tell numbers of their own, half as uncertain as a difference of two.
        if se < SMALL_SE * least and not rows.evidence.single_arms[row]:
            text = (
                f"the standard error is {se:.3g}; {sum(n):g} people cannot give less than {least:.3g}; "
                "check the interval and its level, and whether people or episodes were counted"
            )
            yield rows.doubt(row, "ci_low, ci_high", "se-too-small", text)
        if rows.measure(row).log and se > LARGE_SE:
            text = (
                f"the standard error of a log ratio is {se:.3g}; half an event in each arm gives 2; "
                "check whether a standard deviation, a variance or an unlogged number was typed"
            )
            yield rows.doubt(row, "se", "se-too-large", text)


def _least_se(rows: Rows, row: int, n: Sequence[float]) -> float:
    """Give the smallest standard error that so many people allow; NaN where there is none.

    Log odds ratio: variance 1 / (n p (1 - p)) an arm, least at p = 1/2. Log hazard ratio: 1 / events an
    arm (Parmar et al. 1998), least if everybody has the event. Standardised difference: 1 / n an arm.
    """
    factor = {"log_odds_ratio": 4.0, "log_hazard_ratio": 1.0, "standardised_mean_difference": 1.0}
    one = factor.get(rows.measure(row).name, math.nan)
    return math.sqrt(one * sum(1 / m for m in n)) if min(n) > 0 else math.nan


def _twice(rows: Rows) -> Iterator[Doubt]:
    """Find trials that may stand under two names, and rows that may be one result."""
    firsts = [group[0] for group in rows.grouped(range(rows.size), "study")]
    one_study = "if they are one trial, give both the same study, and pool one row an outcome"
    size = "study_n" if "study_n" in rows.evidence.data else "n"
    for column in (name for name in REGISTRY if name in rows.evidence.data):
        held: dict[str, list[int]] = {}
        for row in firsts:
            held.setdefault(re.sub(r"\W", "", rows.text(column, row)).upper(), []).append(row)
        for number, alike in held.items():
            for one, two in combinations(alike if number else (), 2):
                pair = f"{rows.study[one]!r} and {rows.study[two]!r}"
                text = f"{pair} have the registration {number}; {one_study}"
                yield rows.doubt(two, column, "same-trial-twice", text)
    known = [row for row in firsts if rows.has(row, "year", size) and rows.people(row) >= SAME_SIZE]
    for alike in rows.grouped(known, size, "year"):
        for one, two in combinations(alike, 2):
            if rows.agree(one, two, "country", "design", "condition"):
                pair = f"{rows.study[one]!r} and {rows.study[two]!r}"
                text = f"{pair} have the same size and year, and nothing says that they differ; {one_study}"
                yield rows.doubt(two, f"{size}, year", "same-trial-twice", text)
    named = [row for row in rows.primary() if rows.text("trial_family", row)]
    for group in rows.grouped(named, "trial_family", "outcome", "measure"):
        studies, other = _studies(rows, group)
        if other is not None:
            text = (
                f"{studies} are one family with primary rows on outcome "
                f"{rows.text('outcome', other)!r}; if they share participants, make one secondary or "
                "declare the dependence"
            )
            yield rows.doubt(other, "trial_family", "same-trial-twice", text)
    yield from _same_rows(rows)


def _studies(rows: Rows, group: Sequence[int]) -> tuple[str, int | None]:
    """Name the studies of some rows, and give the first row of the second one."""
    names = list(dict.fromkeys(rows.study[row] for row in group))
    other = next((row for row in group if rows.study[row] != names[0]), None)
    return ", ".join(names), other


def _telling(rows: Rows, row: int) -> bool:
    """Whether counts are so many that two trials hardly share them by chance."""
    a, n1, c, n0 = (rows.number(column, row) for column in _CELLS)
    return min(a, c, n1 - a, n0 - c) > 0 and n1 + n0 >= SAME_COUNTS


def _same_rows(rows: Rows) -> Iterator[Doubt]:
    for columns in (("estimate_printed", "ci_low", "ci_high"), _CELLS):
        whole = rows.having(*columns)
        if columns == _CELLS:
            whole = [row for row in whole if _telling(rows, row)]
        for group in rows.grouped(whole, "outcome", "measure", *columns):
            studies, other = _studies(rows, group)
            if other is not None:
                text = (
                    f"{studies} share these figures; check that one was not typed for the other, and "
                    "that they are different trials"
                )
                yield rows.doubt(other, ", ".join(columns), "same-figures", text)
    keys = ("study", "outcome", "follow_up_months", "measure", "stratum", "arm", "contrast")
    alone = [row for row in rows.primary() if not rows.text("shared_control", row)]
    for group in rows.grouped(alone, *keys, "comparison", "analysis", "subgroup"):
        if len(group) > 1:
            text = (
                f"rows {some_of([str(rows.line(row)) for row in group])} are this study's on outcome "
                f"{rows.text('outcome', group[0])!r} at one follow-up, and nothing tells them apart; make "
                "one secondary (role), or say in stratum, contrast or shared_control what differs"
            )
            yield rows.doubt(group[1], "outcome", "two-primary-rows", text)


def _directions(rows: Rows) -> Iterator[Doubt]:
    """Find effects that point against medians, against another outcome, or against a name."""
    for row in rows.having("median_t", "median_c"):
        t, c = rows.number("median_t", row), rows.number("median_c", row)
        effect, se = rows.number("effect", row), rows.number("se", row)
        hazard = rows.text("reported", row) == "hazard_ratio" and abs(effect) > se
        against = effect * math.log(c / t) if hazard and min(t, c) > 0 else 0.0
        if against < 0 and max(t / c, c / t) > MEDIAN_RATIO:
            text = (
                f"the hazard ratio {math.exp(effect):.3g} and the medians {t:g} and {c:g} point in "
                "opposite directions: a higher hazard means a shorter time; check the arms, and whether "
                "reversed=yes is needed"
            )
            yield rows.doubt(row, "estimate_printed, median_t, median_c", "turned-round", text)
    yield from _contradictions(rows)
    for group in rows.grouped(range(rows.size), "outcome"):
        name = rows.text("outcome", group[0])
        benefit = rows.evidence.outcomes[name].benefit
        hazards = any(rows.measure(row).name == "log_hazard_ratio" for row in group)
        less = _LESS_IS_GOOD.search(name) and not hazards and benefit == "higher"
        if less or (_MORE_IS_GOOD.search(name) and benefit == "lower"):
            text = (
                f"benefit of outcome {name!r} is {benefit!r}, which its name makes unlikely; state the "
                "direction that is good for the worker"
            )
            yield rows.doubt(group[0], "outcome", "direction-unlikely", text)
    silent = [name for name, each in rows.evidence.outcomes.items() if not each.benefit]
    if silent and any(rows.measure(row).groups == 2 for row in range(rows.size)):
        named = "" if len(silent) == len(rows.evidence.outcomes) else f" for {some_of(silent)}"
        text = f"{rows.file}: no direction of benefit is stated{named}; {STATE_IT}."
        yield Doubt("doubt", rows.file, 0, "benefit", "", "direction-not-stated", text)
    for limit in rows.evidence.provenance.limits:
        if limit.endswith(SUMS_UP):
            line = int(limit.removeprefix("Row ").split()[0])
            yield Doubt("doubt", rows.file, line, "", "", "total-row", f"{rows.file}: {limit}")


def _contradictions(rows: Rows) -> Iterator[Doubt]:
    """Find studies with one clear result for benefit and one for harm."""
    clear: dict[tuple[str, ...], list[tuple[int, float]]] = {}
    for row in rows.primary():
        z = rows.number("effect", row) / rows.number("se", row)
        benefit = rows.evidence.outcomes[rows.text("outcome", row)].benefit
        if abs(z) > CLEAR and benefit:
            key = tuple(rows.text(name, row) for name in ("study", "stratum", "contrast"))
            clear.setdefault(key, []).append((row, z if benefit == "higher" else -z))
    seen: set[str] = set()
    pairs = (pair for alike in clear.values() for pair in combinations(alike, 2))
    for (one, good), (two, bad) in pairs:
        names = rows.text("outcome", one), rows.text("outcome", two)
        if names[0] != names[1] and good * bad < 0 and rows.study[one] not in seen:
            seen.add(rows.study[one])
            text = (
                f"outcome {names[1]!r} points to {'harm' if bad < 0 else 'benefit'}, {names[0]!r} in row "
                f"{rows.line(one)} the other way, both clearly; check the sign, reversed and the "
                "direction of benefit"
            )
            yield rows.doubt(two, "outcome", "direction-contradicted", text)


def _quality(rows: Rows) -> Iterator[Doubt]:
    """Hold risk-of-bias judgements against designs and themselves, and name what was not judged."""
    judgements = rows.evidence.judgements
    file = rows.file.replace("results.csv", "risk_of_bias.csv")
    designs = {study: rows.text("design", row) for row, study in enumerate(rows.study)}
    for fault in contradictions(judgements, designs):
        text = f"{file}: {fault.text}."
        yield Doubt("doubt", file, 0, fault.column, fault.value, fault.rule, text)
    covered = judgements.coverage(rows.study)
    rule, total = "judgements-missing", len(designs)
    if covered.unjudged:
        used = ", ".join(f"{name}: {count}" for name, count in covered.instruments.items())
        text = (
            f"{file}: {len(covered.unjudged)} of {total} studies with results have no risk-of-bias "
            f"judgement ({some_of(covered.unjudged)}); used: {used or 'none'}."
        )
        yield Doubt("note", file, 0, "study", f"{len(covered.unjudged)} studies", rule, text)
    for study in covered.judged:
        for name, left in judgements.missing(study).items():
            text = f"{file}: study {study!r} has no judgement by {name} of {', '.join(left)}."
            yield Doubt("note", file, 0, "domain", ", ".join(left), rule, text)


def _notes(rows: Rows) -> Iterator[Doubt]:
    """Name what is said for completeness."""
    every = range(rows.size)
    silent = [row for row in every if SILENT in rows.text("conversion", row)]
    text = "nobody, or everybody, has the event, which says nothing of a ratio: left out"
    yield from rows.note(silent, "events_t, events_c", "no-events", text)
    zeros, unheard = [], set(silent)
    for row in rows.with_some("events_t", "events_c"):
        a, n1, c, n0 = (rows.number(column, row) for column in _CELLS)
        if 0 in (a, c, n1 - a, n0 - c) and row not in unheard:
            zeros.append(row)
    text = f"a cell is zero, and a ratio has {CONTINUITY:g} added to each,"
    yield from rows.note(zeros, "events_t, events_c", "zero-cells", text)
    bare = [row for row in every if not rows.has(row, "effect", "se") and row not in unheard]
    text = "no standard error follows from the printed numbers"
    yield from rows.note(bare, "se", "no-standard-error", text)
    open_ = [row for row in every if not rows.has(row, "follow_up_months")]
    yield from rows.note(open_, "follow_up_months", "follow-up-missing", "follow-up is not stated")


CHECKS: Final[tuple[Callable[[Rows], Iterator[Doubt]], ...]] = (
    _off_centre,
    _p_values,
    _crude,
    _percentages,
    _spreads,
    _sizes,
    _twice,
    _directions,
    _quality,
    _notes,
)
