"""`--jobs` and `--dask`: where the tasks of a command are done, the same for every command."""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from typing import Any

import click

from bayesrtw.errors import SpecError

#: Processes that tasks are spread over unless --jobs says otherwise.
MOST_JOBS = 4


@dataclass(frozen=True, slots=True)
class Workers:
    """Where tasks are done."""

    #: Processes on this machine; None for as many as there are cores, at most `MOST_JOBS`.
    jobs: int | None = None
    dask: str = ""  #: Address of a Dask scheduler; empty for this machine.

    @contextmanager
    def executor(self, tasks: int, *, least: int = 2) -> Iterator[Executor | None]:
        """Open an executor for a number of tasks."""
        from bayesrtw.parallel import dask_cluster, processes

        if self.dask:
            with dask_cluster(self.dask) as executor:
                yield executor
            return
        jobs = min(self.jobs or min(MOST_JOBS, os.cpu_count() or 1), tasks)
        if jobs < 2 or (self.jobs is None and tasks < least):
            yield None
            return
        with processes(jobs) as executor:
            yield executor


def workers(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options ``--jobs`` and ``--dask``, as one argument ``workers``."""

    @click.option(
        "--jobs",
        type=click.IntRange(1),
        help=f"Processes for many fits; as many as there are cores, at most {MOST_JOBS}.",
    )
    @click.option(
        "--dask",
        metavar="ADDRESS",
        default="",
        help="Do the fits on the Dask cluster whose scheduler is at ADDRESS, e.g. tcp://10.0.0.1:8786; "
        "needs bayesrtw[dask] here and on its workers.",
    )
    @wraps(command)
    def wrapped(*args: Any, jobs: int | None, dask: str, **options: Any) -> None:
        if jobs is not None and dask:
            raise SpecError("--jobs and --dask are both given; choose this machine or the cluster.")
        command(*args, workers=Workers(jobs, dask), **options)

    return wrapped
