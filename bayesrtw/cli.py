"""The command line: parse, call one function, print.

Exit codes: 0 all went well; 1 something could not be read, fitted or written, and is named; 2 the
command was not understood.
"""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bayesrtw.errors import BayesrtwError, SpecError, shown

if TYPE_CHECKING:
    from bayesrtw.analysis.run import Synthesis
    from bayesrtw.analysis.spec import Analysis
    from bayesrtw.evidence.table import Evidence


class _Commands(click.Group):
    """Turns the package's errors into one message and exit code 1."""

    def invoke(self, ctx: click.Context) -> object:
        """Run the command.

        Parameters
        ----------
        ctx
            Click's context.

        Returns
        -------
        object
            What the command returned.
        """
        try:
            return super().invoke(ctx)
        except BayesrtwError as error:
            click.echo(f"error: {error}", err=True)
            ctx.exit(1)


@click.group(cls=_Commands)
@click.version_option(package_name="bayesrtw")
def main() -> None:
    """Pool what trials and cohorts say about return-to-work programmes."""


@main.command()
@click.argument("ids", nargs=-1, metavar="[ID_OR_TOML]...")
@click.option(
    "--evidence",
    "source",
    type=click.Path(exists=True, path_type=Path),
    help="A data set folder or a CSV file in place of the shipped evidence.",
)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("results"),
    show_default=True,
    help="Folder of results; one folder an analysis.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document on stdout.")
@click.option("--notes", is_flag=True, help="List findings of severity 'note' too.")
def run(ids: tuple[str, ...], source: Path | None, out: Path, as_json: bool, notes: bool) -> None:
    """Run analyses: all shipped ones, or those named by id or by the path of a TOML file.

    With --evidence and no id, one unregistered random-effects analysis for each outcome and measure
    of that evidence is run with default priors.
    """
    from rich.console import Console  # noqa: PLC0415

    from bayesrtw.report import document, text  # noqa: PLC0415

    evidence, analyses = _chosen(ids, source)
    progress = Console(stderr=True)
    console = Console(width=None if sys.stdout.isatty() else 110, highlight=False)
    documents, failed = {}, []
    for place, analysis in enumerate(analyses, 1):
        label = f"[{place}/{len(analyses)}] {analysis.id}"
        progress.print(f"{label} ...", markup=False, highlight=False)
        try:
            synthesis, folder = _run_one(analysis, evidence, out)
        except BayesrtwError as error:
            failed.append(analysis.id)
            progress.print(f"error: {analysis.id}: {error}", markup=False, highlight=False)
            continue
        progress.print(f"{label} written to {folder}", markup=False, highlight=False)
        if as_json:
            documents[analysis.id] = document.document(synthesis)
        else:
            text.show(synthesis, console, notes=notes)
    if as_json:
        click.echo(document.as_json(documents), nl=False)
    if failed:
        click.echo(f"error: {len(failed)} of {len(analyses)} failed: {', '.join(failed)}", err=True)
        sys.exit(1)


def _chosen(
    ids: tuple[str, ...], source: Path | None
) -> "tuple[Evidence | None, tuple[Analysis, ...]]":
    """Open what was asked for; every file is read before anything is fitted."""
    from bayesrtw.analysis.catalog import analysis_ids, open_analysis, open_dataset  # noqa: PLC0415
    from bayesrtw.analysis.default import default_analyses  # noqa: PLC0415

    evidence = open_dataset(source) if source is not None else None
    if evidence is not None and not ids:
        return evidence, default_analyses(evidence)
    analyses = tuple(open_analysis(name) for name in ids or analysis_ids())
    names = [analysis.id for analysis in analyses]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise SpecError(
            f"analyses {shown(twice)} are asked for twice; each has one folder of results: leave one "
            "out, or run it with another --out."
        )
    return evidence, analyses


def _run_one(
    analysis: "Analysis", evidence: "Evidence | None", out: Path
) -> "tuple[Synthesis, Path]":
    from bayesrtw.analysis.run import run as run_analysis  # noqa: PLC0415
    from bayesrtw.report.folder import write_results  # noqa: PLC0415

    synthesis = run_analysis(analysis, evidence)
    return synthesis, write_results(synthesis, out)


@main.command("list")
def list_() -> None:
    """List the shipped analyses and data sets."""
    from bayesrtw.analysis.catalog import (  # noqa: PLC0415
        analysis_ids,
        dataset_ids,
        open_analysis,
        open_dataset,
    )

    click.echo("Analyses (bayesrtw run ID):")
    for name in analysis_ids():
        analysis = open_analysis(name)
        click.echo(f"  {name:<26} {analysis.title} (revision {analysis.revision})")
    click.echo("Data sets (bayesrtw.open_dataset):")
    for name in dataset_ids():
        evidence = open_dataset(name)
        origin = evidence.provenance
        bare = origin.studies - len({str(study) for study in evidence.data["study"].to_numpy()})
        click.echo(
            f"  {name:<26} {origin.title}: {origin.studies} studies"
            f"{f' ({bare} without a readable result)' if bare else ''}, {evidence.size} results "
            f"(version {origin.version})"
        )


@main.command()
@click.argument(
    "paths", nargs=-1, type=click.Path(exists=True, path_type=Path), metavar="[PATH]..."
)
@click.option("--register", is_flag=True, help="Write models/register.lock anew first.")
def check(paths: tuple[Path, ...], register: bool) -> None:
    """Check data sets and analyses: everything shipped, or the given folders, CSV and TOML files."""
    from bayesrtw.analysis import catalog  # noqa: PLC0415

    if register:
        lock = Path(str(catalog.models_folder())) / "register.lock"
        lock.write_text(catalog.register_text(), encoding="utf-8")
        click.echo(f"written: {lock.name}")
    faults = [] if paths else catalog.registration_faults()
    names = [str(path) for path in paths] or [*catalog.dataset_ids(), *catalog.analysis_ids()]
    for name in names:
        analysis = name.lower().endswith(".toml") or (not paths and name in catalog.analysis_ids())
        try:
            if analysis:
                catalog.open_analysis(name)
            else:
                catalog.open_dataset(name)
        except BayesrtwError as error:
            faults.append(str(error))
        else:
            click.echo(f"ok: {name}")
    for fault in faults:
        click.echo(f"fault: {fault}", err=True)
    if faults:
        sys.exit(1)


if __name__ == "__main__":
    main()
