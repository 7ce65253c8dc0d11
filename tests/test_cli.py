"""The command as its user meets it: what it prints, what it refuses in one line, and how soon it comes up."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.files import write_json
from harness.reports.progress import make_progress
from tests.conftest import JUDGE, MODEL, QUESTIONS, TASK, Finished, write_entries, write_pack
from tests.tiny import make_lora, make_model

Harness = Callable[..., Finished]


@pytest.fixture
def evaluate(harness: Harness, entries: Path, pack: Path) -> Harness:
    """`harness eval` on three animals with a scripted model and judge."""

    def run(*more: str) -> Finished:
        return harness(
            "eval", "--include_path", str(entries), "--task", "animals", "--model", "parrot", "--data", str(pack),
            "--store", "store.sqlite", *more,
        )  # fmt: skip

    return run


def test_eval_prints_lm_evals_table_with_our_columns_to_its_right(evaluate: Harness) -> None:
    done = evaluate()
    assert done.code == 0, done.err
    header, rule, first, second = re.search(r"(\|Tasks.*)\n(.*)\n(.*)\n(.*)", done.out).groups()  # type: ignore[union-attr]
    names = [cell.strip() for cell in header.strip("|").split("|")]
    assert names[:9] == ["Tasks", "Version", "Filter", "n-shot", "Metric", "", "Value", "", "Stderr"]
    assert names[9:] == ["95% CI", "n", "Judge"]
    assert set(rule) <= set("|-:")
    assert [cell.strip() for cell in first.strip("|").split("|")][:6] == ["animals", "1", "none", "0", "accuracy", "↑"]
    assert [cell.strip() for cell in second.strip("|").split("|")][:2] == ["", ""]
    assert "files in results/parrot/animals-rag-" in done.out


def test_progress_is_plain_lines_when_not_on_a_terminal(evaluate: Harness) -> None:
    done = evaluate()
    assert re.search(r"^generate: 4/4 \(.* items/s, .* tokens/s\)$", done.err, re.MULTILINE)
    assert "\x1b" not in done.err + done.out
    assert "generate: 4/4 (from the store)" in evaluate().err


def test_dashes_and_underscores_in_flags_are_the_same(evaluate: Harness) -> None:
    assert evaluate("--output-path=out", "--gen-kwargs", "max_gen_toks=2").code == 0
    (manifest,) = Path("out").rglob("manifest.json")
    assert json.loads(manifest.read_text())["plan"]["decoding"]["max_gen_toks"] == 2


def test_lists_may_have_spaces_or_commas(evaluate: Harness) -> None:
    assert evaluate("--arm", "rag,oracle", "closed_book").code == 0
    arms = {json.loads(path.read_text())["plan"]["arm"] for path in Path("results").rglob("manifest.json")}
    assert arms == {"rag", "oracle", "closed_book"}


def test_a_share_limits_by_share(evaluate: Harness) -> None:
    done = evaluate("--limit", "0.5")
    assert "--limit 0.5: for trying out; not a result to report" in done.err
    assert "generate: 2/2" in done.err


def test_a_group_gets_a_table_of_its_own(harness: Harness, entries: Path, pack: Path) -> None:
    group = "group: zoo\ntask: [animals]\naggregate_metric_list: [{metric: f1}]\nmetadata: {version: 1}\n"
    write_entries(entries, tasks__zoo=group)
    done = harness("eval", "--include_path", str(entries), "--task", "zoo", "-M", "parrot", "--data", str(pack))
    assert done.code == 0, done.err
    assert re.search(r"\|Groups.*\n.*\n\|zoo +\| +1\|none +\| +0\|f1", done.out)


def test_a_groups_mean_is_over_tasks_or_weighted_by_their_size(harness: Harness, entries: Path, tmp_path: Path) -> None:
    """Always "dams": right on 1 of 4 questions and on 1 of 2. Over tasks (1/4 + 1/2) / 2, over questions 2/6."""
    group = "group: zoo\ntask: [animals, birds]\nmetadata: {version: 1}\naggregate_metric_list:\n"
    group += "  - {metric: exact_match}\n  - {metric: exact_match, weight_by_size: true}\n"
    write_entries(
        entries,
        tasks__zoo=group,
        tasks__birds=TASK.replace("task: animals", "task: birds"),
        models__other=ALWAYS.format(n="other", says="dams"),
    )
    write_pack(tmp_path / "packs" / "animals")
    write_pack(tmp_path / "packs" / "birds", questions=QUESTIONS[:2])
    done = harness("eval", "--include_path", str(entries), "-t", "zoo", "-M", "other", "--data", "packs")
    assert done.code == 0, done.err
    groups = done.out[done.out.index("|Groups") :]
    rows = [[cell.strip() for cell in line.split("|")] for line in groups.splitlines() if "|exact_match" in line]
    assert [(row[7], row[11]) for row in rows] == [("0.3750", "6/6"), ("0.3333", "6/6")]


def test_several_tasks_read_a_pack_each(harness: Harness, entries: Path, tmp_path: Path) -> None:
    """Never one pack under two names: with several tasks `--data` holds a pack for each."""
    write_entries(entries, tasks__birds=TASK.replace("task: animals", "task: birds"))
    common = ("eval", "--include_path", str(entries), "-t", "animals", "birds", "-M", "parrot", "--data", "packs")
    write_pack(tmp_path / "packs")
    assert "it must hold a pack for each; there is none in packs/animals" in only_line(harness(*common))
    write_pack(tmp_path / "packs" / "animals")
    write_pack(tmp_path / "packs" / "birds", questions=QUESTIONS[:2])
    done = harness(*common)
    assert done.code == 0, done.err
    counts = {
        path.name.split("_")[1]: len(path.read_text().splitlines()) for path in Path("results").rglob("samples_*")
    }
    assert counts == {"animals": 4, "birds": 2}


def test_a_variant_of_a_task_reads_the_pack_of_its_data_set(harness: Harness, entries: Path, tmp_path: Path) -> None:
    write_entries(entries, tasks__again="include: animals.yaml\ntask: again\n")
    write_pack(tmp_path / "packs" / "animals")  # of the data set nobody/animals
    done = harness("eval", "--include_path", str(entries), "-t", "animals", "again", "-M", "parrot", "--data", "packs")
    assert done.code == 0, done.err
    assert len(list(Path("results").rglob("samples_again_*"))) == 1


READER = """
judge: reader
description: Sees passages.
kind: geval
model: mark
scoring: greedy
sees: [passages]
scale: {low: 1, high: 5}
prompt: |
  {{ question }} {% for p in passages %}{{ p.text }} {% endfor %}
  <answer>{{ answer }}</answer> {{ criterion.title }}
form: "{{ criterion.title }}: "
criteria:
  accuracy: {title: Accuracy, definition: d, levels: {1: a, 2: b, 3: c, 4: d, 5: e}, steps: [Read.]}
metadata: {version: 1}
"""
ALWAYS = "model: {n}\ndescription: d\nengine: scripted\nscript: ['{says}']\nlicence: n\nmetadata: {{version: 1}}\n"


def test_runs_whose_judge_sees_passages_are_judged_together_and_the_manifest_says_so(
    harness: Harness, entries: Path, pack: Path
) -> None:
    write_entries(
        entries,
        judges__reader=READER,
        models__mark=ALWAYS.format(n="mark", says="4"),
        models__other=ALWAYS.format(n="other", says="otters"),
    )
    flags = ("eval", "--include_path", str(entries), "-t", "animals", "--data", str(pack), "-M", "parrot,other")
    together = harness(*flags, "--judge", "reader")
    assert together.code == 0, together.err
    assert "judge: 8/8" in together.err, "two models, four questions"
    manifests = [json.loads(path.read_text()) for path in Path("results").rglob("manifest.json")]
    assert [manifest["judge_usage"] for manifest in manifests] == [{"runs": 2}] * 2
    apart = harness(*flags, "--judge", "marks", "-o", "apart")
    assert apart.err.count("judge: 8/8") == 2, "each alone: four questions, two criteria"
    manifests = [json.loads(path.read_text()) for path in Path("apart").rglob("manifest.json")]
    assert [manifest["judge_usage"] for manifest in manifests] == [{}] * 2


def test_a_mistake_in_the_last_model_is_reported_before_the_first_is_run(
    harness: Harness, entries: Path, pack: Path
) -> None:
    command = ("eval", "--include_path", str(entries), "-t", "animals", "--data", str(pack), "-M", "parrot", "mistral")
    assert "Mistral-7B-Instruct-v0.2" in only_line(harness(*command))
    assert not Path("results").exists()


def test_a_group_of_groups_gets_its_row_and_a_circle_is_reported(harness: Harness, entries: Path, pack: Path) -> None:
    group = "group: {n}\ntask: [{t}]\naggregate_metric_list: [{{metric: f1}}]\nmetadata: {{version: 1}}\n"
    write_entries(
        entries, tasks__inner=group.format(n="inner", t="animals"), tasks__outer=group.format(n="outer", t="inner")
    )
    done = harness("eval", "--include_path", str(entries), "-t", "outer", "-M", "parrot", "--data", str(pack))
    assert re.search(r"\|outer +\|", done.out)
    assert re.search(r"\|inner +\|", done.out)
    write_entries(entries, tasks__inner=group.format(n="inner", t="outer"))
    assert "the group contains itself" in only_line(
        harness("eval", "--include_path", str(entries), "-t", "outer", "-M", "parrot")
    )
    assert harness("validate", "--include_path", str(entries)).code == 1


def only_line(done: Finished) -> str:
    assert done.code == 2
    assert "Traceback" not in done.err
    assert done.out == ""
    (line,) = [line for line in done.err.splitlines() if not line.startswith(("--limit", "animals × "))]
    assert line.startswith("harness: ")
    return line.removeprefix("harness: ")


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--task", "telekom"], "no task named 'telekom'; near it: telecom"),
        (["--model", "parot"], "no model named 'parot'; near it: parrot"),
        (["--judge", "fact"], "no judge named 'fact'; near it: facts"),
        (["--limit", "0"], "--limit 0: give a whole number from 1, or a share between 0 and 1"),
        (["--limit", "many"], "--limit many: give a whole number from 1"),
        (["--limit", "nan"], "--limit nan: give a whole number from 1"),
        (["--limit", "inf"], "--limit inf: give a whole number from 1"),
        (["--gen_kwargs", "temperature=hot"], "--gen_kwargs: temperature: must be a number and is 'hot'"),
        (["--gen_kwargs", "until=[a"], "--gen_kwargs: 'until=[a' has a value that cannot be read"),
        (["--model", "hf", "--model_args", "pretrained=./x,peft="], "--model_args: peft= is empty"),
        (["--cost_limit", "0"], "--cost_limit 0: give a sum above 0"),
        (["--store", "pack/qa.jsonl/s"], "pack/qa.jsonl/s: cannot be used as a store"),
        (["--gen_kwargs", "max_gen_toks=9000"], "max_gen_toks 9000 leaves no room for a prompt in the window of 8192"),
        (["--limit", "1.5"], "--limit 1.5: give a whole number from 1"),
        (["--batch_size", "0"], "--batch_size 0: give a whole number from 1, or auto"),
        (["--arm", "oracel"], "--arm oracel: unknown arm; near it: oracle"),
        (["--gen_kwargs", "max_gen_tok=3"], "--gen_kwargs: max_gen_tok: unknown key; near it: max_gen_toks"),
        (["--gen_kwargs", "max_gen_toks"], "--gen_kwargs: 'max_gen_toks' is not key=value"),
        (["--model_args", "dtype=float32"], "--model_args goes with --model hf"),
        (["--model", "hf"], "--model_args: pretrained= is missing"),
        (["--model", "hf", "--model_args", "pretrained=./x,pft=y"], "--model_args: unknown pft; near it: peft"),
        (["--model", "hf", "--model_args", "pretrained=org/name"], "a hub model needs its `revision`"),
        (["--include_path", "nowhere"], "--include_path nowhere: holds none of"),
        (["--output_path", "pack/qa.jsonl/x"], "--output_path pack/qa.jsonl/x: pack/qa.jsonl is a file; name a folder"),
        (["--data", "nowhere"], "holds no corpus.jsonl"),
        (["--model", "hf", "--model_args", "pretrained=./nowhere"], "nowhere: holds no model"),
    ],
)
def test_bad_input_is_one_line_and_nothing_is_written(evaluate: Harness, flags: list[str], said: str) -> None:
    done = evaluate(*flags)
    if flags == ["--data", "nowhere"]:  # both files are missing: two lines
        assert done.code == 2
        assert said in done.err
    else:
        assert said in only_line(done)
    assert not [path for path in Path("results").rglob("*") if path.is_file()]


def test_a_broken_entry_says_all_its_mistakes_before_anything_runs(harness: Harness, tmp_path: Path) -> None:
    broken = TASK.replace("top_k: 2", "top_k: none").replace("licence: none\n", "").replace("bm25", "dense")
    folder = write_entries(tmp_path / "b", tasks__animals=broken, models__parrot=MODEL, judges__marks=JUDGE)
    done = harness("eval", "--include_path", str(folder), "--task", "animals", "--model", "parrot")
    assert done.code == 2
    assert len(done.err.splitlines()) == 3
    assert all(line.startswith("harness: tasks/animals.yaml: ") for line in done.err.splitlines())


def test_a_broken_pack_is_reported_by_file_and_line(harness: Harness, entries: Path, tmp_path: Path) -> None:
    folder = write_pack(tmp_path / "broken")
    with (folder / "qa.jsonl").open("a") as stream:
        stream.write('{"id": "q9", \n{"id": "q0", "question": "?", "answers": ["a"], "gold_doc_ids": ["nope"]}\n')
    done = harness("eval", "--include_path", str(entries), "-t", "animals", "-M", "parrot", "--data", str(folder))
    assert done.code == 2
    assert [re.search(r"qa\.jsonl:(\d+)", line)[1] for line in done.err.splitlines()] == ["5", "6", "6"]  # type: ignore[index]


@pytest.mark.torch
def test_a_lora_checkpoint_of_another_base_is_reported_with_both_names(
    harness: Harness, entries: Path, pack: Path, tmp_path: Path
) -> None:
    base = make_model(tmp_path / "base")
    make_lora(base, tmp_path / "lora", base_name="meta-llama/Llama-2-7b-chat-hf")
    done = harness(
        "eval", "--include_path", str(entries), "-t", "animals", "--data", str(pack),
        "-M", "hf", "-a", f"pretrained={base},peft={tmp_path / 'lora'}",
    )  # fmt: skip
    line = only_line(done)
    assert "trained on 'meta-llama/Llama-2-7b-chat-hf'" in line
    assert f"put on '{base}'" in line


@pytest.mark.torch
def test_a_local_model_with_a_lora_checkpoint_runs(harness: Harness, entries: Path, pack: Path, tmp_path: Path) -> None:
    base = make_model(tmp_path / "base")
    lora = make_lora(base, tmp_path / "lora")
    done = harness(
        "eval", "--include_path", str(entries), "-t", "animals", "--data", str(pack), "--device", "cpu",
        "-M", "hf", "-a", f"pretrained={base},peft={lora},dtype=float32,load_in_8bit=False",
    )  # fmt: skip
    assert done.code == 0, done.err
    assert list(Path("results/base-lora").rglob("results_animals_*.json"))


@pytest.mark.torch
def test_a_lora_entry_finds_the_checkpoint_of_its_task(
    harness: Harness, entries: Path, pack: Path, tmp_path: Path
) -> None:
    base = make_model(tmp_path / "base")
    make_lora(base, tmp_path / "checkpoints" / "animals")
    common = "description: d\nlicence: n\nmetadata: {version: 1}\n"
    write_entries(
        entries,
        models__tiny=f"model: tiny\npretrained: {base}\ndtype: float32\n{common}",
        models__tuned=f'model: tuned\nbase: tiny\npeft: "{tmp_path}/checkpoints/{{task}}"\n{common}',
    )
    done = harness("eval", "--include_path", str(entries), "-t", "animals", "--data", str(pack), "-M", "tiny,tuned")
    assert done.code == 0, done.err
    identities = {
        json.loads(path.read_text())["identities"]["model"].get("lora")
        for path in Path("results").rglob("manifest.json")
    }
    assert len(identities) == 2
    assert None in identities


def test_the_judge_that_was_asked_for_must_be_there(harness: Harness, entries: Path, pack: Path) -> None:
    done = harness(
        "eval",
        "--include_path",
        str(entries),
        "-t",
        "animals",
        "-M",
        "parrot",
        "--data",
        str(pack),
        "--judge",
        "geval-mistral",
    )
    assert "mistralai/Mistral-7B-Instruct-v0.2@3ad372fc is not in the local cache" in only_line(done)
    assert not Path("results").exists()


def test_a_tasks_own_judge_that_cannot_be_had_leaves_answers_unscored(
    harness: Harness, entries: Path, pack: Path
) -> None:
    write_entries(entries, tasks__animals=TASK.replace("judge: marks", "judge: geval-mistral"))
    done = harness("eval", "--include_path", str(entries), "-t", "animals", "-M", "parrot", "--data", str(pack))
    assert done.code == 0
    assert "answers and metrics are computed, answers are left unscored" in done.err
    assert re.search(r"accuracy +\|↑ +\| +N/A\|± +\| +N/A\| +\| *0/4\|geval-mistral", done.out)


def test_list_show_and_validate(harness: Harness, entries: Path) -> None:
    listed = harness("list", "tasks", "--include_path", str(entries))
    assert re.search(r"^\|animals *\|Questions on three animals\.", listed.out, re.MULTILINE)
    assert "fine-or-fail" not in listed.out
    assert "fine-or-fail" in harness("list", "groups").out
    assert re.search(r"\|study *\|bioasq, nq, qasper", harness("list", "tags").out)
    for kind in ("models", "judges", "leaderboards"):
        assert harness("ls", kind).code == 0
    shown = harness("show", "judge", "geval-smollm2")
    assert "max_unscored: 0.02" in shown.out
    assert "include" not in shown.out
    valid = harness("validate", "--include_path", str(entries))
    assert valid.code == 0
    assert re.search(r"^\d+ entries, 0 problems$", valid.out, re.MULTILINE)


def test_what_show_prints_is_an_entry_that_can_be_used(harness: Harness, tmp_path: Path) -> None:
    text = harness("show", "task", "qasper").out
    own = write_entries(tmp_path / "copy", tasks__qasper=text)
    assert harness("show", "task", "qasper", "--include_path", str(own)).out.splitlines()[1:] == text.splitlines()[1:]


def test_validate_reports_every_mistake_and_ends_with_1(harness: Harness, tmp_path: Path) -> None:
    folder = write_entries(tmp_path / "b", models__parrot=MODEL.replace("licence: none\n", "licnce: no\n"))
    done = harness("validate", "--include_path", str(folder))
    assert done.code == 1
    assert len(done.err.splitlines()) == 2
    assert "2 problems" in done.out


def test_validate_deep_tries_the_embedded_task_and_a_pack(harness: Harness, entries: Path, pack: Path) -> None:
    done = harness("validate", "--deep", "--task", "telecom")
    assert "telecom: 600 questions to evaluate on, 1000 to train on; the first gets 5 passages" in done.out
    done = harness("validate", "--deep", "--include_path", str(entries), "--task", "animals", "--data", str(pack))
    assert "animals: 4 questions to evaluate on, 0 to train on; the first gets 2 passages" in done.out


def test_a_bug_keeps_its_traceback(harness: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    from harness.entries.catalog import Catalog

    monkeypatch.setattr(Catalog, "files", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        harness("list", "tasks")


@pytest.mark.parametrize("arguments", [["--help"], ["list", "tasks"], ["eval", "--help"]])
def test_start_up_imports_nothing_heavy(arguments: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "harness", *arguments], capture_output=True, text=True, check=True
    )
    imported = {line.rsplit("|", 1)[-1].strip().split(".")[0] for line in done.stderr.splitlines()}
    heavy = {"torch", "transformers", "numpy", "scipy", "faiss", "datasets", "pandas", "rich", "bm25s", "sqlite3"}
    assert "harness" in imported
    assert not imported & heavy


def test_a_task_is_named_by_its_file(harness: Harness, entries: Path, pack: Path) -> None:
    path = str(entries / "tasks" / "animals.yaml")
    done = harness("eval", "--include_path", str(entries), "-t", path, "-M", "parrot", "--data", str(pack))
    assert done.code == 0, done.err
    assert "|animals" in done.out.replace(" ", "")


def test_interrupted_by_hand_says_that_work_is_kept(harness: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    from harness.entries.catalog import Catalog

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Catalog, "files", interrupt)
    done = harness("list", "tasks")
    assert done.code == 130
    assert "the same command resumes" in done.err


@pytest.mark.torch
def test_the_main_job_with_the_embedded_model(harness: Harness) -> None:
    """The README's command, on two questions: real world, real index, real model, real judge; then again from the
    store."""
    command = (
        "eval",
        "--task",
        "telecom",
        "--model",
        "smollm2-135m",
        "--limit",
        "2",
        "--store",
        "s.sqlite",
        "--device",
        "cpu",
    )
    first = harness(*command)
    assert first.code == 0, first.err
    assert re.search(r"\|telecom\| +2\|none +\| +0\|accuracy +\|↑", first.out)
    files = {path: path.read_bytes() for path in Path("results").rglob("*telecom_*")}
    second = harness(*command)
    assert "generate: 2/2 (from the store)" in second.err
    (manifest,) = Path("results").rglob("manifest.json")
    assert json.loads(manifest.read_text())["usage"] == {}, "no token went through the model again"
    assert {path: path.read_bytes() for path in Path("results").rglob("*telecom_*")} == files


def test_rates_count_what_was_computed_now_and_not_what_was_in_the_store(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """30 of 40 items are in the store; 10 take two seconds."""
    now = [0.0]
    monkeypatch.setattr("harness.reports.progress.time.monotonic", lambda: now[0])
    progress = make_progress()
    progress.start("generate", 40, 30)
    now[0] = 2.0
    progress.advance(10, tokens=300)
    progress.finish()
    assert "generate: 40/40 (5.00 items/s, 150 tokens/s)" in capsys.readouterr().err


def test_json_files_hold_letters_as_they_are_and_end_with_a_line_end(tmp_path: Path) -> None:
    write_json(tmp_path / "x.json", {"b": "é", "a": 1})
    assert (tmp_path / "x.json").read_text(encoding="utf-8") == '{\n "a": 1,\n "b": "é"\n}\n'
