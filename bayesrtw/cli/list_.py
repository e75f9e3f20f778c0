"""`bayesrtw list`: what is shipped."""

import click


@click.command("list")
def list_() -> None:
    """List the shipped analyses, data sets and briefs."""
    from bayesrtw.analysis.catalog import (
        analysis_ids,
        brief_ids,
        dataset_ids,
        open_analysis,
        open_brief,
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
    click.echo("Briefs (bayesrtw.open_brief), never pooled:")
    for name in brief_ids():
        brief = open_brief(name)
        click.echo(
            f"  {name:<26} {brief.provenance.title}: {len(brief.of_kind('recommendation'))} "
            f"recommendations, {len(brief.of_kind('finding'))} findings "
            f"(version {brief.provenance.version})"
        )
