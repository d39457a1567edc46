"""The site: builds without a warning, and a real browser shows it without a network."""

from __future__ import annotations

import functools
import importlib.util
import re
import shutil
import subprocess
import sys
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
BROWSER = shutil.which("chromium") or shutil.which("google-chrome")

pytestmark = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("sphinx", "furo", "myst_parser", "matplotlib")),
    reason="Sphinx is not installed",
)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    made = subprocess.run(
        [sys.executable, "-m", "sphinx", "-W", "-q", "-b", "html", str(DOCS), str(folder)],
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    return folder


def test_it_has_both_references(site):
    assert "retrograde.LSTM" in (site / "api.html").read_text(encoding="utf-8")
    text = (site / "cpp.html").read_text(encoding="utf-8")
    all_of_it = (DOCS.parent / "src" / "retrograde" / "retrograde.h").read_text(encoding="utf-8")
    for header in re.findall(r'^#include "retrograde/(.*)"$', all_of_it, re.MULTILINE):
        assert f">{header}<" in text, header
    assert "must outlive the trainer" in text and "rate_scale_" not in text, "public parts, with their comments"


def test_it_asks_nobody_elses_server(site):
    for page in site.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        assert "<script src=\"http" not in text and "<link rel=\"stylesheet\" href=\"http" not in text, page


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def page(site):
    if BROWSER is None:
        pytest.skip("there is no Chromium")
    playwright = pytest.importorskip("playwright.sync_api")
    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(site))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with playwright.sync_playwright() as tool:
            browser = tool.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
            page = browser.new_page(base_url=f"http://127.0.0.1:{server.server_port}")
            page.route("**", lambda route: route.continue_() if "127.0.0.1" in route.request.url else route.abort())
            page.trouble = []
            page.on("pageerror", lambda error: page.trouble.append(str(error)))
            page.on("requestfailed", lambda request: page.trouble.append(request.url))
            yield page
            browser.close()
        server.shutdown()


@pytest.mark.parametrize("width", [1400, 390])
def test_every_page_loads_and_fits_its_window(page, site, width):
    page.set_viewport_size({"width": width, "height": 900})
    names = sorted(str(path.relative_to(site)) for path in site.rglob("*.html"))
    assert len(names) > 15
    for name in names:
        page.goto(f"/{name}")
        assert page.title(), name
        assert page.evaluate("document.documentElement.scrollWidth") <= width, f"{name} is wider than {width}"
    assert page.trouble == []


def test_mathematics_is_rendered(page):
    page.goto("/from_scratch.html")
    formulas = page.evaluate("""[...document.querySelectorAll('svg[role=img]')].map(svg => {
        const box = svg.getBoundingClientRect();
        const glyphs = [...svg.querySelectorAll('use')].map(g => g.getBoundingClientRect());
        return [svg.getAttribute('aria-label'), box.width, box.height, glyphs.map(g => [g.width, g.height, g.bottom])];
    })""")
    assert any("Z_t = X_t U" in label for label, *_ in formulas)
    for label, width, height, glyphs in formulas:
        assert width > 100 and height > 10 and len(glyphs) > 10, label
        assert all(w > 0 and h > 0 for w, h, _ in glyphs), label
        (_, letter, line), (_, index, below) = glyphs[:2]
        assert index < letter and below > line, "the index of Z is smaller than Z and stands lower"


@pytest.mark.parametrize("words, found", [("truncation", "truncation.html"), ("scale_rate", "cpp.html"), ("read_pt", "api.html")])
def test_search_finds(page, words, found):
    page.goto(f"/search.html?q={words}")
    page.wait_for_selector("#search-results li a", timeout=20_000)
    links = page.eval_on_selector_all("#search-results li a", "links => links.map(a => a.href)")
    assert any(found in link for link in links), links
