"""Many independent tasks on any executor: in order, in bounded memory, and past a dead worker.

Nothing here knows what a task is. Tasks and results travel between processes, so both are plain values;
compiled models do not travel, and each worker compiles a structure once (`bayesrtw.engine.nuts`).
"""

import _thread
import io
import multiprocessing
import multiprocessing.connection
import os
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from types import FrameType, TracebackType
from typing import NoReturn, Protocol, TextIO, runtime_checkable

from bayesrtw.errors import WorkerError

#: Tasks sent away and not yet handed over, for each worker: enough that a long task does not keep the
#: others idle, few enough that a collection of any length fits into memory.
AHEAD = 8

#: The same in total, where the number of workers is not known, and of the cluster that has fewer.
WINDOW = 64

#: How often a task may be in work when a worker dies. One that was there twice is likely the cause.
MOST_DEATHS = 2

#: Seconds to wait for a scheduler.
PATIENCE = 10

#: Seconds that a worker has to clear away a half-done task once nobody waits for it any more.
GRACE = 5.0

#: Exit code of what was stopped by a signal, less the signal's number.
STOPPED = 128


@runtime_checkable
class Manned(Protocol):
    """An executor that knows how many workers it has."""

    jobs: int


@runtime_checkable
class Renewable(Manned, Protocol):
    """An executor that can be replaced when one of its workers has died."""

    def fresh(self) -> Executor:
        """Make another executor like this one."""


def forks() -> bool:
    """Say whether processes are forked from this one, with every library that it has loaded."""
    return "fork" in multiprocessing.get_all_start_methods() and threading.active_count() == 1


class Processes(ProcessPoolExecutor):
    """Processes on this machine that `map_tasks` replaces when one of them dies.

    None outlives this process: each holds one end of a pipe whose other end is here alone, and ends when
    that closes, which the system does whatever this process died of.

    Parameters
    ----------
    jobs
        How many; >= 1.
    """

    def __init__(self, jobs: int) -> None:
        context = multiprocessing.get_context("fork" if forks() else "spawn")
        theirs, self._leash = context.Pipe(duplex=False)
        super().__init__(
            jobs, mp_context=context, initializer=_leashed, initargs=(theirs, self._leash)
        )
        self.jobs = jobs

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Wait for what is in work; after an error, let go of it."""
        if error is None:
            self.shutdown()
        else:
            # First of all: workers are silent before the queues that they read from are gone.
            self._leash.close()
            # Waited for here: the end of Python wakes the thread of the workers even where it is just ending.
            self.shutdown(cancel_futures=True)

    def fresh(self) -> "Processes":
        return Processes(self.jobs)


def _leashed(theirs: Connection, leash: Connection) -> None:
    """Prepare a worker: it ends when the process that it works for has ended or let go of it."""
    leash.close()
    # A key pressed in a terminal reaches workers too; what becomes of them is for their parent to say.
    for name in ("SIGINT", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _end)
    sys.stderr = _Leashed(sys.stderr, theirs)
    threading.Thread(target=_watch, args=(theirs,), daemon=True).start()


class _Leashed(io.TextIOBase):
    """What a worker says while somebody holds its leash; after that nobody wants to hear it."""

    def __init__(self, stream: TextIO, theirs: Connection) -> None:
        self.stream, self.theirs = stream, theirs

    def write(self, text: str) -> int:
        """Write text, or leave it."""
        return len(text) if self.theirs.poll() else self.stream.write(text)

    def flush(self) -> None:
        """Send what was written."""
        self.stream.flush()


def _end(number: int, frame: FrameType | None) -> NoReturn:  # noqa: ARG001 - what a handler is given
    _hush()
    raise SystemExit(STOPPED + number)


def _hush() -> None:
    """Say nothing any more: results find nobody, and nor would what is said of that."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)


def _watch(theirs: Connection) -> NoReturn:
    """Wait until nobody holds the other end; then end the task, which clears up, and the process."""
    multiprocessing.connection.wait([theirs])
    _hush()
    _thread.interrupt_main(signal.SIGTERM)
    time.sleep(GRACE)
    os._exit(STOPPED + signal.SIGTERM)


def processes(jobs: int) -> Processes:
    """Make an executor of processes."""
    return Processes(jobs)


class Cluster(Executor):
    """The workers of a Dask cluster, each of which works as a process of its own would.

    Parameters
    ----------
    executor
        Of a Dask client.
    threads
        Threads of its workers, as far as they are there when it is opened.
    """

    def __init__(self, executor: Executor, threads: int) -> None:
        self.executor = executor
        self.jobs = max(threads, WINDOW // AHEAD)

    def submit[**Parameters, Result](
        self,
        fn: Callable[Parameters, Result],
        /,
        *args: Parameters.args,
        **kwargs: Parameters.kwargs,
    ) -> "Future[Result]":
        """See `concurrent.futures.Executor`."""
        return self.executor.submit(_alone, fn, *args, **kwargs)  # type: ignore[arg-type]


#: Held while a thread of a Dask worker does a task: drawing and HDF5 are not safe among threads.
_ONE = threading.Lock()


def _alone[**Parameters, Result](
    function: Callable[Parameters, Result], *args: Parameters.args, **kwargs: Parameters.kwargs
) -> Result:
    """Do a task in a Dask worker without its noticing.

    Where xarray sees such a worker, it asks the scheduler for a lock of what it writes, by the name of a
    file; in memory there is none, and the scheduler knows no such lock.
    """
    import dask  # noqa: PLC0415

    with _ONE, dask.config.set(scheduler="synchronous"):
        return function(*args, **kwargs)


@contextmanager
def dask_cluster(address: str) -> Iterator[Executor]:
    """Use the workers of a Dask cluster."""
    try:
        from distributed import Client, KilledWorker  # noqa: PLC0415
    except ImportError:
        raise WorkerError(
            f"--dask {address}: Dask is not installed; install it with pip install 'bayesrtw[dask]', or "
            "use --jobs for processes on this machine."
        ) from None
    try:
        client = Client(address, timeout=PATIENCE, set_as_default=False)
    except (OSError, ValueError) as error:
        raise WorkerError(
            f"--dask {address}: no scheduler answers there ({error}); start one with 'dask scheduler', or "
            "mend the address."
        ) from None
    with client:
        try:
            # Without keys of their own, equal tasks would be one task.
            yield Cluster(client.get_executor(pure=False), sum(client.nthreads().values()))
        except KilledWorker as error:
            raise WorkerError(f"--dask {address}: {error}") from None


@dataclass(slots=True, eq=False)
class _Flight[Task, Result]:
    """A task that was sent away."""

    place: int
    task: Task
    future: "Future[Result]"
    deaths: int = 0


def map_tasks[Task, Result](
    function: Callable[[Task], Result], tasks: Iterable[Task], executor: Executor | None = None
) -> Iterator[Result]:
    """Apply a function to every task."""
    if executor is None:
        yield from map(function, tasks)
        return
    crew = _Crew(function, executor)
    remaining = iter(tasks)
    try:
        more = True
        while True:
            while more and len(crew.flights) < crew.window:
                try:
                    task = next(remaining)
                except StopIteration:
                    more = False
                else:
                    crew.send(task)
            if not crew.flights:
                return
            yield crew.next()
    finally:
        crew.close()


class _Crew[Task, Result]:
    """The executor in use, and what it was sent and has not handed over yet."""

    def __init__(self, function: Callable[[Task], Result], executor: Executor) -> None:
        self.function, self.given, self.executor = function, executor, executor
        self.window = AHEAD * executor.jobs if isinstance(executor, Manned) else WINDOW
        self.flights: deque[_Flight[Task, Result]] = deque()
        self.sent = 0

    def send(self, task: Task) -> None:
        """Send one more task away."""
        self.sent += 1
        while True:
            try:
                future = self.executor.submit(self.function, task)
            except BrokenExecutor as error:
                self._renew(error)
            else:
                self.flights.append(_Flight(self.sent, task, future))
                return

    def next(self) -> Result:
        """Hand over the result of the first task that was sent."""
        while True:
            try:
                result = self.flights[0].future.result()
            except BrokenExecutor as error:
                self._renew(error)
            else:
                self.flights.popleft()
                return result

    def _renew(self, error: BrokenExecutor) -> None:
        """Take fresh workers, and send them what the dead ones had not finished."""
        if not isinstance(self.executor, Renewable):
            raise WorkerError(
                f"a worker died ({error}) and {type(self.executor).__name__} cannot be renewed; use "
                "bayesrtw.parallel.processes."
            ) from None
        fresh = self.executor.fresh()
        self._retire()
        self.executor = fresh
        for flight in self.flights:
            # Blocks no longer than it takes to mark every task of a broken executor.
            if not isinstance(flight.future.exception(), BrokenExecutor):
                continue
            flight.deaths += 1
            if flight.deaths >= MOST_DEATHS:
                raise WorkerError(
                    f"workers died {flight.deaths} times while task {flight.place} was in work, the last "
                    "time without a word: likely for want of memory. Use fewer --jobs."
                ) from None
            flight.future = fresh.submit(self.function, flight.task)

    def _retire(self) -> None:
        if self.executor is not self.given:
            self.executor.shutdown(wait=False, cancel_futures=True)

    def close(self) -> None:
        """Forget what nobody waits for any more."""
        for flight in self.flights:
            flight.future.cancel()
        self._retire()
