# The course's commands. `make` alone lists them. Works with GNU make 3.81 (macOS) and newer.
#
# Each target sets up what it needs and does nothing when nothing changed: .venv/.ready stands for the installed
# packages, build/stamps/* for everything built from them.

PYTHON ?=
JOBS ?= 2
LAB_ARGS ?=

ifeq ($(OS),Windows_NT)
BIN := .venv/Scripts
else
BIN := .venv/bin
endif
PY := $(BIN)/python
READY := .venv/.ready
STAMPS := build/stamps

# Progress bars belong on a terminal, not in a log.
ifdef CI
export TQDM_DISABLE := 1
QUIET := --quiet
endif

# Everything the lessons and the tests need comes with the installed packages; no hub is asked.
OFFLINE := env HF_HUB_OFFLINE=1
ONE_THREAD := env OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1

find_files = $(sort $(shell find $(1) -type f ! -path '*/.*' ! -path '*/__pycache__/*' ! -name '*.pyc' 2>/dev/null))
LIBRARY := $(call find_files,xmr_lib)
LESSONS := $(call find_files,notebooks)
OTHERS := $(call find_files,tests exercises benchmarks datasets docs .ci .binder .devcontainer .github) \
  Makefile $(wildcard *.md *.cff *.yml LICENSE)

.PHONY: help course lab models test notebooks exercises lint bench faults clean FORCE
.DEFAULT_GOAL := help

help:  ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s  %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))
	@printf '%s\n' '' \
	  'One thing at a time (after any of the above made .venv; on Windows the folder is .venv/Scripts):' \
	  '  $(BIN)/xmr doctor                          versions, cores, cache; what works offline' \
	  '  $(BIN)/xmr search "red fruit"              find pictures by a sentence' \
	  '  $(BIN)/xmr run 02                          execute one lesson; 02 prints the emoji result' \
	  '  $(BIN)/xmr grade FILE                      mark a solved exercise' \
	  '  $(PY) benchmarks/metrics.py         metrics against a double loop and torchmetrics' \
	  '  $(PY) benchmarks/cca.py             CCA against scikit-learn' \
	  '  $(PY) benchmarks/hashing.py         Hamming search against FAISS and a matrix product' \
	  '  $(PY) benchmarks/hashing_from_pixels.py  hashing with frozen towers against end to end' \
	  '  $(PY) benchmarks/training.py        ACMR and DSCMR against plain training loops' \
	  '  $(PY) benchmarks/towers.py          CLIP against CLIPModel of transformers' \
	  '  $(PY) benchmarks/clip_search.py     towers for CLIP at equal seconds of training' \
	  '  $(PY) tests/run_all.py --list       the steps of make test, each runnable by name' \
	  '' \
	  'Settings: PYTHON=/path/to/python3.12  JOBS=4 (test processes)  LAB_ARGS="--no-browser"' \
	  '          XMR_PROFILE=smoke|course|paper  XMR_DATA_DIR=folder  XMR_CACHE_DIR=folder (see README.md)'

course: $(STAMPS)/course  ## set up, execute every lesson, write build/course/index.html
	@echo 'Read the executed lessons: build/course/index.html'

lab: $(STAMPS)/data  ## set up, then open JupyterLab on the lessons
	$(BIN)/jupyter lab --ServerApp.root_dir=. --LabApp.default_url=/lab/tree/notebooks $(LAB_ARGS)

models: $(STAMPS)/models  ## train what lessons 06 to 11 load (about two hours, once); course does it too
	@echo 'The lessons now load these fits; where they are: xmr doctor'

test: $(STAMPS)/test  ## set up, then run every check and every test
	@echo 'All tests passed, and nothing has changed since. Run them again: rm $(STAMPS)/test'

notebooks: $(READY)  ## build and execute notebooks/*.ipynb from notebooks/src/*.py
	$(OFFLINE) $(PY) -m xmr_lib.course.notebooks build

exercises: $(READY)  ## write the student editions of every exercise from exercises/src/*.py
	$(OFFLINE) $(PY) -m xmr_lib.course.exercises build

lint: $(READY)  ## style, format and types only (seconds)
	@$(PY) tests/run_all.py style format types

bench: $(READY)  ## run every benchmark on one thread, side by side with its peers
	@set -e; for script in $(sort $(wildcard benchmarks/[a-z]*.py)); do \
	  echo "== $$script"; $(ONE_THREAD) $(OFFLINE) $(PY) $$script; \
	done

faults: $(READY)  ## show the faults the course survives: killed build, broken cache, wrong input
	@$(OFFLINE) $(PY) -m pytest -q -s tests/test_faults.py

clean:  ## remove build/ and tool caches; keeps .venv and the feature cache
	rm -rf build .pytest_cache .ruff_cache .mypy_cache .hypothesis
	@echo 'Kept: .venv (remove it with rm -rf .venv) and the feature cache (xmr doctor says where it is).'

# --- the environment ---------------------------------------------------------------------------------------------

UV := $(shell command -v uv 2>/dev/null)

# PyTorch has wheels for CPython only. Without uv, venv and ensurepip are needed: Debian packs them apart.
SUITABLE := import sys$(if $(UV),,, venv, ensurepip); \
  sys.exit(sys.implementation.name != "cpython" or sys.version_info < (3, 11))
CANDIDATES := $(if $(PYTHON),"$(PYTHON)",python3.13 python3.12 python3.11 python3 python)

$(READY): pyproject.toml constraints.txt
	@if ! $(PY) -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then \
	  python=; \
	  for candidate in $(CANDIDATES); do \
	    if "$$candidate" -c '$(SUITABLE)' >/dev/null 2>&1; then python=$$candidate; break; fi; \
	  done; \
	  if [ -z "$$python" ]; then \
	    echo 'The course needs CPython 3.11 or newer with the venv module, and none of these is it: $(CANDIDATES).' >&2; \
	    echo 'Install one (Debian or Ubuntu: apt install python3 python3-venv), or name it: make PYTHON=/path/to/python3' >&2; \
	    exit 1; \
	  fi; \
	  echo "Creating .venv with $$("$$python" -c 'import sys; print(sys.executable, sys.version.split()[0])')"; \
	  rm -rf .venv; \
	  $(if $(UV),uv venv --quiet --python "$$python" .venv,"$$python" -m venv .venv); \
	fi
	@echo 'Installing the course and its packages: some minutes and, on Linux, about 6 GB the first time'
	@$(if $(UV),,$(PY) -m pip --version >/dev/null 2>&1 || $(PY) -m ensurepip >/dev/null)
	@start=$$(date +%s); \
	$(if $(UV),uv pip install --python $(PY),$(PY) -m pip install) $(QUIET) -c constraints.txt -e '.[dev]' && \
	echo "Installed in $$(($$(date +%s) - start)) s"
	@touch $@

# --- what is built with it ---------------------------------------------------------------------------------------

# File times do not show a file that was removed or a setting that changed: this file holds both, and gets a new time
# only when its text changes.
$(STAMPS)/settings: FORCE
	@mkdir -p $(STAMPS)
	@printf '%s\n' 'XMR_PROFILE=$(XMR_PROFILE)' 'XMR_DATA_DIR=$(XMR_DATA_DIR)' 'XMR_CACHE_DIR=$(XMR_CACHE_DIR)' \
	  $(LIBRARY) $(LESSONS) $(OTHERS) > $@.new
	@if cmp -s $@.new $@; then rm $@.new; else mv $@.new $@; fi

# Pictures are drawn in seconds when a lesson asks for them; features take minutes and are computed here, once.
$(STAMPS)/data: $(READY) $(STAMPS)/settings $(filter xmr_lib/data/% xmr_lib/encoders/%,$(LIBRARY))
	$(OFFLINE) $(BIN)/xmr data build emoji
	$(OFFLINE) $(BIN)/xmr data build emoji --image efficientnet-lite0-levels --text minilm-layers
	$(OFFLINE) $(BIN)/xmr data build scenes --protocol single_label
	@touch $@

# Fits are stored under what made them, so a second run trains only what changed.
$(STAMPS)/models: $(STAMPS)/data $(LIBRARY) $(LESSONS)
	$(OFFLINE) $(PY) -m xmr_lib.course.models
	@touch $@

$(STAMPS)/course: $(STAMPS)/data $(STAMPS)/models $(LIBRARY) $(LESSONS)
	$(OFFLINE) $(PY) -m xmr_lib.course.run_course
	@touch $@

$(STAMPS)/test: $(READY) $(STAMPS)/settings $(LIBRARY) $(LESSONS) $(OTHERS)
	@$(PY) tests/run_all.py --jobs $(JOBS)
	@touch $@
