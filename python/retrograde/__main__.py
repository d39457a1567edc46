"""`python -m retrograde` and the script `retrograde`: the command-line program that lies in this package."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def program() -> Path:
    """The compiled program."""
    name = "retrograde.exe" if os.name == "nt" else "retrograde"
    for folder in __import__("retrograde").__path__:
        path = Path(folder) / name
        if path.is_file():
            return path
    raise FileNotFoundError("the program `retrograde` is missing from the package; install it again")


def main() -> int:
    arguments = [str(program()), *sys.argv[1:]]
    if os.name == "posix":  # takes this process's place: signals, terminal and exit code are its own
        os.execv(arguments[0], arguments)
    return subprocess.run(arguments).returncode


if __name__ == "__main__":
    sys.exit(main())
