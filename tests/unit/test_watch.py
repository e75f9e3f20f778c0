"""Watching a folder: by content, once it has settled; and the index page."""

import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest

from bayesrtw.errors import EvidenceError
from bayesrtw.living import page, store, verify, watch
from bayesrtw.living.inputs import gather


class Stop(Exception):
    """Ends a watch, as Ctrl-C does."""


def watched(folder, steps, *, pace):
    """Watch with a clock of one's own; `steps` are done one after each sleep. Gives the times of runs."""
    time, runs, todo = [0.0], [], list(steps)

    def sleep(seconds):
        time[0] += seconds
        if not todo:
            raise Stop
        todo.pop(0)()

    with pytest.raises(Stop):
        watch.watch(
            folder, lambda: runs.append(time[0]), pace=pace, sleep=sleep, clock=lambda: time[0]
        )
    return runs


def nothing():
    """A moment in which nothing happens."""


def test_it_runs_at_first_and_again_when_the_content_has_settled(tmp_path):
    path = tmp_path / "results.csv"
    path.write_text("1")
    writes = [lambda text=text: path.write_text(text) for text in "234"]
    # first settle, poll with a write, two settles with writes, a quiet one
    runs = watched(tmp_path, [nothing, *writes, nothing, nothing, nothing], pace=watch.Pace(2, 1))
    assert runs == [1.0, 6.0]


def test_a_touched_file_with_the_same_content_is_no_change(tmp_path):
    path = tmp_path / "results.csv"
    path.write_text("1")
    same = [lambda: path.write_text("1")] * 5
    assert watched(tmp_path, [nothing, *same], pace=watch.Pace(2, 1)) == [1.0]


def test_hidden_files_do_not_count_and_a_day_without_change_does(tmp_path):
    (tmp_path / "results.csv").write_text("1")
    hidden = [lambda: (tmp_path / ".results.csv.swp").write_text("x")] * 5
    assert watched(tmp_path, [nothing, *hidden], pace=watch.Pace(2, 1)) == [1.0]
    daily = watched(tmp_path, [nothing] * 7, pace=watch.Pace(2, 1, at_least=4))
    assert daily == [1.0, 6.0, 11.0]


def test_a_folder_that_is_gone_is_named(tmp_path):
    with pytest.raises(EvidenceError, match=r"gone: is no folder any more"):
        watch.glance(tmp_path / "gone")


def test_evidence_is_found_in_a_data_folder_and_in_the_data_set_itself(tmp_path):
    shipped = gather("cancer-rtw")
    own = tmp_path / "cancer-rtw"
    for name, content in shipped.files.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content + b"\n" * name.endswith("results.csv"))
    for data in (tmp_path, own):
        found = gather("cancer-rtw", data=data)
        assert found.hashes()["analysis"] == shipped.hashes()["analysis"]
        assert found.hashes()["evidence"] != shipped.hashes()["evidence"]
    assert gather("time-to-rtw", data=tmp_path).entry == "rtw-trials"


TOML = """
schema = 1
id = "{id}"
title = "Mine"
question = "Does it?"
seed = 7

[evidence]
dataset = "data/mine.csv"
measure = "log_hazard_ratio"

[[term]]
kind = "intercept"
prior = {{ kind = "normal", sd = 0.5 }}

[[term]]
kind = "common"
"""


#: The command; what a shell starts in the background has SIGINT ignored, and so have its children.
BEGIN = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
from bayesrtw.cli import main
main()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="has no signals to send")
@pytest.mark.parametrize(
    "number", [pytest.param(signal.SIGINT, marks=pytest.mark.slow), signal.SIGTERM]
)
def test_a_stopped_watch_ends_well_and_leaves_whole_runs(tmp_path, number):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "mine.csv").write_text(
        "study,measure,effect,se\nA,log_hazard_ratio,0.1,0.1\nB,log_hazard_ratio,0.2,0.1\n"
    )
    (tmp_path / "one.toml").write_text(TOML.format(id="one"))
    words = ["watch", "data", "one.toml", "--store", "store", "--settle", "0.01", "--no-report"]
    watching = subprocess.Popen(
        [sys.executable, "-c", BEGIN, *words],
        cwd=tmp_path,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        assert "Ctrl-C stops" in watching.stderr.readline()
        while not list(tmp_path.glob("store/runs/one/.lock")):  # it has begun
            assert watching.poll() is None
            time.sleep(0.05)
        watching.send_signal(number)
        _, said = watching.communicate(timeout=60)
    finally:
        watching.kill()
    assert (watching.returncode, said) == (0, "stopped\n")
    assert verify.verify(store.open_store(tmp_path / "store")) == []


def run(line, sequence=1):
    return SimpleNamespace(manifest={"result": {"line": line}}, sequence=sequence)


def test_a_sparkline_lies_inside_its_box_and_says_what_it_shows():
    svg = page.sparkline([run([-0.1, 0.1, 0.3]), run([0.0, 0.2, 0.4]), run(None)], 1)
    assert 'aria-label="Pooled effect of 2 runs, analysis scale: first 0.1, last 0.2."' in svg
    numbers = svg.split('points="')[1].split('"')[0].replace(",", " ").split()
    xs, ys = [float(n) for n in numbers[::2]], [float(n) for n in numbers[1::2]]
    assert min(xs) >= 0
    assert max(xs) <= page.WIDTH
    assert min(ys) >= 0
    assert max(ys) <= page.HEIGHT
    assert page.sparkline([run(None)], 0) == ""


def test_what_cannot_be_read_has_a_row_that_says_so():
    html = page.index_page([page.Shown("broken", fault="runs/broken: <is damaged>")])
    assert "&lt;is damaged&gt;" in html
    assert "http://" not in html
    assert "https://" not in html
