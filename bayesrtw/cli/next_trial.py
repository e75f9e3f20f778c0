"""`bayesrtw next-trial`: whether trials of some sizes would move the class, and what they would be worth."""

from typing import TYPE_CHECKING, Any

import click

from bayesrtw.cli.options import GivenRows, asked_for, evidence_option, json_option, terminal
from bayesrtw.errors import SpecError

if TYPE_CHECKING:
    from bayesrtw.decision.baseline import StatedBaseline
    from bayesrtw.decision.cost_stakes import Stakes


@click.command("next-trial")
@click.argument("name", metavar="ID_OR_TOML_OR_TABLE")
@evidence_option()
@click.option("--n", "sizes", required=True, metavar="200,500,...", help="People in both groups.")
@click.option(
    "--at", multiple=True, metavar="COLUMN=VALUE", help="Where the trial is; may be given twice."
)
@click.option(
    "--chance",
    type=float,
    default=0.5,
    show_default=True,
    help="Say which size would move the class with this probability.",
)
@click.option("--day", type=float, help="What a day of work regained is worth.")
@click.option("--cost", type=float, help="Of the programme for each person who is offered it.")
@click.option("--currency", default="", help="Of all amounts.")
@click.option("--source", "origin", default="", help="Where the amounts are from.")
@click.option("--people", type=float, help="Who the decision is about, over the years it stands.")
@click.option(
    "--trial-cost", metavar="FIXED,PERSON", help="Of the trial: fixed, and for each person in it."
)
@click.option("--risk", type=float, help="Share back at work without the programme by --by-day.")
@click.option("--by-day", type=float, help="The day by which --risk is counted.")
@click.option("--shape", type=float, help="Of the Weibull law of return; 1: a constant hazard.")
@click.option("--horizon", type=float, help="Days within which days of work count; 365.")
@json_option
def next_trial(
    name: str,
    source: GivenRows | None,
    sizes: str,
    at: tuple[str, ...],
    chance: float,
    as_json: bool,
    **stated: Any,
) -> None:
    """Say of trials of some sizes whether they would move the class, and what they would be worth.

    What a trial is worth needs the value of a day, the cost of the programme, currency and source, and for
    hazard ratios --risk, --by-day and --shape: from here, or from [decision] in the analysis. No price, cost,
    population or risk has a default; without them the class alone is answered.
    """
    from bayesrtw.analysis.next_trial import next_trial as foresee
    from bayesrtw.analysis.run import run
    from bayesrtw.decision.voi import value_of_knowing
    from bayesrtw.report import document, text

    analysis, evidence = asked_for(name, source)
    n = _numbers(sizes, "--n")
    stakes = _stakes(stated) or analysis.decision.stakes
    baseline = _baseline(stated) or analysis.decision.baseline
    numeric = {each.column for each in analysis.model.moderators if each.shape == "line"}
    place = dict(_parsed(each, numeric) for each in at)
    synthesis = run(analysis, evidence)
    table = foresee(
        synthesis, n=n, at=place or None, stakes=stakes, baseline=baseline, chance=chance
    )
    knowing = None
    if stakes is not None:
        knowing = value_of_knowing(synthesis, stakes=stakes, baseline=baseline)
    if as_json:
        content = {
            "id": analysis.id,
            "trials": document.records(table.reset_index().to_dict(orient="records")),
            "knowing": None
            if knowing is None
            else document.records(knowing.reset_index().to_dict(orient="records")),
            "said": table.describe(),
        }
        click.echo(document.as_json(content), nl=False)
        return
    console = terminal()
    text.show_next_trial(table, knowing, synthesis, console)


def _numbers(stated: str, option: str) -> list[float]:
    """Take numbers apart."""
    try:
        return [float(each) for each in stated.split(",")]
    except ValueError:
        raise SpecError(f"{option} is {stated!r}; give numbers with commas between them.") from None


def _parsed(stated: str, numeric: set[str]) -> tuple[str, str | float]:
    """Take ``column=value`` apart; the value of a numeric moderator is a number."""
    column, equals, value = (part.strip() for part in stated.partition("="))
    if not equals or not value:
        raise SpecError(f"--at is {stated!r}; write COLUMN=VALUE.")
    return column, _numbers(value, "--at")[0] if column in numeric else value


def _stakes(stated: dict[str, Any]) -> "Stakes | None":
    """Put stated amounts together; None where none is stated."""
    from bayesrtw.decision.cost_stakes import Amount, Option, Stakes, TrialCost

    given = {
        "day": stated["day"],
        "cost": stated["cost"],
        "currency": stated["currency"] or None,
        "source": stated["origin"] or None,
    }
    if all(value is None for value in given.values()):
        lone = [name for name in ("people", "trial_cost") if stated[name] is not None]
        if lone:
            raise SpecError(
                f"--{lone[0].replace('_', '-')} is given alone; state --day, --cost, --currency and --source "
                "too."
            )
        return None
    lacks = [f"--{name}" for name, value in given.items() if value is None]
    if lacks:
        raise SpecError(
            f"{', '.join(lacks)}: not given. What a trial is worth hangs on it, and nothing is assumed; "
            "state --day, --cost, --currency and --source."
        )
    trial = None
    if stated["trial_cost"] is not None:
        parts = _numbers(stated["trial_cost"], "--trial-cost")
        if len(parts) != 2:
            raise SpecError(
                f"--trial-cost is {stated['trial_cost']!r}; give what is fixed and what each person costs, "
                "such as 300000,800."
            )
        trial = TrialCost(fixed=parts[0], person=parts[1])
    return Stakes(
        currency=given["currency"],
        source=given["source"],
        day=Amount(mean=given["day"]),
        option=(Option(name="the programme", cost=Amount(mean=given["cost"])),),
        people=stated["people"],
        trial=trial,
    )


def _baseline(stated: dict[str, Any]) -> "StatedBaseline | None":
    """Put a stated baseline together; None where none is stated."""
    from bayesrtw.decision.baseline import StatedBaseline

    names = {"risk": "risk", "by_day": "day", "shape": "shape", "horizon": "horizon"}
    given = {own: stated[name] for name, own in names.items() if stated[name] is not None}
    if not given:
        return None
    if "risk" not in given:
        raise SpecError("--by-day, --shape and --horizon go with --risk; state it.")
    return StatedBaseline(source="what the command line states", **given)
