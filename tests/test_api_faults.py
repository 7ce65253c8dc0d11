"""What a server of the protocol may do wrong, and what is left of a run then: nothing that arrived is lost, nothing is
made up, and the user gets one line with the server's own reason. The server is `tests/api_server.py`, on loopback."""

from __future__ import annotations

import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from harness.adapters.openai import ApiSettings, Budget, BudgetSpent, OpenAIAdapter
from harness.auditing.cached_judge import CachedJudge, Case
from harness.errors import HarnessError
from harness.evaluation.scoring import JudgeInput, finished, judge_run
from harness.judging.panel import PanelJudge
from harness.judging.scripted import ScriptedJudge
from harness.records import (
    Answer,
    Decoding,
    Failure,
    JudgeItem,
    Message,
    OptionRequest,
    OptionScores,
    Question,
    Request,
    Score,
)
from harness.store import Store
from harness.texts import printable
from tests.api_server import ApiServer, Body, Raw, Rule, completion, echo, error, prompt_of, serving
from tests.conftest import REPOSITORY, Finished, Silent, write_entries, write_pack

Harness = Callable[..., Finished]
KEY = "sk-very-secret-0123"
SECONDS = 60.0  # a deadline that only a fault reaches


@pytest.fixture
def serve() -> Iterator[Callable[..., ApiServer]]:
    with ExitStack() as stack:
        yield lambda *arguments, **changes: stack.enter_context(serving(ApiServer(*arguments, **changes)))


@pytest.fixture
def make() -> Iterator[Callable[..., OpenAIAdapter]]:
    made: list[OpenAIAdapter] = []

    def build(
        server: ApiServer, budget: Budget | None = None, progress: Silent | None = None, **changes: Any
    ) -> OpenAIAdapter:
        plain = {"model": "gpt", "base_url": server.address, "key_variable": None, "window": 8_192, "retries": 0}
        made.append(OpenAIAdapter("served", ApiSettings(**{**plain, **changes}), budget, progress))
        return made[-1]

    yield build
    for adapter in made:
        adapter.close()


def requests(count: int, seeds: int = 1, **decoding: Any) -> list[Request]:
    chosen = Decoding(**{"max_gen_toks": 8, **decoding})
    return [
        Request(f"{n}#{seed}", json.dumps([{"role": "user", "content": f"question {n}"}]), 10, chosen, seed)
        for n in range(count)
        for seed in range(seeds)
    ]


def by_key(results: Iterator[Answer | Failure]) -> dict[str, Answer | Failure]:
    return {each.key: each for each in results}


def until(condition: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


# ---- whole runs -----------------------------------------------------------------------------------------------------


@pytest.fixture
def questions(tmp_path: Path) -> Path:
    """A pack of 27 questions on one document."""
    documents = [{"doc_id": "d1", "title": "Otters", "text": "Sea otters hold hands while they sleep."}]
    rows = [
        {"id": f"q{n}", "question": f"What is number {n:02}?", "answers": [f"{n}"], "gold_doc_ids": ["d1"]}
        for n in range(27)
    ]
    return write_pack(tmp_path / "questions", documents, rows)


def model_entry(server: ApiServer, **api: Any) -> str:
    settings = {
        "model": "gpt", "base_url": server.address, "key_variable": "THE_KEY", "concurrency": 4, "retries": 0, **api
    }  # fmt: skip
    return (
        f"model: served\ndescription: d\nengine: openai\napi: {json.dumps(settings)}\n"
        "max_length: 8192\nlicence: none\nmetadata: {version: 1}\n"
    )


@pytest.fixture
def evaluate(
    harness: Harness, entries: Path, questions: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Finished]:
    """`harness eval` of the 27 questions on a server."""
    monkeypatch.setenv("THE_KEY", KEY)

    def run(server: ApiServer, *flags: str, **api: Any) -> Finished:
        write_entries(entries, models__served=model_entry(server, **api))
        return harness(*command(entries, questions), *flags)

    return run


def command(entries: Path, questions: Path) -> list[str]:
    return [
        "eval", "-t", "animals", "-M", "served", "--data", str(questions), "--store", "s", "--include_path",
        str(entries),
    ]  # fmt: skip


def stored(kind: str = "answers", path: str | Path = "s") -> int:
    connection = sqlite3.connect(path)
    try:
        return int(connection.execute(f"SELECT count(*) FROM {kind}").fetchone()[0])
    finally:
        connection.close()


def result_files() -> dict[str, Any]:
    (results,) = Path("results").rglob("results_*.json")
    (samples,) = Path("results").rglob("samples_*.jsonl")
    return {
        "results": json.loads(results.read_text()),
        "rows": [json.loads(x) for x in samples.read_text().split("\n") if x],
    }


def after(good: int, bad: Body | Raw) -> Rule:
    return lambda body, number: echo(body, number) if number <= good else bad


LASTING = {
    "401": (error(401, "Incorrect API key provided"), "is not accepted for gpt; the server says: Incorrect API key"),
    "403": (error(403, "Your country is not supported"), "the server says: Your country is not supported"),
    "404": (error(404, "The model gpt does not exist"), "no model 'gpt', or not for this key; the server says: The mo"),
    "quota": (error(429, "You exceeded your quota", code="insufficient_quota"), "the quota is used up; the server say"),
    "429": (error(429, "Slow down"), "still too many requests after 0 retries; lower `concurrency`; the server says"),
    "500": (error(500, "Engine crashed"), "returned 500 after 0 retries; try again later; the server says: Engine cra"),
    "200 with a quota": (Raw(body=b'{"error": {"code": "insufficient_quota", "message": "No money"}}'), "No money"),
}  # fmt: skip


@pytest.mark.parametrize("kind", LASTING)
def test_a_lasting_failure_keeps_every_answer_that_arrived_and_is_one_line(
    serve: Callable[..., ApiServer], evaluate: Callable[..., Finished], kind: str
) -> None:
    bad, said = LASTING[kind]
    server = serve(after(12, bad))
    stopped = evaluate(server)
    assert stopped.code == 2
    (line,) = [line for line in stopped.err.splitlines() if line.startswith("harness:")]
    assert said in line
    assert line.endswith("; what arrived is stored, and the same command goes on from there")
    assert stored() == 12
    # no request begins after the failure, and four may be under way; an outage is one when two requests have failed
    # that nothing has succeeded since, and four may have been sent before the last success
    assert len(server.bodies) <= 12 + (10 if kind in ("429", "500") else 4)
    server.rule = echo
    before = len(server.bodies)
    done = evaluate(server)
    assert done.code == 0, done.err
    assert len(server.bodies) - before == 27 - 12


def test_every_ninth_request_refused_costs_these_alone_and_the_same_command_asks_them_again(
    serve: Callable[..., ApiServer], evaluate: Callable[..., Finished]
) -> None:
    server = serve(lambda body, number: echo(body, number) if number % 9 else error(400, "Cursed prompt"))
    partly = evaluate(server)
    assert partly.code == 1
    assert "3 answers and 6 scores are missing, because requests failed" in partly.err
    assert "the same command asks for these alone" in partly.err
    assert "3 of 27 requests failed: 3 × refused the request (400); the server says: Cursed prompt" in partly.err
    found = result_files()
    assert found["results"]["harness"]["answers"]["stop_reasons"] == {"eos": 24, "failed": 3}
    assert found["results"]["harness"]["failures"]["answers"] == 3
    assert found["results"]["results"]["animals"]["f1_n,none"] == [24, 24]
    (reason, _), *_ = found["results"]["harness"]["unscored"]["reasons"].items()
    assert reason.endswith("the server says: Cursed prompt")
    failed = [row for row in found["rows"] if row["stop_reason"] == "failed"]
    assert [(row["f1"], row["answer_words"], row["truncated"]) for row in failed] == [(None, None, None)] * 3
    server.rule = echo
    whole = evaluate(server)
    assert whole.code == 0, whole.err
    assert len(server.bodies) == 27 + 3
    assert "failures" not in result_files()["results"]["harness"]


def test_a_run_of_which_every_request_is_refused_is_an_error_with_the_servers_reason(
    serve: Callable[..., ApiServer], evaluate: Callable[..., Finished]
) -> None:
    server = serve(lambda body, number: error(400, "Unsupported parameter: 'max_tokens'"))
    done = evaluate(server)
    assert done.code == 2
    assert "not one request succeeded, and the last one: refused the request (400); the server says: Unsup" in done.err
    assert len(server.bodies) < 27
    assert not list(Path("results").rglob("*.json"))


def test_one_bad_prompt_among_good_ones_does_not_end_a_run_however_often_it_gets_500(
    serve: Callable[..., ApiServer], evaluate: Callable[..., Finished]
) -> None:
    server = serve(lambda body, n: error(500, "Crashed") if "number 13" in prompt_of(body) else echo(body, n))
    done = evaluate(server, retries=1)
    assert done.code == 1
    assert "1 of 27 requests failed: 1 × returned 500 after 1 retries" in done.err
    assert stored() == 26


def test_scores_of_a_judge_that_fails_are_kept_and_it_is_not_called_broken(
    serve: Callable[..., ApiServer], harness: Harness, entries: Path, questions: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("THE_KEY", KEY)
    server = serve(lambda body, number: completion("Accuracy: 4") if number % 9 else error(400, "Cursed"))
    judge = "include: _geval.yaml\njudge: by_api\ndescription: d\nmodel: served\nscoring: greedy\nrepeats: 1\n"
    shared = (REPOSITORY / "judges" / "_geval.yaml").read_text(encoding="utf-8")
    write_entries(entries, models__served=model_entry(server), judges___geval=shared, judges__by_api=judge)
    asked = [*command(entries, questions), "-M", "parrot", "--judge", "by_api"]
    partly = harness(*asked)
    assert partly.code == 1, partly.err
    total, kept = len(server.bodies), stored("scores")
    assert kept == total - total // 9
    ours = result_files()["results"]["harness"]
    assert ours["failures"] == {"answers": 0, "scores": total // 9}
    server.rule = lambda body, number: completion("Accuracy: 4")
    assert harness(*asked).code == 0
    assert len(server.bodies) == total + total // 9


# ---- replies that cannot be read ------------------------------------------------------------------------------------


def whole(**changes: Any) -> bytes:
    return json.dumps({**completion("fine"), **changes}).encode()


UNREADABLE = {
    "cut JSON": (whole()[:60], "no JSON, or was cut"),
    "HTML": (b"<html><body>Bad gateway</body></html>", "no JSON, or was cut: <html><body>Bad gateway"),
    "nothing": (b"", "no JSON"),
    "null": (b"null", "no JSON object"),
    "choices null": (whole(choices=None), "no `choices`"),
    "choices empty": (whole(choices=[]), "no `choices`"),
    "choices of null": (whole(choices=[None]), "no `message`"),
    "message null": (whole(choices=[{"message": None}]), "no `message`"),
    "content a number": (whole(choices=[{"message": {"content": 7}}]), "is no text"),
    "an error": (b'{"error": {"message": "Overloaded"}}', "the reply holds an error: Overloaded"),
    "deep": (b"[" * 200_000, "no JSON"),
    "no UTF-8": (b'{"choices": "\xff\xfe"}', "no JSON"),
    "a long number": (b'{"choices": ' + b"9" * 5_000 + b"}", "no JSON"),
}


@pytest.mark.parametrize("kind", UNREADABLE)
def test_a_reply_that_cannot_be_read_costs_its_request_alone(
    serve: Callable[..., ApiServer], make: Callable[..., OpenAIAdapter], kind: str
) -> None:
    body, said = UNREADABLE[kind]
    server = serve(lambda b, n: Raw(body=body) if prompt_of(b) == "question 2" else echo(b, n))
    found = by_key(make(server).generate(requests(5)))
    failed = found.pop("2#0")
    assert isinstance(failed, Failure)
    assert said in failed.reason
    assert [type(each) for each in found.values()] == [Answer] * 4


def test_a_reply_that_cannot_be_read_is_asked_for_again(
    serve: Callable[..., ApiServer], make: Callable[..., OpenAIAdapter]
) -> None:
    server = serve(lambda b, n: Raw(body=b"<html>") if n == 1 else echo(b, n))
    (answer,) = make(server, retries=1).generate(requests(1))
    assert isinstance(answer, Answer)
    assert len(server.bodies) == 2


def test_a_reply_without_counts_of_tokens_is_an_answer_and_they_are_estimated(
    serve: Callable[..., ApiServer], make: Callable[..., OpenAIAdapter]
) -> None:
    """A token for three bytes: the nine of "an answer" are three."""
    for usage in (None, "many", {"prompt_tokens": "3"}, {"prompt_tokens": -1, "completion_tokens": 2}):
        server = serve(lambda b, n, usage=usage: {**completion("an answer"), "usage": usage})
        (answer,) = make(server).generate(requests(1))
        assert isinstance(answer, Answer)
        assert (answer.prompt_tokens, answer.answer_tokens) == (10, 3)


def test_half_a_character_is_replaced_and_the_rest_of_the_answer_is_stored(
    serve: Callable[..., ApiServer], evaluate: Callable[..., Finished]
) -> None:
    server = serve(lambda b, n: Raw(body=whole().replace(b"fine", b"fi\\ud83dne")))
    done = evaluate(server)
    assert done.code == 0, done.err
    assert {row["resps"][0][0] for row in result_files()["rows"]} == {"fi\ufffdne"}


# ---- what went wrong, in the words of the network -------------------------------------------------------------------


def test_a_dropped_body_is_not_an_unreachable_host(
    serve: Callable[..., ApiServer], make: Callable[..., OpenAIAdapter]
) -> None:
    server = serve(lambda b, n: Raw(body=whole(), drop=20))
    with pytest.raises(HarnessError, match=r"the connection was dropped before the answer was whole, 1 times$"):
        list(make(server).generate(requests(1)))
    with pytest.raises(HarnessError, match="cannot be reached; is it running"):
        list(make(server, base_url="http://127.0.0.1:1/v1").generate(requests(1)))


def test_a_server_that_answers_byte_by_byte_is_timed_out(
    serve: Callable[..., ApiServer], make: Callable[..., OpenAIAdapter]
) -> None:
    server = serve(lambda b, n: Raw(hang=True))
    with pytest.raises(HarnessError, match=r"no answer in 0\.3 s, 1 times; raise `timeout`"):
        list(make(server, timeout=0.3).generate(requests(1)))


@pytest.mark.parametrize("kind", ["401", "403", "404", "quota", "200 with a quota"])
def test_what_will_not_pass_is_asked_once(
    serve: Callable[..., ApiServer], make: Callable[..., OpenAIAdapter], kind: str
) -> None:
    server = serve(lambda b, n: LASTING[kind][0])
    adapter = make(server, retries=6, concurrency=1)
    for _ in range(2):  # nor is the next run's first request sent
        with pytest.raises(HarnessError, match=r"the server says|No money"):
            list(adapter.generate(requests(3)))
    assert len(server.bodies) == 1


def test_a_long_retry_after_is_waited_for_by_all_and_said_once(
    serve: Callable[..., ApiServer], make: Callable[..., OpenAIAdapter], progress: Silent
) -> None:
    wait = Raw(429, b'{"error": {"message": "Slow down"}}', {"Retry-After": "200"})
    server = serve(lambda b, n: wait)
    server.holds, server.release_at_under_way = lambda b, n: True, 4
    adapter = make(server, progress=progress, retries=6, concurrency=4)
    outcome: list[BaseException] = []

    def run() -> None:
        try:
            list(adapter.generate(requests(9)))
        except RuntimeError as closed:
            outcome.append(closed)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    until(lambda: progress.notes and server.answered == 4, "nothing is said of the wait")
    time.sleep(0.3)
    assert len(server.bodies) == 4, "all wait, those that were not asked yet too"
    assert progress.notes == [f"model served at {server.address}: asks to wait 200 s; waiting"]
    adapter.close()
    thread.join(SECONDS)
    assert "closed while requests were under way" in str(outcome[0])


def test_retry_after_is_waited_for(serve: Callable[..., ApiServer], make: Callable[..., OpenAIAdapter]) -> None:
    for header, value in (("Retry-After", "1"), ("retry-after-ms", "1000")):
        wait = Raw(503, b"{}", {header: value})
        server = serve(lambda b, n, wait=wait: wait if n == 1 else echo(b, n))
        started = time.monotonic()
        (answer,) = make(server, retries=1).generate(requests(1))
        assert isinstance(answer, Answer)
        assert time.monotonic() - started >= 1.0


# ---- Ctrl-C ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def interrupted(
    serve: Callable[..., ApiServer], entries: Path, questions: Path, tmp_path: Path
) -> Iterator[tuple[subprocess.Popen[str], ApiServer]]:
    """A run of which 8 requests are answered and 4 are under way, sent Ctrl-C once."""
    server = serve()
    server.holds = lambda body, number: number > 8
    write_entries(entries, models__served=model_entry(server))
    process = subprocess.Popen(
        [sys.executable, "-m", "harness", *command(entries, questions)],
        cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), "THE_KEY": KEY},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )  # fmt: skip
    try:
        until(lambda: server.under_way == 4 and len(server.bodies) == 12, "the run does not begin")
        process.send_signal(signal.SIGINT)
        assert process.stderr is not None
        until(lambda: "Ctrl-C again leaves at once" in process.stderr.readline(), "nothing is said of the Ctrl-C")  # type: ignore[union-attr]
        yield process, server
    finally:
        process.kill()
        process.communicate()


def test_ctrl_c_sends_no_further_request_and_stores_what_is_under_way(
    interrupted: tuple[subprocess.Popen[str], ApiServer], tmp_path: Path
) -> None:
    process, server = interrupted
    server.release()
    _, err = process.communicate(timeout=SECONDS)
    assert process.returncode == 130, err
    assert err == "harness: stopped; what was computed is stored, and the same command resumes\n"
    assert len(server.bodies) == 12
    assert stored(path=tmp_path / "s") == 12


def test_a_second_ctrl_c_leaves_at_once_and_what_arrived_is_stored(
    interrupted: tuple[subprocess.Popen[str], ApiServer], tmp_path: Path
) -> None:
    process, server = interrupted
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=SECONDS)  # the four are never answered
    assert process.returncode == 130, err
    assert "Traceback" not in err
    assert len(server.bodies) == 12
    assert stored(path=tmp_path / "s") == 8


# ---- the window -----------------------------------------------------------------------------------------------------


def test_a_slow_answer_keeps_no_other_request_waiting(
    serve: Callable[..., ApiServer], evaluate: Callable[..., Finished]
) -> None:
    """With two at once, the first is answered when the last has been asked: a batch's end would never come."""
    server = serve()
    server.holds, server.release_at_asked = lambda body, number: number == 1, 27
    done = evaluate(server, concurrency=2, timeout=20)
    assert done.code == 0, done.err
    assert server.most_under_way == 2


def test_a_judge_keeps_as_many_requests_under_way_as_it_may(
    serve: Callable[..., ApiServer], harness: Harness, entries: Path, questions: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """10 answers, 10 repeats of each criterion, from a server that gives one answer whatever `n` is. The first is
    answered when eight are under way: fewer would wait for ever."""
    monkeypatch.setenv("THE_KEY", KEY)
    server = serve(lambda body, number: completion("Accuracy: 4"))
    server.holds, server.release_at_under_way = lambda body, number: True, 8
    judge = "include: _geval.yaml\njudge: by_api\ndescription: d\nmodel: served\nscoring: sample_mean\nrepeats: 10\n"
    judge += "generation_kwargs: {do_sample: true, temperature: 1.0, max_gen_toks: 8}\n"
    shared = (REPOSITORY / "judges" / "_geval.yaml").read_text(encoding="utf-8")
    write_entries(
        entries, models__served=model_entry(server, concurrency=8), judges___geval=shared, judges__by_api=judge
    )
    asked = [*command(entries, questions), "-M", "parrot", "--judge", "by_api", "--limit", "10"]
    done = harness(*asked)
    assert done.code == 0, done.err
    assert server.most_under_way == 8
    assert stored("scores") == len(server.bodies) == 10 * len(result_files()["results"]["harness"]["criteria"]) * 10


@pytest.mark.parametrize("refuses", [False, True], ids=["gives one", "refuses n"])
def test_repeats_are_asked_at_once_where_a_server_does_not_know_n(
    serve: Callable[..., ApiServer], make: Callable[..., OpenAIAdapter], refuses: bool
) -> None:
    """Eight repeats: one request for all of them, which brings one answer or none, then the rest side by side."""

    def rule(body: Body, number: int) -> Body | Raw:
        return error(400, "Only 'n' of 1 is supported") if refuses and body.get("n", 1) > 1 else completion("4")

    server, rest = serve(rule), 8 if refuses else 7
    server.holds, server.release_at_under_way = lambda body, number: number > 1, rest
    found = by_key(make(server, concurrency=16, timeout=20).generate(requests(1, seeds=8, temperature=1.0)))
    assert [type(each) for each in found.values()] == [Answer] * 8
    assert server.most_under_way == rest
    assert [body.get("n") for body in server.bodies] == [8, *[None] * rest]


def test_expected_scores_are_stored_as_they_come(
    serve: Callable[..., ApiServer], make: Callable[..., OpenAIAdapter]
) -> None:
    logprobs = {"content": [{"token": "4", "top_logprobs": [{"token": "4", "logprob": -0.5}]}]}
    server = serve(after(5, error(401, "No")))
    server.rule = lambda b, n: completion("4", logprobs=logprobs) if n <= 5 else error(401, "No")
    asked = [OptionRequest(r.key, r.prompt, ("4", "5")) for r in requests(20)]
    arrived: list[OptionScores | Failure] = []
    with pytest.raises(HarnessError, match="is not accepted"):
        arrived.extend(make(server, concurrency=2).score_options(asked))
    assert [each for each in arrived if isinstance(each, OptionScores) and each.logprobs == {"4": -0.5}] == arrived
    assert len(arrived) == 5


@pytest.mark.parametrize("logprob", ["-0.5", None, float("nan"), True, 3.0])
def test_a_log_probability_that_is_none_costs_its_request_alone(
    serve: Callable[..., ApiServer], make: Callable[..., OpenAIAdapter], logprob: object
) -> None:
    logprobs = {"content": [{"token": "4", "top_logprobs": [{"token": "4", "logprob": logprob}]}]}
    server = serve(lambda b, n: completion("4", logprobs=logprobs))
    (failed,) = make(server).score_options([OptionRequest("k", requests(1)[0].prompt, ("4",))])
    assert isinstance(failed, Failure)
    assert "log-probability of the reply" in failed.reason


# ---- the limit ------------------------------------------------------------------------------------------------------


def test_a_limit_is_used_up_to_less_than_one_requests_most(
    serve: Callable[..., ApiServer], make: Callable[..., OpenAIAdapter]
) -> None:
    """At 1,000 a million a request costs 25 tokens, 0.025, and reserves 0.064 for its prompt's overhead and more: with
    eight under way half of the limit would be set aside."""
    server = serve()
    server.delay = 0.01
    budget = Budget(1.0)
    adapter = make(server, budget, prices=(1_000.0, 1_000.0), concurrency=8)
    answers: list[Answer | Failure] = []
    with pytest.raises(BudgetSpent):
        answers.extend(adapter.generate(requests(100)))
    most = (len(requests(1)[0].prompt.encode()) // 2 + 64 + 8) / 1_000
    assert 1.0 - most < budget.spent <= 1.0
    assert len(answers) == round(budget.spent / 0.025)
    assert budget.reserved == 0.0


def test_where_all_repeats_at_once_could_pass_the_limit_they_are_asked_one_by_one(
    serve: Callable[..., ApiServer], make: Callable[..., OpenAIAdapter]
) -> None:
    """Eight repeats of 500 tokens could cost 4.1, one 0.6; the limit is 1, and each costs 0.025."""
    server = serve()
    budget = Budget(1.0)
    adapter = make(server, budget, prices=(1_000.0, 1_000.0))
    found = list(adapter.generate(requests(1, seeds=8, temperature=1.0, max_gen_toks=500)))
    assert [type(each) for each in found] == [Answer] * 8
    assert budget.spent == pytest.approx(0.2)


# ---- credentials and control characters -----------------------------------------------------------------------------


def test_a_server_that_repeats_the_key_gets_it_shown_and_stored_nowhere(
    serve: Callable[..., ApiServer], evaluate: Callable[..., Finished]
) -> None:
    echoed = f"\x1b[31mbad\x1b[0m\r\nAuthorization: Bearer {KEY}\x07 and {KEY}; Authorization: Basic dTpw"
    server = serve(lambda b, n: error(400, echoed) if n % 3 == 0 else echo(b, n))
    done = evaluate(server)
    everything = done.out + done.err + "".join(p.read_text() for p in Path("results").rglob("*.json*"))
    assert done.code == 1
    assert "Authorization: Bearer [redacted] and [redacted]" in done.err
    assert "dTpw" not in everything
    assert KEY not in everything
    assert KEY.encode() not in Path("s").read_bytes()
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", everything)
    assert set(server.keys) == {f"Bearer {KEY}"}


def test_a_key_at_the_place_where_a_message_is_cut_is_not_shown_in_part(
    serve: Callable[..., ApiServer], make: Callable[..., OpenAIAdapter], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("THE_KEY", "abcdefghijklmnopqrstuvwxyz")
    for length in (150, 180, 190, 199):
        server = serve(lambda b, n, length=length: error(401, "x" * length + "abcdefghijklmnopqrstuvwxyz"))
        with pytest.raises(HarnessError) as caught:
            list(make(server, key_variable="THE_KEY").generate(requests(1)))
        assert "abcde" not in str(caught.value)


def test_credentials_in_an_address_are_used_and_are_in_nothing_that_is_written(
    serve: Callable[..., ApiServer], evaluate: Callable[..., Finished]
) -> None:
    server = serve(lambda b, n: error(400, "user:pass-word of dXNlcjpwYXNzLXdvcmQ=") if n % 3 == 0 else echo(b, n))
    plain = server.address
    server.address = plain.replace("//", "//user:pass-word@")
    done = evaluate(server)
    assert done.code == 1, done.err
    everything = done.out + done.err + "".join(p.read_text() for p in Path("results").rglob("*.json*"))
    assert server.keys[0] == "Basic dXNlcjpwYXNzLXdvcmQ="
    assert "pass-word" not in everything
    assert "dXNlcjpwYXNz" not in everything
    assert plain in everything
    with_them = OpenAIAdapter("m", ApiSettings("gpt", server.address, None, 100))
    without = OpenAIAdapter("m", ApiSettings("gpt", plain, None, 100))
    assert with_them.identity == without.identity


def test_a_terminal_obeys_nothing_of_an_entry(harness: Harness, entries: Path, tmp_path: Path) -> None:
    loud = 'model: loud\ndescription: "red \\e[31m and \\u202e back"\nengine: scripted\nscript: [x]\nlicence: none\n'
    write_entries(entries, models__loud=loud + "metadata: {version: 1}\n")
    listed = harness("list", "models", "--include_path", str(entries))
    assert listed.code == 0
    assert "loud" in listed.out
    assert not set(listed.out) & {"\x1b", "\u202e"}
    unknown = harness("show", "x\x1b]0;owned\x07", "--include_path", str(entries))
    assert unknown.code == 2
    assert "\x1b" not in unknown.err


def test_control_characters_are_spelt_out_and_all_else_is_left() -> None:
    assert printable("a\tb\nc é 漢 \x1b[0m\r\x9b\u2066\ud83d") == "a\tb\nc é 漢 \\u001b[0m\\u000d\\u009b\\u2066\\ud83d"


# ---- judges that could not be asked ---------------------------------------------------------------------------------


class FailingJudge(ScriptedJudge):
    """Cannot be asked about some answers."""

    def __init__(self, name: str, fails: Sequence[str]) -> None:
        super().__init__(["3"], name=name)
        self.fails = set(fails)

    def judge(self, items: Sequence[JudgeItem]) -> Iterator[Any]:
        for item in items:
            if item.answer in self.fails:
                yield Failure(item.key, "no line")
            else:
                yield from super().judge([item])


def judged(texts: Sequence[str]) -> JudgeInput:
    asked = [Question(text, "What?", ("x",)) for text in texts]
    return JudgeInput(["x"] * len(texts), asked, [()] * len(texts), [finished(text) for text in texts])


def values(scores: Sequence[Sequence[Score]]) -> Mapping[int, set[tuple[float | None, bool]]]:
    return {n: {(score.value, score.failed) for score in each} for n, each in enumerate(scores)}


def test_a_panel_gives_no_score_while_a_member_could_not_be_asked(store: Store, progress: Silent) -> None:
    flaky = FailingJudge("flaky", ["b"])
    panel = PanelJudge("panel", [ScriptedJudge(["5"], name="sure"), flaky], 0.02)
    assert values(judge_run(judged("ab"), panel, store, progress)) == {0: {(4.0, False)}, 1: {(None, True)}}
    flaky.fails = set()
    assert values(judge_run(judged("ab"), panel, store, progress)) == {0: {(4.0, False)}, 1: {(4.0, False)}}


def test_a_card_is_of_all_cases_or_is_none(store: Store, progress: Silent) -> None:
    cached = CachedJudge(FailingJudge("flaky", ["b"]), store, progress)
    cases = [Case(text, Question(text, "What?", ("x",)), text) for text in "ab"]
    with pytest.raises(HarnessError, match=r"scores are missing \(.*no line\); the others are stored"):
        cached.scores(cases)


def test_a_message_is_asked_with_its_role() -> None:
    adapter = OpenAIAdapter("m", ApiSettings("gpt", "http://a/v1", None, 100))
    assert json.loads(adapter.format_prompt([Message("user", "Hi")])) == [{"role": "user", "content": "Hi"}]
