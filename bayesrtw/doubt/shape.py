"""What a table as a whole makes one ask: its scale, its totals, its repeated lines, whole counts."""

import math
import re
from collections.abc import Iterator
from typing import Final

import numpy as np

from bayesrtw.doubt.rows import Rows, some_of
from bayesrtw.doubt.rule import Doubt
from bayesrtw.errors import shown
from bayesrtw.evidence.convert import asymmetry
from bayesrtw.evidence.frame import ONLY_RETURNS, RETURNS
from bayesrtw.evidence.measure import MEASURES
from bayesrtw.evidence.reported import ASYMMETRY
from bayesrtw.evidence.route import half_unit
from bayesrtw.evidence.table import Evidence
from bayesrtw.reading.between import is_total
from bayesrtw.reading.speaking import compared, controls_first, is_analysed

#: Rows that a sum must have beside it before equal sums are more than chance.
_SUMMED: Final = 2
#: How closely a row agrees with the others pooled, in errors: papers print two decimals.
_LIKE: Final = 0.05
#: Columns of counts and people.
_COUNTS: Final = tuple(f"{name}{end}" for name in ("events", "n") for end in ("_t", "_c", ""))
#: What columns are called that tell of groups that were randomised.
_OF_CLUSTERS: Final = re.compile(r"\bicc\b|intra-?cluster|\bclusters?\b", re.IGNORECASE)
#: Columns that are worked out here; two lines may be alike in all others.
_OURS: Final = frozenset({"conversion", "doubts", "bound"})


def ratios_unnamed(evidence: Evidence) -> list[int]:
    """Find rows that hold ratios, as their intervals show, and do not say so."""
    rows = Rows(evidence)
    bare = [row for row in rows.having("ci_low", "ci_high") if rows.measure(row).name == "generic"]
    off = 0
    for row in bare:
        three = (rows.printed(row), rows.number("ci_low", row), rows.number("ci_high", row))
        if math.isnan(three[0]) or min(three) <= 0:
            return []
        rounding = min(half_unit(*three), min(three) / 2)
        scales = (MEASURES["log_odds_ratio"], MEASURES["generic"])
        log, plain = (float(asymmetry(*three, scale, rounding)) > ASYMMETRY for scale in scales)
        if log:
            return []
        off += plain
    return bare if off > len(bare) / 2 else []


def question(evidence: Evidence) -> str:
    """Ask what keeps a table from being pooled as it is."""
    ratios = ratios_unnamed(evidence)
    if ratios:
        rows = Rows(evidence)
        names = some_of([rows.study[row] for row in ratios])
        return (
            f"{rows.file}: the intervals of {len(ratios)} rows ({names}) are symmetric on the log scale and "
            "not as they are printed, so that these are ratios; nothing is pooled before somebody says "
            "which: write hazard_ratio, odds_ratio, risk_ratio or rate_ratio in a column reported, or give "
            "--measure (HR, OR, RR, IRR)."
        )
    effect, se = (np.asarray(evidence.data[name].to_numpy()) for name in ("effect", "se"))
    if np.isfinite(effect).any() and np.isfinite(se[np.isfinite(effect)]).any():
        return ""
    how = evidence.data["conversion"].to_numpy() if "conversion" in evidence.data else ()
    said = dict.fromkeys(str(each) for each in how if str(each) not in ("", "nan"))
    why = f" ({'; '.join(list(said)[:3])})" if said else ""
    remedy = "give effect and se, or the numbers they follow from."
    if tells_returns(evidence):
        remedy = (
            "shares, ratios, medians and days of return to work are pooled by an analysis whose "
            "likelihood is 'return_to_work'."
        )
    return f"{evidence.where}: no row has an effect and a standard error{why}; {remedy}"


def tells_returns(evidence: Evidence) -> bool:
    """Whether rows of hazard ratios hold what the likelihood `return_to_work` reads in their place."""
    names = RETURNS - {"hazard_ratio", "effect", "se", "ci_low", "ci_high", "n_t", "n_c"}
    names -= {"at", "horizon", "follow_up_days", "follow_up_months"}
    ratios = "log_hazard_ratio" in evidence.data["measure"].to_numpy()
    return ratios and any(str(name) in names for name in evidence.data.data_vars)


def _not_heard(rows: Rows) -> Iterator[Doubt]:
    """Name what rows tell of return to work that other analyses leave aside."""
    names = sorted(ONLY_RETURNS - {"at", "at_2", "at_3", "horizon"})
    held, names = rows.with_some(*names), [each for each in names if rows.having(each)]
    text = f"{shown(names)} are read by an analysis whose likelihood is 'return_to_work', and by no other,"
    yield from rows.note(held, ", ".join(names), "not-heard", text)


def _totals(rows: Rows) -> Iterator[Doubt]:
    """Find rows that are the sum of others."""
    counts = [name for name in _COUNTS if rows.having(name)]
    for group in rows.grouped(range(rows.size), "outcome", "measure"):
        whole = {row for row in group if counts and rows.has(row, *counts)}
        sums = {name: math.fsum(rows.number(name, row) for row in whole) for name in counts}
        pooling = _pooling(rows, group)
        for row in group:
            named = is_total(rows.study[row])
            pooled = row in pooling
            summed = row in whole and len(whole) > _SUMMED and any(sums.values())
            summed = summed and all(2 * rows.number(n, row) == sums[n] for n in counts)
            if named or summed or pooled:
                why = "its name is that of a sum"
                why = "its effect and interval are those of the others pooled" if pooled else why
                why = "its counts are the sum of the others'" if summed else why
                text = f"{why}: it looks like a total, which counts every study twice; leave it out"
                yield rows.doubt(row, "study", "total-row", text)


def _pooling(rows: Rows, group: list[int]) -> list[int]:
    """Find rows whose effect and error are those of all others pooled, with no heterogeneity or with some."""
    there = [row for row in group if rows.number("se", row) > 0]
    effect, se = (np.array([rows.number(name, row) for row in there]) for name in ("effect", "se"))
    found = []
    for place in (
        np.flatnonzero(se < np.sort(se)[:2].max(initial=0)) if len(there) > _SUMMED else ()
    ):
        y, v = np.delete(effect, place), np.delete(se, place) ** 2
        mean = np.average(y, weights=1 / v)
        q, scale = np.sum((y - mean) ** 2 / v), np.sum(1 / v) - np.sum(v**-2) / np.sum(1 / v)
        for tau2 in {0.0, max(0.0, (q - len(y) + 1) / scale)}:
            weights = 1 / (v + tau2)
            error = 1 / math.sqrt(np.sum(weights))
            off = abs(effect[place] - np.average(y, weights=weights)) / error
            if off < _LIKE and abs(se[place] / error - 1) < _LIKE:
                found.append(there[place])
    return found


def _fractions(rows: Rows) -> Iterator[Doubt]:
    """Find events and people that are no whole numbers."""
    for row in rows.with_some(*_COUNTS):
        there = [name for name in _COUNTS if rows.has(row, name)]
        split = rows.number("control_parts", row) > 1
        odd = [n for n in there if rows.number(n, row) % 1 and not (split and n.endswith("_c"))]
        if odd and not rows.text("counts_derived", row):
            text = (
                f"{', '.join(f'{name} is {rows.number(name, row):g}' for name in odd)}: nobody has part of "
                "an event; check whether a percentage, or a rate, was typed for a count"
            )
            yield rows.doubt(row, ", ".join(odd), "fractional-counts", text)


def _clustered(rows: Rows) -> Iterator[Doubt]:
    """Find errors that counts or SDs of trials randomised by group give, as if by person."""
    told = [str(n) for n in rows.evidence.data.data_vars if _OF_CLUSTERS.search(str(n))]
    own = (["events_t", "events_c"], ["sd_t", "sd_c"])
    for row in {row for columns in own for row in rows.having("effect", "se", *columns)}:
        design = rows.text("design", row)
        said = [f"{name} {rows.text(name, row)}" for name in told if rows.text(name, row)]
        if math.isnan(rows.number("estimate_printed", row)) and (
            design.startswith("cluster") or (said and not design)
        ):
            text = (
                f"randomised by group ({', '.join(said) or design}), and its standard error is that of "
                "people randomised one by one, which is too small: divide events and people (n of means) "
                "by 1 + (cluster size - 1) ICC, or give effect and se that allow for the groups"
            )
            yield rows.doubt(row, "se", "clusters-ignored", text)


def _parts_and_whole(rows: Rows) -> Iterator[Doubt]:
    """Find studies whose parts stand beside the whole: Alm (men), Alm (women), Alm (all)."""
    pattern = re.compile(r"(.+?)\s*[(\[,:]\s*([^()\[\],:]+?)[)\]]?")
    cut = {row: m.groups() for row, name in enumerate(rows.study) if (m := pattern.fullmatch(name))}
    for row, (stem, part) in cut.items() if len(cut) > _SUMMED else ():
        alike = [each for each, (of, _) in cut.items() if of == stem]
        alike = [each for each in alike if rows.agree(row, each, "outcome", "measure")]
        if len(alike) > _SUMMED and is_total(f"{part} participants"):
            text = (
                f"{len(alike) - 1} rows of parts of {stem!r} stand beside it, so that their people count "
                "twice; leave the whole out, or the parts"
            )
            yield rows.doubt(row, "study", "total-row", text)


def _repeated(rows: Rows) -> Iterator[Doubt]:
    """Find lines that are alike in everything printed, and stayed in."""
    columns = [str(name) for name in rows.evidence.data.data_vars if name not in _OURS]
    for group in rows.grouped(range(rows.size), *columns):
        if len(group) > 1:
            lines = some_of([str(rows.line(row)) for row in group])
            text = (
                f"rows {lines} are alike in everything printed; studies with several estimates may print "
                "one number twice, so all stay in; if it is one result, leave the others out"
            )
            yield rows.doubt(group[1], "study", "repeated-line", text)


def _scale(rows: Rows) -> Iterator[Doubt]:
    """Find estimates of which nobody says what they estimate."""
    bare = [
        row
        for row in rows.having("estimate_printed")
        if rows.measure(row).name == "generic" and not rows.text("reported", row)
    ]
    if bare:
        text = (
            f"no row says what is estimated; {len(bare)} of {rows.size} rows are pooled as they stand, "
            "with 0 for no effect; name it in reported or measure"
        )
        yield rows.doubt(bare[0], "estimate_printed", "scale-not-stated", text)
        return
    heading = rows.evidence.provenance.columns.get("effect", "effect")
    bare = [row for row in rows.having("effect", "se") if rows.measure(row).name == "generic"]
    effects = [rows.number("effect", row) for row in bare]
    if (
        bare
        and not is_analysed(heading)
        and _RATIOS[0] <= min(effects)
        and max(effects) <= _RATIOS[1]
    ):
        text = (
            f"no row says what is estimated, and all {len(bare)} effects are above 0, as ratios are; they "
            "are pooled as they stand, with 0 for no effect; if they are ratios, name them with --measure "
            "(HR, OR, RR, IRR), or in a column reported"
        )
        yield rows.doubt(bare[0], "effect", "scale-not-stated", text)


def _alike(rows: Rows) -> Iterator[Doubt]:
    """Name contrasts whose arms were coded to have the same parts."""
    if not rows.evidence.coding.parts:
        return
    same = {
        (rows.study[row], rows.text("contrast", row))
        for row in range(rows.size)
        if rows.text("parts_t", row) == rows.text("parts_c", row)
    }
    if same:
        file = rows.file.replace("results.csv", "components.csv")
        studies = sorted({study for study, _ in same})
        text = (
            f"{file}: both arms of {len(same)} contrast{'s' * (len(same) > 1)} have the same parts "
            f"({some_of(studies)}); what differs is no part that was looked for, or unclear: read the "
            "source again, or leave them out where parts are compared."
        )
        yield Doubt("doubt", file, 0, "parts", some_of(studies), "arms-alike", text)


def _unpoolable(rows: Rows) -> Iterator[Doubt]:
    """Ask what ratios are that nobody names."""
    if ratios_unnamed(rows.evidence):
        yield Doubt("fault", rows.file, 0, "", "", "ratios-unnamed", question(rows.evidence))


def _comparison_first(rows: Rows) -> Iterator[Doubt]:
    """Name effects of rows whose first treatment is what programmes are compared with."""
    texts = {name: rows.evidence.data[name].to_numpy() for name in rows.evidence.data.data_vars}
    words = {str(n): [str(c) for c in v] for n, v in texts.items() if v.dtype == object}
    for one, two in compared(words):
        printed = rows.having("events_t", "events_c") or rows.having("mean_t", "mean_c")
        if not printed and controls_first(zip(words[one], words[two], strict=True)):
            text = (
                f"{one!r} is {words[one][0]!r}, and {two!r} is the programme: nothing says whether effects "
                "are of the programme against it, as they are taken, or the other way round, which a "
                "column reversed with yes would say"
            )
            yield rows.doubt(0, one, "comparison-first", text)


#: Ratios of trials and cohorts lie between these; sums and differences seldom all do.
_RATIOS: Final = (0.05, 20.0)

CHECKS: Final = (
    *(_totals, _parts_and_whole, _fractions, _clustered, _repeated, _scale, _alike),
    *(_comparison_first, _unpoolable, _not_heard),
)
