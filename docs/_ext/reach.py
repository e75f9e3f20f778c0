"""What every page owes to readers who do not see it or have no mouse."""

from typing import Any

from docutils import nodes
from sphinx.util import logging

logger = logging.getLogger(__name__)


def told(app: Any, tree: nodes.document, page: str) -> None:
    """Warn of a picture without words; a build with warnings as errors stops there.

    A thumbnail beside its own title says nothing on purpose: its alternative is empty, not missing.
    """
    for image in tree.findall(nodes.image):
        words = image.get("alt")
        if words is None or 0 < len(words.split()) < 4:
            logger.warning(
                "a picture has no text alternative; say in `mystnb: image: alt:` of its cell what "
                "it shows",
                location=image.parent if image.parent is not None else page,
            )


def lists_of_references(
    app: Any, page: str, template: str, context: dict[str, Any], tree: Any
) -> None:
    """Take a role away that Sphinx gives to lists of references without giving their items one."""
    if "body" in context:
        context["body"] = context["body"].replace(
            '<div role="list" class="citation-list">', '<div class="citation-list">'
        )


def setup(app: Any) -> dict[str, bool]:
    app.connect("doctree-resolved", told)
    app.connect("html-page-context", lists_of_references)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
