"""What every page stands in: its own style and script, and the policy that allows nothing else."""

import base64
import hashlib
from importlib.resources import files
from typing import Final

from markupsafe import Markup

_HEAD: Final = Markup("""<!DOCTYPE html>
<html lang="en-GB">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<style>{css}</style>
</head>
""")


def asset(name: str) -> str:
    """Read a style, script or template."""
    return (files("bayesrtw.report") / "templates" / name).read_text(encoding="utf-8")


def head(title: str, css: str, js: str | None) -> Markup:
    """Write the head of a page that asks nothing of any network."""
    script = f"script-src '{_hash(js)}'; require-trusted-types-for 'script'; " if js else ""
    policy = (
        f"default-src 'none'; {script}style-src '{_hash(css)}'; base-uri 'none'; form-action 'none'"
    )
    return _HEAD.format(policy=Markup(policy), title=title, css=Markup(css))


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
