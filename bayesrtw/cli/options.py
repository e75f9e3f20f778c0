"""Options that several commands take, said once so that they mean and read the same everywhere."""

import functools
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.console import Console

    from bayesrtw.analysis.spec import Analysis
    from bayesrtw.evidence.table import Evidence
    from bayesrtw.reading.flat import Stated
    from bayesrtw.report.shared import SharedPlace


#: Print one JSON document instead of tables, as the argument ``as_json``.
def terminal() -> "Console":
    """Give what tables are printed to: as wide as the terminal, 110 columns where there is none."""
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else 110, highlight=False)


json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON document on stdout."
)


def place_of(context: click.Context, option: click.Parameter, value: str) -> "Path | SharedPlace":
    """Take a folder of results, or the URL of a store that several machines share."""
    if "://" not in value or value.startswith("file://"):
        folder = click.Path(file_okay=False, path_type=Path)
        return Path(folder.convert(value.removeprefix("file://"), option, context))
    from bayesrtw.report.shared import SharedPlace

    return SharedPlace(value)


@dataclass(frozen=True, slots=True)
class GivenRows:
    """Evidence that a person gives: a path, and what they say of it."""

    path: Path  #: Its file or folder.
    stated: "Stated"  #: What columns, measure, benefit, sheet and unit are.

    def open(self, analysis: "Analysis | None" = None) -> "Evidence":
        """Read it, without the rows that have faults, and say on stderr how it was read.

        Parameters
        ----------
        analysis
            What says how flat tables are read, where the person says nothing.

        Returns
        -------
        Evidence
            Every row without a fault.
        """
        from bayesrtw.analysis.catalog import open_dataset

        reads = {} if analysis is None else analysis.reads
        evidence = open_dataset(
            self.path,
            strict=False,
            columns=self.stated.columns or reads.get("columns"),
            measure=self.stated.measure or reads.get("measure", ""),
            benefit=self.stated.benefit,
            sheet=self.stated.sheet,
            unit=self.stated.unit,
            arms=reads.get("arms", False),
        )
        if evidence.provenance.reading:
            click.echo(f"read: {evidence.provenance.reading}", err=True)
        return evidence

    def open_each(self, analyses: "Sequence[Analysis]") -> "list[Evidence]":
        """Read it for several analyses, once for all that read it alike.

        Parameters
        ----------
        analyses
            The analyses.

        Returns
        -------
        list of Evidence
            One an analysis.
        """
        ways = [repr(sorted(analysis.reads.items())) for analysis in analyses]
        first = dict(zip(reversed(ways), reversed(analyses), strict=True))
        opened = {way: self.open(each) for way, each in first.items()}
        return [opened[way] for way in ways]


def format_of(out: Path | None, kind: str | None, formats: Mapping[str, str], usual: str) -> str:
    """Say in which format a file is to be written."""
    from bayesrtw.errors import OutputError

    suffix = out.suffix.lower() if out is not None else ""
    if kind or not suffix:
        return kind or usual
    found = next((each for each, own in formats.items() if own == suffix), None)
    if found is None:
        raise OutputError(
            f"{out}: no format has the suffix {suffix}; use {', '.join(formats.values())}, or give --format."
        )
    return found


def table_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options that say what a flat table holds, as one argument ``stated``."""

    @functools.wraps(command)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        from bayesrtw.reading.flat import Stated, parsed_columns

        names = ("columns", "measure", "benefit", "sheet", "unit")
        columns, measure, benefit, sheet, unit = (kwargs.pop(name) for name in names)
        kwargs["stated"] = Stated(parsed_columns(columns), measure, benefit or None, sheet, unit)
        return command(*args, **kwargs)

    for option in (
        click.option(
            "--unit",
            default="",
            metavar="days",
            help="Unit of the differences of a table; those of days tell days regained.",
        ),
        click.option(
            "--sheet", default="", help="Sheet of a workbook; the first one with a table."
        ),
        click.option(
            "--benefit",
            type=click.Choice(["higher", "lower"]),
            help="Whether a larger effect is good, where the evidence does not say it.",
        ),
        click.option(
            "--measure", default="", help="Measure of every row, such as OR or mean_difference."
        ),
        click.option(
            "--columns",
            multiple=True,
            metavar="HEADING=COLUMN,...",
            help="What columns of a table are, such as yi=effect,vi=variance; may be given twice.",
        ),
    ):
        wrapped = option(wrapped)
    return wrapped


def _is_table(name: str) -> bool:
    """Whether an argument is a file of evidence: no analysis has such a path."""
    return Path(name).is_file() and Path(name).suffix.lower() != ".toml"


def asked_for(name: str, source: GivenRows | None) -> "tuple[Analysis, Evidence | None]":
    """Open the analysis that a command is asked for, with the rows a person gives; a table has its own."""
    from bayesrtw.analysis.catalog import open_analysis
    from bayesrtw.analysis.default import default_analyses
    from bayesrtw.errors import SpecError, shown

    if source is None or Path(name) != source.path:
        analysis = open_analysis(name)
        return analysis, None if source is None else source.open(analysis)
    evidence = source.open()
    found = default_analyses(evidence)
    if len(found) > 1:
        raise SpecError(
            f"{source.path.name}: {len(found)} analyses would pool it: {shown(each.id for each in found)}; "
            "`bayesrtw run` with this file writes a report for each."
        )
    return found[0], evidence


def evidence_option(more: str = "") -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Give a command ``--evidence`` and what may be said of it, as one argument ``source``."""

    def decorated(command: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(command)
        def wrapped(*args: Any, stated: "Stated", **kwargs: Any) -> Any:
            from bayesrtw.reading.flat import NOTHING

            path = kwargs["source"]
            if path is None and _is_table(kwargs.get("name", "")):
                path = Path(kwargs["name"])
            files = [each for each in kwargs.get("ids", ()) if _is_table(each)]
            if path is None and len(files) == 1:
                path = Path(files[0])
                kwargs["ids"] = tuple(each for each in kwargs["ids"] if each not in files)
            if path is None and stated != NOTHING:
                raise click.UsageError(
                    "--columns, --measure, --benefit, --sheet and --unit say what --evidence holds; give "
                    "--evidence."
                )
            kwargs["source"] = None if path is None else GivenRows(path, stated)
            return command(*args, **kwargs)

        return click.option(
            "--evidence",
            "source",
            type=click.Path(exists=True, path_type=Path),
            help="A data set folder, a CSV, Excel or RevMan 5 file, a file of a statistics program or a "
            f"Cochrane data package, in place of the shipped evidence{f'; {more}' if more else ''}.",
        )(table_options(wrapped))

    return decorated


def look_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the choices of how forest plots look, as one argument ``look`` of what was said."""
    names = ("order", "column", "counts", "judged_by", "as_printed")

    @functools.wraps(command)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        said = {name: kwargs.pop(name) for name in names}
        said["columns"] = said.pop("column") or None
        kwargs["look"] = look = {name: value for name, value in said.items() if value is not None}
        if look and not kwargs.get("report", True):
            given = ", ".join(
                f"--{'column' if n == 'columns' else n.replace('_', '-')}" for n in look
            )
            raise click.UsageError(
                f"{given} says how the forest plots of a report look, and --no-report draws none; "
                "leave one out."
            )
        return command(*args, **kwargs)

    for option in (
        click.option(
            "--as-printed/--as-modelled",
            default=None,
            help="Own intervals in forest plots as studies print them (the default) or as modelled.",
        ),
        click.option(
            "--judged-by",
            metavar="INSTRUMENT",
            help="Judgements of risk of bias by this instrument beside the rows of forest plots.",
        ),
        click.option(
            "--counts/--no-counts",
            default=None,
            help="Events and people of each arm in forest plots.",
        ),
        click.option(
            "--column",
            multiple=True,
            metavar="NAME",
            help="A column of the evidence in forest plots, such as country; may be given twice.",
        ),
        click.option(
            "--order",
            metavar="given|effect|weight|COLUMN",
            help="Order of the studies in forest plots, such as year.",
        ),
    ):
        wrapped = option(wrapped)
    return wrapped
