#!/bin/sh
# Installs the wheel in build/wheels that fits an interpreter into a fresh environment, and runs the package's tests.
#
#   tools/try_wheels.sh [python ...]        python3 if none is named; after tools/wheels.sh
set -e
cd "$(dirname "$0")/.."
for python in "${@:-python3}"; do
  fresh=$(mktemp -d)
  "$python" -m venv "$fresh"
  "$fresh/bin/pip" install -q --disable-pip-version-check numpy pytest matplotlib scikit-learn
  "$fresh/bin/pip" install -q --disable-pip-version-check --no-index --find-links build/wheels retrograde
  "$fresh/bin/python" --version
  "$fresh/bin/retrograde" --version
  "$fresh/bin/python" -m retrograde demo >/dev/null
  "$fresh/bin/pytest" -p no:cacheprovider python/tests ${TESTS:+-k "$TESTS"}
  rm -rf "$fresh"
done
