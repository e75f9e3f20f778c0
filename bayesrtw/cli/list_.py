"""`bayesrtw list`: what is shipped."""

import click


@click.command("list")
def list_() -> None:
    """List the shipped analyses and data sets."""
    from bayesrtw.analysis.catalog import (
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
