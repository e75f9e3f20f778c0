"""Living evidence at scale: many analyses in one update, and a store of many runs.

    uv run python tests/bench/living.py [--analyses 500] [--jobs 2] [--runs 1000]

Prints the time and the memory (resident, all processes of the command together) of an update of many small
analyses, of the same update with nothing due, and of `history` and `update` in a store of many runs.
"""

import argparse
import hashlib
import json
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from bayesrtw.living import put, store

TOML = """
schema = 1
id = "{id}"
title = "Analysis {id}"
question = "Does it?"
seed = 7

[evidence]
dataset = "mine.csv"
measure = "log_hazard_ratio"

[[term]]
kind = "intercept"
prior = {{ kind = "normal", sd = {sd} }}

[[term]]
kind = "exchangeable"
tau = {{ kind = "half_normal", scale = 0.25 }}

[schedule]
every_days = 30
"""

#: What is run in place of the command where figures are left out; empty for the command itself.
STAND_INS = ""

FAULTS = Path(__file__).parents[1] / "faults"


def resident(pid):
    """Megabytes of a process and of its children, shared pages shared out: the process first."""
    found = []
    for each in [pid, *children(pid)]:
        try:
            lines = Path(f"/proc/{each}/smaps_rollup").read_text().splitlines()
        except OSError:
            continue
        found.append(sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024)
    return found


def over_time(sizes):
    """Give the memory of parent and largest worker, and of all together, in ten parts of a run."""
    step = max(1, len(sizes) // 10)
    parts = [sizes[i : i + step] for i in range(0, len(sizes), step)]

    def most(of):
        return [round(max(map(of, part), default=0)) for part in parts]

    return {
        "parent_MB": most(lambda size: size[0] if size else 0),
        "largest_worker_MB": most(lambda size: max(size[1:], default=0)),
        "together_MB": most(sum),
    }


def children(pid):
    try:
        found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return []
    return [int(each) for each in found]


def command(words, folder):
    """Run a command: seconds, and memory every half second."""
    begin, sizes = time.monotonic(), []
    start = ["-m", "bayesrtw"] if not STAND_INS else ["-c", STAND_INS]
    process = subprocess.Popen(
        [sys.executable, *start, *words],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    ended = threading.Event()

    def sample():
        while not ended.wait(0.5):
            sizes.append(resident(process.pid))

    sampler = threading.Thread(target=sample)
    sampler.start()
    process.communicate()
    seconds = time.monotonic() - begin
    ended.set()
    sampler.join()
    return seconds, sizes, process.returncode


def many_analyses(folder, count, jobs, *, report):
    rows = "\n".join(f"S{i},log_hazard_ratio,{0.05 * i},0.1" for i in range(6))
    (folder / "mine.csv").write_text(f"study,measure,effect,se\n{rows}\n")
    names = [f"a{place:04d}" for place in range(count)]
    for place, name in enumerate(names):
        (folder / f"{name}.toml").write_text(TOML.format(id=name, sd=0.3 + 0.001 * place))
    words = ["update", *(f"{name}.toml" for name in names), "--store", "store", "--jobs", str(jobs)]
    words += [] if report else ["--no-report"]
    seconds, sizes, code = command(words, folder)
    print(
        json.dumps(
            {
                "analyses": count,
                "jobs": jobs,
                "code": code,
                "seconds": round(seconds, 1),
                "reports": report,
                "memory in ten parts of the run": over_time(sizes),
            }
        ),
        flush=True,
    )
    seconds, sizes, code = command(words, folder)
    print(
        json.dumps({"nothing due": count, "code": code, "seconds": round(seconds, 1)}), flush=True
    )


def many_runs(folder, count):
    """Copy one run many times over, chained as the store chains them."""
    rows = "\n".join(f"S{i},log_hazard_ratio,{0.05 * i},0.1" for i in range(6))
    (folder / "mine.csv").write_text(f"study,measure,effect,se\n{rows}\n")
    (folder / "mine.toml").write_text(TOML.format(id="mine", sd=0.5))
    command(["update", "mine.toml", "--store", "many"], folder)
    opened = store.open_store(folder / "many")
    last = store.find_run(opened, "mine")
    for _ in range(count - 1):
        with store.writing(opened, "mine") as writer, store.drafting(writer) as draft:
            (draft / "diff.md").write_text("copy")
            own = {
                key: value
                for key, value in last.manifest.items()
                if key not in ("files", "previous", "sequence")
            }
            put.put(writer, draft, last.manifest["run_id"], own)
    assert (
        hashlib.sha256(store.as_line(last.manifest["identity"]).encode()).hexdigest()
        == last.manifest["run_id"]
    )
    for words in (["history"], ["update", "mine.toml"]):
        times = sorted(command([*words, "--store", "many"], folder)[0] for _ in range(5))
        print(
            json.dumps(
                {
                    "runs in the store": count,
                    "command": words[0],
                    "seconds (median of 5)": round(times[2], 2),
                }
            ),
            flush=True,
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--analyses", type=int, default=500)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--stand-ins", action="store_true", help="draw no figures, write as much")
    parser.add_argument("--no-report", action="store_true", help="leave out the pages")
    options = parser.parse_args()
    if options.stand_ins:
        global STAND_INS  # noqa: PLW0603 - a script's own switch
        STAND_INS = (
            f"import sys; sys.path.insert(0, {str(FAULTS)!r}); import faults; "
            "faults.stand_ins(posterior=False); from bayesrtw.cli import main; main()"
        )
    with tempfile.TemporaryDirectory() as folder:
        many_runs(Path(folder), options.runs)
    with tempfile.TemporaryDirectory() as folder:
        many_analyses(Path(folder), options.analyses, options.jobs, report=not options.no_report)


if __name__ == "__main__":
    main()
