# make demo    builds the program and shows it at work
# make test    builds everything and runs every test that takes seconds
# Both need nothing else on Debian 12: as root they say which packages are missing and install them; without root they
# print the line to run.
#
# make test-long   the random searches in full          make test-clang  builds and tests with Clang 14
# make sanitize    the C++ tests under ASan and UBSan    make bench       this machine, the library and its peers on it
# make docs        the site, in build/site               make wheels      of the Python package, in build/wheels
# make lint        clang-tidy, ruff, mypy, pyright       make format      lays out all sources
# make install     to PREFIX (/usr/local)                make clean       removes build/

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := build
.PHONY: build demo test test-cpp test-python test-long test-clang sanitize checks venv bench docs wheels lint format install clean
PREFIX ?= /usr/local
JOBS ?= $(shell nproc)

BUILD_NEEDS := c++:g++ cmake:cmake ninja:ninja-build libfmt-dev nlohmann-json3-dev zlib1g-dev libcli11-dev
TEST_NEEDS := $(BUILD_NEEDS) ccache:ccache libgtest-dev libgmock-dev python3:python3 python3-venv python3-dev
VENV := build/venv

# The compiler's cache, where there is one, serves the package's build what the tests' build has compiled. Relative
# paths let two clones share it.
export CMAKE_CXX_COMPILER_LAUNCHER = $(shell command -v ccache)
export CCACHE_BASEDIR := $(CURDIR)
export CCACHE_NOHASHDIR := 1
export CTEST_PARALLEL_LEVEL := $(JOBS)

build:
	@tools/packages.sh $(BUILD_NEEDS)
	cmake --preset release -DRETROGRADE_TOGETHER=ON -DRETROGRADE_BUILD_TESTS=OFF -DRETROGRADE_BUILD_EXAMPLES=OFF
	cmake --build --preset release

demo: build
	build/release/retrograde demo

test: checks test-cpp test-python

test-cpp: venv
	$(VENV)/bin/pip install -q numpy
	cmake --preset release -DRETROGRADE_TOGETHER=ON -DRETROGRADE_BUILD_TESTS=ON -DRETROGRADE_BUILD_EXAMPLES=ON \
	  -DPYTHON3=$(CURDIR)/$(VENV)/bin/python3
	cmake --build --preset release
	ctest --preset release -LE long

venv:
	@tools/packages.sh $(TEST_NEEDS)
	@test -x $(VENV)/bin/pip || python3 -m venv $(VENV)

test-python: venv
	$(VENV)/bin/pip install -q '.[test]' -C build-dir=build/wheel
	$(VENV)/bin/pytest

test-long: test-cpp
	ctest --preset release -L long

test-clang:
	@tools/packages.sh $(TEST_NEEDS) clang++-14:clang-14
	CXX=clang++-14 cmake --preset release -B build/clang -DCMAKE_CXX_FLAGS=-Werror
	cmake --build build/clang
	ctest --test-dir build/clang --output-on-failure -LE long

sanitize:
	@tools/packages.sh $(TEST_NEEDS)
	cmake --preset dev
	cmake --build --preset dev
	ctest --preset dev -LE long

# What can be said about the sources without compiling them.
checks:
	@tools/packages.sh $(TEST_NEEDS)
	python3 tools/check_rooms.py
	python3 tools/check_links.py
	@if command -v clang-format-14 >/dev/null; then \
	  git ls-files '*.cpp' '*.h' | xargs clang-format-14 --dry-run -Werror; \
	else echo "note: the layout of the sources was not checked: clang-format-14 is not installed"; fi

format:
	@tools/packages.sh clang-format-14:clang-format-14
	git ls-files '*.cpp' '*.h' | xargs clang-format-14 -i

lint:
	@tools/packages.sh $(TEST_NEEDS) clang-tidy-14:clang-tidy-14
	cmake --preset release -DRETROGRADE_BUILD_TESTS=ON -DRETROGRADE_BUILD_EXAMPLES=ON
	git ls-files 'src/*.cpp' 'cli/*.cpp' | xargs -P $(JOBS) -n 4 clang-tidy-14 -p build/release --quiet
	$(MAKE) venv
	$(VENV)/bin/pip install -q ruff mypy 'pyright[nodejs]' torch==2.13.0 '.[test]' -C build-dir=build/wheel
	$(VENV)/bin/ruff check
	$(VENV)/bin/mypy
	$(VENV)/bin/pyright --pythonpath $(VENV)/bin/python

bench: venv
	@tools/packages.sh libdnnl-dev libbenchmark-dev
	cmake --preset release -DRETROGRADE_BUILD_BENCH=ON
	cmake --build --preset release
	$(VENV)/bin/pip install -q numpy torch==2.13.0 jax onnx onnxruntime
	$(VENV)/bin/python bench/run.py --build build/release --out build/bench

docs: venv
	$(VENV)/bin/pip install -q '.[docs]' -C build-dir=build/wheel
	$(VENV)/bin/sphinx-build -W -b html docs build/site

wheels: venv
	tools/wheels.sh

install: build
	cmake --install build/release --prefix $(PREFIX)

clean:
	rm -rf build
