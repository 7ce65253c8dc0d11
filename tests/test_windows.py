"""A window decides which prompts are asked; raising it asks what did not fit, and nothing that was answered again."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from harness.adapters.openai import ApiSettings, OpenAIAdapter
from harness.adapters.scripted import ScriptedAdapter
from harness.adapters.transformers import LoadSettings, TransformersAdapter
from harness.evaluation.run import RunRecord
from harness.evaluation.scoring import JudgeInput, finished, judge_run
from harness.evaluation.stages import keys_of_answers, keys_of_prompts
from harness.judging.geval import UNFIT, GEvalJudge
from harness.records import Question
from harness.store import Store
from tests.conftest import Silent
from tests.test_geval import settings
from tests.test_store_and_runs import PLAN, parts, run

LONG = " ".join(["word"] * 300)  # 1,500 bytes, 500 tokens at three bytes each
QUESTIONS = [Question(f"q{n}", f"Short question {n}?", ("a",)) for n in range(3)] + [Question("long", LONG, ("a",))]


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append(body["messages"][-1]["content"])  # type: ignore[attr-defined]
        message = {"role": "assistant", "content": self.server.says}  # type: ignore[attr-defined]
        usage = {"prompt_tokens": 5, "completion_tokens": 1, "total_tokens": 6}
        choice = {"index": 0, "finish_reason": "stop", "message": message}
        reply = {"id": "1", "object": "chat.completion", "created": 0, "model": "m", "choices": [choice]}
        data = json.dumps({**reply, "usage": usage}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: Any) -> None:
        """Silent."""


@pytest.fixture
def server() -> Iterator[Any]:
    """Speaks chat completions and says always the same; `asked` has the questions."""
    made: Any = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    made.asked, made.says = [], "Accuracy: 4"
    thread = threading.Thread(target=made.serve_forever)
    thread.start()
    yield made
    made.shutdown()
    thread.join()
    made.server_close()


def api(server: Any, window: int) -> OpenAIAdapter:
    return OpenAIAdapter("m", ApiSettings("m", f"http://127.0.0.1:{server.server_port}/v1", None, window))


def test_raising_the_window_of_an_api_model_asks_what_did_not_fit_and_nothing_else(
    server: Any, tmp_path: Path, store: Store
) -> None:
    first = run(parts(api(server, 400), questions=QUESTIONS), store, tmp_path)
    assert [row["stop_reason"] for row in first.rows] == ["eos", "eos", "eos", "window"]
    assert len(server.asked) == 3
    raised = run(parts(api(server, 1_000), questions=QUESTIONS), store, tmp_path)
    assert [row["stop_reason"] for row in raised.rows] == ["eos"] * 4
    assert len(server.asked) == 4
    assert LONG in server.asked[3]
    assert raised.id != first.id
    assert raised.folder != first.folder


def test_answers_that_were_stored_before_the_window_was_recorded_are_found() -> None:
    """The key of an answer of an API model is what it was: engine, endpoint, model."""
    model = OpenAIAdapter("m", ApiSettings("m", "http://x/v1", None, 400))
    assert model.answer_identity == {"engine": "openai", "endpoint": "http://x/v1", "model": "m"}


class _Folder:
    """Weights whose configuration names a window of 2,048 tokens."""

    label, identity, trust_remote_code = "w", {"folder": "0" * 64}, False

    def __init__(self, folder: Path) -> None:
        (folder / "config.json").write_text('{"max_position_embeddings": 2048}')
        self._folder = folder

    def folder(self) -> Path:
        return self._folder


def local(folder: Path, max_length: int | None) -> TransformersAdapter:
    return TransformersAdapter("m", _Folder(folder), LoadSettings(max_length=max_length))


def test_a_local_models_window_is_part_of_its_prompts_and_runs_and_not_of_its_answers(tmp_path: Path) -> None:
    own, small = local(tmp_path, None), local(tmp_path, 512)
    prompts = [keys_of_prompts(PLAN, model, QUESTIONS[:1], [()]) for model in (own, small)]
    assert prompts[0] != prompts[1]
    assert keys_of_answers(PLAN, own, ["prompt"]) == keys_of_answers(PLAN, small, ["prompt"])
    assert RunRecord.of(parts(own)).run_id != RunRecord.of(parts(small)).run_id


def judged(judge: GEvalJudge, store: Store, *answers: str) -> list[tuple[float | None, str]]:
    questions = [replace(QUESTIONS[0], id=f"q{n}") for n in range(len(answers))]
    judge_input = JudgeInput(["blue"] * len(answers), questions, [()] * len(answers), [finished(a) for a in answers])
    return [(scores[0].value, scores[0].reason) for scores in judge_run(judge_input, judge, store, Silent())]


def test_a_larger_window_of_a_judge_scores_what_did_not_fit_or_was_truncated_and_nothing_else(store: Store) -> None:
    """A word is a token. Beside the answer the prompt and the reply take about 30."""
    answers = ["Blue.", " ".join(["blue"] * 100)]
    no_room, little, room = (ScriptedAdapter(["Accuracy: 4"], window=window, name="m") for window in (10, 90, 1_000))
    judges = [GEvalJudge("j", settings(repeats=1), model) for model in (no_room, little, room)]
    assert [reason for _, reason in judged(judges[0], store, *answers)] == [UNFIT, UNFIT]
    (fits, remark), (_, truncated) = judged(judges[1], store, *answers)
    assert (fits, remark) == (4.0, "")
    assert truncated.startswith("the answer was truncated at")
    assert judged(judges[2], store, *answers) == [(4.0, ""), (4.0, "")]
    assert [len(model.requests) for model in (no_room, little, room)] == [0, 4, 2]  # two criteria
    assert judged(judges[2], store, *answers) == [(4.0, ""), (4.0, "")]
    assert len(room.requests) == 2


def test_a_score_that_fitted_is_reused_by_a_judge_with_another_window(store: Store) -> None:
    small, large = (ScriptedAdapter(["Accuracy: 4"], window=window, name="m") for window in (500, 1_000))
    for model in (small, large):
        assert judged(GEvalJudge("j", settings(repeats=1), model), store, "Blue.") == [(4.0, "")]
    assert (len(small.requests), len(large.requests)) == (2, 0)  # two criteria


def test_runs_of_judges_with_other_windows_have_other_ids() -> None:
    models = [ScriptedAdapter(["Accuracy: 4"], window=window) for window in (500, 1_000)]
    ids = {RunRecord.of(parts(judge=GEvalJudge("j", settings(), model))).run_id for model in models}
    assert len(ids) == 2
