# `make demo` and `make test` need nothing but Python >= 3.11 and make.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
DEV    := $(VENV)/.installed-dev

LOWEST := $(VENV)/lowest
# All that meets the libraries. Left out: PyTorch alone (models, training), what takes long, and
# what tests no library (the page in a browser, the statistics' coverage).
LOWEST_TESTS ?= tests/eval tests/data_prep tests/arcface_plus/test_cli.py \
	$(addprefix tests/arcface_plus/,commands config data embedder evaluation run_directory) \
	--ignore tests/eval/test_calibration.py --deselect tests/eval/report/test_page.py::test_in_a_browser

.PHONY: demo test test-campaign test-lowest lint image install-dev clean

demo: $(STAMP)
	$(BIN)/arcface-plus demo --out demo_out

test: $(DEV)
	$(BIN)/python -m pytest -n 2 --dist worksteal

# An hour or so: the notebook at full size, and many more breaks than the suite tries.
test-campaign: $(DEV)
	$(BIN)/python -m pytest -m campaign
	$(BIN)/python tests/reliability/campaign.py --kills 30 --random 10 --full 8 --bad 8
	$(BIN)/python tests/reliability/campaign.py --processes 2 --random 5
	$(BIN)/python tests/reliability/power_cut.py --chances 1

# The lowest versions that pyproject.toml allows, laid over the installed ones; PyTorch stays as it is.
test-lowest: $(LOWEST)/.installed
	ARCFACE_PLUS_REAL_DATA= PYTHONPATH=$(abspath $(LOWEST)) \
		$(BIN)/python -m pytest -n 2 --dist worksteal -p no:cacheprovider \
		-m "not slow and not campaign" $(LOWEST_TESTS)

$(LOWEST)/.installed: pyproject.toml tools/lowest_requirements.py | $(DEV)
	rm -rf $(LOWEST)
	mkdir $(LOWEST)
	$(BIN)/python tools/lowest_requirements.py onnx > $(LOWEST)/requirements.txt
	$(BIN)/pip install --quiet --no-compile --only-binary :all: --target $(LOWEST) \
		--requirement $(LOWEST)/requirements.txt 'setuptools<82' # as PyTorch asks for
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

# --no-compile: a minute less, and Python itself compiles what is imported.
$(STAMP): pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/pip install --quiet --no-compile --constraint constraints.txt --editable .
	touch $@

$(DEV): pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/pip install --quiet --no-compile --constraint constraints.txt --editable '.[dev]'
	touch $@ $(STAMP)

clean:
	rm -rf $(VENV) build dist *.egg-info
