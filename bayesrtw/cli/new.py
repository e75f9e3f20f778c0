"""`bayesrtw new`: a draft to edit, in place of a file copied from somewhere."""

import json
from pathlib import Path

import click

from bayesrtw.cli.options import json_option
from bayesrtw.errors import SpecError


@click.group()
def new() -> None:
    """Write the draft of an analysis or of a data set: valid as it stands, and meant to be edited."""


@new.command()
@click.argument("name")
@click.option("--dataset", default="my-dataset", show_default=True, help="Data set that it pools.")
@click.option(
    "--measure",
    default="log_hazard_ratio",
    show_default=True,
    help="The one measure that it pools.",
)
@click.option(
    "--in",
    "folder",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=".",
    help="Folder to write into.  [default: here]",
)
@json_option
def analysis(name: str, dataset: str, measure: str, folder: Path, as_json: bool) -> None:
    """Write NAME.toml with the default priors of its measure.

    Where the data set is there already and all its rows of the measure rest on counts, their exact likelihood
    is chosen.
    """
    from bayesrtw.analysis.catalog import dataset_ids, open_dataset
    from bayesrtw.analysis.scaffold import analysis_text

    place = dataset if dataset in dataset_ids() else folder / dataset
    there = dataset in dataset_ids() or (folder / dataset).exists()
    evidence = open_dataset(place, strict=False) if there else None
    text = analysis_text(name, dataset=dataset, measure=measure, evidence=evidence)
    _write({folder / f"{name}.toml": text}, as_json=as_json)


@new.command()
@click.argument("name")
@click.option(
    "--in",
    "folder",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=".",
    help="Folder to write into.  [default: here]",
)
@json_option
def dataset(name: str, folder: Path, as_json: bool) -> None:
    """Write the folder NAME with dataset.toml, studies.csv and results.csv."""
    from bayesrtw.analysis.scaffold import dataset_files

    files = dataset_files(name)
    if (folder / name).exists():
        raise SpecError(f"{folder / name}: exists already; choose another name.")
    (folder / name).mkdir()
    _write({folder / name / file: text for file, text in files.items()}, as_json=as_json)


def _write(files: dict[Path, str], *, as_json: bool) -> None:
    """Write new files; none that exists is touched."""
    for path, text in files.items():
        try:
            with path.open("x", encoding="utf-8", newline="\n") as file:
                file.write(text)
        except FileExistsError:
            raise SpecError(f"{path}: exists already; choose another name.") from None
        if not as_json:
            click.echo(f"written: {path}")
    if as_json:
        click.echo(json.dumps({"written": [str(path) for path in files]}, indent=2))
