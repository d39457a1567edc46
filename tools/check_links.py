#!/usr/bin/env python3
"""Every relative link in a Markdown file leads to a file, and every #anchor to a heading of it."""

import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).parent.parent


def prose(path):
    """The text without its code, where brackets mean something else."""
    text = re.sub(r"^(```|~~~).*?^\1", "", path.read_text(), flags=re.M | re.S)
    return re.sub(r"`[^`\n]*`", "`", text)


def anchors(path):
    text = re.sub(r"^(```|~~~).*?^\1", "", path.read_text(), flags=re.M | re.S)
    headings = re.findall(r"^#+\s+(.*?)\s*$", text, flags=re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


faults = []
for name in subprocess.check_output(["git", "ls-files", "*.md"], cwd=ROOT, text=True).split():
    page = ROOT / name
    if not page.exists():
        continue
    for target in re.findall(r"\]\(\s*<?([^)\s>]+)", prose(page)) + re.findall(r'src="([^"]+)"', prose(page)):
        if re.match(r"\w+:", target):
            continue
        file, _, anchor = target.partition("#")
        there = (page.parent / file) if file else page
        if not there.exists():
            faults.append(f"{name}: {target} does not exist")
        elif anchor and there.suffix == ".md" and anchor not in anchors(there):
            faults.append(f"{name}: {target}: there is no such heading")

sys.exit("\n".join(faults) or 0)
