# Each target calls one tool. PYTHON is any Python from 3.10 on.
PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed
# Tests compare our attacks with it. Without what it depends on: it asks for requests of 2021.
REFERENCE := torchattacks==3.5.1

.PHONY: book test labs serve clean notebooks repository format

book: $(INSTALLED)   ## run the lessons and build the site; ONLY=ch01_tensors builds one chapter
	$(BIN)/python -m tools.build --only "$(ONLY)"

test: $(INSTALLED)   ## run all tests (those of the site want `make book` first)
	$(BIN)/python -m pytest -n logical --maxprocesses 4 --dist loadfile

labs: $(INSTALLED)   ## write labs/ from solutions/
	$(BIN)/python -m tools.labs

serve: $(INSTALLED)  ## serve the built site at http://127.0.0.1:8000
	$(BIN)/python -m http.server 8000 --bind 127.0.0.1 --directory _build/html

notebooks: $(INSTALLED)  ## bring lessons and solutions into their committed form
	$(BIN)/python -m tools.notebooks

repository: $(INSTALLED)  ## re-point every link and set-up cell at a fork: URL=https://github.com/you/name
	$(BIN)/python -m tools.notebooks --repository "$(URL)"
	$(BIN)/python -m tools.labs

format: $(INSTALLED)  ## format code and notebooks
	$(BIN)/ruff format src tests tools lessons solutions
	$(BIN)/ruff check --fix src tests tools lessons solutions

clean:               ## remove what was built, keep .venv
	rm -rf _build node_modules book/_static/vendor

# Installed once, and again when a list of packages changes.
$(INSTALLED): requirements.txt pyproject.toml package-lock.json
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --disable-pip-version-check -r requirements.txt
	$(BIN)/python -m pip install --disable-pip-version-check --no-deps -e . $(REFERENCE)
	$(BIN)/python -m tools.assets
	touch $@
