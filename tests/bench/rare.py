"""Pool every analysis of counts of the 97 Cochrane reviews by its likelihood, and with 0.5 in empty cells.

    uv run python tests/bench/rare.py /path/to/rows.csv.gz lines.jsonl
    uv run python tests/bench/rare.py --measure log_odds_ratio /path/to/rows.csv.gz lines.jsonl
    uv run python tests/bench/rare.py --table lines.jsonl

The file (public package Pairwise70) is no part of the project. Each analysis with events and people of two
groups gets its default analyses as odds ratios and as risk ratios; what becomes of each is one line: fitted,
or the sentence in which it was refused. Lines that are there already are not done again.
"""

import argparse
import gzip
import json
import time
from collections import Counter
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd

import bayesrtw as brw
from bayesrtw.analysis.default import default_analyses
from bayesrtw.errors import BayesrtwError
from bayesrtw.model.spec import Model

#: Event rates between which analyses are told apart, in per cent.
RATES = (0.0, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0)
MEASURES = ("log_odds_ratio", "log_risk_ratio")
CELLS = ["events_t", "n_t", "events_c", "n_c"]
ENGINE = brw.Exact(draws=0, study_effects=False)


def groups(path):
    """Give analyses whose rows have events and people of two groups.

    Those with rows without events come first, then those of which one row tells something.
    """
    with gzip.open(path, "rt", encoding="utf-8") as file:
        rows = pd.read_csv(file)
    whole = (rows["n_t"] > 0) & (rows["n_c"] > 0)
    counted = rows["measure"].isin(["OR", "RR", "PETO_OR", "RD"])
    plain = (rows[["sd_t", "mean_t", "giv_se", "o_minus_e_variance"]] == 0).all(axis=1)
    kept = rows[whole & (counted | (rows["measure"].isna() & plain))]
    found = list(kept.groupby("analysis", sort=False))
    np.random.default_rng(1).shuffle(found)
    yield from sorted(
        found, key=lambda each: (not silent(each[1]).any(), telling(each[1]).sum() != 1)
    )


def silent(frame):
    """Say in which rows nobody has the event."""
    return frame["events_t"] + frame["events_c"] == 0


def telling(frame):
    """Say in which rows somebody has the event and somebody has not."""
    events = frame["events_t"] + frame["events_c"]
    return (events > 0) & (events < frame["n_t"] + frame["n_c"])


def pooled(frame, measure):
    """Pool one analysis twice; give figures, or why not."""
    start = time.process_time()
    names = [f"{study} {place}" for place, study in enumerate(frame["study"])]
    table = frame[CELLS].reset_index(drop=True).assign(study=names)
    evidence = brw.Evidence.from_frame(
        table, columns={name: name for name in CELLS}, measure=measure
    )
    (analysis,) = default_analyses(evidence)
    found = {"kind": type(analysis.likelihood).__name__}
    for name, likelihood, rows in (
        ("exact", analysis.likelihood, evidence),
        ("normal", brw.likelihood.NormalErrors(), told(evidence)),
    ):
        model = Model(terms=analysis.term, likelihood=likelihood)
        mu = brw.summarise(brw.fit(model, rows, engine=ENGINE, seed=1)).loc["mu"]
        found[name] = [float(mu[each]) for each in ("mean", "sd", "lower", "upper")]
    return {**found, "seconds": time.process_time() - start}


def told(evidence):
    """Give the rows that have an estimate."""
    number = [evidence.data[name].to_numpy().astype(float) for name in ("effect", "se")]
    return evidence.rows(np.isfinite(number[0]) & np.isfinite(number[1]))


def run(path, out, measures):
    """Do what is not there yet."""
    done = {json.loads(line)["analysis"] for line in lines(out)}
    with out.open("a", encoding="utf-8") as file:
        for name, frame in groups(path):
            if name in done:
                continue
            events = frame["events_t"] + frame["events_c"]
            people = frame["n_t"] + frame["n_c"]
            line = {
                "analysis": name,
                "rows": len(frame),
                "silent": int(silent(frame).sum()),
                "telling": int(telling(frame).sum()),
                "rate": float(events.sum() / people.sum()),
            }
            for measure in measures:
                try:
                    line[measure] = pooled(frame, measure)
                except BayesrtwError as error:
                    line[measure] = {"refused": str(error)}
            file.write(json.dumps(line) + "\n")
            file.flush()


def lines(path):
    """Give what was done."""
    return path.read_text(encoding="utf-8").splitlines() if path.exists() else []


def table(path):
    """Print what became of analyses, and differences by event rate."""
    found = [json.loads(line) for line in lines(path)]
    for measure in MEASURES:
        own = [each for each in found if measure in each]
        print(f"{measure}: {len(own)} analyses, {sum(each['rows'] for each in own):,} rows")
        print(f"{sum(each['silent'] for each in own):,} rows without any event")
        for some, said in ((0, "no"), (1, "one")):
            few = [each[measure] for each in own if each["telling"] == some]
            kinds = Counter(each.get("kind", "refused") for each in few)
            print(f"{said} row that tells something: {len(few)}, {dict(kinds)}")
        became = Counter(each[measure].get("kind", "refused") for each in own)
        print(measure, dict(became))
        why = Counter(each[measure].get("refused", "")[-60:] for each in own)
        print({key: count for key, count in why.most_common(4) if key})
        seconds = [each[measure]["seconds"] for each in own if "exact" in each[measure]]
        print(f"seconds of processor time: {np.sum(seconds):.0f}, longest {np.max(seconds):.1f}")
        for low, high in pairwise(RATES):
            some = [
                each[measure]
                for each in own
                if low <= 100 * each["rate"] < high and "exact" in each[measure]
            ]
            if not some:
                continue
            exact, normal = (np.array([each[key] for each in some]) for key in ("exact", "normal"))
            moved = np.abs(normal[:, 0] - exact[:, 0]) / exact[:, 1]
            sd = normal[:, 1] / exact[:, 1]
            print(
                f"| {low:g} to {high:g} | {len(some)} | {np.median(moved):.3f} | "
                f"{np.quantile(moved, 0.9):.2f} | {moved.max():.2f} | "
                f"{100 * np.mean(moved > 0.25):.0f} | {np.median(sd):.3f} |"
            )


def main():
    """Read the command line."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--table", action="store_true")
    asked.add_argument("--measure", choices=MEASURES)
    asked.add_argument("paths", nargs="+", type=Path)
    given = asked.parse_args()
    if given.table:
        table(given.paths[0])
    else:
        run(*given.paths, [given.measure] if given.measure else MEASURES)


if __name__ == "__main__":
    main()
