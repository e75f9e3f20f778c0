"""The Bayesian Analysis Reporting Guidelines (BARG), filled in from the record of an analysis.

Points as in Table 1 of Kruschke (2021), *Nature Human Behaviour* 5:1282-1291, PMC8526359, in words of
our own. What the record does not hold is said to be missing, not passed over.
"""

from typing import Any, Final, Literal

from bayesrtw.report.words import settings_in_words, term_in_words

Status = Literal["reported", "in part", "not reported", "does not apply"]

#: Where the points come from.
SOURCE: Final = "doi:10.1038/s41562-021-01177-7"

#: Point, step, and what it asks for.
POINTS: Final[tuple[tuple[str, str, str], ...]] = (
    ("0.A", "Preamble", "Why Bayesian"),
    ("0.B", "Preamble", "Goals of the analysis"),
    ("1.A", "The model", "Data variables"),
    ("1.B", "The model", "Likelihood and parameters"),
    ("1.C", "The model", "Prior distributions, justified"),
    ("1.D", "The model", "Formal specification"),
    ("1.E", "The model", "Prior predictive check"),
    ("2.A", "Computation", "Software"),
    ("2.B", "Computation", "Convergence of chains"),
    ("2.C", "Computation", "Resolution of chains"),
    ("2.D", "Computation", "Accuracy where it is not MCMC"),
    ("3.A", "Posterior", "Posterior predictive check"),
    ("3.B", "Posterior", "Summaries of the posterior"),
    ("3.C", "Posterior", "Bayes factors and model probabilities"),
    ("4.A", "Decisions", "Why decide, and by which rule"),
    ("4.B", "Decisions", "Loss function, region of practical equivalence"),
    ("4.C", "Decisions", "Estimates beside decisions"),
    ("5.A", "Sensitivity", "Broad priors"),
    ("5.B", "Sensitivity", "Informed priors"),
    ("5.C", "Sensitivity", "Default priors"),
    ("5.D", "Sensitivity", "Decisions and model probabilities"),
    ("6.A", "Reproducibility", "Software and how to install it"),
    ("6.B", "Reproducibility", "Seeds"),
    ("6.C", "Reproducibility", "Data and scripts, runnable as they are"),
    ("6.D", "Reproducibility", "Posterior itself, and pictures"),
)


def checklist(found: dict[str, Any]) -> list[dict[str, str]]:
    """Fill the checklist in.

    Parameters
    ----------
    found
        A record: what `bayesrtw.report.record.record` has gathered so far.

    Returns
    -------
    list of dict
        ``point, step, asks, status, text`` for every point, in order.
    """
    answers = {**_model(found), **_computation(found), **_posterior(found), **_rest(found)}
    return [
        {
            "point": point,
            "step": step,
            "asks": asks,
            "status": answers[point][0],
            "text": answers[point][1],
        }
        for point, step, asks in POINTS
    ]


Answers = dict[str, tuple[Status, str]]


def _model(found: dict[str, Any]) -> Answers:
    analysis, evidence = found["analysis"], found["evidence"]
    terms = [term_in_words(term) for term in analysis["term"]]
    designs = ", ".join(f"{n} {name}" for name, n in evidence["estimates_by_design"].items())
    reasons = " ".join(found["rationale"])
    return {
        "0.A": (
            "reported",
            "Few and heterogeneous studies: priors of heterogeneity are needed and stated, and the answer is "
            "a probability of benefit, for the mean and for a new setting.",
        ),
        "0.B": ("reported", found["question"]),
        "1.A": (
            "reported",
            f"{evidence['estimates']} estimates ({found['measure'].replace('_', ' ')}) of "
            f"{evidence['studies']} studies" + (f"; {designs}." if designs else "."),
        ),
        "1.B": (
            "reported",
            f"Likelihood: {settings_in_words(analysis['likelihood'])}, standard errors taken as known. "
            + "; ".join(what for what, _ in terms)
            + ".",
        ),
        "1.C": (
            ("reported" if reasons else "in part"),
            "; ".join(prior for _, prior in terms if prior != "none")
            + f". {reasons or 'No reasons are recorded.'}",
        ),
        "1.D": (
            "reported",
            f"The analysis file, digest {found['digest']}, is printed in the record.",
        ),
        "1.E": (
            "in part",
            "The prior of the pooled effect is drawn in the forest plot; data simulated from the prior are "
            "not part of this record.",
        ),
    }


def _computation(found: dict[str, Any]) -> Answers:
    engine = found["engine"]
    versions = ", ".join(f"{name} {version}" for name, version in found["versions"].items())
    failed = [each["message"] for each in found["findings"] if each["check"] == "sampler"]
    if engine["kind"] == "exact":
        one: tuple[Status, str] = (
            "does not apply",
            "Nothing is sampled: the posterior is integrated.",
        )
        chains = {"2.B": one, "2.C": one}
        accuracy: tuple[Status, str] = (
            "reported",
            f"Quadrature on {engine['nodes']} nodes; more nodes moved no reported figure by more than "
            f"{engine['error']:.0e} (relative).",
        )
    else:
        said = (
            " ".join(failed)
            or "Every quantity passed the gates of R-hat, effective sample size and MCSE."
        )
        chains = {"2.B": ("reported", said), "2.C": ("reported", said)}
        accuracy = ("does not apply", "NUTS.")
    return {"2.A": ("reported", versions), **chains, "2.D": accuracy}


def _posterior(found: dict[str, Any]) -> Answers:
    evidence = found["engine"].get("log_evidence")
    return {
        "3.A": (
            "in part",
            "Each study's predictive density given the others is in the sensitivity table (elpd)."
            if found["sensitivity"]
            else "No predictive check is part of this record.",
        ),
        "3.B": (
            "reported",
            f"Medians and central intervals of {len(found['estimates'])} quantities, on both scales.",
        ),
        "3.C": (
            ("in part", f"Log evidence {evidence:.3f}; no Bayes factor is claimed.")
            if evidence is not None
            else ("does not apply", "No models are compared.")
        ),
    }


def _rest(found: dict[str, Any]) -> Answers:
    panel, variants = found["sensitivity"], found["variants"]
    names = [name for name in (panel or {}).get("tables", {}) if name.startswith("Priors")]
    priors = ", ".join(row["name"] for row in panel["tables"][names[0]]) if names else ""
    tried: tuple[Status, str] = (
        ("reported", f"Priors of heterogeneity tried: {priors}.")
        if priors
        else ("not reported", "No other priors were tried.")
    )
    registered = (
        ("reported", f"Registered variants: {', '.join(variants)}.")
        if variants
        else ("in part", tried[1])
    )
    conclusion = found["conclusion"]
    dataset = found["evidence"]["dataset"] or "a data frame"
    return {
        "4.A": (
            (
                "reported",
                f"A class of the probability of benefit is named, {conclusion!r}; it decides nothing.",
            )
            if conclusion
            else ("does not apply", "No decision is taken.")
        ),
        "4.B": ("does not apply", "No decision is taken."),
        "4.C": ("reported", "Every class stands beside its estimate, interval and probability."),
        "5.A": tried,
        "5.B": registered,
        "5.C": tried,
        "5.D": (
            ("reported", panel["robustness"]) if panel else ("not reported", "No panel was run.")
        ),
        "6.A": ("reported", "pip install uv && uv run bayesrtw run, in a clone of the repository."),
        "6.B": ("reported", f"Seed {found['seed']}; the same seed gives the same bytes."),
        "6.C": (
            "reported",
            f"Evidence {dataset}, version {found['evidence']['version']}, sha256 "
            f"{found['evidence']['sha256'] or found['evidence']['rows_sha256']}; analysis digest "
            f"{found['digest']}.",
        ),
        "6.D": (
            "reported",
            "posterior.nc holds the posterior, forest.svg and forest.png the picture.",
        ),
    }
