"""Entries that someone else wrote: what would take the machine's time or memory, or end in a traceback, is one line."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from harness.entries.catalog import Catalog
from harness.entries.judge import Criterion
from harness.entries.yaml import DEPTH, SIZE, VALUES, read_entry
from harness.errors import DataError, EntryError
from harness.evaluation.folder import read_run
from harness.files import safe_name
from harness.prompts import problems_of, render
from harness.sandbox import DEPTH as TEMPLATE_DEPTH
from harness.sandbox import STEPS, TEXT
from tests.conftest import JUDGE, MODEL, TASK, write_entries
from tests.fuzzing import prepare_run


def refusal(folder: Path, text: str | bytes) -> str:
    path = folder / "models" / "parrot.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(EntryError) as caught:
        read_entry(path)
    (line,) = caught.value.problems
    assert "\n" not in line
    return line


# ---- YAML -----------------------------------------------------------------------------------------------------------


def test_100_000_levels_are_one_line_and_no_crash(tmp_path: Path) -> None:
    """In a process of its own: a crash of the YAML library would end the tests too."""
    write_entries(tmp_path, models__deep="model: " + "[" * 100_000)
    command = [sys.executable, "-m", "harness", "show", "model", "deep", "--include_path", str(tmp_path)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 2
    assert run.stderr == (
        f"harness: models/deep.yaml:1: not valid YAML: mappings and lists more than {DEPTH} deep in one another; "
        "write it flatter\n"
    )


@pytest.mark.parametrize("opening", ["[", "{a: ", "- ", "? "])
def test_depth_is_counted_in_every_notation(tmp_path: Path, opening: str) -> None:
    assert "deep in one another" in refusal(tmp_path, "x:\n  " + opening * 1_000)


def test_depth_up_to_the_limit_is_read(tmp_path: Path) -> None:
    """The entry is a mapping itself, so that 49 lists make 50 levels."""
    text = "x: " + "[" * (DEPTH - 1) + "]" * (DEPTH - 1)
    assert read_entry(write_entries(tmp_path, models__x=text) / "models/x.yaml")["x"] != []
    assert "deep in one another" in refusal(tmp_path, "x: " + "[" * DEPTH + "]" * DEPTH)


def test_an_alias_bomb_is_refused_before_it_is_built(tmp_path: Path) -> None:
    """Nine lists of nine: 9 ** 9 values."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 9)]
    line = refusal(tmp_path, "\n".join(lines))
    assert line.startswith("models/parrot.yaml:5: not valid YAML: ")
    assert line.endswith(f"more than {VALUES:,} values, aliases counted each time; write less")


def test_aliases_that_repeat_little_are_read(tmp_path: Path) -> None:
    entry = read_entry(write_entries(tmp_path, models__x="a: &a [1, 2]\nb: [*a, *a]") / "models/x.yaml")
    assert entry == {"a": [1, 2], "b": [[1, 2], [1, 2]]}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x: &a [*a]", "1: not valid YAML: the alias *a stands inside of what it names"),
        ("a: 1\nx: 2024-13-45", "2: not valid YAML: YAML reads '2024-13-45' as a date; put it in quotes"),
        ("x: 2024-05-01", "1: not valid YAML: YAML reads '2024-05-01' as a date; put it in quotes"),
        ("x: " + "9" * 5_000, "is no number of 1 to 100 digits; if it is text, put it in quotes"),
        ("x: 0b_", "'0b_' is no number of 1 to 100 digits"),
        ("x: .nan", "'.nan' is not a finite number; if it is text, put it in quotes"),
        ("x: -.inf", "'-.inf' is not a finite number"),
        ("x: 1.0e+999", "'1.0e+999' is not a finite number"),
        ("x: !!int abc", "'abc' is not of the type that its tag says; remove the tag"),
        ("x: !!bool abc", "'abc' is not of the type that its tag says"),
        ("x: !!timestamp abc", "YAML reads 'abc' as a date"),
        ("x: !!set {a, b}", "the tag 'tag:yaml.org,2002:set' is not used here; write the value without it"),
        ("x: !!binary aGk=", "the tag 'tag:yaml.org,2002:binary' is not used here"),
        ("x: !!python/object/apply:os.system [ls]", "python/object/apply:os.system' is not used here"),
        ("a: &a {b: 1}\nx:\n  <<: *a", "merge keys (<<) are not used here; write the keys out, or use `include:`"),
        ("x: \x00", "cannot be read"),
        (b"x: \xff", "cannot be read"),
        ("x: " + "a" * SIZE, f"has more than {SIZE:,} bytes; an entry is shorter"),
        ("include: " + "a" * 5_000, "beside it"),
    ],
)  # fmt: skip
def test_a_value_that_cannot_be_used_is_one_line(tmp_path: Path, text: str | bytes, said: str) -> None:
    assert said in refusal(tmp_path, text)


def test_includes_that_double_are_read_once_each_and_a_long_chain_is_refused(tmp_path: Path) -> None:
    folder = write_entries(
        tmp_path,
        **{f"models___{n}": f"include: [_{n + 1}.yaml, _{n + 1}.yaml]" for n in range(40)},
        models___40="x: 1",
    )
    assert read_entry(folder / "models/_0.yaml") == {"x": 1}
    write_entries(tmp_path, **{f"models___{n}": f"include: _{n + 1}.yaml" for n in range(60)}, models___60="x: 1")
    with pytest.raises(EntryError, match="include: more than 50 files; include fewer"):
        read_entry(folder / "models/_0.yaml")


def test_a_long_value_is_shown_in_short_and_a_key_cannot_write_to_the_terminal(tmp_path: Path) -> None:
    broken = MODEL + '"a\\n\\e[2J": 1\nmodel_alias: [' + "x, " * 5_000 + "]\n"
    lines = Catalog([write_entries(tmp_path, models__parrot=broken)]).problems()
    assert len(lines) == 2
    assert all(len(line) < 500 and line.isprintable() for line in lines)
    assert any("a \\x1b[2J: unknown key" in line for line in lines)


def test_numbers_beyond_any_use_are_refused(tmp_path: Path) -> None:
    broken = TASK.replace("top_k: 2", "top_k: 99999999999999999999")
    folder = write_entries(tmp_path, tasks__animals=broken, judges__marks=JUDGE)
    assert Catalog([folder]).problems() == [
        "tasks/animals.yaml: retrieval.top_k: is 99999999999999999999; it must be 4294967295 or less"
    ]


# ---- templates ------------------------------------------------------------------------------------------------------

TOO_MUCH = {
    "nested loops": "{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}",
    "a loop that passes over all": "{% for a in range(9999) %}{% for b in question if false %}{% endfor %}{% endfor %}",
    "a long range": "{% for a in range(100000000) %}{% endfor %}",
    "calls that double": "{% macro m(n) %}{% if n %}{{ m(n - 1) }}{{ m(n - 1) }}{% endif %}{% endmacro %}{{ m(60) }}",
    "a call in itself": "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
    "lists in lists": "{% set a = [1] %}" + "{% set a = [a, a] %}" * 60 + "{{ a }}",
    "lists compared": "{% set a = [1] %}" + "{% set a = [a, a] %}" * 60 + "{{ a == a }}",
    "text repeated": "{{ 'a' * 10000000000 }}",
    "text doubled": "{% set a = 'aaaaaaaaaa' %}" + "{% set a = a ~ a %}" * 60,
    "text doubled in blocks": "{% set a %}aaaaaaaaaa{% endset %}" + "{% set a %}{{ a }}{{ a }}{% endset %}" * 60,
    "text written by a loop": "{% for a in range(9999) %}" + "x" * 9_999 + "{% endfor %}",
    "a slice in a loop": "{% for a in range(9999) %}{% set b = (question * 500)[1:] %}{% endfor %}",
    "a power": "{{ 10 ** 10 ** 10 }}",
    "printf": "{{ '%1000000000d' % 1 }}",
    "format": "{{ '{:>1000000000}'.format(1) }}",
    "ljust": "{{ 'a'.ljust(1000000000) }}",
    "a filter that pads": "{{ 'a'|indent(1000000000) }}",
    "a long separator": "{{ range(9999)|join(question) }}",
    "a long replacement": "{{ question|replace('', question) }}",
    "indented JSON": "{{ [1]|tojson(indent=1000000000) }}",
    "rounding": "{{ 1.5|round(1000000000, 'ceil') }}",
    "parentheses": "{{ " + "(" * 5_000 + "1" + ")" * 5_000 + " }}",
    "a long sum": "{{ " + "1 + " * 5_000 + "1 }}",
    "loops Python cannot compile": "{% for a in [1] %}" * 25 + "{% endfor %}" * 25,
    "a number of 5,000 digits": "{{ " + "9" * 5_000 + " }}",
    "an infinite number": "{{ 1e999 }}",
    "a long template": "x" * 100_001,
}


@pytest.mark.parametrize("name", TOO_MUCH)
def test_a_template_that_takes_too_much_is_one_line(name: str) -> None:
    with pytest.raises(EntryError) as caught:
        render(TOO_MUCH[name], question="a question " * 900)
    (line,) = caught.value.problems
    assert line.startswith("template ")
    assert len(line) < 500


def test_what_cannot_be_compiled_is_found_when_the_entry_is_checked() -> None:
    for name in ("parentheses", "a long sum", "loops Python cannot compile", "a number of 5,000 digits"):
        (problem,) = problems_of(TOO_MUCH[name], "deviation")
        assert problem.startswith("not a Jinja2 template (line 1): it ")
    assert problems_of("{{ documents|wordwrap(3) }}", "deviation") == [
        "not a Jinja2 template (line 1): No filter named 'wordwrap'."
    ]
    assert f"at most {TEMPLATE_DEPTH}" in problems_of(TOO_MUCH["a long sum"], "deviation")[0]


def test_steps_and_text_up_to_the_limit_are_allowed() -> None:
    """A turn of an empty loop costs one step for its number and one for its body, and the text below is the limit."""
    turns = STEPS // 2 // 10_000 - 1
    loop = f"{{% for a in range({turns}) %}}{{% for b in range(10000) %}}{{% endfor %}}{{% endfor %}}"
    assert render(loop) == ""
    with pytest.raises(EntryError, match="takes more than 500,000 steps; loop less"):
        render(loop.replace(f"range({turns})", f"range({turns + 2})"))
    assert len(render("{{ 'a' * n }}", n=TEXT)) == TEXT
    with pytest.raises(EntryError, match="at most 10,000,000"):
        render("{{ 'a' * n }}", n=TEXT + 1)


def test_a_template_calls_no_method_of_our_objects() -> None:
    """pydantic's `parse_file` would read any file, and with `allow_pickle=True` run it."""
    criterion = Criterion(title="Accuracy", definition="d", levels={1: "a"}, steps=["s"])
    assert render("{{ criterion.title }}", criterion=criterion) == "Accuracy"
    with pytest.raises(EntryError, match="access to attribute 'parse_file' of 'Criterion' object is unsafe"):
        render("{{ criterion.parse_file('x') }}", criterion=criterion)


def test_what_templates_are_for_still_works() -> None:
    source = (
        "{% for x in items if x > 1 %}{{ loop.index }}={{ x|round(1) }}{% if not loop.last %}, {% endif %}{% endfor %}"
        " {{ items|map('string')|join('-') }}"
        " {{ ' a '.strip()|upper ~ (1 + 1) }} {{ text[:2] }} {{ row.get('k', 'none') }}"
        "{% set ns = namespace(n=0) %}{% for x in items %}{% set ns.n = ns.n + x %}{% endfor %} {{ ns.n }}"
        "{% macro m(x) %}<{{ x }}>{% endmacro %} {{ m(1) }}"
        " {{ [1, 2] == [1, 2] }} {{ 2 ** 10 }} {{ missing is defined }}"
    )
    assert render(source, items=[1, 2, 3], text="abc", row={}) == "1=2, 2=3 1-2-3 A2 ab none 6 <1> True 1024 False"


# ---- run folders ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("task", ["../../elsewhere", "/elsewhere", "a\x00b", ""])
def test_a_run_folder_cannot_name_a_folder_elsewhere(tmp_path: Path, task: str) -> None:
    """Judging it again would write there."""
    prepare_run(tmp_path)
    manifest = next((tmp_path / "results").glob("*/*/manifest.json"))
    results = next(manifest.parent.glob("results_*.json"))
    document = json.loads(manifest.read_text())
    document["plan"]["task"] = task
    manifest.write_text(json.dumps(document))
    named = json.loads(results.read_text())
    for key in ("results", "n-samples"):
        named[key][task] = named[key].pop("animals")
    results.write_text(json.dumps(named))
    with pytest.raises(DataError, match=r"plan\.task: is .*, which no task can be named"):
        read_run(manifest.parent)


def test_a_models_name_is_no_path() -> None:
    assert [safe_name(name) for name in ("..", "org/name", "a\x00b", "v1.5")] == ["__", "org__name", "a__b", "v1.5"]
