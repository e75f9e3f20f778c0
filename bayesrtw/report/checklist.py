"""The Bayesian Analysis Reporting Guidelines (BARG), filled in from the record of an analysis.

Points of Table 1 of Kruschke (2021), *Nature Human Behaviour* 5:1282-1291, PMC8526359, in words of our
own. Up to 2.D they were read in that table. The letters of steps 3 to 5 and 6.D are those under which
published reports cite it, and 6.A, 6.B and 6.G follow from such reports; the other points of step 6 are
what the step asks for, in an order of our own.

What the record does not hold is said to be missing, not passed over; what no program can know is named as
left to the author.
"""

import shlex
from typing import Any, Final, Literal

from bayesrtw.analysis.default import by_default
from bayesrtw.analysis.sensitivity import PRIORS
from bayesrtw.printed import signed
from bayesrtw.report.words import settings_in_words, term_in_words

Status = Literal["reported", "in part", "not reported", "does not apply", "left to the author"]

#: Where the points come from.
SOURCE: Final = "doi:10.1038/s41562-021-01177-7"

#: Point, step, and what it asks for.
POINTS: Final[tuple[tuple[str, str, str], ...]] = (
    ("0.A", "Preamble", "Why Bayesian"),
    ("0.B", "Preamble", "Goals of the analysis"),
    ("1.A", "Explain the model", "Data: what is predicted, and by what"),
    ("1.B", "Explain the model", "Likelihood and every parameter, levels and covariance"),
    ("1.C", "Explain the model", "Prior distributions, justified"),
    ("1.D", "Explain the model", "Formal specification of likelihood and priors"),
    ("1.E", "Explain the model", "Prior predictive check"),
    ("2.A", "Computation", "Software, with its packages"),
    ("2.B", "Computation", "Convergence of chains, for every parameter and derived value"),
    ("2.C", "Computation", "Resolution of chains, for every parameter and derived value"),
    ("2.D", "Computation", "Accuracy where it is not MCMC"),
    ("3.A", "Posterior", "Posterior predictive check"),
    ("3.B", "Posterior", "Summaries of the posterior, with their interval"),
    ("3.C", "Posterior", "Bayes factors and model probabilities"),
    ("4.A", "Decisions", "Why decide"),
    ("4.B", "Decisions", "Loss function"),
    ("4.C", "Decisions", "Limits of a region of practical equivalence"),
    ("4.D", "Decisions", "Thresholds of Bayes factors or model probabilities"),
    ("4.E", "Decisions", "Estimates beside decisions"),
    ("5.A", "Sensitivity", "To broad priors"),
    ("5.B", "Sensitivity", "To informed priors"),
    ("5.C", "Sensitivity", "To default priors"),
    ("5.D", "Sensitivity", "Of Bayes factors and model probabilities"),
    ("5.E", "Sensitivity", "Of decisions"),
    ("6.A", "Reproducibility", "Software and how to install it"),
    ("6.B", "Reproducibility", "Versions of everything"),
    ("6.C", "Reproducibility", "Data and scripts, public and lasting"),
    ("6.D", "Reproducibility", "Readable for humans"),
    ("6.E", "Reproducibility", "Runnable as they are, with all further files"),
    ("6.F", "Reproducibility", "Seeds, for the same numbers again"),
    ("6.G", "Reproducibility", "Posterior itself, and pictures"),
    ("6.H", "Reproducibility", "How long it runs"),
)

#: Sections of the report that answer a point; none where nothing does.
WHERE: Final[dict[str, tuple[str, ...]]] = {
    "0.B": ("summary",),
    "1.A": ("evidence",),
    "1.B": ("model",),
    "1.C": ("model",),
    "1.D": ("model", "record"),
    "1.E": ("predictive", "pictures"),
    "2.A": ("record",),
    "2.B": ("checks",),
    "2.C": ("checks",),
    "2.D": ("checks",),
    "3.A": ("predictive",),
    "3.B": ("summary", "pictures", "moderators"),
    "3.C": ("checks",),
    "4.A": ("summary",),
    "4.E": ("summary",),
    "5.A": ("sensitivity",),
    "5.B": ("sensitivity", "ladder"),
    "5.C": ("sensitivity",),
    "5.E": ("sensitivity",),
    "6.A": ("record",),
    "6.B": ("record",),
    "6.C": ("record", "evidence"),
    "6.D": ("record", "model"),
    "6.E": ("record",),
    "6.F": ("record",),
    "6.G": ("pictures",),
}

#: Statuses of points that no section answers.
_ELSEWHERE: Final = ("does not apply", "left to the author", "not reported")

_NO_CHAINS: Final = "Nothing is sampled: the posterior is integrated."


def source_of(content: dict[str, Any]) -> str:
    """Name where the evidence came from."""
    origin = content["evidence"]
    return str(origin["dataset"] or origin["title"] or "a data frame")


def command_of(content: dict[str, Any]) -> str:
    """Give the command that runs an analysis again."""
    if content["shipped"]:
        return f"bayesrtw run {content['id']}"
    origin = content["evidence"]
    file = "" if by_default(content["rationale"]) else f"{content['id']}.toml "
    evidence = shlex.quote(str(origin["dataset"] or origin["title"] or "EVIDENCE"))
    return f"bayesrtw run {file}--evidence {evidence}"


def checklist(found: dict[str, Any]) -> list[dict[str, Any]]:
    """Fill the checklist in."""
    answers = {
        **_model(found),
        **_computation(found),
        **_posterior(found),
        **_decisions(found),
        **_sensitivity(found),
        **_reproducibility(found),
    }
    return [
        {
            "point": point,
            "step": step,
            "asks": asks,
            "status": answers[point][0],
            "text": answers[point][1],
            "where": [] if answers[point][0] in _ELSEWHERE else list(WHERE.get(point, ())),
        }
        for point, step, asks in POINTS
    ]


Answers = dict[str, tuple[Status, str]]


def _model(found: dict[str, Any]) -> Answers:
    analysis, evidence = found["analysis"], found["evidence"]
    terms = [term_in_words(term) for term in analysis["term"]]
    designs = ", ".join(f"{n} {name}" for name, n in evidence["estimates_by_design"].items())
    reasons = " ".join(found["rationale"])
    rows = found["rows"]
    asked = ", ".join(
        str(name).replace("_", " ") for name in (rows[0]["moderators"] if rows else ())
    )
    return {
        "0.A": (
            "left to the author",
            "The record can say only what holds for every analysis here: few and heterogeneous studies need "
            "a stated prior of heterogeneity, and the answer is a probability"
            f"{' of benefit' if found['benefit'] else ''}, for the mean and for a new setting.",
        ),
        "0.B": ("reported", found["question"]),
        "1.A": (
            "reported",
            f"{evidence['estimates']} estimates ({found['measure'].replace('_', ' ')}) of "
            f"{evidence['studies']} studies"
            + (f"; {designs}" if designs else "")
            + (f". Predicted by: {asked}." if asked else ". No moderator predicts them."),
        ),
        "1.B": (
            "reported",
            f"Likelihood: {settings_in_words(analysis['likelihood'])}, standard errors taken as known. "
            + (
                f"Selection: {settings_in_words(analysis['selection'])}. "
                if "selection" in analysis
                else ""
            )
            + "; ".join(what for what, _ in terms)
            + ". Of interest: "
            + ", ".join(found["estimands"])
            + "; the rest is ancillary.",
        ),
        "1.C": (
            ("reported" if reasons else "in part"),
            "; ".join(prior for _, prior in terms if prior != "none")
            + f". {reasons or 'No reasons are recorded: these are left to the author.'}",
        ),
        "1.D": (
            "reported",
            f"The analysis file, digest {found['digest']}, is printed in the record.",
        ),
        "1.E": _checked(
            found, "prior", "The prior of the pooled effect is drawn beside its posterior."
        ),
    }


def _checked(found: dict[str, Any], kind: str, more: str) -> tuple[Status, str]:
    """Answer for a predictive check: of each estimate from the priors, or from the other studies."""
    checks = found.get("predictive")
    if not checks or checks[kind]["smallest"] is None:
        status: Status = "in part" if more else "not reported"
        return status, f"{more} No predictive check is part of this record.".strip()
    source = (
        "the priors alone" if kind == "prior" else "the other studies, so that none is used twice"
    )
    known = sum(each is not None for each in checks[kind]["tails"])
    return (
        "reported",
        f"{more} {known} estimates are held against their predictive distributions from {source}; these are "
        "integrated, not simulated.".strip(),
    )


def _computation(found: dict[str, Any]) -> Answers:
    engine = found["engine"]
    versions = ", ".join(f"{name} {version}" for name, version in found["versions"].items())
    failed = [each["message"] for each in found["findings"] if each["check"] == "sampler"]
    one: tuple[Status, str] = ("does not apply", _NO_CHAINS)
    accuracy: tuple[Status, str] = ("does not apply", "It is MCMC (NUTS).")
    if engine["kind"] == "exact":
        accuracy = (
            "reported",
            f"Quadrature on {engine['nodes']} nodes; more nodes moved no reported figure by more than "
            f"{engine['error']:.0e} (relative).",
        )
    else:
        gates = "Every quantity passed the gates of R-hat, effective sample size and MCSE."
        one = ("reported", " ".join(failed) or gates)
    return {"2.A": ("reported", versions), "2.B": one, "2.C": one, "2.D": accuracy}


def _posterior(found: dict[str, Any]) -> Answers:
    evidence = found["engine"].get("log_evidence")
    return {
        "3.A": _checked(found, "others", ""),
        "3.B": (
            "reported",
            f"Medians and 95 % central (equal-tailed) intervals of {len(found['estimates'])} quantities, on "
            "both scales.",
        ),
        "3.C": (
            (
                "in part",
                f"Log evidence {signed(f'{evidence:.3f}')}; no models are compared, and no Bayes factor is "
                "claimed.",
            )
            if evidence is not None
            else ("does not apply", "No models are compared.")
        ),
    }


def _decisions(found: dict[str, Any]) -> Answers:
    named = found["conclusion"]
    none: tuple[Status, str] = ("does not apply", "No decision is taken.")
    return {
        "4.A": (
            (
                "reported",
                f"A class of the probability of benefit is named, {named!r}, so that changes of a living "
                "analysis can be announced; it decides nothing.",
            )
            if named
            else none
        ),
        "4.B": (
            "left to the author",
            "No loss is assumed: who decides must weigh what is won and what it costs.",
        ),
        "4.C": _equivalence(found),
        "4.D": ("does not apply", "No decision rests on a Bayes factor or a model probability."),
        "4.E": (
            ("reported", "The class stands beside estimate, interval and probability.")
            if named
            else none
        ),
    }


def _equivalence(found: dict[str, Any]) -> tuple[Status, str]:
    """Say which effects count as worth having, where the analysis states it."""
    asked = [name for name, each in found["estimands"].items() if each["threshold"] != 0]
    if asked:
        return "in part", f"Registered questions with a threshold of their own: {', '.join(asked)}."
    return (
        "left to the author",
        "No region of practical equivalence is registered: any effect"
        f"{' on the side of benefit' if found['benefit'] else ''} counts.",
    )


def _sensitivity(found: dict[str, Any]) -> Answers:
    panel, variants = found["sensitivity"], found["variants"]
    priors = ", ".join(row["name"] for row in (panel or {}).get("tables", {}).get(PRIORS, ()))
    tried: tuple[Status, str] = (
        ("reported", f"Priors of heterogeneity tried: {priors}.")
        if priors
        else ("not reported", "No other priors were tried.")
    )
    registered: tuple[Status, str] = (
        ("reported", f"Registered variants: {', '.join(variants)}.") if variants else tried
    )
    decided: tuple[Status, str] = (
        ("reported", panel["robustness"]) if panel else ("not reported", "No panel was run.")
    )
    return {
        "5.A": tried,
        "5.B": registered,
        "5.C": tried,
        "5.D": ("does not apply", "No Bayes factor and no model probability is claimed."),
        "5.E": decided,
    }


def _reproducibility(found: dict[str, Any]) -> Answers:
    evidence, shipped, source = found["evidence"], found["shipped"], source_of(found)
    versions = ", ".join(f"{name} {version}" for name, version in found["versions"].items())
    digest = evidence["sha256"] or evidence["rows_sha256"]
    return {
        "6.A": (
            "reported",
            f"pip install uv && uv run {command_of(found)}, in a clone of the repository.",
        ),
        "6.B": ("reported", versions),
        "6.C": (
            (
                "reported",
                f"Evidence {evidence['dataset']}, version {evidence['version']}, sha256 {digest}; analysis "
                f"digest {found['digest']}. Both are files of the repository.",
            )
            if shipped
            else (
                "left to the author",
                f"The evidence came from {source} (sha256 {digest}; analysis digest {found['digest']}): "
                "where data and analysis are kept must be said by who ran it.",
            )
        ),
        "6.D": (
            "reported",
            "The analysis file is written in words, with its reasons; every number of the evidence has the "
            "place where it was read and how it was converted.",
        ),
        "6.E": (
            ("reported", "One command runs it; nothing has to be edited.")
            if shipped
            else ("left to the author", f"The evidence, {source}, must be given with the analysis.")
        ),
        "6.F": ("reported", f"Seed {found['seed']}; the same seed gives the same numbers."),
        "6.G": (
            "reported",
            "posterior.nc holds the posterior, synthesis.json every number, forest.svg and forest.png the "
            "picture in print quality.",
        ),
        "6.H": (
            "left to the author",
            "Running times are not recorded: they would differ every time.",
        ),
    }
