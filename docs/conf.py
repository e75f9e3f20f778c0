"""How the site is built: `uv run --group docs sphinx-build -W docs docs/_build/html`."""

import hashlib
import os
import sys
import tomllib
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
sys.path.insert(0, str(HERE / "_ext"))
os.environ["PYTHONWARNINGS"] = (
    "ignore"  # of kernels: a warning of Jupyter's is no part of a tutorial
)
for library in ("OPENBLAS", "OMP", "MKL"):
    os.environ.setdefault(f"{library}_NUM_THREADS", "1")

import gallery  # noqa: E402 - beside this file
import inventory  # noqa: E402 - the same

project = "bayesrtw"
author = "The bayesrtw developers"
copyright = "2026, the bayesrtw developers"
version = release = PROJECT["version"]
language = "en-GB"

extensions = [
    "myst_nb",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.intersphinx",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
    "gallery",
    "mathml",
    "pages",
    "reach",
]
exclude_patterns = [
    "_build",
    "_ext",
    "_templates",
    "examples",
    "gallery",
    "**.ipynb_checkpoints",
    *(f"generated/gallery/*{kind}" for kind in (".py", ".md5", ".json", ".zip", ".ipynb")),
]
root_doc = "index"
templates_path = ["_templates"]

# -- MyST and notebooks: executed in every build ------------------------------------------------------

myst_enable_extensions = ["colon_fence", "deflist", "dollarmath", "attrs_inline"]
myst_heading_anchors = 3
myst_dmath_double_inline = True


def hash_of_what_counts() -> str:
    """Hash what a tutorial's output depends on: a change of it executes every notebook again."""
    digest = hashlib.sha256()
    for folder in ("bayesrtw", "models", "data"):
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix in {".py", ".toml", ".csv", ".lock", ".html", ".css"}:
                digest.update(str(path.relative_to(ROOT)).encode() + path.read_bytes())
    return digest.hexdigest()[:12]


COUNTS = hash_of_what_counts()
nb_execution_mode = "cache"
nb_execution_cache_path = str(HERE / "_build" / "executed" / COUNTS)
nb_execution_raise_on_error = True
nb_execution_show_tb = True
nb_execution_timeout = 120
nb_merge_streams = True
nb_code_prompt_show = "Show the code"
nb_code_prompt_hide = "Hide the code"

# -- Gallery: drawn in every build from scratch ----------------------------------------------------------

everything_that_counts = COUNTS
sphinx_gallery_conf = gallery.settings(HERE, COUNTS)

# -- Python reference -----------------------------------------------------------------------------------

default_role = "py:obj"
autosummary_generate = True
autodoc_typehints = "none"  # numpydoc's sections say the types
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False
numpydoc_xref_param_type = False

# -- Links to the neighbours: inventories are written from inventory.toml, so that no network is asked --

intersphinx_mapping = inventory.mapping(HERE / "inventory.toml", HERE / "_build" / "inventories")
intersphinx_disabled_reftypes = []

# -- Pages ------------------------------------------------------------------------------------------------

html_theme = "pydata_sphinx_theme"
html_title = "bayesrtw"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_context = {"default_mode": "auto"}
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {
    "logo": {"text": "bayesrtw"},
    "navbar_align": "left",
    "header_links_before_dropdown": 7,
    "show_prev_next": True,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
    "show_toc_level": 2,
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}
html_sidebars = {"index": []}
