"""The site: `sphinx-build -W -b html docs build/site`, with the package installed (its `docs` extra)."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

project = "Retrograde"
author = copyright = "The Retrograde authors"
release = version = (Path(__file__).parent.parent / "VERSION").read_text().strip()

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "site_parts"]
html_math_renderer = "drawn"
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3
suppress_warnings = ["myst.xref_missing"]  # links to sources, which tools/check_links.py looks at
exclude_patterns = ["notebooks"]
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
html_theme = "furo"
html_title = f"Retrograde {version}"
