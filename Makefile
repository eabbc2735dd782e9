# `make demo` and `make test` need nothing but Python >= 3.11 and make.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
DEV    := $(VENV)/.installed-dev

LOWEST := $(VENV)/lowest
# What meets the libraries: files and pictures, statistics and pages, options and bars, configs, models.
LOWEST_TESTS ?= tests/eval tests/data_prep/test_images.py tests/data_prep/inspect \
	tests/arcface_plus/test_cli.py tests/arcface_plus/config tests/arcface_plus/embedder \
	tests/arcface_plus/commands/test_evaluate.py --ignore tests/eval/test_calibration.py

.PHONY: demo test test-lowest lint image install-dev clean

demo: $(STAMP)
	$(BIN)/arcface-plus demo --out demo_out

test: $(DEV)
	$(BIN)/python -m pytest -n 2 --dist worksteal

# The lowest versions that pyproject.toml allows, laid over the installed ones; PyTorch stays as it is.
test-lowest: $(LOWEST)/.installed
	PYTHONPATH=$(abspath $(LOWEST)) $(BIN)/python -m pytest -n 2 --dist worksteal -p no:cacheprovider $(LOWEST_TESTS)

$(LOWEST)/.installed: pyproject.toml tools/lowest_requirements.py | $(DEV)
	rm -rf $(LOWEST)
	mkdir $(LOWEST)
	$(BIN)/python tools/lowest_requirements.py onnx > $(LOWEST)/requirements.txt
	$(BIN)/pip install --quiet --no-compile --only-binary :all: --target $(LOWEST) --requirement $(LOWEST)/requirements.txt
	touch $@

lint: $(DEV)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/hadolint Dockerfile

install-dev: $(DEV)

image:
	docker/build.sh

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.11 …")'
	$(PYTHON) -m venv $(VENV)

$(STAMP): pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/pip install --quiet --constraint constraints.txt --editable .
	touch $@

$(DEV): pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@ $(STAMP)

clean:
	rm -rf $(VENV) build dist *.egg-info
