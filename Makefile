PYTHON ?= python3
WORKERS ?= 2
BIN = .venv/bin
INSTALLED = .venv/installed
MODULE = trytond.modules.offline_sales

# What make soak tries: days of edits and of sales, faults of refreshes of each
# kind, faults of documents, tickets of a day
DAYS ?= 1000
FAULTS ?= 200
DOCUMENT_FAULTS ?= 10000
TICKETS ?= 400

.PHONY: bench bundle clean clients demo lint locale screenshots soak test \
	test-clients

demo: $(INSTALLED)
	@$(BIN)/python -m $(MODULE).demo $(if $(filter-out 0,$(SERVE)),--serve)

test: $(INSTALLED)
	$(BIN)/python -m pytest -n $(WORKERS) $(ARGS)

soak: $(INSTALLED)
	OFFLINE_SALES_TEST_DAYS=$(DAYS) OFFLINE_SALES_TEST_FAULTS=$(FAULTS) \
		OFFLINE_SALES_TEST_DOCUMENT_FAULTS=$(DOCUMENT_FAULTS) \
		OFFLINE_SALES_TEST_TICKETS=$(TICKETS) \
		$(BIN)/python -m pytest -n $(WORKERS) --timeout=0 \
		tests/test_catalog_convergence.py tests/test_catalog_faults.py \
		tests/test_document_faults.py tests/test_inbox_workers.py \
		tests/test_oracle.py

# The desktop and the web client, for the tests that drive them
clients:
	@sh tests/clients/setup.sh .clients

test-clients: $(INSTALLED) clients
	@$(BIN)/python -m $(MODULE).tests.clients $(ARGS)

screenshots: $(INSTALLED) clients
	@$(BIN)/python -m $(MODULE).tests.clients --pictures doc/images

lint: $(INSTALLED)
	$(BIN)/python -m ruff check .

bench: $(INSTALLED)
	@$(BIN)/python -m $(MODULE).benchmarks $(ONLY) $(ARGS)

bundle: $(INSTALLED)
	@$(BIN)/python bundle $(ARGS)

locale: $(INSTALLED)
	$(BIN)/python -m $(MODULE).tests.translations

clean:
	rm -rf .venv .cache .pytest_cache .ruff_cache .hypothesis build dist
	rm -rf *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(INSTALLED): setup.py pyproject.toml tryton.cfg
	@echo "Making .venv with all that is needed: a minute or two"
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install -qq --disable-pip-version-check \
		--editable '.[demo,test]'
	@touch $@
