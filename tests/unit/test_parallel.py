"""Tasks on executors: in order, in bounded memory, and past workers that are killed."""

import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from bayesrtw.analysis.catalog import open_analysis
from bayesrtw.analysis.sensitivity import sensitivity
from bayesrtw.cli import main
from bayesrtw.errors import WorkerError
from bayesrtw.parallel import AHEAD, WINDOW, dask_cluster, map_tasks, processes


def square(number):
    return number**2


def refuse_three(number):
    if number == 3:
        raise ValueError("three")
    return number


def test_variants_of_a_panel_go_through_the_executor():
    analysis = open_analysis("sick-leave-days")
    wanted = sensitivity(analysis).tables["Registered variants"]
    executor = Counting()
    found = sensitivity(analysis, executor=executor).tables["Registered variants"]
    assert executor.sent == len(found) == 2
    assert found.equals(wanted)


def die_once(task):
    """Be killed at the first try of one task; every try leaves a line."""
    number, folder = task
    with (Path(folder) / "tries").open("a") as tries:
        tries.write(f"{number}\n")
    mark = Path(folder) / "died"
    if number == 5 and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return number**2


def die_always(number):
    if number == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


class Counting(Executor):
    """Works at once, and notes how far ahead it was asked to work."""

    def __init__(self):
        self.sent = 0

    def submit(self, fn, /, *args, **kwargs):
        self.sent += 1
        future = Future()
        future.set_result(fn(*args, **kwargs))
        return future


def test_results_come_in_order_and_an_error_at_its_place():
    assert list(map_tasks(square, range(5))) == [0, 1, 4, 9, 16]
    with ThreadPoolExecutor(3) as threads:
        assert list(map_tasks(square, range(500), threads)) == [n**2 for n in range(500)]
        results = map_tasks(refuse_three, range(9), threads)
        assert [next(results) for _ in range(3)] == [0, 1, 2]
        with pytest.raises(ValueError, match="three"):
            next(results)


def test_a_long_collection_is_read_no_faster_than_it_is_worked_off():
    executor, read = Counting(), []

    def endless():
        number = 0
        while True:
            read.append(number)
            yield number
            number += 1

    results = map_tasks(square, endless(), executor)
    for number in range(100):
        assert next(results) == number**2
        assert executor.sent == len(read) <= number + WINDOW
    results.close()


def test_a_killed_process_loses_nothing(tmp_path):
    tasks = [(number, str(tmp_path)) for number in range(40)]
    with processes(2) as pool:
        found = list(map_tasks(die_once, tasks, pool))
    assert found == [number**2 for number in range(40)]
    tries = [int(line) for line in (tmp_path / "tries").read_text().split()]
    assert tries.count(5) == 2
    # What was finished when the worker died is not done again; only what was in work is.
    assert set(tries) == set(range(40))
    assert len(tries) <= 40 + 2 * AHEAD


def test_a_task_that_kills_every_worker_is_named():
    with processes(1) as pool, pytest.raises(WorkerError, match=r"died 2 times while task 3 was"):
        list(map_tasks(die_always, range(3), pool))


def test_a_pool_that_cannot_be_renewed_says_so():
    with ProcessPoolExecutor(1) as pool, pytest.raises(WorkerError, match="cannot be renewed"):
        list(map_tasks(die_always, range(5), pool))


def log_det_slowly(seed):
    """Compute something that any process computes alike; slow enough to be killed over it."""
    time.sleep(0.02)
    root = np.random.default_rng(seed).normal(size=(20, 40))
    return os.getpid(), float(np.linalg.slogdet(root @ root.T)[1])


#: Ends with the process that holds the other end of its standard input, whatever that one died of.
LEASHED = """
import os, runpy, sys, threading
threading.Thread(target=lambda: (sys.stdin.buffer.read(), os._exit(1)), daemon=True).start()
runpy.run_module("dask", run_name="__main__", alter_sys=True)
"""


def dask(folder, name, *words):
    """Start a part of a cluster; its modules are those of this test."""
    paths = [str(Path(__file__).parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1"}
    with (folder / f"{name}.log").open("w") as log:
        return subprocess.Popen(
            [sys.executable, "-c", LEASHED, *words, "--scheduler-file", str(folder / "scheduler")],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            cwd=folder,
        )


@pytest.fixture
def cluster(tmp_path):
    """A scheduler and two workers, each a process of its own, on the loopback interface."""
    alone = ("--host", "127.0.0.1", "--no-dashboard")
    parts = [dask(tmp_path, "scheduler", "scheduler", *alone, "--port", "0")]
    try:
        deadline = time.monotonic() + 60
        while not (tmp_path / "scheduler").exists():
            assert parts[0].poll() is None, (tmp_path / "scheduler.log").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        worker = ("worker", *alone, "--no-nanny", "--nthreads", "1")
        parts += [dask(tmp_path, f"worker-{number}", *worker) for number in range(2)]
        yield tmp_path / "scheduler", parts[1:]
    finally:
        for part in parts:
            part.kill()
            part.wait()
            part.stdin.close()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # Dask's own, while it is imported
def test_a_killed_worker_of_a_cluster_loses_nothing(cluster):
    where, workers = cluster
    seeds = range(120)
    wanted = [log_det_slowly(seed)[1] for seed in seeds]
    address = json.loads(where.read_text())["address"]
    with dask_cluster(address) as executor:
        executor.executor._client.wait_for_workers(2, timeout=60)
        pids, found = [], []
        for pid, log_det in map_tasks(log_det_slowly, seeds, executor):
            pids.append(pid)
            found.append(log_det)
            if len(set(pids)) == 2 and workers[0].poll() is None:
                workers[0].send_signal(signal.SIGKILL)
                workers[0].wait()
    assert found == wanted
    assert workers[0].poll() is not None
    assert set(pids) == {worker.pid for worker in workers}
    # The survivor did what the other had in work and everything after it.
    assert pids.count(workers[1].pid) > 60


ANALYSIS = """
schema = 1
id = "{id}"
title = "Mine"
question = "Does it?"
seed = 7

[evidence]
dataset = "{evidence}"
measure = "log_hazard_ratio"

[[term]]
kind = "intercept"
prior = {{ kind = "normal", sd = 0.5 }}

[[term]]
kind = "common"

[engine]
kind = "exact"
draws = 10
"""


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # Dask's own, while it is imported
def test_an_update_on_a_cluster_stores_what_can_be_fitted(cluster):
    where, _ = cluster
    folder, address = where.parent, json.loads(where.read_text())["address"]
    rows = "study,measure,effect,se\nA,log_hazard_ratio,0.1,0.1\nB,log_hazard_ratio,0.3,{se}\n"
    (folder / "mine.csv").write_text(rows.format(se=0.2))
    (folder / "bad.csv").write_text(rows.format(se=-1))
    for name, evidence in (("one", "mine.csv"), ("two", "bad.csv"), ("three", "mine.csv")):
        (folder / f"{name}.toml").write_text(ANALYSIS.format(id=name, evidence=folder / evidence))
    words = ["update", *(str(folder / f"{name}.toml") for name in ("one", "two", "three"))]
    words += ["--store", str(folder / "store"), "--no-report", "--dask", address, "--json"]
    done = CliRunner().invoke(main, words)
    states = [each["state"] for each in json.loads(done.stdout)["outcomes"]]
    assert states == ["first", "rejected", "first"]
    assert done.exit_code == 40
    assert CliRunner().invoke(main, ["verify", "--store", str(folder / "store")]).exit_code == 0


def test_an_address_without_a_scheduler_is_named(monkeypatch):
    monkeypatch.setattr("bayesrtw.parallel.PATIENCE", 0.5)
    with (
        pytest.raises(WorkerError, match=r"127\.0\.0\.1:1: no scheduler answers there"),
        dask_cluster("tcp://127.0.0.1:1"),
    ):
        pass


def test_without_dask_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with (
        pytest.raises(WorkerError, match=r"pip install 'bayesrtw\[dask\]'"),
        dask_cluster("tcp://127.0.0.1:1"),
    ):
        pass
