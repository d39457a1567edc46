#!/bin/sh
# Writes the type stubs of the extension module anew, from the package that is installed for PYTHON.
set -e
cd "$(dirname "$0")/.."
"${PYTHON:-python3}" -m nanobind.stubgen -q -m retrograde._core -O python/retrograde
