"""The site: `sphinx-build -W -b html docs build/site`, with the package installed (its `docs` extra)."""

from pathlib import Path

project = "Retrograde"
author = "The Retrograde authors"
release = version = (Path(__file__).parent.parent / "VERSION").read_text().strip()

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.mathjax", "sphinx.ext.napoleon"]
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3
suppress_warnings = ["myst.xref_missing"]  # links to sources, which tools/check_links.py looks at
exclude_patterns = ["notebooks"]
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
html_theme = "furo"
html_title = f"Retrograde {version}"
