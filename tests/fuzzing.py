"""Files that are almost right: valid ones with something changed by a seed, and what reads them.

`tests/test_fuzz.py` reads 300 of each kind; `python -m tests.fuzzing` (`make fuzz`) 10,000, and prints what went wrong:
an exception that is not ours, or more than five seconds of the processor.
"""

from __future__ import annotations

import argparse
import contextlib
import copy
import io
import json
import random
import resource
import shutil
import signal
import sys
import tempfile
import threading
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

from harness.errors import HarnessError

SECONDS = 5
"""Of the processor, for one case."""

# ---- what is changed ------------------------------------------------------------------------------------------------

HOSTILE_TEXT = (
    "", " ", "\n", "\x00", "\x1b[2J", "é", "🦦", "\u202e", "\ufeff", "\ud800", "a" * 10_000, "|", "<script>", "{{ x }}",
    "{% x", "../../etc/passwd", "/dev/zero", "NaN", "1e999", "-1", "null", "true", "{{ 'a' * 10000000000 }}", "=1+1",
    "{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}", "\\", '"', "@1", "a\nb", "rag",
)  # fmt: skip


LEVELS = 100_000
WHOLE = (b"", b"\x00", b"null", b"[]", b"{}", b"[" * LEVELS, b'{"a":' * LEVELS, b"9" * 5_000)
PUT_IN = (
    b"\x00", b"\xff", b"[" * LEVELS, b"NaN", b"9" * 5_000, b"-Infinity", b"\\ud800", b"1e999", b",", b"}", b'"', b"\r",
    b"&a [*a]", b"!!int x", b"2024-13-45", b"? ",
)  # fmt: skip


def deep(levels: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(levels):
        value = [value]
    return value


def odd_value(rng: random.Random) -> Any:
    """Of a type or size that is seldom expected."""
    return rng.choice(
        [
            None, True, False, 0, 1, -1, 2, 0.5, -0.0, 1e308, float("nan"), float("inf"), -float("inf"), 2**31, 2**63,
            -(2**63) - 1, 10**30, [], {}, [None], [[]], [1, "a"], {"": None}, {"a": {"b": 1}}, "2024-13-45",
            deep(rng.choice([3, 60, 400])),
            *rng.sample(HOSTILE_TEXT, 12),
        ]
    )  # fmt: skip


def places(value: Any) -> list[tuple[Any, Any]]:
    """(container, key or index) of everything in a value."""
    found: list[tuple[Any, Any]] = []
    waiting = [value]
    while waiting:
        each = waiting.pop()
        keys: Sequence[Any] = (
            list(each) if isinstance(each, dict) else range(len(each)) if isinstance(each, list) else ()
        )
        for key in keys:
            found.append((each, key))
            waiting.append(each[key])
    return found


def mutated(value: Any, rng: random.Random) -> Any:
    """A copy of a JSON value with one to three things in it changed."""
    value = copy.deepcopy(value)
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        spots = places(value)
        if not spots:
            return odd_value(rng)
        holder, key = rng.choice(spots)
        other, other_key = rng.choice(spots)
        match rng.randrange(8):
            case 0:
                del holder[key]
            case 1 if isinstance(holder, dict):
                holder[rng.choice([f"{key}x", "", "\ud800", "a\nb", str(key).upper()])] = holder.pop(key)
            case 1:
                holder.insert(key, copy.deepcopy(holder[key]))
            case 2 if isinstance(holder, dict):
                holder[rng.choice(["extra", "include", "__class__", "self", "kind"])] = odd_value(rng)
            case 2:
                holder.append(odd_value(rng))
            case 3:
                holder[key] = copy.deepcopy(other[other_key])
            case 4 if isinstance(holder[key], int | float) and not isinstance(holder[key], bool):
                holder[key] = rng.choice([-holder[key], holder[key] * 10**9, holder[key] + 0.5, str(holder[key])])
            case 4 if isinstance(holder[key], str):
                text = holder[key]
                holder[key] = rng.choice([text[:1], text + rng.choice(HOSTILE_TEXT), text.upper(), [text], text[::-1]])
            case 4 if isinstance(holder[key], list):
                holder[key] = rng.choice([holder[key][:-1], holder[key] * 2, holder[key][::-1], {"a": 1}, None])
            case _:
                holder[key] = odd_value(rng)
    return value


def mutated_bytes(content: bytes, rng: random.Random) -> bytes:
    """Cut, flipped, doubled, or with something put in."""
    at, to = sorted(rng.randrange(len(content) + 1) for _ in range(2))
    match rng.randrange(6):
        case 0:
            return content[:at]
        case 1:
            flipped = bytearray(content)
            for _ in range(rng.choice([1, 2, 8])):
                if flipped:
                    flipped[rng.randrange(len(flipped))] ^= 1 << rng.randrange(8)
            return bytes(flipped)
        case 2:
            return content[:at] + content[to:]
        case 3:
            return content[:to] + content[at:to] + content[to:]
        case 4:
            return rng.choice([*WHOLE, b"\xef\xbb\xbf" + content])
        case _:
            put = rng.choice(PUT_IN)
            return content[:at] + put + content[at:]


def as_json(value: Any, rng: random.Random) -> bytes:
    text = json.dumps(value, ensure_ascii=rng.random() < 0.8, indent=rng.choice([None, 1]))
    return text.encode("utf-8", "surrogatepass")


def changed_json(path: Path, rng: random.Random) -> None:
    """The file with its value changed, or its bytes."""
    if rng.random() < 0.75:
        path.write_bytes(as_json(mutated(json.loads(path.read_bytes()), rng), rng))
    else:
        path.write_bytes(mutated_bytes(path.read_bytes(), rng))


def changed_lines(path: Path, rng: random.Random) -> None:
    """As `changed_json`, of a line, or of which lines there are."""
    lines = path.read_bytes().splitlines()
    number = rng.randrange(len(lines))
    match rng.randrange(8):
        case 0:
            path.write_bytes(mutated_bytes(path.read_bytes(), rng))
            return
        case 1:
            del lines[number]
        case 2:
            lines.insert(number, lines[rng.randrange(len(lines))])
        case _:
            lines[number] = as_json(mutated(json.loads(lines[number]), rng), rng).replace(b"\n", b" ")
    path.write_bytes(b"\n".join(lines) + b"\n")


def changed_yaml(path: Path, rng: random.Random) -> None:
    """An entry; JSON is YAML too, but for what only one of them can say."""
    import yaml

    if rng.random() < 0.6:
        value = mutated(yaml.safe_load(path.read_bytes()), rng)
        try:
            text = yaml.safe_dump(value, allow_unicode=rng.random() < 0.5, sort_keys=False)
        except (yaml.YAMLError, RecursionError):
            text = json.dumps(value)
        path.write_bytes(text.encode("utf-8", "surrogatepass"))
    else:
        path.write_bytes(mutated_bytes(path.read_bytes(), rng))


# ---- what reads it --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Kind:
    """`prepare` makes a folder with valid files; `change` changes a copy of it; `read` does what the harness does with
    it, and may raise `HarnessError`."""

    prepare: Callable[[Path], None]
    change: Callable[[Path, random.Random], None]
    read: Callable[[Path, random.Random], object]


def entry_texts() -> dict[str, str]:
    from tests.conftest import BOARD, JUDGE, MODEL, TASK

    return {
        "tasks__animals": TASK + "deviations: ['{{ documents }} documents']\nsystem_instruction: Be brief.\n",
        "models__parrot": MODEL,
        "models__polly": MODEL.replace("parrot", "polly").replace("dams, worms", "logs, a dam"),
        "models__api": "model: api\ndescription: d\nengine: openai\napi: {model: m, base_url: 'http://localhost:1/v1', "
        "concurrency: 2, prices: {prompt: 1.0, answer: 2.0}}\nmax_length: 100\nlicence: n\nmetadata: {version: 1}\n",
        "models__base": "model: base\ndescription: d\npretrained: ./there\ndtype: float32\nlicence: n\n"
        "metadata: {version: 1}\n",
        "models__base-lora-8": "model: base-lora-8\ndescription: d\nbase: base\npeft: checkpoints/{task}/base-lora-8\n"
        "licence: n\nmetadata: {version: 1}\n",
        "judges__marks": JUDGE,
        "leaderboards__zoo": BOARD.replace("models: [parrot]", "models: [parrot, polly]"),
    }  # fmt: skip


def prepare_entries(folder: Path) -> None:
    from harness.entries.catalog import shipped_catalog
    from tests.conftest import write_entries

    write_entries(folder, **entry_texts())
    for name in ("tasks/telecom.yaml", "tasks/qasper.yaml", "judges/calibrated.yaml", "leaderboards/smollm2.yaml"):
        if (shipped_catalog() / name).is_file():
            shutil.copy(shipped_catalog() / name, folder / name)
    for path in [*(shipped_catalog() / "judges").glob("*.yaml"), *(shipped_catalog() / "tasks").glob("_*.yaml")]:
        shutil.copy(path, folder / path.parent.name / path.name)


def change_entry(kind: str) -> Callable[[Path, random.Random], None]:
    def change(folder: Path, rng: random.Random) -> None:
        path = rng.choice(sorted((folder / kind).glob("[!_]*.yaml")))
        (folder / "changed").write_text(path.stem)
        changed_yaml(path, rng)

    return change


def read_task(folder: Path, rng: random.Random) -> object:
    from harness.digests import canonical
    from harness.entries.catalog import Catalog
    from harness.entries.task import TaskEntry
    from harness.prompts import chat, render
    from harness.records import Passage

    name = (folder / "changed").read_text()
    entry = Catalog([folder]).task_or_group(name)
    if not isinstance(entry, TaskEntry):
        return canonical(entry.model_dump())
    row = {"id": "1", "question": "Why?", "answers": ["a", "b"], "gold_doc_ids": []}
    passages = [Passage("d1", 0, 4, "Title", "Text.", 1, 0.5)]
    chat(entry.prompt_template, entry.system_instruction, "Why?", passages, row)
    render(entry.doc_to_target, references=("a", "b"), question="Why?", doc=row)
    render(entry.doc_to_cluster, doc=row, question="Why?")
    for sentence in entry.deviations:
        render(sentence, documents=1, all_documents=1, questions=2, pool=3)
    return canonical(entry.model_dump(mode="json")).encode()


def read_model(folder: Path, rng: random.Random) -> object:
    from harness.digests import canonical
    from harness.entries.catalog import Catalog

    return canonical(Catalog([folder]).resolved_model((folder / "changed").read_text()).record()).encode()


def read_judge(folder: Path, rng: random.Random) -> object:
    from harness.digests import canonical
    from harness.entries.catalog import Catalog

    resolved = Catalog([folder]).resolved_judge((folder / "changed").read_text())
    return canonical(resolved.model_dump(mode="json")).encode()


def read_board(folder: Path, rng: random.Random) -> object:
    from harness.digests import canonical
    from harness.entries.catalog import Catalog

    catalog = Catalog([folder])
    entry = catalog.leaderboard((folder / "changed").read_text())
    catalog.claim_problems(entry)
    return canonical(entry.model_dump(mode="json")).encode()


def evaluated(folder: Path, **options: Any) -> None:
    import harness

    settings: dict[str, Any] = {"tasks": "animals", "models": ["parrot", "polly"], "arms": ["rag", "closed_book"]}
    with contextlib.suppress(FileNotFoundError):
        shutil.rmtree(folder / "results")
    harness.evaluate(
        **(settings | options), data=folder / "pack", output=folder / "results", store=folder / "store.sqlite",
        include_path=[folder], progress=False,
    )  # fmt: skip


def prepare_run(folder: Path) -> None:
    from tests.conftest import write_entries, write_pack

    write_entries(folder, **entry_texts())
    write_pack(folder / "pack")
    evaluated(folder)


def change_run(folder: Path, rng: random.Random) -> None:
    run = rng.choice(sorted((folder / "results").glob("*/*/manifest.json"))).parent
    (folder / "changed").write_text(str(run.relative_to(folder)))
    path = rng.choice(sorted(run.iterdir()))
    (changed_lines if path.suffix == ".jsonl" else changed_json)(path, rng)


def read_run_into_leaderboard(folder: Path, rng: random.Random) -> object:
    from harness.api.boards import leaderboard, leaderboard_view

    form = rng.choice(["page", "md", "html", "csv", "json", "model-index"])
    if form == "page":
        return leaderboard("zoo", results=folder / "results", include_path=[folder])
    return leaderboard_view("zoo", form=form, results=folder / "results", include_path=[folder])


def prepare_stored(folder: Path) -> None:
    from harness.api.boards import leaderboard

    prepare_run(folder)
    leaderboard("zoo", results=folder / "results", include_path=[folder])
    shutil.rmtree(folder / "results")


def change_stored(folder: Path, rng: random.Random) -> None:
    changed_json(rng.choice(sorted((folder / "leaderboards/results/zoo").glob("*.json"))), rng)


def read_run_into_judge(folder: Path, rng: random.Random) -> object:
    import harness

    run = folder / (folder / "changed").read_text()
    again = folder / "again.sqlite"
    return harness.rejudge(
        run, judge="marks", output=folder / "again", store=again, include_path=[folder], progress=False
    )


def prepare_pack(folder: Path) -> None:
    from tests.conftest import DOCUMENTS, QUESTIONS, write_pack

    rows = [dict(row, evidence=["eat"], split="evaluation" if n else "finetune") for n, row in enumerate(QUESTIONS)]
    write_pack(folder / "pack", DOCUMENTS, rows)


def change_pack(folder: Path, rng: random.Random) -> None:
    changed_lines(folder / "pack" / rng.choice(["corpus.jsonl", "qa.jsonl", "qa.jsonl"]), rng)


def read_pack(folder: Path, rng: random.Random) -> object:
    from harness.digests import digest_of
    from harness.prompts import render
    from harness.sources.pack import DataPack

    def cluster_of(row: dict[str, Any]) -> str:
        return render("{{ doc.type }}{{ doc.evidence[0] }}{{ question }}", doc=row, question=row["question"])

    pack = DataPack(folder / "pack", cluster_of, ("finetune", "evaluation"), rng.choice([0, 1, 9]), 0)
    questions = pack.questions("evaluation")
    return [digest_of(dict(q.row)) for q in questions], [d.text.encode() for d in pack.documents()]


def prepare_lora(folder: Path) -> None:
    from harness.digests import digest_of_file
    from tests.tiny import make_lora, make_model

    make_model(folder / "base")
    make_lora(folder / "base", folder / "lora", base_name="base")
    for path in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        if (folder / "base" / path).is_file():
            shutil.copy(folder / "base" / path, folder / "lora" / path)
    record = {
        "format": 1, "identity": "i", "weights": digest_of_file(folder / "lora/adapter_model.safetensors"), "task": "t",
        "model": "base", "method": "lora", "prompt_format": "qa", "seed": 0,
        "pairs": {"examples": 8, "ids": ["q1"], "digest": "d"}, "base": {"label": "b", "quantization": "none"},
        "settings": {"lora_alpha": 8, "lora_r": 4}, "tokenizer": {"bos": "<s>"}, "prompt_start_ids": [1, 5],
    }  # fmt: skip
    (folder / "lora/training.json").write_text(json.dumps(record))


def change_lora(folder: Path, rng: random.Random) -> None:
    name = rng.choice(["adapter_config.json", "adapter_config.json", "weights", "weights", "training.json"])
    if name != "weights":
        return changed_json(folder / "lora" / name, rng)
    path = folder / "lora/adapter_model.safetensors"
    content = path.read_bytes()
    length = int.from_bytes(content[:8], "little")
    header, tensors = content[8 : 8 + length], content[8 + length :]
    if rng.random() < 0.2:
        path.write_bytes(mutated_bytes(content, rng))
        return None
    header = as_json(mutated(json.loads(header), rng), rng) if rng.random() < 0.7 else mutated_bytes(header, rng)
    size = len(header) if rng.random() < 0.9 else rng.choice([0, 1, 2**31, 2**63])
    path.write_bytes(size.to_bytes(8, "little") + header + tensors)
    return None


def read_lora(folder: Path, rng: random.Random) -> object:
    from harness.adapters.gate import BaseFacts, faults_of_files
    from harness.adapters.weights import FolderWeights, LoraCheckpoint

    base = FolderWeights(folder / "base", folder / "cache")
    checkpoint = LoraCheckpoint(folder / "lora", folder / "cache")
    checkpoint.check_base([str(folder / "base"), "base"], "base")
    facts = BaseFacts(
        folder / "base", base.identity, "base", "float32", "none", False, _tokenizer(folder / "base"), [1, 5]
    )
    return (
        checkpoint.identity, checkpoint.shares_base, checkpoint.files,
        faults_of_files(folder / "lora", facts, checkpoint.training_record),
    )  # fmt: skip


_TOKENIZERS: dict[str, Any] = {}


def _tokenizer(base: Path) -> Any:
    from transformers import AutoTokenizer

    key = (base / "tokenizer.json").read_text()
    if key not in _TOKENIZERS:
        _TOKENIZERS[key] = AutoTokenizer.from_pretrained(base)
    return _TOKENIZERS[key]


REPLY = {
    "id": "c1", "object": "chat.completion", "created": 1, "model": "m",
    "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Dams."},
                 "logprobs": {"content": [{"token": "4", "logprob": -0.1, "bytes": [52],
                                           "top_logprobs": [{"token": "4", "logprob": -0.1, "bytes": [52]}]}]}}],
    "usage": {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11},
}  # fmt: skip


class _Reply(BaseHTTPRequestHandler):
    """Answers every request with what the server holds."""

    content = b""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(self.content)))
        self.end_headers()
        self.wfile.write(self.content)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


def prepare_reply(folder: Path) -> None:
    (folder / "reply.json").write_text(json.dumps(REPLY))


def change_reply(folder: Path, rng: random.Random) -> None:
    changed_json(folder / "reply.json", rng)


def read_reply(folder: Path, rng: random.Random) -> object:
    from harness.adapters.openai import ApiSettings, OpenAIAdapter
    from harness.records import Decoding, Message, OptionRequest, Request

    handler = type("Reply", (_Reply,), {"content": (folder / "reply.json").read_bytes()})
    with HTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        address = f"http://127.0.0.1:{server.server_address[1]}/v1"
        adapter = OpenAIAdapter("api", ApiSettings("m", address, None, 100, concurrency=1, retries=0))
        prompt = adapter.format_prompt([Message("user", "What do beavers build?")])
        try:
            if rng.random() < 0.3:
                return _given(adapter.score_options([OptionRequest("k", prompt, ("4", "5"))]))
            answers = _given(adapter.generate([Request("k", prompt, 9, Decoding(max_gen_toks=8))]))
            return [answer.text.encode() for answer in answers]
        finally:
            adapter.close()
            server.shutdown()
            thread.join()


def _given(replies: Iterable[Any]) -> list[Any]:
    """What the adapter made of the replies; one that it could not read counts as refused."""
    from harness.errors import HarnessError
    from harness.records import Failure

    given = list(replies)
    for each in given:
        if isinstance(each, Failure):
            raise HarnessError(each.reason)
    return given


TABLES = ("passages", "prompts", "answers", "scores", "plans")


def change_store(folder: Path, rng: random.Random) -> None:
    import sqlite3

    connection = sqlite3.connect(folder / "store.sqlite")
    table = rng.choice(TABLES)
    rows = connection.execute(f"SELECT key, value FROM {table} ORDER BY key").fetchall()
    for key, value in rng.sample(rows, min(len(rows), rng.choice([1, 2]))):
        text, _, seal = value.partition("\n")
        content = text.encode()
        changed: Any = (
            as_json(mutated(json.loads(content), rng), rng) if rng.random() < 0.75 else mutated_bytes(content, rng)
        )
        with contextlib.suppress(UnicodeDecodeError):  # mostly without a seal, so that what reads the value is tried
            changed = changed.decode() + (f"\n{seal}" if rng.random() < 0.2 else "")
        connection.execute(f"UPDATE {table} SET value = ? WHERE key = ?", (changed, key))
    connection.commit()
    connection.close()


def read_store(folder: Path, rng: random.Random) -> None:
    evaluated(folder, models="parrot", arms="rag")


KINDS: dict[str, Kind] = {
    "task entry": Kind(prepare_entries, change_entry("tasks"), read_task),
    "model entry": Kind(prepare_entries, change_entry("models"), read_model),
    "judge entry": Kind(prepare_entries, change_entry("judges"), read_judge),
    "leaderboard entry": Kind(prepare_entries, change_entry("leaderboards"), read_board),
    "results to leaderboard": Kind(prepare_run, change_run, read_run_into_leaderboard),
    "stored runs to leaderboard": Kind(prepare_stored, change_stored, read_run_into_leaderboard),
    "results to judge": Kind(prepare_run, change_run, read_run_into_judge),
    "data pack": Kind(prepare_pack, change_pack, read_pack),
    "LoRA checkpoint": Kind(prepare_lora, change_lora, read_lora),
    "store": Kind(prepare_run, change_store, read_store),
    "API reply": Kind(prepare_reply, change_reply, read_reply),
}


# ---- what came of it ------------------------------------------------------------------------------------------------


class TookTooLongError(BaseException):
    """Not an `Exception`, so that nothing handles it on its way."""


@contextlib.contextmanager
def limited(seconds: float) -> Iterator[None]:
    """Counts what this process computes, not how long it waits for others."""

    def stop(*_: object) -> None:
        raise TookTooLongError(f"more than {seconds} s")

    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


@dataclass
class Findings:
    """`failures`: where an exception that is not ours came from, with the seeds of its cases."""

    cases: int = 0
    refused: int = 0
    slowest: float = 0.0
    failures: dict[str, list[int]] = field(default_factory=dict)

    def __str__(self) -> str:
        failed = sum(map(len, self.failures.values()))
        return f"{self.cases:,} cases, {self.refused:,} refused, {failed:,} tracebacks, slowest {self.slowest:.2f} s"


def fuzz(kind: Kind, workshop: Path, seeds: Sequence[int], verbose: bool = False) -> Findings:
    """Changes and reads a fresh copy for each seed."""
    findings = Findings()
    (workshop / "valid").mkdir(parents=True)
    kind.prepare(workshop / "valid")
    case = workshop / "case"
    for seed in seeds:
        shutil.rmtree(case, ignore_errors=True)
        shutil.copytree(workshop / "valid", case)
        rng = random.Random(seed)
        kind.change(case, rng)
        started = time.process_time()
        try:
            with limited(SECONDS), warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
                warnings.simplefilter("ignore")
                kind.read(case, rng)
        except HarnessError as error:
            findings.refused += 1
            if not all(problem.isprintable() or "\n" not in problem for problem in error.problems):
                findings.failures.setdefault(f"more than one line: {error.problems[0][:80]!r}", []).append(seed)
        except (Exception, TookTooLongError) as error:
            if verbose and len(findings.failures.get(_origin(error), ())) == 0:
                traceback.print_exc()
            findings.failures.setdefault(_origin(error), []).append(seed)
        findings.cases += 1
        findings.slowest = max(findings.slowest, time.process_time() - started)
    return findings


def _origin(error: BaseException) -> str:
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "/harness/" in frame.filename]
    where = f"{frames[-1].filename.rpartition('/harness/')[2]}:{frames[-1].name}" if frames else "?"
    return f"{type(error).__name__} in {where}: {str(error)[:60]!r}" if frames else repr(error)[:200]


def main() -> int:
    parser = argparse.ArgumentParser(description="Reads files that are almost right.")
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--kind", nargs="*", choices=list(KINDS), default=list(KINDS))
    parser.add_argument("--verbose", action="store_true", help="the first traceback of each place")
    options = parser.parse_args()
    failed = False
    for name in options.kind:
        with tempfile.TemporaryDirectory() as folder:
            seeds = range(options.first, options.first + options.cases)
            findings = fuzz(KINDS[name], Path(folder), seeds, options.verbose)
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        print(f"{name}: {findings}, {memory:,} MB", flush=True)
        for place, found in Counter({p: len(s) for p, s in findings.failures.items()}).most_common():
            print(f"    {found:5}  {place}  (seed {findings.failures[place][0]})", flush=True)
        failed = failed or bool(findings.failures)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
