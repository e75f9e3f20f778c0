"""`bayesrtw predict`: mean effect and new setting at values of moderators."""

import click

from bayesrtw.cli.options import GivenRows, asked_for, evidence_option, json_option, terminal
from bayesrtw.errors import SpecError


@click.command()
@click.argument("name", metavar="ID_OR_TOML_OR_TABLE")
@evidence_option()
@click.option(
    "--at",
    "values",
    multiple=True,
    metavar="COLUMN=VALUE,...",
    help="Values of a moderator; every combination with those of the others is a row.",
)
@click.option("--threshold", type=float, default=0.0, help="Size of an effect that counts.")
@click.option(
    "--threshold-ratio", type=float, help="The same as a ratio: 0.8 and 1.25 are one size."
)
@json_option
def predict(
    name: str,
    source: GivenRows | None,
    values: tuple[str, ...],
    threshold: float,
    threshold_ratio: float | None,
    as_json: bool,
) -> None:
    """Say what an analysis expects at values of its moderators: the mean effect, and a new setting's.

    Moderators that are not named stay where the pooled mean has them. Without --at it is that mean.
    """
    from bayesrtw.analysis.run import run
    from bayesrtw.question.predict import predict as predicted
    from bayesrtw.report import document, text

    analysis, evidence = asked_for(name, source)
    synthesis = run(analysis, evidence)
    numeric = {each.column for each in analysis.model.moderators if each.shape == "line"}
    at = dict(parsed_values(each, numeric) for each in values)
    table = predicted(synthesis, at=at, threshold=threshold, threshold_ratio=threshold_ratio)
    if as_json:
        rows = table.reset_index().to_dict(orient="records")
        click.echo(document.as_json({"id": analysis.id, "at": document.records(rows)}), nl=False)
        return
    console = terminal()
    text.show_predictions(table, synthesis, console)


def parsed_values(stated: str, numeric: set[str]) -> tuple[str, list[str] | list[float]]:
    """Take ``column=value,value`` apart; values of a numeric moderator are numbers."""
    column, equals, values = stated.partition("=")
    listed = [value.strip() for value in values.split(",") if value.strip()]
    if not equals or not listed:
        raise SpecError(f"--at is {stated!r}; write COLUMN=VALUE, or COLUMN=VALUE,VALUE.")
    if column.strip() not in numeric:
        return column.strip(), listed
    try:
        return column.strip(), [float(value) for value in listed]
    except ValueError:
        raise SpecError(
            f"--at is {stated!r}; {column.strip()} is a numeric moderator: give numbers."
        ) from None
