# Everything a reader of the README types. Each target installs what it needs first.
PYTHON ?= python3
VENV := .venv
TOOLS := .tools
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
SPARK_INSTALLED := $(VENV)/.installed-spark
TOOLS_INSTALLED := $(TOOLS)/.installed
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export DO_NOT_TRACK := 1
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: install spark demo test lint docs bench ui clean
.DEFAULT_GOAL := install

install: $(INSTALLED)

# The stamp is younger than the lock when nothing has to be done. The editable install takes
# its build backend from the lock as well: no isolation, so nothing unlocked is fetched.
$(INSTALLED): requirements.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e .
	touch $@

# For METERHOUSE_TARGET=spark. The lock holds what it adds to the other one; pyspark is built
# from source by what is there, so that nothing unlocked is fetched.
spark: $(SPARK_INSTALLED)

$(SPARK_INSTALLED): $(INSTALLED) requirements-spark.lock
	$(BIN)/python -m pip install --quiet --require-hashes --no-deps --no-build-isolation -r requirements-spark.lock
	touch $@

# sqlfluff does not share an environment with dbt.
$(TOOLS_INSTALLED): requirements-tools.lock
	$(PYTHON) -m venv $(TOOLS)
	$(TOOLS)/bin/python -m pip install --quiet --require-hashes -r requirements-tools.lock
	touch $@

demo: $(INSTALLED)
	$(BIN)/meterhouse demo

# On both engines where there is Java; without it the tests of Spark skip.
test: $(if $(shell command -v java),$(SPARK_INSTALLED),$(INSTALLED))
	$(BIN)/python -m pytest -q -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

lint: $(INSTALLED) $(TOOLS_INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(TOOLS)/bin/sqlfluff lint dbt/models dbt/tests

# The data dictionary; a test says when it is not as the yml has it.
docs: $(INSTALLED)
	$(BIN)/python -m dagster_project.lib.data_dictionary

bench: $(SPARK_INSTALLED)
	$(BIN)/python -m tests.benchmarks.start
	$(BIN)/python -m tests.benchmarks

ui: $(INSTALLED)
	$(BIN)/meterhouse ui --ends-with-parent

# The environments only; what was billed stays. Deleting the data directory resets that.
clean:
	rm -rf $(VENV) $(TOOLS) .mypy_cache .pytest_cache .ruff_cache .hypothesis *.egg-info
	find . -name __pycache__ -prune -exec rm -rf {} +
