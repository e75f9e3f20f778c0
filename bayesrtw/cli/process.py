"""The command line as a process: signals, streams that are closed or full, and encodings.

Whatever the system does to it ends in one line on stderr and a code: 130 for an interrupt, 143 for a
termination, 129 for a terminal that was closed, 1 for everything else.
"""

import codecs
import contextlib
import io
import os
import signal
import sys
import threading
import traceback
from pathlib import Path
from types import FrameType
from typing import BinaryIO, Final, NoReturn, TextIO, cast

from bayesrtw.printed import escaped, visible

#: Exit code of what was stopped by a signal, less the signal's number, as shells give it.
STOPPED: Final = 128

#: Seconds that clearing up may take after a signal.
PATIENCE: Final = 10.0

#: Characters of ours that a legacy encoding may lack, to what is printed in their place.
_PLAIN: Final = {
    "\N{MINUS SIGN}": "-",
    "\N{EN DASH}": "-",
    "\N{LESS-THAN OR EQUAL TO}": "<=",
    "\N{GREATER-THAN OR EQUAL TO}": ">=",
    "\N{MULTIPLICATION SIGN}": "x",
    "\N{HORIZONTAL ELLIPSIS}": "...",
}


def start() -> NoReturn:
    """Run the command line, and end the process."""
    code = 1
    try:
        for name in ("SIGINT", "SIGTERM", "SIGHUP"):
            number = getattr(signal, name, None)
            # What was started to outlive its terminal is left so.
            if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, _stop)
        _streams()
        Path.cwd()
        _caches()
        if not any(word.startswith("--dask") for word in sys.argv):
            # Where it is installed, xarray spends half a second on asking whether an array is one of Dask's.
            sys.modules.setdefault("dask", None)  # type: ignore[arg-type]
        from bayesrtw.cli import main

        main()
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else int(error.code is not None)
    except BrokenPipeError:
        code = 1
    except OSError as error:
        _say(f"error: {_sentence(error)}")
    except (
        Exception
    ) as error:  # Nobody but who mends this program is helped by a page of its lines.
        _say(f"error: {unforeseen(error)}")
    _end(code)


def unforeseen(error: BaseException) -> str:
    """Say on one line what an error of this program is, and where it arose."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [each for each in frames if "bayesrtw" in Path(each.filename).parts] or frames
    where = f" at {Path(own[-1].filename).name}:{own[-1].lineno}" if own else ""
    said = " ".join(str(error).split())[:300]
    return (
        f"an error of bayesrtw itself ({type(error).__name__}{where}: {said}); please report it with the "
        "command and its files."
    )


def _sentence(error: OSError) -> str:
    """Say what the system refused."""
    reason = error.strerror or str(error)
    if error.filename is not None:
        return f"{error.filename}: {reason}."
    try:
        Path.cwd()
    except OSError:
        return "the working folder is gone; change into one that exists."
    return f"what was printed could not be written ({reason}); send it elsewhere."


def _stop(number: int, frame: FrameType | None) -> NoReturn:  # noqa: ARG001 - what a handler is given
    """End by an exception, so that drafts are removed and workers let go; once, and not for ever."""
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    code = STOPPED + number
    watchdog = threading.Timer(PATIENCE, os._exit, (code,))
    watchdog.daemon = True
    watchdog.start()
    _say(f"error: stopped by {signal.Signals(number).name}; what was finished stays.")
    raise SystemExit(code)


def _caches() -> None:
    """Let libraries that keep caches at home have a folder that is removed, where home cannot be written."""
    home = Path(os.path.expanduser("~"))  # noqa: PTH111 - Path's own raises where nobody has a home
    if home.is_dir() and os.access(home, os.W_OK):
        return
    import atexit
    import shutil
    import tempfile

    folder = Path(tempfile.mkdtemp(prefix="bayesrtw-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    if not os.environ.get("MPLCONFIGDIR"):
        os.environ["MPLCONFIGDIR"] = str(folder / "matplotlib")
    flags = os.environ.get("PYTENSOR_FLAGS", "")
    if "compiledir" not in flags:
        here = f"base_compiledir={folder / 'pytensor'}"
        os.environ["PYTENSOR_FLAGS"] = f"{flags},{here}" if flags else here


def _streams() -> None:
    """Let streams print what their encoding has, and nothing that a terminal would obey."""
    if sys.stdout is None:
        sys.stderr = sys.stderr or _nowhere()
        _say("error: stdout is closed; send it to a file, or to /dev/null.")
        raise SystemExit(1)
    if sys.stderr is None:
        sys.stderr = _nowhere()
    codecs.register_error("bayesrtw", _degraded)
    sys.stdout, sys.stderr = (_Visible.of(each) for each in (sys.stdout, sys.stderr))


class _Visible(io.TextIOWrapper):
    """A stream on which nothing is printed that a terminal would obey but colours."""

    @classmethod
    def of(cls, stream: TextIO) -> "_Visible":
        """Take the place of a stream."""
        stream.flush()
        raw = cast("BinaryIO", stream.detach())  # type: ignore[attr-defined]
        encoding, flushed = stream.encoding, stream is sys.stderr or raw.isatty()
        return cls(raw, encoding=encoding, errors="bayesrtw", line_buffering=flushed)

    def write(self, text: str) -> int:
        """Write text."""
        super().write(visible(text))
        return len(text)


def _nowhere() -> TextIO:
    return open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123 - as long as the process


def _degraded(error: UnicodeError) -> tuple[str, int]:
    """Write what an encoding lacks: a plain likeness, else the escape of JSON, which JSON may hold too."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lacked = error.object[error.start : error.end]
    return "".join(_PLAIN.get(each) or escaped(each) for each in lacked), error.end


def _say(line: str) -> None:
    with contextlib.suppress(OSError, ValueError, AttributeError):
        print(line, file=sys.stderr, flush=True)  # noqa: T201 - the streams themselves may be broken


def _end(code: int) -> NoReturn:
    """End the process with a code, once what was printed has left it."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except BrokenPipeError:
        code = code or 1
    except OSError as error:
        _say(f"error: {_sentence(error)}")
        code = code or 1
    if code:
        # What could not be written is not tried again while the interpreter ends.
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    raise SystemExit(code)
