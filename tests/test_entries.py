"""YAML entries: what is refused, in one line each, all at once; includes; the registry; templates and their slots."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.entries.catalog import Catalog
from harness.entries.checking import JUDGE as JUDGE_ENTRY
from harness.entries.checking import TASK as TASK_ENTRY
from harness.entries.checking import check
from harness.entries.model import ScriptedModelEntry
from harness.entries.task import HubEntry
from harness.entries.yaml import merge, read_entry
from harness.errors import EntryError, UnknownEntry, UsageError
from harness.judging.abstention import abstains
from harness.prompts import chat, preset, problems_of, render
from harness.records import Passage
from tests.conftest import JUDGE, MODEL, TASK, write_entries


def mistakes(folder: Path, **files: str) -> list[str]:
    return Catalog([write_entries(folder, **files)]).problems()


def test_shipped_entries_are_sound() -> None:
    assert Catalog().problems() == []


def test_five_mistakes_are_five_lines(tmp_path: Path) -> None:
    broken = (
        TASK.replace("  top_k: 2", "  top_k: 0")
        .replace("kind: bm25", "kind: bm26")
        .replace("metric: f1", "metric: f2")
        .replace("judge: marks", "juge: marks")
    )
    lines = mistakes(tmp_path, tasks__animals=broken, judges__marks=JUDGE)
    assert len(lines) == 5
    assert all(line.startswith("tasks/animals.yaml: ") for line in lines)
    assert any("retrieval.top_k: is 0; it must be 1 or more" in line for line in lines)
    assert any("retrieval.retriever: kind is 'bm26'; it can be" in line for line in lines)
    assert any("metric_list[1].metric: is 'f2'; it can be" in line for line in lines)
    assert any("juge: unknown key; near it: judge" in line for line in lines)
    assert any("judge: is missing; add it" in line for line in lines)


def test_bare_yes_and_no_and_digits_are_refused_with_the_reason(tmp_path: Path) -> None:
    broken = TASK.replace('revision: "' + "a" * 40 + '"', "revision: " + "1" * 40).replace(
        "max_gen_toks: 16", "max_gen_toks: 16, until: [yes, no]"
    )
    lines = mistakes(tmp_path, tasks__animals=broken, judges__marks=JUDGE)
    assert len(lines) == 3
    assert "revision: must be text, but YAML reads bare digits as the number 1111111111" in lines[0]
    assert "put it in quotes" in lines[0]
    assert "generation_kwargs.until[0]: must be text, but YAML reads a bare yes, no, on or off as True" in lines[1]
    assert "generation_kwargs.until[1]" in lines[2]


def test_a_missing_and_an_unknown_slot_are_named(tmp_path: Path) -> None:
    broken = TASK.replace("{{ question }}", "{{ questoin }}")
    (unknown, missing) = mistakes(tmp_path, tasks__animals=broken, judges__marks=JUDGE)
    assert "doc_to_text: uses the slot {{ questoin }}, which does not exist here; near it: question" in unknown
    assert "doc_to_text: must use the slot {{ question }}" in missing


def test_an_abstention_that_the_prompt_does_not_tell_is_refused(tmp_path: Path) -> None:
    (line,) = mistakes(tmp_path, tasks__animals=TASK + "abstention: Nothing\n", judges__marks=JUDGE)
    assert line.endswith("abstention: doc_to_text does not use {{ abstention }}, so the model is never told")


def test_qasper_abstain_is_qasper_with_one_more_sentence() -> None:
    plain, told = Catalog().task("qasper"), Catalog().task("qasper-abstain")
    own = {"task", "task_alias", "tag", "description", "abstention", "deviations", "checkpoints_of"}
    assert (plain.checkpoint_task, told.checkpoint_task) == ("qasper", "qasper")
    assert plain.model_dump(exclude=own) == told.model_dump(exclude=own)
    passage = Passage("d1", 0, 4, "Title", "Text.", 1, 0.0)
    prompts = [chat(task.prompt_template, None, "Why?", [passage], {})[0].content for task in (plain, told)]
    sentence = " If they do not hold the answer, answer only: Unanswerable"
    assert prompts[0] == "Use the passages to answer the question.\n\n[1] Title\nText.\n\nQuestion: Why?"
    assert prompts[1] == prompts[0].replace("question.", f"question.{sentence}", 1)
    assert chat(told.prompt_template, None, "Why?", [], {})[0].content == "Question: Why?"


def test_checkpoints_are_of_a_task_that_exists_and_has_its_own(tmp_path: Path) -> None:
    first, second = (TASK.replace("task: animals", f"task: {name}") for name in ("one", "two"))
    files = {"tasks__animals": TASK, "tasks__one": first + "checkpoints_of: animals\n", "judges__marks": JUDGE}
    assert mistakes(tmp_path / "sound", **files) == []
    (unknown,) = mistakes(tmp_path / "unknown", **files, tasks__two=second + "checkpoints_of: animal\n")
    assert "two.yaml: checkpoints_of: no task named 'animal'" in unknown
    (chained,) = mistakes(tmp_path / "chained", **files, tasks__two=second + "checkpoints_of: one\n")
    assert chained == "tasks/two.yaml: checkpoints_of: one has none of its own; name animals"


def test_what_a_task_tells_to_answer_counts_as_an_abstention() -> None:
    catalog = Catalog()
    told = [name for name in catalog.expand_tasks(["papers"])[0] if catalog.task(name).abstention]
    assert told == ["qasper-abstain"]
    assert all(abstains(catalog.task(name).abstention or "") for name in told)


def test_a_preset_slot_is_text_whatever_it_holds() -> None:
    assert render(preset("{{ abstention }}!", "abstention", 'Say "no" {{ x }}\\')) == 'Say "no" {{ x }}\\!'


def test_a_deviation_may_use_counts_alone(tmp_path: Path) -> None:
    broken = TASK + 'deviations: ["{{ documents }} of 9.", "{{ papers }} papers."]\n'
    (line,) = mistakes(tmp_path, tasks__animals=broken, judges__marks=JUDGE)
    assert "deviations[1]: uses the slot {{ papers }}, which does not exist here" in line
    assert line.endswith("available: all_documents, documents, pool, questions")


def test_a_system_instruction_is_a_template_that_may_use_the_passages_alone(tmp_path: Path) -> None:
    broken = TASK + 'system_instruction: "Answer {{ question }}."\n'
    (line,) = mistakes(tmp_path, tasks__animals=broken, judges__marks=JUDGE)
    assert "system_instruction: uses the slot {{ question }}, which does not exist here; available: passages" in line


def test_a_template_that_does_not_parse_says_where() -> None:
    assert problems_of("line\n{{ question", "doc_to_text")[0].startswith("not a Jinja2 template (line 2)")


def test_a_key_given_twice_is_refused(tmp_path: Path) -> None:
    (line,) = mistakes(tmp_path, models__parrot=MODEL + "licence: other\n")
    assert "parrot.yaml:" in line
    assert "the key 'licence' is given twice" in line


def test_a_file_is_named_after_its_entry(tmp_path: Path) -> None:
    (line,) = mistakes(tmp_path, models__polly=MODEL)
    assert line == "models/polly.yaml: model: is 'parrot'; it must be the file's name, 'polly'"


def test_references_between_entries_are_checked(tmp_path: Path) -> None:
    lora = "model: l\ndescription: d\nbase: smollm2-135\npeft: ./x\nlicence: n\nmetadata: {version: 1}\n"
    lines = mistakes(tmp_path, tasks__animals=TASK, models__l=lora)
    assert any("tasks/animals.yaml: judge: no judge named 'marks'" in line for line in lines)
    assert any("models/l.yaml: base: no model named 'smollm2-135'; near it: smollm2-135m" in line for line in lines)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("script: [urchins and clams, dams, worms]", ""), "script: is missing; add it"),
        (
            ("engine: scripted\nscript: [urchins and clams, dams, worms]", "engine: transformers"),
            "has nothing for its weights; set one of `pretrained`, `gguf`, `base`",
        ),
        (
            ("engine: scripted\nscript: [urchins and clams, dams, worms]", "pretrained: org/name"),
            "a hub model needs its `revision` (40 hex digits)",
        ),
        (
            ("engine: scripted\nscript: [urchins and clams, dams, worms]", "base: x"),
            "a LoRA checkpoint needs both `base`",
        ),
        (
            ("engine: scripted\nscript: [urchins and clams, dams, worms]", "pretrained: ./x\nrevision: main"),
            "'main' is not a revision; pin the commit",
        ),
        (
            ("engine: scripted\nscript: [urchins and clams, dams, worms]", "pretrained: ./x\ndtype: auto"),
            "dtype: is 'auto'; it can be 'bfloat16', 'float16' or 'float32'",
        ),
    ],
)
def test_model_mistakes(tmp_path: Path, change: tuple[str, str], said: str) -> None:
    (line,) = mistakes(tmp_path, models__parrot=MODEL.replace(*change))
    assert said in line


def judge_problems(**changes: object) -> list[str]:
    values = Catalog().judge("geval-smollm2").model_dump(exclude_unset=True) | changes
    with pytest.raises(EntryError) as caught:
        check(JUDGE_ENTRY, values, "judges/j.yaml")
    return list(caught.value.problems)


def test_a_criterion_needs_every_level() -> None:
    whole = Catalog().judge("geval-smollm2").model_dump()["criteria"]
    del whole["accuracy"]["levels"][3]
    (line,) = judge_problems(criteria=whole)
    assert "criteria.accuracy.levels describes [1, 2, 4, 5]; describe each of [1, 2, 3, 4, 5]" in line


def test_repeats_without_sampling_are_refused() -> None:
    assert "scoring: sample_mean samples" in judge_problems(generation_kwargs={"max_gen_toks": 8})[0]
    assert "gives the same score each time" in judge_problems(scoring="expected_score")[0]


def test_a_judge_says_what_it_sees() -> None:
    assert "`sees` lists passages but the prompt lacks the slot" in judge_problems(sees=["reference", "passages"])[0]
    assert "prompt shows the reference but `sees` does not list it" in judge_problems(sees=[])[0]


def test_a_wrong_attribute_in_a_judges_prompt_is_found_without_a_run() -> None:
    broken = str(Catalog().judge("geval-smollm2").model_dump()["prompt"]).replace(
        "criterion.definition", "criterion.definitoin"
    )
    assert "has no attribute 'definitoin'" in judge_problems(prompt=broken)[0]


def test_a_criterion_cannot_have_the_name_of_a_measure_or_a_field() -> None:
    whole = Catalog().judge("geval-smollm2").model_dump()["criteria"]
    for name in ("f1", "echoes", "leaked", "loops", "prompt_hash", "accuracy_clean"):
        (line,) = judge_problems(criteria={name: whole["accuracy"]})
        assert f"criterion '{name}' has the name of a measure or of a field of the results" in line


@pytest.mark.parametrize("scale", [{"low": -2, "high": 2}, {"low": 1, "high": 1}, {"low": 1, "high": 20}])
def test_scales_that_cannot_be_read_are_refused(scale: dict[str, int]) -> None:
    assert "use 2 to 10 scores" in judge_problems(scale=scale)[0]


def test_a_baseline_must_be_on_the_board(tmp_path: Path) -> None:
    board = "leaderboard: b\ntitle: B\ntasks: [telecom]\nmodels: [scripted]\njudge: facts\nbaseline: mistral\n"
    (line,) = mistakes(tmp_path, leaderboards__b=board)
    assert "baseline 'mistral' is not in `models`" in line


def test_a_temperature_goes_with_do_sample() -> None:
    entry = Catalog().task("telecom").model_dump(exclude_unset=True)
    entry["generation_kwargs"] = {"temperature": 0.7}
    with pytest.raises(EntryError, match="do_sample: true goes with a temperature above 0"):
        check(TASK_ENTRY, entry, "f")


def test_includes_merge_deep_and_may_form_a_diamond(tmp_path: Path) -> None:
    write_entries(
        tmp_path,
        root="a: {x: 1, y: 2}\nkept: [1]",
        left="include: root.yaml\na: {x: 3}",
        right="include: root.yaml\na: {z: 4}\nkept: [2]",
        top="include: [left.yaml, right.yaml]\nb: 5",
    )
    assert read_entry(tmp_path / "top.yaml") == {"a": {"x": 1, "y": 2, "z": 4}, "kept": [2], "b": 5}


def test_an_include_in_a_circle_is_reported(tmp_path: Path) -> None:
    write_entries(tmp_path, a="include: b.yaml", b="include: a.yaml")
    with pytest.raises(EntryError, match="include: forms a circle"):
        read_entry(tmp_path / "a.yaml")


def test_python_in_yaml_is_refused(tmp_path: Path) -> None:
    write_entries(tmp_path, a="task: !!python/object/apply:os.system [ls]")
    with pytest.raises(EntryError, match="not valid YAML"):
        read_entry(tmp_path / "a.yaml")


def test_merge_replaces_lists_and_keeps_other_keys() -> None:
    assert merge({"a": {"b": [1], "c": 2}}, {"a": {"b": []}}) == {"a": {"b": [], "c": 2}}


def test_own_entries_win_over_shipped_ones(tmp_path: Path) -> None:
    own = write_entries(tmp_path, models__scripted=MODEL.replace("parrot", "scripted"))
    entry = Catalog([own]).model("scripted")
    assert isinstance(entry, ScriptedModelEntry)
    assert entry.script == ["urchins and clams", "dams", "worms"]


def test_unknown_names_offer_near_ones() -> None:
    with pytest.raises(UnknownEntry, match="no task named 'telekom'; near it: telecom"):
        Catalog().task("telekom")


def test_groups_and_tags_open_into_tasks() -> None:
    tasks, groups = Catalog().expand_tasks(["fine-or-fail", "telecom", "bioasq"])
    assert tasks == ["bioasq", "nq", "qasper", "telecom"]
    assert [group.group for group in groups] == ["fine-or-fail"]
    assert Catalog().expand_tasks(["study"])[0] == ["bioasq", "nq", "qasper"]


def test_an_include_path_without_entries_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="holds none of"):
        Catalog([tmp_path])


def test_templates_run_in_a_sandbox() -> None:
    with pytest.raises(EntryError):
        render("{{ question.__class__.__mro__ }}", question="x")
    with pytest.raises(EntryError, match="no attribute 'titel'"):
        render("{{ doc.titel }}", doc={"title": "x"})


def test_a_hub_tasks_source_has_its_repository_revision_and_reader() -> None:
    task = Catalog().task("bioasq")
    assert isinstance(task.source, HubEntry)
    assert (task.source.dataset_path, task.source.revision) == (task.dataset_path, task.revision)
    assert task.source.reader == task.reader


def test_a_leaderboard_that_names_a_model_that_is_not_there_is_reported_by_its_key(tmp_path: Path) -> None:
    board = "leaderboard: b\ntitle: B\ntasks: [telecom]\nmodels: [scripted, nobody]\njudge: facts\n"
    (line,) = mistakes(tmp_path, leaderboards__b=board)
    assert line.startswith("leaderboards/b.yaml: models: ")
    assert "nobody" in line


def test_yaml_that_cannot_be_read_is_reported_with_its_line(tmp_path: Path) -> None:
    (line,) = mistakes(tmp_path, judges__x="judge: x\ndescription: d\nkind: [facts\nmetadata: {version: 1}\n")
    assert line.startswith("judges/x.yaml:4: not valid YAML: ")
