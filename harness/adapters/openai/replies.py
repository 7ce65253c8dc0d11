"""What a chat-completions server replied, checked piece by piece: a reply is whatever a stranger sent."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

__all__ = ["Choice", "ErrorReply", "Reply", "UnreadableReply", "read_reply"]

_READ_OF_ERROR = 20_000  # bytes; what is shown is cut after credentials are taken out


class UnreadableReply(Exception):
    """A reply of status 200 that is no chat completion."""


class ErrorReply(UnreadableReply):
    """An error in a reply of status 200. `body` is the error as the server wrote it."""

    def __init__(self, message: str, body: Mapping[str, Any]) -> None:
        super().__init__(message)
        self.body = body


class Choice(NamedTuple):
    """One answer. `logprobs`: of the first token, by text; None where the server gave none."""

    text: str
    finish_reason: str
    logprobs: Mapping[str, float] | None


class Reply(NamedTuple):
    """`usage`: (prompt, answer) tokens as the server counted them; None where it did not."""

    choices: list[Choice]
    usage: tuple[int, int] | None


def read_reply(raw: bytes) -> Reply:
    """Raises `UnreadableReply`, which says what is wrong."""
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError) as error:
        text = raw[:_READ_OF_ERROR].decode("utf-8", "replace")
        raise UnreadableReply(f"the reply is no JSON, or was cut: {text}") from error
    if not isinstance(body, dict):
        raise UnreadableReply("the reply is no JSON object")
    choices = body.get("choices")
    if not choices and body.get("error"):
        error_body = body["error"] if isinstance(body["error"], dict) else {"message": body["error"]}
        raise ErrorReply(f"the reply holds an error: {error_body.get('message', error_body)}", error_body)
    if not isinstance(choices, list) or not choices:
        raise UnreadableReply("the reply has no `choices`")
    return Reply([_choice(each) for each in choices], _usage(body.get("usage")))


def _choice(choice: object) -> Choice:
    message = choice.get("message") if isinstance(choice, dict) else None
    if not isinstance(choice, dict) or not isinstance(message, dict):
        raise UnreadableReply("a choice of the reply has no `message`")
    content = message.get("content")
    if content is None:
        content = message.get("refusal") or ""
    if not isinstance(content, str):
        raise UnreadableReply("the `content` of the reply is no text")
    return Choice(_whole_characters(content), str(choice.get("finish_reason")), _first_logprobs(choice.get("logprobs")))


def _whole_characters(text: str) -> str:
    """Half a character, as a server leaves it that cut a text in the middle of one, can be neither stored nor shown:
    it becomes U+FFFD, as a decoder would have it."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _first_logprobs(logprobs: object) -> dict[str, float] | None:
    content = logprobs.get("content") if isinstance(logprobs, dict) else None
    first = content[0] if isinstance(content, list) and content else None
    top = first.get("top_logprobs") if isinstance(first, dict) else None
    if not isinstance(top, list):
        return None
    found: dict[str, float] = {}
    for each in top:
        token, logprob = (each.get("token"), each.get("logprob")) if isinstance(each, dict) else (None, None)
        if not isinstance(token, str) or isinstance(logprob, bool) or not isinstance(logprob, int | float):
            raise UnreadableReply("a log-probability of the reply has no token or is no number")
        if not -1e9 < logprob <= 1e-6:  # nor is it NaN
            raise UnreadableReply(f"a log-probability of the reply is {logprob}")
        found[token] = float(logprob)
    return found


def _usage(usage: object) -> tuple[int, int] | None:
    if not isinstance(usage, dict):
        return None
    prompt, answer = usage.get("prompt_tokens"), usage.get("completion_tokens", 0)
    if not _is_count(prompt) or not _is_count(answer):
        return None
    return int(prompt), int(answer)  # type: ignore[arg-type]


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 40
