"""An installation without NUTS; a home that cannot be written; an installation that nobody may write to."""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import bayesrtw as brw
from bayesrtw.errors import EngineRefusal
from bayesrtw.posterior import sampling

ROOT = Path(__file__).parents[2]

#: What NUTS brings: what `pip install bayesrtw` has that an environment of `core.txt` has not.
SAMPLES = (
    "arviz", "arviz_base", "arviz_plots", "arviz_stats", "llvmlite", "numba", "nutpie", "pymc", "pytensor",
)  # fmt: skip

#: Starts the command line in a process whose import system does not find some packages, as if not installed.
WITHOUT = """
import sys

class Without:
    def __init__(self, finder):
        self.finder = finder

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {absent!r}:
            return None
        return self.finder.find_spec(name, path, target)

    def find_distributions(self, *asked):
        return self.finder.find_distributions(*asked)

sys.meta_path[:] = [Without(each) if hasattr(each, "find_distributions") else each for each in sys.meta_path]
sys.argv[0] = "bayesrtw"
from bayesrtw.cli.process import start
start()
"""

ROWS = "study,measure,effect,se,benefit\n" + "".join(
    f"{name},log_hazard_ratio,{effect},{se},higher\n"
    for name, effect, se in (("A", 0.3, 0.1), ("B", 0.2, 0.1), ("C", 0.1, 0.3), ("D", 0.15, 0.2))
)

SAMPLED = """
schema = 1
id = "sampled"
title = "Sampled"
question = "What is the pooled effect?"
seed = 1
[engine]
kind = "nuts"
[evidence]
dataset = "rows.csv"
measure = "log_hazard_ratio"
[[term]]
kind = "intercept"
prior = { kind = "normal", mean = 0.0, sd = 0.5 }
[[term]]
kind = "common"
"""


def called(folder, *words, absent=(), before=(), **environment):
    code = WITHOUT.format(absent=set(absent))
    return subprocess.run(
        [*before, sys.executable, "-c", code, *words],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env={**os.environ, **environment},
    )


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "rows.csv").write_text(ROWS)
    (tmp_path / "sampled.toml").write_text(SAMPLED)
    return tmp_path


def test_the_smaller_list_is_what_the_project_needs_without_nuts():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    listed = (ROOT / "bayesrtw" / "core.txt").read_text("utf-8").splitlines()
    wanted = {each for each in listed if not each.startswith("#")}
    more = set(project["dependencies"]) - wanted
    assert not wanted - set(project["dependencies"])
    assert {re.split(r"[<>=]", each)[0] for each in more} == {"arviz", "nutpie", "pymc"}


def test_without_nuts_a_table_becomes_an_answer_a_report_and_a_store(folder):
    done = called(folder, "run", "--evidence", "rows.csv", "--out", "out", absent=SAMPLES)
    assert (done.returncode, "Pooled hazard ratio" in done.stdout) == (0, True), done.stderr
    written = {each.name for each in (folder / "out" / "effect").iterdir()}
    assert written >= {"report.html", "synthesis.json", "posterior.nc", "forest.svg", "forest.png"}


@pytest.mark.slow
def test_without_nuts_a_store_is_kept(folder):
    exact = SAMPLED.replace('kind = "nuts"', 'kind = "exact"').replace('"sampled"', '"mine"')
    (folder / "mine.toml").write_text(exact)
    done = called(folder, "update", "mine.toml", "--no-report", "--store", "store", absent=SAMPLES)
    assert done.returncode == 0, done.stderr
    done = called(folder, "verify", "--store", "store", absent=SAMPLES)
    assert done.stdout == "1 runs, 0 faults, 0 notes\n"


@pytest.mark.parametrize(
    "words",
    [
        ("run", "sampled.toml", "--out", "out"),
        ("calibrate", "time-to-rtw", "--engine", "nuts", "--replicates", "2"),
    ],
    ids=lambda words: words[0],
)
def test_what_needs_nuts_is_refused_with_what_to_install(folder, words):
    done = called(folder, *words, absent=SAMPLES)
    assert done.returncode not in (0, 2)
    said = done.stdout + done.stderr
    assert "install with: pip install arviz nutpie pymc." in said
    assert "Traceback" not in said
    assert "an error of bayesrtw itself" not in said


def test_what_lacks_is_named_alone(monkeypatch):
    monkeypatch.setattr(sampling, "find_spec", lambda name: None if name == "nutpie" else name)
    assert (
        brw.Nuts()
        .refuses(None, None)
        .endswith("need nutpie, which is not installed; install with: pip install nutpie.")
    )
    assert sampling.arviz().__name__ == "arviz_stats"
    monkeypatch.setattr(sampling, "find_spec", lambda _: None)
    with pytest.raises(EngineRefusal, match="install with: pip install arviz nutpie pymc"):
        sampling.arviz()


#: Ends a command in a process whose caches were laid as the command line lays them.
PROBE = """
import bayesrtw.cli.process as process
process._caches()
import os, matplotlib
print(matplotlib.get_configdir(), os.environ["PYTENSOR_FLAGS"], sep="\\n")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="places of POSIX")
@pytest.mark.parametrize("home", ["/dev/null", "/proc/nobody"])
def test_caches_go_elsewhere_where_home_cannot_be_written(tmp_path, home):
    # Root may write everywhere, but make no folder below a device.
    gone = ("MPLCONFIGDIR", "PYTENSOR_FLAGS", "XDG_CACHE_HOME", "XDG_CONFIG_HOME")
    told = {name: value for name, value in os.environ.items() if name not in gone}
    done = subprocess.run(
        [sys.executable, "-c", "import sys" + PROBE],
        capture_output=True,
        text=True,
        check=True,
        env={**told, "HOME": home, "TMPDIR": str(tmp_path)},
    )
    assert done.stderr == ""
    plots, flags = done.stdout.splitlines()
    assert Path(plots).is_relative_to(tmp_path)
    assert Path(flags.removeprefix("base_compiledir=")).is_relative_to(tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_nuts_samples_where_home_cannot_be_written(folder):
    done = called(
        folder, "run", "sampled.toml", "--no-report", "--json", HOME="/dev/null", PYTENSOR_FLAGS=""
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["sampled"]["estimates"]
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.skipif(shutil.which("unshare") is None, reason="mounts the installation anew")
def test_an_installation_that_cannot_be_written_stops_nothing(folder):
    mounted = f"mount --bind {ROOT} {ROOT} && mount -o remount,ro,bind {ROOT}"
    # Only who may make mounts of his own, on most machines root, can try this.
    if subprocess.run(
        ["unshare", "-m", "sh", "-c", mounted], capture_output=True, check=False
    ).returncode:
        pytest.skip("may not mount")
    again = ["unshare", "-m", "sh", "-c", f'{mounted} && exec "$@"', "sh"]
    probe = subprocess.run(
        [*again, "touch", str(ROOT / "written")], capture_output=True, check=False
    )
    assert b"Read-only file system" in probe.stderr
    words = ("run", "--evidence", "rows.csv", "--no-report", "--out", "out")
    done = called(folder, *words, before=again)
    assert done.returncode == 0, done.stderr
    assert (folder / "out" / "effect" / "synthesis.json").is_file()
