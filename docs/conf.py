"""How the site is built: `uv run --group docs sphinx-build -W docs docs/_build/html`."""

import hashlib
import os
import sys
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parent
sys.path.insert(0, str(HERE / "_ext"))
os.environ["PYTHONWARNINGS"] = (
    "ignore"  # of kernels: a warning of Jupyter's is no part of a tutorial
)
for library in ("OPENBLAS", "OMP", "MKL"):
    os.environ.setdefault(f"{library}_NUM_THREADS", "1")

import inventory  # noqa: E402 - beside this file

project = "bayesrtw"
author = "The bayesrtw developers"
copyright = "2026, the bayesrtw developers"
version = release = "0.1.0"
language = "en-GB"

extensions = [
    "myst_nb",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.intersphinx",
    "sphinx_design",
    "mathml",
    "pages",
]
exclude_patterns = ["_build", "_ext", "examples", "gallery", "**.ipynb_checkpoints"]
root_doc = "index"

# -- MyST and notebooks: executed in every build ------------------------------------------------------

myst_enable_extensions = ["colon_fence", "deflist", "dollarmath", "attrs_inline"]
myst_heading_anchors = 3
myst_dmath_double_inline = True


def everything_that_counts() -> str:
    """Hash what a tutorial's output depends on: a change of it executes every notebook again."""
    digest = hashlib.sha256()
    for folder in ("bayesrtw", "models", "data"):
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix in {".py", ".toml", ".csv", ".lock", ".html", ".css"}:
                digest.update(str(path.relative_to(ROOT)).encode() + path.read_bytes())
    return digest.hexdigest()[:12]


nb_execution_mode = "cache"
nb_execution_cache_path = str(HERE / "_build" / "executed" / everything_that_counts())
nb_execution_raise_on_error = True
nb_execution_show_tb = True
nb_execution_timeout = 120
nb_merge_streams = True
nb_code_prompt_show = "Show the code"
nb_code_prompt_hide = "Hide the code"

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
