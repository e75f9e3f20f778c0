"""The gallery: scripts of docs/gallery drawn by Sphinx-Gallery, each picture with its words."""

import ast
import hashlib
import re
from pathlib import Path
from typing import Any

#: Dots an inch of a common screen and of a fine one; letters of 7 points are 12 dots high on the first.
RESOLUTION = {0: 125, 2.0: 250}


def opening(script: Path) -> str:
    """Give what stands below the title of a script."""
    text = ast.get_docstring(ast.parse(script.read_text(encoding="utf-8"))) or ""
    return text.split("\n\n", 1)[-1]


def drawn(block: tuple[Any, ...], variables: dict[str, Any], settings: dict[str, Any]) -> str:
    """Write the figure of a script's ``axes``; its ``words`` are what a screen reader says."""
    from sphinx_gallery.scrapers import figure_rst  # noqa: PLC0415

    names = variables["example_globals"]
    if "axes" not in names:
        return ""
    path = Path(next(variables["image_path_iterator"]))
    paths = {zoom: path.with_stem(path.stem + ("_2_00x" if zoom else "")) for zoom in RESOLUTION}
    for zoom, name in paths.items():
        names["axes"].figure.savefig(name, dpi=RESOLUTION[zoom], metadata={"Software": None})
    said = names.get("words")
    words = " ".join((said or opening(Path(variables["src_file"]))).split())
    picture = figure_rst([path], settings["src_dir"], words, [paths])
    if not said:
        return picture
    plain = re.sub(r"([*_`|\\])", r"\\\1", words)
    return f"{picture}\n.. dropdown:: The same in words\n\n   {plain}\n\n"


def stamp_of(here: Path) -> Path:
    return here / "_build" / "gallery.digest"


def drawn_from(digest: str) -> str:
    """Give a digest of all that the pictures come from besides the scripts."""
    return digest + hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:12]


def settings(here: Path, digest: str) -> dict[str, Any]:
    """Give the settings; scripts run again where code, models or data changed since the last build.

    Sphinx-Gallery itself looks at the scripts alone.
    """
    stamp = stamp_of(here)
    return {
        "examples_dirs": "gallery",
        "gallery_dirs": "generated/gallery",
        "backreferences_dir": "generated/gallery_used",
        "doc_module": ("bayesrtw",),
        "image_scrapers": ("gallery.drawn",),
        "within_subsection_order": "FileNameSortKey",
        "run_stale_examples": not stamp.exists() or stamp.read_text("utf-8") != drawn_from(digest),
        "abort_on_example_error": True,
        "thumbnail_size": (560, 420),
        # Nothing that differs from one build to the next, and no downloads of what is on the page.
        "min_reported_time": 1e9,
        "write_computation_times": False,
        "show_signature": False,
        "download_all_examples": False,
        "notebook_extensions": set(),
    }


def setup(app: Any) -> dict[str, bool]:
    def stamp(app: Any, error: Exception | None) -> None:
        if error is None:
            here = Path(app.confdir)
            stamp_of(here).write_text(drawn_from(app.config.everything_that_counts), "utf-8")

    app.add_config_value("everything_that_counts", "", "")
    app.connect("build-finished", stamp)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
