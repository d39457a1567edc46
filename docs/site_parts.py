"""What the site needs beside Sphinx: the reference of the C++ headers, made from the headers themselves, and
formulas drawn when it is built."""

from __future__ import annotations

import html
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from docutils import nodes
from docutils.parsers.rst import Directive
from matplotlib import rc_context
from matplotlib.font_manager import FontProperties
from matplotlib.mathtext import math_to_image
from sphinx.application import Sphinx

SOURCES = Path(__file__).parent.parent / "src"


class CppReference(Directive):
    """A section for every header that retrograde.h brings in: its head, then each declaration with its comment."""

    def run(self) -> list[nodes.Node]:
        headers: list[str] = []
        public("retrograde/retrograde.h", headers)
        environment = self.state.document.settings.env
        for header in headers:
            environment.note_dependency(str(SOURCES / header))
        return [section(header) for header in headers[:-1]]


def public(header: str, known: list[str]) -> None:
    """Adds a header after those that it includes. What kernels are made of is nobody's business."""
    for other in re.findall(r'^#include "(.*)"$', (SOURCES / header).read_text(encoding="utf-8"), re.MULTILINE):
        if other not in known and "/kernels/" not in other:
            public(other, known)
    known.append(header)


def section(header: str) -> nodes.section:
    name = header.removeprefix("retrograde/")
    result = nodes.section(ids=[nodes.make_id(name)], names=[name])
    result += nodes.title("", "", nodes.literal("", name))
    head, items = parts((SOURCES / header).read_text(encoding="utf-8"))
    result += prose(head)
    for comment, code in items:
        result += nodes.literal_block(code, code, language="cpp")
        result += prose(comment)
    return result


def parts(text: str) -> tuple[str, list[tuple[str, str]]]:
    """A header's first comment, and (comment, declaration) of everything public in its namespace."""
    head = re.match(r"(?://.*\n)*", text)
    assert head
    namespaces = r"^namespace (?:retrograde|retrograde::doctor) \{\n(.*?)^\}  // namespace"
    body = "\n".join(re.findall(namespaces, text, re.M | re.S))
    body = re.sub(r"^#if.*?^#endif$|^namespace \w+ \{\n.*?^\}  // namespace \w+$", "", body, flags=re.M | re.S)
    return uncommented(head.group()), list(items_of(body.split("\n")))


def items_of(lines: list[str]) -> Iterator[tuple[str, str]]:
    """Declarations under one comment belong together."""
    comment: list[str] = []
    done: list[str] = []
    code: list[str] = []
    for line in [*lines, ""]:
        if code or (line.strip() and not line.startswith("//")):
            code.append(line)
            joined = "\n".join(code)
            bare = re.sub(r"//.*", "", joined)
            if bare.count("{") == bare.count("}") and bare.rstrip().endswith((";", "}")):
                if not re.match(r"extern template|template (class|void|struct)|(class|struct) \w+;$", joined):
                    done.append(declaration(joined))
                code = []
            continue
        if done:
            yield uncommented("\n".join(comment)), "\n".join(done)
            comment, done = [], []
        comment = [*comment, line] if line else []


def declaration(code: str) -> str:
    """Without private parts and the bodies of functions."""
    code = re.sub(r"\n+ private:\n.*?(?=^\};)", "\n", code, flags=re.M | re.S)
    if not re.match(r"(template <.*>\n)?(inline constexpr|constexpr|enum|struct|class|using)\b", code):
        return re.sub(r"\s*\{.*\}\Z", ";", code, flags=re.S)
    code = re.sub(r"^(  [^\n/]*\)[\w ]*) \{\n.*?^  \}$", r"\1;", code.rstrip(), flags=re.M | re.S)
    return re.sub(r"^(  [^\n/]*\)[\w ]*)(\s*: .*)? \{.*\}$", r"\1;", code, flags=re.M)


def uncommented(comment: str) -> str:
    return re.sub(r"^// ?", "", comment, flags=re.M).strip("\n")


def prose(comment: str) -> list[nodes.Node]:
    """Paragraphs; lines that are set in are shown as they stand."""
    result: list[nodes.Node] = []
    for block in re.findall(r"(?:^ +.*\n?(?:^ .*\n?|^\n(?= ))*)|(?:^\S.*\n?)+", comment, re.M):
        if block.startswith(" "):
            text = "\n".join(line[2:] for line in block.rstrip().split("\n"))
            result.append(nodes.literal_block(text, text, language="none"))
        else:
            result.append(nodes.paragraph("", " ".join(block.split())))
    return result


def drawn(self: Any, node: nodes.Element) -> None:
    """A formula as SVG pictures in the page, which need neither script nor font; aligned lines are a table of them."""
    tex = " ".join(node.astext().split())
    if lines := re.fullmatch(r"\\begin\{aligned\} (.*) \\end\{aligned\}", tex):
        sides = ("right", "left")
        rows = (zip(sides, line.split("&"), strict=True) for line in lines[1].split(r"\\"))
        cells = ((f'<td style="text-align: {side}">{picture(part)}</td>' for side, part in row) for row in rows)
        content = f'<table style="margin: auto">{"".join("<tr>" + "".join(row) + "</tr>" for row in cells)}</table>'
    else:
        content = picture(tex)
    if isinstance(node, nodes.math_block):
        content = f'<div class="math" style="overflow-x: auto; margin: 1em 0">{content}</div>'
    self.body.append(content)
    raise nodes.SkipNode


def picture(tex: str) -> str:
    with io.BytesIO() as file, rc_context({"svg.fonttype": "path", "svg.hashsalt": "", "mathtext.fontset": "cm"}):
        depth = math_to_image(f"${tex.strip()}$", file, prop=FontProperties(size=13), dpi=72, format="svg")
        svg = file.getvalue().decode()
    svg = re.sub(r".*?(?=<svg)|<metadata>.*</metadata>", "", svg, flags=re.S).replace("#000000", "currentColor")
    label = f'role="img" aria-label="{html.escape(tex)}" style="vertical-align: {-depth:.1f}pt"'
    return svg.replace("<svg", f"<svg {label}", 1)


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_directive("cpp-reference", CppReference)
    app.add_html_math_renderer("drawn", (drawn, None), (drawn, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
