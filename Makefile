# The README's commands. Everything happens in .venv, at the versions of requirements.lock.
PYTHON ?= python3
VENV := .venv
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)

.PHONY: repro lineage test lint ui clean

repro: $(VENV)/installed  ## the whole flow; what hasn't changed isn't done again
	dvc repro
	gptmill publish
	gptmill promote
	gptmill report

lineage: $(VENV)/installed  ## translation, from Seq2Seq to the Transformer (docs/lineage.md)
	dvc repro lineage/dvc.yaml

# Two processes of tests, each with threads for all cores: those that wait must not spin.
test: export OMP_WAIT_POLICY := passive
test: $(VENV)/installed  ## all tests, the end-to-end run included
	pytest -n 2 --dist loadfile --no-loadscope-reorder --durations=25

lint: $(VENV)/installed  ## style and types
	ruff check .
	ruff format --check .
	mypy

ui: $(VENV)/installed  ## MLflow's UI on the runs made here
	mlflow ui --backend-store-uri "sqlite:///$(CURDIR)/mlflow.db"

# torch first, with what its build needs; the lock is complete, so that nothing else is to be resolved (minutes).
$(VENV)/installed: requirements.lock pyproject.toml
	$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11) and 'gptmill needs Python 3.11 or newer, this is ' + sys.version)"
	$(PYTHON) -m venv $(VENV)
	python -m pip install --quiet "$$(grep '^torch==' requirements.lock)"
	python -m pip install --quiet --no-deps -r requirements.lock
	python -m pip install --quiet --no-deps -e .
	python -m pip check
	touch $@

clean:  ## remove the environment; data, models and runs stay
	rm -rf $(VENV)
