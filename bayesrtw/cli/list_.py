"""`bayesrtw list`: what is shipped."""

from typing import Any

import click

from bayesrtw.cli.options import json_option


@click.command("list")
@json_option
def list_(as_json: bool) -> None:
    """List the shipped analyses, data sets and briefs."""
    found = _shipped()
    if as_json:
        from bayesrtw.report.document import as_json as written

        click.echo(written(found), nl=False)
        return
    click.echo("Analyses (bayesrtw run ID):")
    for name, told in found["analyses"].items():
        click.echo(f"  {name:<38} {told['title']} (revision {told['revision']})")
    click.echo("Data sets (bayesrtw.open_dataset):")
    for name, told in found["datasets"].items():
        bare = told["studies_without_result"]
        click.echo(
            f"  {name:<38} {told['title']}: {told['studies']} studies"
            f"{f' ({bare} without a readable result)' if bare else ''}, {told['results']} results "
            f"(version {told['version']})"
        )
    click.echo("Briefs (bayesrtw.open_brief), never pooled:")
    for name, told in found["briefs"].items():
        click.echo(
            f"  {name:<38} {told['title']}: {told['recommendations']} recommendations, "
            f"{told['findings']} findings (version {told['version']})"
        )


def _shipped() -> dict[str, dict[str, dict[str, Any]]]:
    """Describe what is shipped as plain data."""
    from bayesrtw.analysis import catalog

    analyses, datasets, briefs = {}, {}, {}
    for name in catalog.analysis_ids():
        analysis = catalog.open_analysis(name)
        analyses[name] = {"title": analysis.title, "revision": analysis.revision}
    for name in catalog.dataset_ids():
        evidence = catalog.open_dataset(name)
        origin = evidence.provenance
        held = len({str(study) for study in evidence.data["study"].to_numpy()})
        datasets[name] = {
            "title": origin.title,
            "studies": origin.studies,
            "studies_without_result": origin.studies - held,
            "results": evidence.size,
            "version": origin.version,
        }
    for name in catalog.brief_ids():
        brief = catalog.open_brief(name)
        briefs[name] = {
            "title": brief.provenance.title,
            "recommendations": len(brief.of_kind("recommendation")),
            "findings": len(brief.of_kind("finding")),
            "version": brief.provenance.version,
        }
    return {"analyses": analyses, "datasets": datasets, "briefs": briefs}
