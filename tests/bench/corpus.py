"""Read and fit every analysis of the 97 Cochrane reviews, and count what became of each.

    uv run python tests/bench/corpus.py rows.csv.gz [--exact | --summaries] [--json FILE] [--record FILE]

The file (781 kB; public package Pairwise70) is no part of the project. Each review goes through the
importers' own path (`bayesrtw.reading.review`, `bayesrtw.reading.imported`) and each analysis with at
least two usable rows is fitted by quadrature under the default priors, those of a review at once
(`bayesrtw.engine.collection`); with ``--exact`` counts by the likelihood that they get by default, and rows
in which nobody has the event with them; with ``--summaries`` one by one through `bayesrtw.fit` and
`bayesrtw.summarise`, as a user would.

Effects are recomputed from counts, means or contrasts and compared with the displayed estimates and
interval ends (1e-3, relatively, and the rounding of the display). The exit code is 1 if a fit failed or
if a difference has no known cause.
"""

import argparse
import csv
import gzip
import json
import math
import os
import sys
import time
import traceback
from collections import Counter
from dataclasses import replace
from itertools import batched
from pathlib import Path

import numpy as np
from dated import dated

from bayesrtw.engine import fit
from bayesrtw.engine.collection import settle_each
from bayesrtw.engine.exact import Exact
from bayesrtw.engine.integrate import integrate, pruned
from bayesrtw.engine.problem import pose
from bayesrtw.errors import BayesrtwError, ConvergenceError
from bayesrtw.evidence.counts import rest_on
from bayesrtw.evidence.labelled import dataset_of
from bayesrtw.evidence.measure import MEASURES
from bayesrtw.evidence.reported import analysis_scale
from bayesrtw.evidence.route import FROM_COUNTS
from bayesrtw.evidence.table import Evidence, Provenance
from bayesrtw.model.checked import check
from bayesrtw.model.default_likelihood import EXACT, default_likelihood
from bayesrtw.model.defaults import default_priors, default_terms
from bayesrtw.model.design import build
from bayesrtw.model.spec import Model
from bayesrtw.parallel import map_tasks, processes
from bayesrtw.posterior import mixture
from bayesrtw.posterior.summarise import summarise
from bayesrtw.reading.imported import QUARANTINED, gather
from bayesrtw.reading.review import AGREES, ROUNDING, ReviewRow, Setting, row_of

#: Column "measure" of the file: what it is called in a review, and what its rows hold.
MEASURE = {
    "RR": ("dichotomous", "Risk Ratio", None),
    "OR": ("dichotomous", "Odds Ratio", None),
    "RD": ("dichotomous", "Risk Difference", None),
    "PETO_OR": ("dichotomous", "Peto Odds Ratio", None),
    "MD": ("continuous", "Mean Difference", None),
    "SMD": ("continuous", "Std. Mean Difference", None),
    "PETO_OE": ("o_minus_e", "Peto Odds Ratio", None),
    "GIV_LOG": ("contrast", "", True),
    "GIV_RAW": ("contrast", "", False),
}

#: Marks a measure of those without the event.
NON_EVENTS = " (non-event)"

CELLS = {
    "events_t": "events_t",
    "n_t": "n_t",
    "events_c": "events_c",
    "n_c": "n_c",
    "mean_t": "mean_t",
    "sd_t": "sd_t",
    "mean_c": "mean_c",
    "sd_c": "sd_c",
    "giv_effect": "contrast",
    "giv_se": "contrast_se",
    "o_minus_e": "o_minus_e",
    "o_minus_e_variance": "variance",
    "estimate": "review_estimate",
    "ci_low": "review_ci_low",
    "ci_high": "review_ci_high",
    "weight": "review_weight",
}

#: Standard errors in half a 95 % interval.
Z = 1.959963984540054

#: Columns that a fit needs; a slim table is selected from faster.
NEEDED = ("study", "outcome", "measure", "effect", "se", "sd_t", "sd_c")
COUNTED = (*NEEDED, *("events_t", "n_t", "events_c", "n_c", "multiplier"))


def read(path):
    """Group the rows by review, in the order of the file."""
    opened = gzip.open if path.suffix == ".gz" else open
    reviews = {}
    with opened(path, "rt", encoding="utf-8", newline="") as file:
        for line, row in enumerate(csv.DictReader(file), 2):
            reviews.setdefault(row["review"], []).append((line, row))
    return reviews


def setting(rows, measure):
    swapped = measure.endswith(NON_EVENTS)
    kind, name, log = MEASURE.get(measure.removesuffix(NON_EVENTS), ("dichotomous", "", None))
    first = rows[0][1]
    group, number = first["analysis"].split(":")[1].split(".", 1)
    return Setting(
        group=group,
        number=number,
        name=first["analysis_name"],
        comparison="",
        kind=kind,
        measure=name,
        log=log,
        swapped=swapped,
    )


def entries(rows, measure):
    chosen = setting(rows, measure)
    return [
        ReviewRow(
            setting=chosen,
            study=row["study"],
            year=row["year"],
            subgroup=row["subgroup"],
            locator=f"line {line}",
            cells={ours: row[theirs] for theirs, ours in CELLS.items()},
        )
        for line, row in rows
    ]


def infer(rows):
    """Find the measure of an analysis that the file leaves open: the one all its rows agree with."""
    for measure in ("RR", "OR", "PETO_OR", "RD", f"RR{NON_EVENTS}"):
        compared = agreed = 0
        for entry in entries(rows, measure):
            cells = row_of(entry)
            printed = entry.cells["review_estimate"]
            if cells.cause or not printed or everybody(cells.text):
                continue
            numeric = {name: float(cells.text[name]) for name in COUNTS}
            found = analysis_scale(cells.text, numeric)
            shown = float(MEASURES[found.measure].back(found.effect))
            compared += 1
            agreed += close(shown, float(printed))
        if compared and agreed == compared:
            return measure
    return ""


COUNTS = ("events_t", "n_t", "events_c", "n_c")


MEANS = ("mean_t", "sd_t", "mean_c", "sd_c")


def hedges(cells):
    """Estimate and ends of an interval as RevMan has them, with Hedges' approximate correction."""
    n1, n0 = cells["n_t"], cells["n_c"]
    total = n1 + n0
    pooled = (n1 - 1) * cells["sd_t"] ** 2 + (n0 - 1) * cells["sd_c"] ** 2
    d = (cells["mean_t"] - cells["mean_c"]) / math.sqrt(pooled / (total - 2))
    g = (1 - 3 / (4 * total - 9)) * d
    se = math.sqrt(total / (n1 * n0) + g**2 / (2 * (total - 3.94)))
    return g, g - Z * se, g + Z * se


def everybody(cells):
    """Whether everybody in both arms had the event."""
    a, n1, c, n0 = (float(cells.get(name) or math.nan) for name in COUNTS)
    return a == n1 and c == n0


def close(found, printed):
    return abs(found - printed) <= AGREES * abs(printed) + ROUNDING


def compare(evidence, measure):
    """Hold effects and intervals against what is displayed; name the rows that differ."""
    columns = {str(name): values.to_numpy() for name, values in evidence.data.data_vars.items()}
    if "review_estimate" not in columns:
        return 0, []
    differ, compared = [], 0
    for row in range(evidence.size):
        effect, se = float(columns["effect"][row]), float(columns["se"][row])
        printed = [
            float(columns[f"review_{name}"][row]) for name in ("estimate", "ci_low", "ci_high")
        ]
        kind = measure[str(columns["outcome"][row])]
        if not (kind and math.isfinite(effect) and all(map(math.isfinite, printed))):
            continue
        compared += 1
        ends = effect + np.array([0.0, -1.0, 1.0]) * Z * se
        log = kind == "GIV_LOG" or MEASURES[str(columns["measure"][row])].log
        shown = np.exp(ends) if log else ends
        off = [not close(a, b) for a, b in zip(shown, printed, strict=True)]
        if any(off):
            cells = {
                name: float(columns.get(name, [math.nan] * (row + 1))[row])
                for name in (*COUNTS, *MEANS)
            }
            # An uncorrected ratio of 1 lies in the middle of its interval; ours has the same width.
            width = close(shown[2] / shown[1], printed[2] / printed[1]) if log else False
            cause = why([*off[:2], not width], cells, printed, str(columns["measure"][row]))
            where = f"{columns['outcome'][row]}, {columns['study'][row]}, {columns['locator'][row]}"
            differ.append((cause, where, kind, shown.tolist(), printed))
    return compared, differ


def why(off, cells, printed, measure):
    """Give the cause of a difference that is known, else nothing."""
    if measure == "standardised_mean_difference" and all(map(close, hedges(cells), printed)):
        return "the display takes 1 - 3 / (4 N - 9) for the correction of a small sample, not its gammas"
    counts = {name: cells[name] for name in COUNTS}
    if everybody(counts) and not off[2] and close(printed[0], 1.0):
        return "everybody had the event: the display corrects the interval, but not the ratio"
    if all(math.isfinite(float(cell)) for cell in counts.values()):
        for other in ("log_odds_ratio", "log_risk_ratio", "log_peto_odds_ratio"):
            found = FROM_COUNTS[other](*(float(counts[name]) for name in COUNTS))
            ends = np.exp(found.effect + np.array([0.0, -1.0, 1.0]) * Z * found.se)
            if other != measure and all(map(close, ends, printed)):
                return f"the display is a {other}; the file says {measure}"
    return ""


def job(task):
    """Import one review and fit its analyses."""
    review, rows, way = task
    begun = time.process_time()
    by_analysis = {}
    for line, row in rows:
        by_analysis.setdefault(row["analysis"], []).append((line, row))
    every, measures, inferred = [], {}, 0
    for analysis, own in by_analysis.items():
        measure = own[0][1]["measure"]
        if not measure:
            measure = infer(own)
            inferred += bool(measure)
        measures[analysis] = measure, bool(own[0][1]["measure"])
        every += entries(own, measure)
    imported = gather(every, Provenance(title=review), studies={})
    evidence = imported.evidence
    outcomes = list(evidence.outcomes)
    kinds = dict(zip(outcomes, measures.values(), strict=True))
    compared, differ = compare(evidence, {name: kind for name, (kind, _) in kinds.items()})
    counts = Counter(inferred=inferred, loaded=len(outcomes), rows=evidence.size)
    counts["compared"] = compared
    causes = Counter()
    if QUARANTINED in evidence.data:
        for cause in evidence.data[QUARANTINED].to_numpy():
            if cause:
                causes[str(cause).split(" [", 1)[0]] += 1
    counts["quarantined"] = causes.total()
    read_time = time.process_time() - begun
    failures, priors, likelihoods = [], Counter(), Counter()
    slim = {
        name: evidence.data[name].to_numpy()
        for name in (COUNTED if way == "exact" else NEEDED)
        if name in evidence.data
    }
    usable = np.isfinite(slim["effect"]) & np.isfinite(slim["se"])
    heard = usable | silent(evidence) if way == "exact" else usable
    places = {}
    for row in np.flatnonzero(heard):
        places.setdefault(str(slim["outcome"][row]), []).append(row)
    few = Counter()
    asked, found = [], {}
    for name in outcomes:
        own = places.get(name, [])
        count = int(usable[own].sum()) if own else 0
        if count < 2:
            few[few_cause(count, name, evidence)] += 1
            continue
        try:
            outcome = {name: evidence.outcomes[name]}
            columns = {column: values[own] for column, values in slim.items()}
            chosen = Evidence(dataset_of(columns), evidence.provenance, outcome)
            likelihood = default_likelihood(chosen) if way == "exact" else None
            if likelihood is not None and not likelihood.exact and len(own) > count:
                columns = {column: values[usable[own]] for column, values in columns.items()}
                chosen = Evidence(dataset_of(columns), evidence.provenance, outcome)
            prior = default_priors(chosen)
            model = Model(terms=default_terms(chosen))
            priors["data-scaled" if prior.why.startswith("data-scaled") else "from the table"] += 1
            if way == "summaries":
                found[name] = public(model, chosen)
                continue
            if likelihood is not None and likelihood.exact:
                try:
                    found[name] = public(replace(model, likelihood=likelihood.likelihood), chosen)
                    likelihoods[type(likelihood.likelihood).__name__] += 1
                    continue
                except ConvergenceError:
                    # As `bayesrtw.analysis.run` has it, which says so.
                    likelihoods["none: it does not come to rest, estimates are normal"] += 1
                    chosen = chosen.rows(np.isfinite(chosen.data["se"].to_numpy()))
            check(model, chosen)
            asked.append((name, build(model, chosen)))
        except BayesrtwError as error:
            failures.append((review, name, f"{type(error).__name__}: {error}"))
        except Exception:
            failures.append((review, name, traceback.format_exc()))
    try:
        found |= together(asked)
    except BayesrtwError as error:
        failures.append((review, "normal estimates", f"{type(error).__name__}: {error}"))
    results = []
    for name in outcomes:
        if name not in found:
            continue
        if not all(map(math.isfinite, found[name])):
            failures.append((review, name, f"not finite: {found[name]}"))
            continue
        results.append((review, name, *found[name]))
        counts["fitted"] += 1
        known, stated = kinds[name]
        counts["fitted, measure stated in the file"] += stated and bool(known)
    times = read_time, time.process_time() - begun
    return (
        counts,
        causes,
        few,
        priors,
        likelihoods,
        failures,
        [(review, *each) for each in differ],
        times,
        results,
    )


def few_cause(count, name, evidence):
    if count == 1:
        return "one usable row"
    rows = evidence.data["outcome"].to_numpy() == name
    causes = {str(cause).split(" [", 1)[0] for cause in evidence.data[QUARANTINED].to_numpy()[rows]}
    return f"no usable row: {' and '.join(sorted(causes))}"


def silent(evidence):
    """Rows whose counts tell something where no estimate can be made of them."""
    found = np.zeros(evidence.size, dtype=bool)
    measure = evidence.data["measure"].to_numpy().astype(str)
    for name, (likelihood, _) in EXACT.items():
        own = np.flatnonzero(measure == name)
        if own.size:
            found[own] = rest_on(evidence.rows(measure == name), *likelihood.reads)
    return found


def together(asked):
    """Mean, SD, interval and probability of the pooled mean; interval of a new setting; mean tau."""
    designs = [design for _, design in asked]
    groups, alone = settle_each(designs, 1e-8)
    found = {}
    for group in groups:
        combine = designs[group.places[0]].quantities["mu"].combine[0]
        pooled = group.solved.mixture(combine)
        tau = np.sum(group.solved.weight * group.solved.tau, axis=-1)
        new = group.solved.mixture(combine, new=True)
        figures = answers(pooled, new, tau, group.solved.log_evidence)
        found |= {asked[at][0]: row for at, row in zip(group.places, figures, strict=True)}
    each = []
    for place in alone:
        problem = pose(designs[place])
        each.append((place, problem, integrate(problem, 64, 1e-8)))
    each.sort(key=lambda one: len(one[2].nodes.log_weight))
    for some in batched(each, 16):
        figures = direct([(problem, found) for _, problem, found in some])
        found |= {asked[place][0]: row for (place, *_), row in zip(some, figures, strict=True)}
    return found


def direct(integrals):
    """The same of problems that were integrated one by one."""
    pruned_nodes = [pruned(found.nodes) for _, found in integrals]
    most, tau = max(len(weight) for _, weight in pruned_nodes), []
    # Places that one does not have weigh nothing.
    weight, mean = np.zeros((2, most, len(integrals)))
    own, new = np.ones((2, most, len(integrals)))
    for place, ((problem, _), (values, share)) in enumerate(
        zip(integrals, pruned_nodes, strict=True)
    ):
        given, here = problem.given(values), slice(len(share))
        combine = problem.design.quantities["mu"].combine[0]
        variance = np.einsum("nij,i,j->n", given.covariance, combine, combine)
        centre = given.mean @ combine
        weight[here, place], mean[:, place], mean[here, place] = share, share @ centre, centre
        own[here, place], new[here, place] = variance, variance + values[0] ** 2
        tau.append(share @ values[0])
    logs = [found.nodes.log_total for _, found in integrals]
    return answers((weight, mean, np.sqrt(own)), (weight, mean, np.sqrt(new)), tau, logs)


def answers(pooled, new, tau, log_evidence):
    """One row of figures a problem."""
    centre, spread = mixture.moments(*pooled)
    low, high = (mixture.quantile(q, *pooled) for q in (0.025, 0.975))
    above = 1 - mixture.cdf(np.zeros(len(centre)), *pooled)
    ends = [mixture.quantile(q, *new) for q in (0.025, 0.975)]
    columns = centre, spread, low, high, above, *ends, tau, log_evidence
    return [tuple(map(float, row)) for row in zip(*columns, strict=True)]


def public(model, evidence):
    engine = Exact(draws=0, study_effects=False)
    table = summarise(fit(model, evidence, engine=engine))
    mu, new, tau = (table.loc[name] for name in ("mu", "theta_new", "tau"))
    names = ("mean", "sd", "lower", "upper")
    return (
        *(float(mu[each]) for each in names),
        float(new["lower"]),
        float(new["upper"]),
        float(tau["mean"]),
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("path", type=Path)
    ways = parser.add_mutually_exclusive_group()
    ways.add_argument("--exact", action="store_true", help="counts by their exact likelihoods")
    ways.add_argument("--summaries", action="store_true", help="fit one by one, as a user would")
    parser.add_argument("--json", type=Path, help="write every result and every difference there")
    parser.add_argument("--record", type=Path, help="write the counts, dated, for the pages")
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    begun = time.perf_counter()
    reviews = read(options.path)
    way = "exact" if options.exact else "summaries" if options.summaries else ""
    tasks = [(name, rows, way) for name, rows in reviews.items()]
    tasks.sort(key=lambda task: -len(task[1]))
    counts, causes, few, priors, likelihoods = (Counter() for _ in range(5))
    failures, differ, results, spent = [], [], [], np.zeros(2)
    with processes(options.jobs) as pool:
        for done in map_tasks(job, tasks, pool):
            for total, part in zip(
                (counts, causes, few, priors, likelihoods), done[:5], strict=True
            ):
                total.update(part)
            failures += done[5]
            differ += done[6]
            spent += done[7]
            results += done[8]
    elapsed = time.perf_counter() - begun
    unexplained = [each for each in differ if not each[1]]
    print(f"{len(reviews)} reviews, {counts['rows']} rows, {counts['loaded']} analyses loaded")
    print(f"  measure left open by the file, found by recomputing: {counts['inferred']}")
    print(
        f"{counts['fitted']} fitted ({counts['fitted, measure stated in the file']} stated measures)"
    )
    show(priors, "priors")
    if likelihoods:
        show(likelihoods, "exact likelihoods")
    show(few, f"{few.total()} not fitted, fewer than 2 usable rows")
    show(causes, f"{counts['quarantined']} rows quarantined")
    print(f"{counts['compared']} rows compared with the display, {len(differ)} differ")
    show(Counter(each[1] or "UNEXPLAINED" for each in differ), "differences")
    for review, _, where, kind, ours, theirs in unexplained[:20]:
        print(f"  {review}, {where} ({kind}): {np.round(ours, 6)} for {theirs}")
    print(f"{len(failures)} failures")
    for review, name, text in failures[:10]:
        print(f"  {review}, {name}: {text}")
    print(
        f"{elapsed:.1f} s from file to results with {options.jobs} processes; "
        f"CPU {spent[1]:.1f} s, of it reading {spent[0]:.1f} s; load {os.getloadavg()[0]:.1f}"
    )
    if options.record:
        record = {
            **dated("uv run python tests/bench/corpus.py rows.csv.gz"),
            "reviews": len(reviews),
            **{name: counts[name] for name in ("rows", "loaded", "fitted", "compared")},
            "not fitted": dict(few.most_common()),
            "quarantined": dict(causes.most_common()),
            "differences": dict(Counter(each[1] or "unexplained" for each in differ)),
            "failures": len(failures),
            "cpu seconds": round(float(spent[1]), 1),
        }
        options.record.write_text(json.dumps(record, indent=1) + "\n", "utf-8")
    if options.json:
        options.json.write_text(
            json.dumps({"results": results, "differ": differ, "failures": failures}), "utf-8"
        )
    return bool(failures or unexplained)


def show(counter, title):
    print(f"  {title}:" if counter else f"  {title}: none")
    for name, count in counter.most_common():
        print(f"    {count:6} {name}")


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    sys.exit(main())
