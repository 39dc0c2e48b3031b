# One word for each thing that people do here. `make install` comes first by itself.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

export PATH := $(abspath $(BIN)):$(PATH)

.PHONY: help install demo test lint chart docs bench fuzz clean speedups pure sanitized

help:
	@echo "make install   prepare $(VENV) (the other targets do it by themselves)"
	@echo "make demo      the ingress with the article's applications on 127.0.0.1"
	@echo "make test      the whole test suite"
	@echo "make lint      formatting, types, layers, news"
	@echo "make chart     the Helm chart and a repository's index in dist/charts"
	@echo "make docs      the documentation as a site in dist/docs"
	@echo "make speedups  build the optional compiled core in place (make pure removes it)"
	@echo "make sanitized the tests of what it does, with it built under ASan and UBSan"
	@echo "make bench     CPU per request beside nginx, haproxy, Envoy, Traefik and Caddy"
	@echo "make fuzz      the fuzz targets, FUZZ_SECONDS each (60)"
	@echo "make clean     remove what the targets made, $(VENV) excepted"

install: $(STAMP)

$(STAMP): setup.cfg pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Python 3.11 or later is needed; choose one with: make PYTHON=/path/to/python3"; exit 1; }
	@test -x $(BIN)/python -a -x $(BIN)/pip || $(PYTHON) -m venv $(VENV) \
	  || { echo "python3 -m venv failed; on Debian: apt-get install python3-venv"; exit 1; }
	@echo "installing into $(VENV) (once; up to a minute)"
	@$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[differential]' >/dev/null 2>&1 \
	  || echo "llhttp needs a C compiler: the tests that compare with it are skipped"
	@touch $@

demo: install
	@examples/demo.sh

# A third of the suite's time is waiting: two processes have room even on two cores.
PROCESSES := 2

test: install
	@$(BIN)/pytest --numprocesses $(PROCESSES) --dist loadfile --no-loadscope-reorder

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/hadolint docker/Dockerfile
	$(BIN)/towncrier build --draft --version 0 >/dev/null

CHARTS := dist/charts
# Where the repository will be found; without it the index names the file beside itself.
CHARTS_URL :=

chart:
	@rm -rf $(CHARTS)
	@helm=$$(command -v helm || echo "$$(.ci/tools)/helm"); \
	  "$$helm" package charts/fsm --destination $(CHARTS) \
	  && "$$helm" repo index $(CHARTS) $(if $(CHARTS_URL),--url $(CHARTS_URL))

# Usual heads are then recognised by C instead of regular expressions; make pure takes it back.
speedups: install
	FSM_TWISTED_SPEEDUPS=1 $(BIN)/python setup.py --quiet build_ext --inplace

pure:
	rm -f fsm_twisted/*/_speedups*.so

# The same core with everything checked that C does not check; minutes, and pure afterwards.
SANITIZED := -fsanitize=address,undefined -fno-sanitize-recover=undefined -g -O1
SANITIZED_TESTS := tests/http1 tests/net tests/observe tests/routing tests/proxy

sanitized: install pure
	FSM_TWISTED_SPEEDUPS=1 CFLAGS="$(SANITIZED)" $(BIN)/python setup.py --quiet \
	  build_ext --inplace --force --build-temp build/sanitized
	LD_PRELOAD="$$(cc -print-file-name=libasan.so) $$(cc -print-file-name=libubsan.so)" \
	  PYTHONMALLOC=malloc ASAN_OPTIONS=detect_leaks=0 UBSAN_OPTIONS=print_stacktrace=1 \
	  $(BIN)/pytest -s -p no:cacheprovider $(SANITIZED_TESTS); code=$$?; $(MAKE) pure; exit $$code

docs: install
	@$(BIN)/python -c 'import sphinx, myst_parser, furo' 2>/dev/null \
	  || $(BIN)/pip install --quiet --disable-pip-version-check --editable '.[docs]'
	@$(BIN)/sphinx-build -nW --keep-going -q -d build/doctrees docs dist/docs

# The peers; what Debian has is installed where one may, or named by the benchmark.
PEERS := nginx haproxy wrk nghttp2-client openssl gcc libc6-dev
BENCH_OPTIONS :=

bench: install
	@for peer in nginx haproxy wrk h2load openssl cc; do PATH=$$PATH:/usr/sbin command -v $$peer >/dev/null || missing=1; done; \
	  if [ -n "$$missing" ] && [ "$$(id -u)" = 0 ]; then \
	    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq --yes --no-install-recommends $(PEERS) >/dev/null; fi
	@$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[benchmark]'
	$(BIN)/python benchmarks/http.py --publish $(BENCH_OPTIONS)

FUZZ_TARGETS := $(filter-out __init__ test_%,$(basename $(notdir $(wildcard tests/fuzz/*.py))))
FUZZ_SECONDS ?= 60

fuzz: install
	@$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[fuzz]'
	@set -e; for target in $(FUZZ_TARGETS); do $(BIN)/python -m tests.fuzz.$$target --seconds $(FUZZ_SECONDS); done

clean:
	rm -rf build dist .demo .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis *.egg-info
