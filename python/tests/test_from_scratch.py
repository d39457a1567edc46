"""docs/from_scratch.md is run as it stands: the page's own assertions hold the class and the network equal."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "from_scratch.md"


@pytest.fixture(scope="module")
def page() -> dict:
    source = "\n\n".join(re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL))
    names: dict = {"__name__": "from_scratch"}
    exec(compile(source, str(PAGE), "exec"), names)
    return names


def test_the_page_runs_and_its_class_and_network_agree(page, capsys):
    assert page["diagnosis"].findings


def test_the_page_sees_a_wrong_limit(page):
    """Its comparison is no tautology: a reach off by one is far from equal."""
    mine, rng = page["ElmanFromScratch"](7, 5, 2), page["np"].random.default_rng(2)
    X, Y = rng.normal(size=(3, 11, 7)), rng.normal(size=(3, 11, 2))
    _, windowed = page["gradients_of"](page["in_retrograde"](mine), X, Y, page["rg"].window(reach=3))
    assert page["largest_gap"](windowed, mine.backprop_through_time_limit(X, Y, 4)) > 1e-3
