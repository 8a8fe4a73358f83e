# Two commands: `make repro` (set up, run the pipeline, show the result) and `make test`.
PYTHON ?= python3
export PATH := $(CURDIR)/.venv/bin:$(PATH)
export PYTHONDONTWRITEBYTECODE =  # containers often set it, and then every process compiles torch and Prefect again

.PHONY: help repro test test-all lint audit bench lock setup dashboard readme docs

help:  ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' Makefile | sort

repro: setup  ## run the pipeline on the defaults of params.yaml; a second time recomputes nothing
	@git rev-parse --is-inside-work-tree >/dev/null 2>&1 || { printf '[core]\n    no_scm = true\n' > .dvc/config.local; \
		echo 'No Git repository here: the pipeline runs, but `dvc exp` (experiments) needs one (git init, git add -A, git commit).'; }
	python -m pipeline run
	@python -m pipeline result

setup: .venv/.ready .dvc/tmp/vega.js  ## create .venv with the pinned requirements

.venv/.ready: requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.12 repro")'
	$(PYTHON) -m venv .venv
	.venv/bin/python -m pip install --quiet --disable-pip-version-check uv
	.venv/bin/uv pip sync --quiet --python .venv/bin/python --require-hashes requirements.txt
	@touch $@

.dvc/tmp/vega.js: .venv/.ready  # what draws `dvc plots` without network; .dvc/plots/page.html loads it
	@mkdir -p $(@D)
	@python -c 'import vl_convert; print(vl_convert.javascript_bundle())' > $@.part
	@mv $@.part $@

test: setup  ## the tests that take minutes, with the share of lines that they run (coverage)
	OMP_NUM_THREADS=1 python -m pytest -n auto --dist worksteal -m "not slow" --cov --cov-report= tests

test-all: setup  ## every test, the slow ones too
	OMP_NUM_THREADS=1 python -m pytest -n auto --dist worksteal tests

lint: setup  ## format, style, types, and which room may import which
	ruff check .
	ruff format --check .
	basedpyright
	lint-imports

audit: setup  ## known weaknesses of the pinned requirements, by pip-audit; needs the network
	python .ci/audit.py requirements.txt

bench: setup  ## speed and memory of this machine, written to benchmarks/results
	python -m benchmarks.scenes
	python -m benchmarks.step
	python -m benchmarks.parts
	python -m benchmarks.embed
	python -m benchmarks.decode
	python -m benchmarks.probe
	python -m benchmarks.interpret
	python -m benchmarks.scaling
	python -m benchmarks.together --models small default --cells 4 16
	python -m benchmarks.long_run
	@python -c 'import lightly' 2>/dev/null && python -m benchmarks.peer || echo 'benchmarks.peer: skipped, lightly is not installed'

dashboard: setup  ## the page that shows runs and sweeps; Ctrl-C ends it
	python -m pipeline dashboard

docs: setup  ## these pages and the docstrings as a site in build/site; needs the extra `docs`
	@python -c 'import mkdocs, mkdocstrings' 2>/dev/null || { echo "make docs: needs mkdocs: uv pip install 'mkdocs-material' 'mkdocstrings[python]'"; exit 1; }
	python -m mkdocs build --quiet --strict

readme: setup  ## write the numbers of README.md anew from reports/ and benchmarks/results
	python -m benchmarks.readme

lock:  ## pin every version that pyproject.toml allows
	.venv/bin/uv pip compile --quiet --universal --python-version 3.11 --extra dev --generate-hashes \
		--no-emit-index-url --no-emit-find-links --no-header --no-annotate --upgrade -o requirements.txt pyproject.toml
