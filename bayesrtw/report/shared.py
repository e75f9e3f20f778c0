"""Results in a store that several machines share: an object store or what else fsspec reaches by a URL.

Such a store renames nothing: ``synthesis.json`` goes first where a result is replaced, and comes last. Who
finds it finds the whole result.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bayesrtw.errors import BayesrtwError, OutputError, shown
from bayesrtw.report.folder import OWN, whole

#: What tells that a result is there.
MARK = "synthesis.json"


class SharedPlace:
    """A place for results that has a URL; it travels to workers, who open it themselves.

    Parameters
    ----------
    url
        Such as ``s3://bucket/results``.
    """

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")

    def __str__(self) -> str:
        return self.url

    def reach(self) -> None:
        """Write a file and take it away again; fails where nothing can be written."""
        with self._reached() as (files, root):
            probe = f"{root}/.bayesrtw-{os.urandom(8).hex()}"
            files.pipe_file(probe, b"")
            files.rm_file(probe)

    def present(self) -> set[str]:
        """Ids of the results that are there; fails where the place cannot be read."""
        with self._reached() as (files, root):
            return {path.rsplit("/", 2)[1] for path in files.glob(f"{root}/*/{MARK}")}

    @contextmanager
    def draft(self) -> Iterator[Path]:
        """Give a folder of this machine, from which `put` takes results."""
        with TemporaryDirectory(prefix="bayesrtw-") as folder:
            yield Path(folder)

    def put(self, folder: Path) -> str:
        """Send a folder of one result, in place of an earlier one; its URL."""
        with self._reached() as (files, root):
            target = f"{root}/{folder.name}"
            files.invalidate_cache()
            there = {path.rsplit("/", 1)[1] for path in files.find(target)}
            foreign = sorted(name for name in there if not OWN.fullmatch(name))
            if foreign:
                raise OutputError(
                    f"{self.url}/{folder.name}: holds {shown(foreign)}, which this program did not write; "
                    "move it away, or choose another --out."
                )
            new = {item.name for item in folder.iterdir()}
            if MARK in there:
                files.rm_file(f"{target}/{MARK}")
            for name in sorted(there - new - {MARK}):
                files.rm_file(f"{target}/{name}")
            for name in [*sorted(new - {MARK}), MARK]:
                files.pipe_file(f"{target}/{name}", (folder / name).read_bytes())
        return f"{self.url}/{folder.name}"

    def write_index(self) -> str:
        """Write ``index.html`` over the results that have a report; its URL."""
        from bayesrtw.report.html import render_index  # noqa: PLC0415

        with self._reached() as (files, root):
            found = []
            for path in sorted(files.glob(f"{root}/*/report.html")):
                place = path.rsplit("/", 1)[0]
                if files.exists(f"{place}/{MARK}"):
                    content = files.cat_file(f"{place}/{MARK}")
                    found.append(whole(content.decode(), place.rsplit("/", 1)[1]))
            page = render_index([each for each in found if each])
            files.pipe_file(f"{root}/index.html", page.encode())
        return f"{self.url}/index.html"

    @contextmanager
    def _reached(self) -> Iterator[tuple[Any, str]]:
        """Open the store; whatever its library raises is one line here."""
        try:
            from fsspec.core import url_to_fs  # noqa: PLC0415
        except ImportError:
            raise OutputError(
                f"--out {self.url}: a URL needs fsspec; install it with pip install 'bayesrtw[dask]', or "
                "give a folder."
            ) from None
        try:
            yield url_to_fs(self.url)
        except BayesrtwError:
            raise
        except Exception as error:  # Every kind of store raises exceptions of its own.
            said = " ".join(str(error).split()) or type(error).__name__
            raise OutputError(
                f"--out {self.url}: cannot be used ({said}); mend the URL, or the access to the store, or "
                "give a folder."
            ) from None
