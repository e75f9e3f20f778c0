"""`bayesrtw check`: faults, doubts and notes of data sets, briefs and analyses."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bayesrtw.cli.options import json_option, table_options
from bayesrtw.errors import BayesrtwError

if TYPE_CHECKING:
    from collections.abc import Callable

    from bayesrtw.doubt.rule import Doubt
    from bayesrtw.reading.flat import Stated


def _known(ctx: click.Context, param: click.Parameter, paths: tuple[str, ...]) -> tuple[str, ...]:
    """Refuse what is neither a file or folder nor the id of something shipped."""
    from bayesrtw.analysis import catalog

    for path in paths:
        shipped = (*catalog.dataset_ids(), *catalog.brief_ids(), *catalog.analysis_ids())
        if path not in shipped and not Path(path).exists():
            raise click.BadParameter(f"Path {path!r} does not exist.", ctx, param)
    return paths


@click.command()
@click.argument("paths", nargs=-1, callback=_known, metavar="[PATH_OR_ID]...")
@click.option("--register", is_flag=True, help="Write models/register.lock anew first.")
@click.option(
    "--seal",
    "sealing",
    is_flag=True,
    help="First write the hashes of the given folders anew; changed rows raise the version.",
)
@click.option("--strict", is_flag=True, help="Exit with 3 if there are doubts and no faults.")
@click.option("--propose", is_flag=True, help="Print what columns are taken for, as TOML to edit.")
@table_options
@json_option
def check(
    paths: tuple[str, ...],
    register: bool,
    sealing: bool,
    strict: bool,
    propose: bool,
    stated: "Stated",
    as_json: bool,
) -> None:
    """Check data sets, briefs and analyses: everything shipped, or the given folders, files and ids.

    Evidence may be a data set folder, a CSV file, an Excel workbook, a RevMan 5 file or a Cochrane data
    package; an analysis is a TOML file, a brief a folder with brief.toml.

    A fault keeps a row out of every analysis; a doubt is a number that somebody should look up; a note
    explains itself. What was found is listed on stderr, gravest first. Without a path, everything
    shipped is checked and only faults are listed; --json lists all.

    With --propose, what the columns of flat tables are taken for is printed as TOML for [columns] of a
    dataset.toml or an analysis, and nothing else is done.

    An analysis is held against the rows that it selects, before any fit: what they cannot tell apart,
    levels and cells of few studies, separation, slopes that one study decides, priors that dominate.

    With --seal, a folder without other faults gets the SHA-256 of its CSV files written into
    dataset.toml, and the next version if one had changed.

    Exit codes: 0 no faults; 1 faults; 2 the command was not understood; 3 doubts, with --strict.
    """
    from bayesrtw.analysis import catalog
    from bayesrtw.doubt.inspect import counts, in_words
    from bayesrtw.durable import write_whole

    if propose:
        _propose(paths, stated)
        return
    if register:
        lock = Path(str(catalog.models_folder())) / "register.lock"
        write_whole(lock, catalog.register_text().encode())
        click.echo(f"written: {lock.name}", err=as_json)
    if sealing:
        _seal(paths, as_json)
    checked = _checked(paths, stated)
    listed = [each for _, found in checked for each in found]
    if as_json:
        _echo_findings(checked)
    else:
        for name, found in checked:
            if not any(each.severity == "fault" for each in found):
                click.echo(f"ok: {name}")
        shown_ = [each for each in listed if paths or each.severity == "fault"]
        for line in in_words(shown_):
            click.echo(line, err=True)
        for name, found in checked if paths else []:
            if found:
                click.echo(f"{name}: {counts(found)}", err=True)
    if any(each.severity == "fault" for each in listed):
        sys.exit(1)
    if strict and any(each.severity == "doubt" for each in listed):
        sys.exit(3)


def _seal(paths: tuple[str, ...], as_json: bool) -> None:
    """Seal folders; what has faults is left, and its faults are listed with all others."""
    from bayesrtw.doubt.inspect import inspect
    from bayesrtw.doubt.seal import DESCRIBED, MENDED, seal

    for name in paths or ("",):
        if not name or not Path(name, DESCRIBED).is_file():
            raise click.UsageError(
                f"--seal needs the path of a data set folder, one with {DESCRIBED}; found "
                f"{name or 'no path'!r}."
            )
    for name in paths:
        found = inspect(Path(name).resolve()).doubts
        if any(each.severity == "fault" and each.rule != MENDED for each in found):
            click.echo(f"not sealed: {name}: it has faults", err=True)
            continue
        done = seal(Path(name))
        versions = f"version {done.before}"
        if done.version != done.before:
            versions += f" to {done.version}"
        word = "sealed" if done.changed else "sealed already"
        files = f" ({', '.join(done.changed)})" if done.changed else ""
        click.echo(f"{word}: {name}, {versions}{files}", err=as_json)


def _propose(paths: tuple[str, ...], stated: "Stated") -> None:
    """Print what the columns of tables are taken for."""
    from bayesrtw.errors import EvidenceError, Faults
    from bayesrtw.reading.flat import flat_table, proposal

    for name in paths:
        if not Path(name).is_file():
            raise click.UsageError(f"--propose needs the path of a table; found {name!r}.")
        _, found = flat_table(Path(name), stated, Faults(EvidenceError))
        click.echo(proposal(found), nl=False)


def _checked(paths: tuple[str, ...], stated: "Stated") -> "list[tuple[str, tuple[Doubt, ...]]]":
    """Check what was asked for, or everything shipped and the register."""
    from importlib.resources import files

    from bayesrtw.analysis import catalog
    from bayesrtw.doubt.inspect import inspect, whole
    from bayesrtw.reading.brief import DESCRIBED

    shipped, analyses, briefs = catalog.dataset_ids(), catalog.analysis_ids(), catalog.brief_ids()
    found: list[tuple[str, tuple[Doubt, ...]]] = []
    for name in paths or (*shipped, *briefs):
        path = Path(name)
        if name in briefs or path.joinpath(DESCRIBED).is_file():
            found.append((name, _faults(name, catalog.open_brief)))
        elif paths and path.exists():
            if path.suffix.lower() != ".toml":
                found.append(
                    (name, inspect(path.resolve() if path.is_dir() else path, stated).doubts)
                )
        elif name in shipped:
            found.append((name, inspect(files("bayesrtw.data").joinpath(name)).doubts))
    own = [name for name in paths if name.lower().endswith(".toml") or name in analyses]
    for name in own if paths else analyses:
        found.append((name, _before(name) if paths else _faults(name, catalog.open_analysis)))
    if not paths:
        lost = tuple(whole("register.lock", text) for text in catalog.registration_faults())
        found += [("register.lock", lost)] if lost else []
    return found


def _before(name: str) -> "tuple[Doubt, ...]":
    """Hold an analysis against its rows before any fit: faults, and what the rows cannot tell."""
    from bayesrtw.analysis import catalog
    from bayesrtw.analysis.query import selected
    from bayesrtw.doubt.inspect import noticed, whole
    from bayesrtw.model.checked import check as check_model
    from bayesrtw.model.identified import dominated

    try:
        analysis = catalog.open_analysis(name)
        chosen = selected(analysis, catalog.evidence_of(analysis))
        found = check_model(analysis.model, chosen.evidence)
        found = (*chosen.findings, *found, *dominated(analysis.model, chosen.evidence))
    except BayesrtwError as error:
        return (whole(name, str(error)),)
    return tuple(noticed(name, each) for each in found)


def _faults(name: str, opened: "Callable[[str], object]") -> "tuple[Doubt, ...]":
    """Say what is wrong with something that is read as a whole."""
    from bayesrtw.doubt.inspect import whole

    try:
        opened(name)
    except BayesrtwError as error:
        return (whole(name, str(error)),)
    return ()


def _echo_findings(checked: "list[tuple[str, tuple[Doubt, ...]]]") -> None:
    import json
    from dataclasses import asdict

    listed = [each.severity for _, found in checked for each in found]
    document = {
        "counts": {f"{name}s": listed.count(name) for name in ("fault", "doubt", "note")},
        "checked": [
            {"name": name, "findings": [asdict(each) for each in found]} for name, found in checked
        ],
    }
    click.echo(json.dumps(document, indent=2, ensure_ascii=False))
