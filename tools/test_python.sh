#!/bin/sh
# Builds the Python package into a virtual environment of its own (build/venv) and runs its tests, style and types.
#
#   tools/test_python.sh [package ...]
#
# Further packages are installed beside it: `torch==2.13.0 keras` lets the comparisons with PyTorch and Keras run.
# PYTHON names the interpreter (python3).
set -e
cd "$(dirname "$0")/.."
venv=build/venv
[ -x $venv/bin/python ] || "${PYTHON:-python3}" -m venv $venv
$venv/bin/pip install -q --disable-pip-version-check scikit-build-core nanobind cmake ninja "$@"
$venv/bin/pip install -q --disable-pip-version-check --no-build-isolation ".[test]"
$venv/bin/ruff check python
$venv/bin/ruff format --check python
$venv/bin/mypy
$venv/bin/python -m pytest
