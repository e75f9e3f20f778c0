"""The command line as a process: signals, streams, encodings, and what is left behind."""

import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import Future
from pathlib import Path

import pytest
from click.testing import CliRunner

from bayesrtw.analysis import run as running
from bayesrtw.cli import main
from bayesrtw.cli.process import unforeseen
from bayesrtw.errors import ConvergenceError
from bayesrtw.printed import escaped, plain, visible
from bayesrtw.report import record

POSIX = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")

#: Starts the command line in a process whose `list` is what a test says.
START = """
import signal
import sys
# Whoever runs the tests in the background ignores these, and so would what they start.
signal.signal(signal.SIGHUP, signal.SIG_DFL)
signal.signal(signal.SIGINT, signal.default_int_handler)
import bayesrtw.cli as cli
import bayesrtw.cli.process as process
import click

@cli.main.command("probe")
def probe():
    {body}

sys.argv = ["bayesrtw", "probe"]
process.start()
"""

#: Two workers that sleep, their numbers on stdout.
WORKERS = """
    import os, time
    from bayesrtw.parallel import processes
    with processes(2) as pool:
        both = [pool.submit(os.getpid) for _ in range(8)]
        print(os.getpid(), *{each.result() for each in both}, flush=True)
        waiting = [pool.submit(time.sleep, 60) for _ in range(4)]
        [each.result() for each in waiting]
"""


def started(body, **options):
    code = START.format(body=body.strip())
    return subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


def alive(number):
    try:
        state = Path(f"/proc/{number}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False
    return state != "Z"


@POSIX
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads /proc")
@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGTERM, 143), (signal.SIGKILL, -9), (signal.SIGHUP, 129), (signal.SIGINT, 130)],
)
def test_no_worker_outlives_its_parent(number, code):
    with started(WORKERS) as parent:
        family = [int(each) for each in parent.stdout.readline().split()]
        assert len(family) > 1
        assert all(map(alive, family))
        os.kill(parent.pid, number)
        _, said = parent.communicate(timeout=20)
    assert parent.returncode == code
    if code > 0:
        assert (
            said == f"error: stopped by {signal.Signals(number).name}; what was finished stays.\n"
        )
    until = time.monotonic() + 10
    while any(map(alive, family)) and time.monotonic() < until:
        time.sleep(0.05)
    assert not any(map(alive, family))


@POSIX
@pytest.mark.parametrize(
    ("body", "where", "message"),
    [
        ('click.echo("x" * 9)', "full", "could not be written"),
        ('click.echo("x")', "closed", "stdout is closed"),
        ("1 / 0", "pipe", "an error of bayesrtw itself (ZeroDivisionError at"),
        ('open("/no/such/place")', "pipe", "/no/such/place: No such file or directory."),
    ],
)
def test_what_the_system_refuses_is_one_line_and_a_code(body, where, message):
    code = START.format(body=body)
    shell = {"full": '"$0" -c "$1" > /dev/full', "closed": '"$0" -c "$1" >&-'}
    command = shell.get(where, '"$0" -c "$1"')
    done = subprocess.run(
        ["sh", "-c", command, sys.executable, code], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert "Traceback" not in done.stderr


def test_what_an_encoding_lacks_is_degraded_and_json_stays_json():
    said = '{"a": "\u2212\u2264\u6f22\U0001f600\x9b\u202e"}'
    done = subprocess.run(
        [sys.executable, "-c", START.format(body=f"click.echo({said!r})")],
        capture_output=True,
        check=True,
        env={**os.environ, "PYTHONUTF8": "0", "PYTHONIOENCODING": "cp1252"},
    )
    assert json.loads(done.stdout.decode("cp1252")) == {"a": "-<=\u6f22\U0001f600\x9b\u202e"}
    assert b"\x9b" not in done.stdout


def test_controls_are_shown_and_not_obeyed():
    assert visible("A\x1b]0;owned\x07 \x1b[1mbold\x1b[0m\n") == (
        "A\\u001b]0;owned\\u0007 \x1b[1mbold\x1b[0m\n"
    )
    assert plain("A\x1b]0;\u202eowned\x0bB\ud800") == "A\ufffd]0;owned B\ufffd"
    assert plain("M\u00fcller\t1\n") == "M\u00fcller\t1\n"
    assert escaped("\U0001f600") == "\\ud83d\\ude00"


def test_an_error_of_this_program_is_told_with_its_place():
    future: Future[None] = Future()
    future.set_exception(ValueError("of\nall"))
    with pytest.raises(ValueError, match="of") as caught:
        future.result()
    assert unforeseen(caught.value).endswith(
        ": of all); please report it with the command and its files."
    )


def test_one_bad_analysis_never_takes_the_others(monkeypatch, tmp_path):
    whole = running.run

    def broken(analysis, evidence=None, **options):
        if analysis.id == "w-log-hazard-ratio":
            raise ZeroDivisionError("float division by zero")
        return whole(analysis, evidence, **options)

    monkeypatch.setattr(running, "run", broken)
    table = tmp_path / "two.csv"
    table.write_text(
        "study,measure,effect,se,outcome,benefit\n"
        "A,log_hazard_ratio,0.1,0.1,w,higher\nB,log_hazard_ratio,0,0.2,w,higher\n"
        "C,log_hazard_ratio,0.1,0.2,v,higher\nD,log_hazard_ratio,0.2,0.2,v,higher\n"
    )
    out = tmp_path / "out"
    given = ["run", str(table), "--out", str(out), "--no-report"]
    done = CliRunner().invoke(main, given)
    assert done.exit_code == 1
    assert "w-log-hazard-ratio: an error of bayesrtw itself (ZeroDivisionError" in done.stderr
    assert "error: 1 of 2 failed: w-log-hazard-ratio" in done.stderr
    assert (out / "v-log-hazard-ratio" / "synthesis.json").is_file()
    assert not (out / "w-log-hazard-ratio").exists()


def test_an_alternative_that_fails_does_not_take_the_answer(monkeypatch, tmp_path):
    def broken(*_):
        raise ConvergenceError("Exact: the answer still moves.")

    monkeypatch.setattr(record, "conclusion", broken)
    table = tmp_path / "one.csv"
    table.write_text("study,effect,se,measure\nA,0.1,0.1,generic\nB,0,0.2,generic\n")
    out = tmp_path / "out"
    done = CliRunner().invoke(main, ["run", str(table), "--out", str(out), "--json"])
    assert done.exit_code == 1
    assert "error: effect: no report: Exact: the answer still moves." in done.stderr
    assert "effect written to" in done.stderr
    assert json.loads(done.stdout)["effect"]["estimates"]
    assert {each.name for each in (out / "effect").iterdir()} == {
        "estimates.csv",
        "posterior.nc",
        "synthesis.json",
    }
