"""A model's own Python code (`auto_map`) never runs unasked: each such file here would write a marker when it is
imported, and standard input says yes to every question."""

from __future__ import annotations

import ast
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.adapters.transformers import LoadSettings, TransformersAdapter
from harness.adapters.weights import FolderWeights, LoraCheckpoint
from harness.entries.catalog import Catalog
from harness.entries.parts import EncoderEntry
from harness.errors import CheckpointMismatch, UsageError
from harness.judging.alignment.encoder import WordEncoder
from harness.retrieval.dense import SentenceEncoder
from tests.conftest import JUDGE, TASK, Finished, write_entries, write_pack
from tests.tiny import make_lora, make_model

pytestmark = pytest.mark.torch
PACKAGE = Path(__file__).resolve().parent.parent / "harness"

MODELLING = """
from pathlib import Path

Path({marker!r}).touch()

from transformers import LlamaConfig, LlamaForCausalLM, LlamaModel, PreTrainedTokenizerFast


class OwnConfig(LlamaConfig):
    model_type = "own-llama"


class OwnForCausalLM(LlamaForCausalLM):
    config_class = OwnConfig


class OwnModel(LlamaModel):
    config_class = OwnConfig


class OwnTokenizer(PreTrainedTokenizerFast):
    pass
"""
REFUSED = "brings Python code of its own, which is not run unasked; read it, and if you trust it, pass"


@pytest.fixture(autouse=True)
def yes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("yes\n" * 100))


@pytest.fixture
def marker(tmp_path: Path) -> Path:
    return tmp_path / "marker"


def change(file: Path, **values: Any) -> None:
    file.write_text(json.dumps({**json.loads(file.read_text()), **values}))


def bring_code(folder: Path, marker: Path, reference: str = "modeling_own") -> Path:
    """A folder that needs code of its own."""
    (folder / "modeling_own.py").write_text(MODELLING.format(marker=str(marker)))
    names = {"AutoConfig": "OwnConfig", "AutoModelForCausalLM": "OwnForCausalLM", "AutoModel": "OwnModel"}
    auto_map = {key: f"{reference}.{name}" for key, name in names.items()}
    change(folder / "config.json", model_type="own-llama", auto_map=auto_map)
    return folder


@pytest.fixture
def model(tmp_path: Path, marker: Path) -> Path:
    return bring_code(make_model(tmp_path / "own"), marker)


def adapter(folder: Path, cache: Path, trust_remote_code: bool = False, **settings: Any) -> TransformersAdapter:
    weights = FolderWeights(folder, cache, trust_remote_code)
    return TransformersAdapter("own", weights, LoadSettings(dtype="float32", **{"device": "cpu", **settings}))


Harness = Callable[..., Finished]


@pytest.fixture
def evaluate(harness: Harness, tmp_path: Path) -> Harness:
    entries = write_entries(tmp_path / "entries", tasks__animals=TASK, judges__marks=JUDGE)
    pack = write_pack(tmp_path / "pack")

    def run(*arguments: str) -> Finished:
        return harness(
            "eval", "--task", "animals", "--data", str(pack), "--arm", "closed_book", "--limit", "1", "--gen_kwargs",
            "max_gen_toks=2", "--device", "cpu", "--include_path", str(entries), *arguments,
        )  # fmt: skip

    return run


def test_yes_to_every_question_does_not_run_a_model_s_code(evaluate: Harness, model: Path, marker: Path) -> None:
    done = evaluate("--model", "hf", "--model_args", f"pretrained={model}")
    assert done.code == 2
    assert not marker.exists()
    assert done.err.splitlines()[-1] == (
        f"harness: {model}: {REFUSED} --trust_remote_code with --model hf, or set `trust_remote_code: true` in its "
        "entry"
    )


@pytest.mark.parametrize("flag", ["--trust_remote_code", "trust_remote_code=True"])
def test_the_flag_runs_it_and_the_identity_says_so(
    evaluate: Harness, model: Path, marker: Path, tmp_path: Path, flag: str
) -> None:
    by_flag = flag.startswith("--")
    arguments = f"pretrained={model}" + ("" if by_flag else f",{flag}")
    done = evaluate("--model", "hf", "--model_args", arguments, *([flag] if by_flag else []))
    assert done.code == 0, done.err
    assert marker.exists()
    (manifest,) = (tmp_path / "results").rglob("manifest.json")
    assert json.loads(manifest.read_text())["identities"]["model"]["weights"]["trust_remote_code"] is True


def test_the_flag_is_for_a_model_without_an_entry(harness: Harness) -> None:
    done = harness("eval", "--task", "telecom", "--model", "scripted", "--trust_remote_code")
    assert done.code == 2
    assert done.err == (
        "harness: --trust_remote_code goes with --model hf; a model entry sets `trust_remote_code: true`\n"
    )


def test_other_code_is_another_model_where_it_is_trusted_and_the_same_where_it_is_not(
    model: Path, tmp_path: Path
) -> None:
    def identities() -> list[Any]:
        return [FolderWeights(model, tmp_path, trust).identity for trust in (False, True)]

    before = identities()
    assert before[0] != before[1]
    (model / "modeling_own.py").write_text("# nothing")
    after = identities()
    assert (after[0] == before[0], after[1] == before[1]) == (True, False)


def test_a_tokenizer_s_code_is_not_run(tmp_path: Path, marker: Path) -> None:
    folder = make_model(tmp_path / "own")
    (folder / "modeling_own.py").write_text(MODELLING.format(marker=str(marker)))
    own = {"auto_map": {"AutoTokenizer": [None, "modeling_own.OwnTokenizer"]}, "tokenizer_class": "OwnTokenizer"}
    change(folder / "tokenizer_config.json", **own)
    with pytest.raises(UsageError, match="brings Python code of its own"):
        _ = adapter(folder, tmp_path).tokenizer
    assert not marker.exists()
    assert adapter(folder, tmp_path, trust_remote_code=True).tokenizer is not None
    assert marker.exists()


def test_a_lora_folder_s_tokenizer_runs_no_code_in_the_gate(tmp_path: Path, marker: Path) -> None:
    base = make_model(tmp_path / "base")
    lora = make_lora(base, tmp_path / "lora")
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (lora / name).write_text((base / name).read_text())
    (lora / "modeling_own.py").write_text(MODELLING.format(marker=str(marker)))
    own = {"auto_map": {"AutoTokenizer": [None, "modeling_own.OwnTokenizer"]}, "tokenizer_class": "OwnTokenizer"}
    change(lora / "tokenizer_config.json", **own)
    weights, checkpoint = FolderWeights(base, tmp_path), LoraCheckpoint(lora, tmp_path)
    gated = TransformersAdapter("t", weights, LoadSettings(dtype="float32", device="cpu"), checkpoint)
    with pytest.raises(CheckpointMismatch, match="brings Python code of its own"):
        gated.prepare()
    assert not marker.exists()


def test_an_encoder_s_code_is_not_run(model: Path, marker: Path) -> None:
    for load in (SentenceEncoder, WordEncoder):
        with pytest.raises(UsageError, match="brings Python code of its own"):
            load(model)
    modules = [{"idx": 0, "name": "0", "path": "", "type": "modeling_own.OwnModel"}]
    (model / "modules.json").write_text(json.dumps(modules))
    with pytest.raises(UsageError, match="brings Python code of its own"):
        SentenceEncoder(model)
    assert not marker.exists()


def test_trusted_code_in_another_repository_is_refused(tmp_path: Path, marker: Path) -> None:
    folder = bring_code(make_model(tmp_path / "own"), marker, "somebody/else--modeling_own")
    with pytest.raises(UsageError, match=r"its code lies in another repository \(somebody/else--modeling_own"):
        adapter(folder, tmp_path, trust_remote_code=True).prepare()


def test_a_known_architecture_that_brings_code_too_is_loaded_without_it(tmp_path: Path, marker: Path) -> None:
    folder = make_model(tmp_path / "own")
    bring_code(folder, marker)
    change(folder / "config.json", model_type="llama")
    known = adapter(folder, tmp_path)
    known.prepare()
    assert known.load_base().config.model_type == "llama"
    assert not marker.exists()


def test_every_load_of_the_package_says_whether_code_may_run() -> None:
    silent, told = [], 0
    for path in PACKAGE.rglob("*.py"):
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(call, ast.Call):
                continue
            name = ast.unparse(call.func)
            loads = name.endswith((".from_pretrained", ".from_config", "SentenceTransformer"))
            if not loads or name.startswith("peft."):  # PEFT loads no code
                continue
            told += 1
            if "trust_remote_code" not in [keyword.arg for keyword in call.keywords]:
                silent.append(f"{path.relative_to(PACKAGE)}:{call.lineno} {name}")
    assert not silent
    assert told >= 9


def test_a_device_that_is_asked_for_goes_over_the_entry_s_device_map(tmp_path: Path) -> None:
    folder = make_model(tmp_path / "plain")
    assert adapter(folder, tmp_path, device_map="meta").load_base().device.type == "cpu"
    assert adapter(folder, tmp_path, device=None, device_map="meta").load_base().device.type == "meta"


@pytest.mark.parametrize("model", ["scripted", "mistral"])
def test_a_device_that_cannot_be_is_one_line_before_anything_is_fetched(harness: Harness, model: str) -> None:
    done = harness("eval", "--task", "telecom", "--model", model, "--device", "gpu")
    assert done.code == 2
    assert done.err == "harness: device: there is no such kind of device; name cpu, cuda or cuda:N (it is 'gpu')\n"


def test_an_entry_that_says_nothing_of_code_is_recorded_as_before_there_was_the_key() -> None:
    encoder = EncoderEntry(pretrained="./encoder")
    assert "trust_remote_code" not in encoder.model_dump(exclude_none=True)
    assert "trust_remote_code" not in Catalog().resolved_model("mistral").record()
