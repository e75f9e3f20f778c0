"""From a finished synthesis to a report in the format that was asked for."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from bayesrtw.analysis.run import Synthesis
from bayesrtw.errors import OutputError
from bayesrtw.plot.figure import figure_bytes
from bayesrtw.registry import suggestion
from bayesrtw.report.document import as_json
from bayesrtw.report.figures import Drawn, figures
from bayesrtw.report.html import render_html
from bayesrtw.report.markdown import Embedded, render_markdown
from bayesrtw.report.picture import described, picture

if TYPE_CHECKING:
    from bayesrtw.report.word import Image


def files(synthesis: Synthesis, content: dict[str, Any], kind: str, name: str) -> dict[str, bytes]:
    """Write a report with what belongs beside it: path from its folder to bytes, the report first.

    A Word document has a supplement beside it, and Markdown its pictures.
    """
    if kind not in ("md", "docx"):
        return {f"{name}.{kind}": render(synthesis, content, kind)}
    drawn = figures(synthesis, content)
    if kind == "md":
        shown = {f"{name}-pictures/{each}.png": picture_of for each, picture_of in drawn.items()}
        listed = [
            Embedded(path, each.caption, described(each.figure), each.section)
            for path, each in shown.items()
        ]
        pictures = {path: figure_bytes(each.figure, "png") for path, each in shown.items()}
        return {f"{name}.md": render_markdown(content, listed).encode(), **pictures}
    from bayesrtw.report.word import render_docx  # noqa: PLC0415 - a library for this format alone

    images = [_image(each) for each in drawn.values()]
    return {
        f"{name}.docx": render_docx(content, images),
        f"{name}-supplement.docx": render_docx(content, images, "supplement"),
    }


def render(synthesis: Synthesis, content: dict[str, Any], kind: str) -> bytes:
    """Write a report."""
    if kind == "html":
        return page(synthesis, content).encode()
    if kind == "md":
        return render_markdown(content).encode()
    if kind == "docx":
        return files(synthesis, content, kind, "report")["report.docx"]
    if kind == "json":
        return as_json(content).encode()
    raise OutputError(f"format is {kind!r}; {suggestion(kind, ['html', 'md', 'docx', 'json'])}")


def page(
    synthesis: Synthesis, content: dict[str, Any], drawn: Mapping[str, Drawn] | None = None
) -> str:
    """Write a synthesis as one HTML page with its pictures."""
    pictures = [
        picture(each, name) for name, each in (drawn or figures(synthesis, content)).items()
    ]
    return render_html(content, pictures)


def _image(drawn: Drawn) -> "Image":
    from bayesrtw.report.word import Image  # noqa: PLC0415

    return Image(
        figure_bytes(drawn.figure, "png"),
        drawn.caption,
        described(drawn.figure),
        drawn.section,
        2.54 * float(drawn.figure.get_figwidth()),
        drawn.aside,
    )
