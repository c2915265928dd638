# Every target makes .venv and installs what it needs: nothing has to be there before but Python.
PYTHON ?= python3
# Where kernels run: cpu, or cuda12 or cuda13 beside an NVIDIA GPU. On a Mac MLX brings Metal along.
ENGINE ?= cpu
BIN := .venv/bin
# Processes that share the tests.
WORKERS ?= 2
# FULL=1 runs the exhaustive tests too, as CI does.
FULL ?= 0
export FULL

SHORT := five to ten minutes the first time, three once kernels are compiled.
LONG := 30 to 60 minutes the first time.

.PHONY: demo test peers lint format bench apple docs release clean

demo: .venv/bench
	$(BIN)/python -m tools.demo $(ARGS)

test: .venv/test .venv/bench .venv/lint .venv/nvrtc
	@echo "On two cores: $(if $(filter 1,$(FULL)),$(LONG),$(SHORT))"
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal $(ARGS)

# Other people's Metal kernels and their own tests, on our engine.
peers: .venv/test .venv/peers
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal tests/peers $(ARGS)

lint: .venv/lint
	$(BIN)/python -m tools.lint
	$(BIN)/python -m tools.docs --check
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: .venv/lint
	$(BIN)/python -m tools.lint --fix
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: .venv/bench
	$(BIN)/python -m tools.bench $(ARGS)

# What only a Mac can tell of our kernels, as two files to send back.
apple: .venv/bench .venv/peers .venv/lint
	$(BIN)/python -m tools.apple $(ARGS)

# The documentation as a site, in site/. A link that leads nowhere is an error.
docs: .venv/docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet

# The distributions, in dist/, installed into an empty environment of each Python that is here, and tried.
release: .venv/release
	$(BIN)/python -m tools.release $(ARGS)

# One mark a set of extras; a changed pyproject.toml installs anew.
.venv/%: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --editable '.[$(ENGINE),$*]'
	touch $@

clean:
	rm -rf .venv dist site demo.png
