#!/usr/bin/env python3
"""A room includes only itself and rooms above it (this list is the order), and x.cpp includes x.h first."""

import pathlib
import re
import sys

ORDER = [
    "base", "tensor", "kernels", "cells,loss", "model", "sequence", "check", "doctor",
    "optim,data", "io", "train", "stream",
]  # fmt: skip
RANK = {room: rank for rank, rooms in enumerate(ORDER) for room in rooms.split(",")}
SOURCE = pathlib.Path(__file__).parent.parent / "src" / "retrograde"

faults = []
for path in sorted(SOURCE.glob("*/**/*")):
    if path.suffix not in (".h", ".cpp"):
        continue
    room = path.relative_to(SOURCE).parts[0]
    text = path.read_text()
    own = path.relative_to(SOURCE.parent).with_suffix(".h").as_posix()
    first = re.search(r'^#include ["<](.*)[">]', text, re.M)
    if path.suffix == ".cpp" and path.with_suffix(".h").exists() and first[1] != own:
        faults.append(f"{path}: its first include is not {own}")
    for number, line in enumerate(text.splitlines(), 1):
        other = re.match(r'\s*#\s*include\s+"retrograde/(\w+)/', line)
        if room not in RANK:
            faults.append(f"{path}: the room {room} is not in the list of {__file__}")
            break
        if other and other[1] != room and RANK.get(other[1], 99) >= RANK[room]:
            faults.append(f"{path}:{number}: {room} includes {other[1]}, which is not above it")
        elif re.match(r'\s*#\s*include\s+"(?!retrograde/)', line):
            faults.append(f'{path}:{number}: write includes as "retrograde/<room>/<file>.h"')

sys.exit("\n".join(faults) or 0)
