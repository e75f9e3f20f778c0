"""The command line: parse, call one function, print. One command a file.

Exit codes: 0 all went well; 1 something could not be read, fitted or written, and is named; 2 the
command was not understood; 3 `check --strict` found doubts, or
`calibrate` a quantity outside its band; 10 to 50 what an update came to
(`bayesrtw.living.outcome`); 129, 130 and 143 it was stopped (`bayesrtw.cli.process`).
"""

import os

import click

from bayesrtw.cli.calibrate import calibrate
from bayesrtw.cli.check import check
from bayesrtw.cli.diff import diff
from bayesrtw.cli.export import export
from bayesrtw.cli.findings import findings
from bayesrtw.cli.history import history
from bayesrtw.cli.import_ import import_
from bayesrtw.cli.ladder import ladder
from bayesrtw.cli.list_ import list_
from bayesrtw.cli.new import new
from bayesrtw.cli.next_trial import next_trial
from bayesrtw.cli.predict import predict
from bayesrtw.cli.publish import publish
from bayesrtw.cli.replay import replay
from bayesrtw.cli.report import report
from bayesrtw.cli.run import run
from bayesrtw.cli.sensitivity import sensitivity
from bayesrtw.cli.update import update
from bayesrtw.cli.verify import verify
from bayesrtw.cli.watch import watch
from bayesrtw.errors import BayesrtwError

#: Matrices here are small: threads of a linear algebra library would only wait for each other, and
#: their number would decide the order of sums. Set before NumPy is loaded; a user's setting stands.
for _library in ("OPENBLAS", "MKL", "OMP"):
    os.environ.setdefault(f"{_library}_NUM_THREADS", "1")


class _Commands(click.Group):
    """Turns the package's errors into one message and exit code 1."""

    def invoke(self, ctx: click.Context) -> object:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except BayesrtwError as error:
            click.echo(f"error: {error}", err=True)
            ctx.exit(1)


@click.group(cls=_Commands)
@click.version_option(package_name="bayesrtw")
def main() -> None:
    """Pool what trials and cohorts say about return-to-work programmes."""


for _command in (
    run,
    report,
    sensitivity,
    predict,
    next_trial,
    ladder,
    findings,
    calibrate,
    check,
    import_,
    export,
    list_,
    new,
    update,
    history,
    diff,
    replay,
    verify,
    publish,
    watch,
):
    main.add_command(_command)
