"""What a report says, as headings, paragraphs and tables: for formats that hold no more than these."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from bayesrtw.report.numbers import NONE, Numbers, pointer
from bayesrtw.report.words import settings_in_words, term_in_words

Kind = Literal["heading", "paragraph", "caveat", "list", "table", "pictures"]


@dataclass(frozen=True, slots=True)
class Block:
    """A piece of a report.

    Attributes
    ----------
    kind
        What it is.
    text
        Of a heading, a paragraph or a caveat.
    level
        Of a heading, from 1.
    items
        Of a list.
    head, rows
        Of a table.
    """

    kind: Kind
    text: str = ""
    level: int = 0
    items: Sequence[str] = ()
    head: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()


def outline(content: dict[str, Any]) -> list[Block]:
    """Put a record into blocks, in the order of the page.

    Parameters
    ----------
    content
        A record.

    Returns
    -------
    list of Block
        Plain words; whoever writes them escapes them.
    """
    n = Numbers.of(content)
    registered = (
        f"Registered {content['registered']}, revision {content['revision']}."
        if content["registered"]
        else "Not registered."
    )
    blocks = [
        Block("heading", content["title"], 1),
        Block("paragraph", f"{content['question']} {registered}"),
        Block("paragraph", answer(content, n)),
    ]
    if content["evidence"]["caveat"]:
        blocks.append(Block("caveat", content["evidence"]["caveat"]))
    blocks += _summary(content, n)
    blocks.append(Block("pictures"))
    blocks += _people(content, n)
    blocks += _evidence(content, n)
    blocks += _sensitivity(content, n)
    findings = [f"{each['severity']}: {each['message']}" for each in content["findings"]]
    blocks += [Block("heading", "Checks and findings", 2), Block("list", items=findings)]
    return [*blocks, *_record(content)]


def answer(content: dict[str, Any], n: Numbers) -> str:
    """Say the answer in one or two sentences.

    Parameters
    ----------
    content
        A record.
    n
        How its numbers are printed.

    Returns
    -------
    str
        With the probability of benefit.
    """
    if "mu" not in content["estimates"]:
        return (
            f"This analysis pools {content['evidence']['estimates']} estimates of "
            f"{content['evidence']['studies']} studies; it has no pooled mean."
        )
    unit = f" {content['unit']}" if content["unit"] else ""
    text = (
        "On average the programmes are of benefit with probability "
        f"{n.text('/estimates/mu/probability', 'probability')}: pooled {n.measure.title.lower()} "
        f"{interval(n, '/estimates/mu/back_transformed')}{unit}."
    )
    if "theta_new" in content["estimates"]:
        low, high = (
            n.text(f"/estimates/theta_new/back_transformed/{end}") for end in ("lower", "upper")
        )
        text += (
            f" In a new setting the effect would lie between {low} and {high} with probability 0.95, and be "
            f"a benefit with probability {n.text('/estimates/theta_new/probability', 'probability')}."
        )
    return text


def interval(n: Numbers, path: str, style: str = "effect") -> str:
    """Print a median with its interval.

    Parameters
    ----------
    n
        How numbers are printed.
    path
        Where ``median``, ``lower`` and ``upper`` stand.
    style
        As for `Numbers.text`.

    Returns
    -------
    str
        ``1.08 (0.91 to 1.29)``.
    """
    middle, low, high = (n.text(f"{path}/{end}", style) for end in ("median", "lower", "upper"))
    return f"{middle} ({low} to {high})"


def _summary(content: dict[str, Any], n: Numbers) -> list[Block]:
    designs = [
        f"{name.replace('_', ' ')}: {each['studies']} studies, {each['estimates']} estimates, "
        f"{each['known']:,} people"
        for name, each in content["participants"]["designs"].items()
    ]
    head = ["Question", f"{n.measure.title}, 95 % CrI", "Probability"]
    rows = []
    for name, each in content["estimands"].items():
        at = pointer("estimands", name)
        known = each["back_transformed"]["median"] is not None
        effect = (
            interval(n, f"{at}/back_transformed") if known else interval(n, at, "spread") + " (SD)"
        )
        side = f"P({each['side']} {n.spelt(each['threshold'], 'analysis')}) = "
        chance = (
            "" if each["probability"] is None else side + n.text(f"{at}/probability", "probability")
        )
        rows.append([name, effect, chance])
    return [
        Block("heading", "Summary", 2),
        Block("paragraph", f"{content['outcome']}. {'; '.join(designs)}."),
        Block("table", head=head, rows=rows),
    ]


def _people(content: dict[str, Any], n: Numbers) -> list[Block]:
    if not content["absolute"]:
        return []
    rows = [
        [
            n.text(f"/absolute/rows/{place}/baseline", "percent"),
            n.text(f"/absolute/rows/{place}/mu/with", "people"),
            interval(n, f"/absolute/rows/{place}/mu", "signed"),
        ]
        for place in range(len(content["absolute"]["rows"]))
    ]
    head = ["Baseline risk, %", "With the programme, of 1000", "Difference (95 %)"]
    return [Block("heading", "In people", 2), Block("table", head=head, rows=rows)]


def _evidence(content: dict[str, Any], n: Numbers) -> list[Block]:
    head = [
        "Estimate",
        "Design",
        f"{n.measure.abbreviation} (95 % CI)",
        "As printed",
        "Converted",
        "Read in",
    ]
    rows = [
        [
            row["estimate"],
            row.get("design", "").replace("_", " "),
            interval(n, f"/rows/{place}/own"),
            row["printed"],
            row.get("conversion", ""),
            row.get("locator", ""),
        ]
        for place, row in enumerate(content["rows"])
    ]
    return [Block("heading", "Evidence", 2), Block("table", head=head, rows=rows)]


def _sensitivity(content: dict[str, Any], n: Numbers) -> list[Block]:
    panel = content["sensitivity"]
    if not panel:
        return []
    blocks = [Block("heading", "Sensitivity", 2), Block("paragraph", panel["robustness"])]
    for heading, table in panel["tables"].items():
        rows = []
        for place, row in enumerate(table):
            at = pointer("sensitivity", "tables", heading, place)
            known = "median" in row["back_transformed"]
            chance = n.spelt(row.get("probability"), "probability") if known else NONE
            rows.append(
                [row["name"], interval(n, f"{at}/back_transformed") if known else NONE, chance]
            )
        head = [heading, f"{n.measure.abbreviation} (95 % CrI)", "P(benefit)"]
        blocks += [Block("heading", heading, 3), Block("table", head=head, rows=rows)]
    return blocks


def _record(content: dict[str, Any]) -> list[Block]:
    evidence = content["evidence"]
    terms = [term_in_words(term) for term in content["analysis"]["term"]]
    likelihood = settings_in_words(content["analysis"]["likelihood"])
    versions = ", ".join(f"{name} {version}" for name, version in content["versions"].items())
    points = [[c["point"], c["asks"], c["status"], c["text"]] for c in content["checklist"]]
    return [
        Block("heading", "Model and reasons", 2),
        Block(
            "list",
            items=[f"Likelihood: {likelihood}", *(f"{what}: {prior}" for what, prior in terms)],
        ),
        *([Block("list", items=content["rationale"])] if content["rationale"] else []),
        Block("heading", "Record, and how to repeat it", 2),
        Block(
            "list",
            items=[
                f"Analysis {content['id']}, revision {content['revision']}, digest {content['digest']}",
                f"Evidence {evidence['dataset'] or 'a data frame'}, version {evidence['version']}, sha256 "
                f"{evidence['sha256'] or evidence['rows_sha256']}",
                f"Seed {content['seed']}",
                f"Versions: {versions}",
                f"pip install -q uv && uv run bayesrtw run {content['id']}",
            ],
        ),
        Block("heading", "Bayesian reporting checklist (BARG)", 2),
        Block("table", head=["Point", "Asks for", "Status", "Where and what"], rows=points),
    ]
