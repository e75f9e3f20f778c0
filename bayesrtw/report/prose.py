"""Paragraphs for a paper, methods and results, every number from the record."""

from typing import Any, Final

from bayesrtw.printed import BENEFIT
from bayesrtw.report.block import Bracketed, Chance, Number, Quoted, Text, joined, plain
from bayesrtw.report.checklist import source_of
from bayesrtw.report.numbers import Printer, clean, pointer
from bayesrtw.report.words import label, settings_in_words


def methods(content: dict[str, Any]) -> str:
    """Say how the answer was found: rows, model, priors, computation, registration."""
    n = Printer.of(content)
    return _paragraph(
        (*_rows(content), *_model(content, n), *_priors(content, n), *_how(content)), n
    )


def results(content: dict[str, Any]) -> str:
    """Say the answer: pooled effect, heterogeneity, new setting, levels, how robust it is."""
    n = Printer.of(content)
    said: Text = (*_people(content), *_pooled(content, n), *_levels(content, n))
    panel = content.get("sensitivity")
    if panel:
        said = (*said, _sentence(panel["robustness"]))
    chosen = content.get("severity")
    if chosen and chosen["said"]:
        said = (*said, _sentence(chosen["said"]))
    caveat = content["evidence"]["caveat"]
    return _paragraph((*said, *((_sentence(caveat),) if caveat else ())), n)


def _paragraph(text: Text, n: Printer) -> str:
    return " ".join(clean(plain(text, n)).split()) + "\n"


def _sentence(words: str) -> Quoted:
    return Quoted(f"{words.rstrip('.')}. ")


def _rows(content: dict[str, Any]) -> Text:
    measure = Printer.of(content).measure.title.lower()
    return (
        "We pooled ",
        Number("/evidence/estimates", "count"),
        f" estimates of the {measure} from ",
        Number("/evidence/studies", "count"),
        " studies (",
        Quoted(source_of(content)),
        ") in a Bayesian ",
    )


def _model(content: dict[str, Any], n: Printer) -> Text:
    spreads = [each for each in content["behind"]["priors"] if each["kind"] == "spread"]
    moderators = [
        label(term["column"]) for term in content["analysis"]["term"] if term.get("column")
    ]
    kind = "random-effects" if spreads else "common-effect"
    moved: Text = (
        (f"{kind} meta-regression on ", Quoted(" and ".join(dict.fromkeys(moderators))))
        if moderators
        else (f"{kind} model",)
    )
    likelihood = content["analysis"]["likelihood"]
    scale = "log scale" if n.measure.log else "analysis scale"
    as_words = _SEEN.get(likelihood["kind"], "The likelihood was {likelihood}")
    link = likelihood.get("link", "")
    seen = as_words.format(scale=scale, link=link, likelihood=settings_in_words(likelihood)) + ". "
    chosen = content["analysis"].get("selection")
    thinned = f"Selection was modelled as {settings_in_words(chosen)}. " if chosen else ""
    return (*moved, ". ", Quoted(seen), Quoted(thinned))


#: What a likelihood takes rows for, as a paper says it.
_SEEN: Final = {
    "normal": "Estimates were taken as normal on the {scale} with known standard errors",
    "binomial": "Events in each group were taken as binomial ({link} link), with a baseline of each study's "
    "own; nothing was added to empty cells",
    "hypergeometric": "Two-by-two tables were taken as noncentral hypergeometric given their margins; "
    "nothing was added to empty cells",
    "poisson": "Events in each group were taken as Poisson, given all events of a study; nothing was "
    "added to empty cells",
    "binomial_single": "Events were taken as binomial ({link} link); nothing was added to empty cells",
    "poisson_single": "Events were taken as Poisson given the time at risk; nothing was added to empty cells",
}


def _priors(content: dict[str, Any], n: Printer) -> Text:
    said: Text = ()
    for place, own in enumerate(content["behind"]["priors"]):
        at = f"/behind/priors/{place}"
        mean = own["kind"] == "mean"
        what = "pooled mean" if mean else _spread(own, content)
        said = (*said, f"The prior of the {what} was ", Quoted(own["prior"]))
        if own["lower"] is not None:
            ends, style = (f"{at}/back_transformed", "effect") if mean else (at, "scale")
            of = n.measure.abbreviation if mean else "SD"
            said = (
                *said,
                f" (95 % of it: {of} ",
                Number(f"{ends}/lower", style),
                " to ",
                Number(f"{ends}/upper", style),
                ")",
            )
        said = (*said, ". ")
    return said


def _spread(own: dict[str, Any], content: dict[str, Any]) -> str:
    """Call an SD of effects by the question that asks for it, or by what shares an effect of it."""
    asked = {each.get("of", ""): each["name"] for each in content["analysis"]["estimand"]}
    name = asked.get(own["of"], "").casefold()
    if name.startswith("heterogeneity "):
        return f"heterogeneity SD{name.removeprefix('heterogeneity')} ({own['of']})"
    return f"heterogeneity SD{f' by {label(own["level"])}' if own['level'] else ''} ({own['of']})"


def _how(content: dict[str, Any]) -> Text:
    engine = content["engine"]
    found: Text = ("The posterior was sampled by ", Quoted(engine["kind"]), ". ")
    if engine["kind"] == "exact":
        found = (
            "The posterior was integrated numerically (",
            Number("/engine/nodes", "count"),
            " nodes; largest relative error ",
            Number("/engine/error", "error"),
            "). ",
        )
    chance = ""
    if content["event"]:
        chance = (
            " and the probability of benefit" if content["benefit"] else f" and {content['event']}"
        )
    asked = f"We report posterior medians with central 95 % credible intervals (CrI){chance}. "
    registered: Text = ("The analysis was not registered. ",)
    if content["registered"]:
        registered = (
            f"The analysis was registered on {content['registered']} (",
            Quoted(content["id"]),
            ", revision ",
            Number("/revision", "count"),
            "). ",
        )
    version = content["versions"].get("bayesrtw", "")
    return (*found, asked, *registered, f"Analyses were done with bayesrtw {version}.")


def _people(content: dict[str, Any]) -> Text:
    known: Text = ()
    if content["participants"]["known"]:
        known = (" with ", Number("/participants/known", "count"), " people")
        if content["participants"]["studies_without"]:
            known = (
                *known,
                " (",
                Number("/participants/studies_without", "count"),
                " studies did not give a number)",
            )
    count: Text = (Number("/evidence/studies", "count"), " studies", *known, " gave ")
    return (*count, Number("/evidence/estimates", "count"), " estimates. ")


def _pooled(content: dict[str, Any], n: Printer) -> Text:
    pooled = content["pooled"]
    if not pooled:
        return ()
    at = f"/estimates/{pooled['of']}"
    which = f" ({pooled['which']})" if pooled["which"] else ""
    said: Text = (
        f"The pooled {n.measure.title.lower()}{which} was ",
        *_with_interval(f"{at}/back_transformed", unit=content["unit"]),
        *_chance(content, at),
        ". ",
    )
    for own in content["behind"]["priors"]:
        if own["kind"] == "spread" and own["of"] in content["estimates"]:
            tau = f"/estimates/{own['of']}"
            said = (
                *said,
                f"The {_spread(own, content)} was ",
                *_with_interval(tau, "spread"),
                ". ",
            )
    if pooled["new"]:
        new = f"/estimates/{pooled['new']}"
        said = (
            *said,
            "In a new setting the effect would be ",
            *_with_interval(f"{new}/back_transformed", unit=content["unit"]),
            *_chance(content, new),
            ". ",
        )
    return said


def _with_interval(at: str, style: str = "effect", unit: str = "") -> Text:
    ends: Text = (Number(f"{at}/lower", style), " to ", Number(f"{at}/upper", style))
    of: Text = (" ", Quoted(unit)) if unit else ()
    return (Number(f"{at}/median", style), *of, " (95 % CrI ", *ends, ")")


def _chance(content: dict[str, Any], at: str) -> Text:
    if not content["event"]:
        return ()
    if content["event"] == BENEFIT:
        return (", a benefit with probability ", Number(f"{at}/probability", "probability"))
    return (", ", Chance(content["event"], f"{at}/probability"))


def _levels(content: dict[str, Any], n: Printer) -> Text:
    """List the means of the levels of each moderator."""
    of: dict[str, list[Text]] = {}
    for name in content["estimates"]:
        if name.startswith("mu_level["):
            column, _, level = name[len("mu_level[") : -1].partition("[")
            at = pointer("estimates", name)
            of.setdefault(column, []).append(
                (Quoted(f"{label(level[:-1])} "), Bracketed(f"{at}/back_transformed"))
            )
    said: Text = ()
    for column, levels in of.items():
        title = n.measure.title.lower()
        said = (*said, f"By {label(column)}, the {title} was: ", *joined(levels, "; "), ". ")
    return said
