.DEFAULT_GOAL := help
PYTHON ?= python3
VENV ?= .venv
BUNDLE ?= bundle
ROUNDS ?= 3
CASES ?= 100000
MINUTES ?= 60
E2E ?= tests/e2e
PROMETHEUS ?= http://127.0.0.1:9090
SBOM ?= dist/image.cdx.json
TAG ?= energy-predictor:dev
BATCH_TAG ?= energy-predictor-batch:dev
# Of no moment in particular: what is built of the same files has the same bytes.
EPOCH = 315532800
SYFT = github.com/anchore/syft/cmd/syft@v1.54.0
VERSITYGW = github.com/versity/versitygw/cmd/versitygw@v1.8.0
GRPCURL = github.com/fullstorydev/grpcurl/cmd/grpcurl@v1.9.4
BIN = $(VENV)/bin
SCAN = .scan-envs
PREFECT = .prefect-env
STACK = .stack
DOCS = .docs-env
TOOLS = .tools-env
named_image = $(or $(IMAGE),$(error IMAGE is not set: expected the name of an image that Docker has, \
	oci-archive:FILE, oci-dir:FOLDER or docker-archive:FILE))
PIP = $(BIN)/python -m pip install --quiet --disable-pip-version-check

.PHONY: help run test format fuzz chart-test closed-loop stack-test store-test teams-test scan secrets e2e grpcurl stack verify dashboards \
	dashboard-images ui-image manifests benchmark scoring-benchmark metering soak under-fire model-card proto schema lock wheel image \
	batch-image image-test image-size sbom docs docs-test docs-serve clean

help: ## Show what can be made
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: $(BUNDLE)/bundle.json ## Train on the packaged data, then serve on http://127.0.0.1:8080
	$(BIN)/predictor serve --bundle $(BUNDLE)

stack: $(VENV)/.dev $(BUNDLE)/bundle.json $(PREFECT)/.ready ## Run the services of compose.yaml without Docker, until Ctrl+C
	$(BIN)/python -m stack.run --bundle $(BUNDLE) --prefect $(PREFECT)/bin/prefect $(PORTS:%=--port %)

# Not of bundle.json, which it would train anew where Compose serves another.
verify: $(VENV)/.run ## Check what Compose or `make stack` runs; with ALL=1 all must run
	$(BIN)/python -m stack.verify --bundle $(BUNDLE) $(if $(ALL),--all)

$(BUNDLE)/bundle.json: $(VENV)/.run $(shell find predictor -name '*.py' -not -path '*/serving/*')
	$(BIN)/predictor train --output $(BUNDLE)

test: $(VENV)/.dev ## Lint, type-check and test all that needs only Python
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/lint-imports --no-cache
	$(BIN)/mypy
	$(BIN)/pytest

format: $(VENV)/.dev ## Format the code and mend what can be mended
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

fuzz: $(VENV)/.dev $(BUNDLE)/bundle.json ## Fuzz each decoder with CASES cases, and a server with a tenth
	for decoder in v1 v2 binary grpc; do $(BIN)/python -m tests.fuzz $$decoder $(CASES) || exit; done
	$(BIN)/python -m tests.fuzz server $$(($(CASES) / 10)) --bundle $(BUNDLE)

chart-test: $(VENV)/.dev ## Test the chart with helm
	$(BIN)/pytest tests/chart

closed-loop: $(VENV)/.dev $(PREFECT)/.ready ## Test retraining, with servers of Prefect and MLflow
	$(BIN)/pytest tests/closed_loop --prefect $(PREFECT)/bin/prefect

stack-test: $(VENV)/.dev $(PREFECT)/.ready ## Test compose.yaml, and `make stack` with its servers; needs Go and Prometheus
	$(BIN)/pytest tests/stack --prefect $(PREFECT)/bin/prefect

store-test: $(VENV)/.dev $(TOOLS)/versitygw ## Test scoring files of an object store, with a server of S3; needs Go
	$(BIN)/pytest tests/store --versitygw $(TOOLS)/versitygw

# checkov's environment comes after the other, for it has a detect-secrets of its own.
teams-test: $(VENV)/.dev ## Test what is generated for three teams, installed as its README says
	$(BIN)/pytest tests/teams

scan: $(VENV)/.dev $(SCAN)/.ready ## Scan the chart's profiles, the Dockerfile and the code; needs helm and Go
	PATH="$(abspath $(SCAN)/code/bin):$(abspath $(SCAN)/chart/bin):$(abspath $(SCAN)/go):$$PATH" \
		$(BIN)/pytest tests/scan

secrets: $(VENV)/.dev $(SCAN)/.ready ## Look for secrets in what is staged, as a hook before a commit
	PATH="$(abspath $(SCAN)/code/bin):$$PATH" $(BIN)/python -m tests.scan.staged

e2e: $(VENV)/.dev ## Test on the cluster that KUBECONFIG names; IMAGE is an image it has, as BATCH_IMAGE and those of GENERATED
	PATH="$(abspath $(TOOLS)):$$PATH" $(BIN)/pytest $(E2E) --image $(IMAGE) $(BATCH_IMAGE:%=--batch-image %) $(GENERATED:%=--generated %)

grpcurl: $(TOOLS)/grpcurl ## Build grpcurl, which some commands of the docs take, for `make e2e`; needs Go

dashboards: $(VENV)/.dev ## Write the chart's dashboards from charts/dashboards
	$(BIN)/python -m charts.dashboards

dashboard-images: $(VENV)/.dev ## Draw the dashboards into docs/dashboards, of what the Prometheus at PROMETHEUS has
	$(BIN)/python -m charts.dashboards.render $(PROMETHEUS) --minutes $(MINUTES)

ui-image: $(VENV)/.dev $(BUNDLE)/bundle.json ## Draw the what-if page into docs/, in both languages; needs Chromium
	$(BIN)/python -m tests.protocol.what_if.picture --bundle $(BUNDLE)

manifests: $(VENV)/.dev ## Render manifests/, Prometheus's rules in stack/ and the README's table of values from the chart
	manifests/render
	stack/render
	$(BIN)/python charts/readme

benchmark: $(VENV)/.dev $(BUNDLE)/bundle.json ## Measure the graph, and the server beside others; needs wrk
	$(BIN)/python -m benchmarks.graph
	$(BIN)/python -m benchmarks.explaining
	$(BIN)/python -m benchmarks.serving --bundle $(BUNDLE) --rounds $(ROUNDS)
	$(BIN)/python -m benchmarks.beside --bundle $(BUNDLE)

scoring-benchmark: $(VENV)/.dev $(BUNDLE)/bundle.json $(TOOLS)/versitygw ## Measure scoring files beside the graph alone; needs Go
	$(BIN)/python -m benchmarks.scoring --bundle $(BUNDLE) --rounds $(ROUNDS) --versitygw $(TOOLS)/versitygw

metering: $(VENV)/.dev $(BUNDLE)/bundle.json ## Measure what measuring costs a request; needs wrk
	$(BIN)/python -m benchmarks.metering --bundle $(BUNDLE)

soak: $(VENV)/.dev $(BUNDLE)/bundle.json ## Load the server for MINUTES, replacing its bundle; needs cc
	$(BIN)/python -m benchmarks.fire --bundle $(BUNDLE) --only soak --server project --minutes $(MINUTES)

under-fire: $(VENV)/.dev $(BUNDLE)/bundle.json ## Measure the server under fire beside KServe's; needs cc
	$(BIN)/python -m benchmarks.fire --bundle $(BUNDLE) --rounds $(ROUNDS) --write

model-card: $(VENV)/.dev ## Train every track and write the figures into docs/model-card.md
	$(BIN)/python benchmarks/tracks.py

proto: $(VENV)/.dev ## Write the Python of Protobuf's messages anew from the .proto files
	$(BIN)/python -m grpc_tools.protoc --proto_path=. --python_out=. --pyi_out=. \
		predictor/parts.proto predictor/serving/grpc/inference.proto

schema: $(VENV)/.dev ## Write the JSON schema of experiment_manifest.json anew
	$(BIN)/python -c 'from predictor import experiment; print(experiment.schema(), end="")' \
		> docs/reference/experiment_manifest.schema.json

lock: $(VENV)/.dev ## Write requirements/ anew from pyproject.toml
	requirements/lock $(BIN)/uv

wheel: $(VENV)/.dev ## Build wheel and sdist into dist/; the same files make the same bytes
	SOURCE_DATE_EPOCH=$(EPOCH) $(BIN)/python -m hatchling build --directory dist

image: $(VENV)/.dev ## Build TAG by docker, podman or buildah, and test it; the builder is given BUILD too
	image=$$(.ci/image "$(TAG)" $(BUILD)) && $(MAKE) image-test IMAGE="$$image"

batch-image: $(VENV)/.dev ## Build BATCH_TAG, which scores files, in the same way, and test it
	image=$$(ARCHIVE=dist/batch-image.tar .ci/image "$(BATCH_TAG)" --target batch $(BUILD)) \
		&& $(BIN)/pytest tests/image/test_batch.py --batch-image "$$image"

image-test: $(VENV)/.dev ## Test IMAGE: its labels, its SBOM, its size, and that it starts and answers; BATCH_IMAGE too
	$(BIN)/pytest tests/image --image $(named_image) $(BATCH_IMAGE:%=--batch-image %)

image-size: ## Print what IMAGE weighs, layer by layer; BASE is what it was built from
	$(PYTHON) -m benchmarks.image $(named_image) $(if $(BASE),--base $(BASE))

sbom: ## List the packages in IMAGE, as CycloneDX, into SBOM; needs Go
	mkdir -p $(dir $(SBOM))
	go run $(SYFT) scan $(named_image) --output cyclonedx-json=$(SBOM)

docs: $(DOCS)/.ready ## Build the site into site/; a warning is an error
	$(DOCS)/bin/sphinx-build --quiet --fail-on-warning --fresh-env --conf-dir docs . site

docs-test: $(VENV)/.dev docs ## Test the site: its links, its search, and that it asks no other host
	$(BIN)/pytest tests/site

docs-serve: docs ## Show the site on http://127.0.0.1:8000
	$(PYTHON) -m http.server --bind 127.0.0.1 --directory site 8000

clean: ## Remove what was made here
	rm -rf $(VENV) $(BUNDLE) dist .benchmark-envs $(SCAN) $(PREFECT) $(STACK) $(DOCS) $(TOOLS) site .mypy_cache .pytest_cache .ruff_cache .hypothesis

# Two steps, so that `make run` installs no more than it takes. The lock files agree with each other.
$(VENV)/.run: requirements/train.txt pyproject.toml
	test -d $(VENV) || $(PYTHON) -m venv $(VENV)
	$(PIP) --require-hashes -r $<
	$(PIP) --no-deps --no-build-isolation --editable .
	touch $@

$(VENV)/.dev: requirements/dev.txt $(VENV)/.run
	$(PIP) --require-hashes -r $<
	touch $@

# Scanners, apart from what is tested and from each other, for their libraries exclude each other.
$(SCAN)/.ready: $(wildcard requirements/scan-*.txt tests/scan/tools/*/go.*)
	for env in chart code; do \
		test -d $(SCAN)/$$env || $(PYTHON) -m venv $(SCAN)/$$env; \
		$(SCAN)/$$env/bin/python -m pip install --quiet --disable-pip-version-check \
			--require-hashes -r requirements/scan-$$env.txt || exit; \
	done
	for tool in tests/scan/tools/*; do \
		(cd $$tool && GOBIN=$(abspath $(SCAN)/go) go install tool) || exit; \
	done
	touch $@

# Prefect's server takes another FastAPI than ours, see its .in file.
$(PREFECT)/.ready: requirements/prefect-server.txt
	test -d $(PREFECT) || $(PYTHON) -m venv $(PREFECT)
	$(PREFECT)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	touch $@

$(TOOLS)/versitygw:
	GOBIN=$(abspath $(TOOLS)) go install $(VERSITYGW)

$(TOOLS)/grpcurl:
	GOBIN=$(abspath $(TOOLS)) go install $(GRPCURL)

$(DOCS)/.ready: requirements/docs.txt
	test -d $(DOCS) || $(PYTHON) -m venv $(DOCS)
	$(DOCS)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	touch $@
