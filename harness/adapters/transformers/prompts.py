"""Final prompts and their token ids: the model's own chat form, untrusted text made harmless, BOS exactly once."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from harness.extras import require
from harness.interfaces import Weights
from harness.records import Message
from harness.remote_code import only_trusted_code

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

__all__ = ["PLAIN_FORM", "ChatPrompts"]

PLAIN_FORM = "{system}{user}\n\nAnswer: "
"""The prompt of a model without a chat template: instruction and question, a blank line, "Answer: "."""


class ChatPrompts:
    """The weights' files are asked for when the tokenizer is first needed; `chat_template` replaces its own."""

    def __init__(self, weights: Weights, chat_template: str | None) -> None:
        self._weights, self._chat_template = weights, chat_template

    @cached_property
    def tokenizer(self) -> PreTrainedTokenizerBase:
        transformers = require("torch", "transformers")
        weights = self._weights
        with only_trusted_code(weights.label):
            tokenizer = transformers.AutoTokenizer.from_pretrained(
                weights.folder(),
                padding_side="left",
                local_files_only=True,
                trust_remote_code=weights.trust_remote_code,
            )
        if self._chat_template is not None:
            tokenizer.chat_template = self._chat_template
        if tokenizer.pad_token_id is None:
            tokenizer.pad_token = tokenizer.eos_token
        tokenizer.model_max_length = int(1e9)  # the window is counted here, not warned about there
        return tokenizer

    @property
    def has_chat_template(self) -> bool:
        return self.tokenizer.chat_template is not None

    @property
    def start_ids(self) -> list[int]:
        """The first two token ids of an encoded prompt."""
        return self.encode([self.format([Message("user", "x")])])[0][:2]

    # ---- text -------------------------------------------------------------------------------------------------------

    @cached_property
    def _control_text(self) -> re.Pattern[str] | None:
        tokenizer = self.tokenizer
        bracketed = {token for token in tokenizer.get_added_vocab() if re.fullmatch(r"[<\[|].*[>\]|]", token)}
        written = set(re.findall(r"\[/?[A-Z_]+\]|<</?[A-Z_]+>>|<\|\w+\|>", tokenizer.chat_template or ""))
        control = {token for token in tokenizer.all_special_tokens if len(token) > 1} | bracketed | written
        return re.compile("|".join(map(re.escape, sorted(control, key=len, reverse=True)))) if control else None

    def _neutral(self, text: str) -> str:
        """Text from documents, questions and answers cannot end a turn or open another: a control token, or a marker
        that the chat template writes as plain text (`[INST]`), is broken up by a space after its first character."""
        if self._control_text is None:
            return text
        return self._control_text.sub(lambda match: f"{match[0][0]} {match[0][1:]}", text)

    def format(self, messages: Sequence[Message], reply_prefix: str = "") -> str:
        """As `ModelAdapter.format_prompt`."""
        turns = [{"role": message.role, "content": self._neutral(message.content)} for message in messages]
        if self.has_chat_template:
            text = self._templated(turns)
        else:
            system = "".join(f"{turn['content']}\n\n" for turn in turns if turn["role"] == "system")
            user = "\n\n".join(turn["content"] for turn in turns if turn["role"] != "system")
            text = PLAIN_FORM.format(system=system, user=user)
        return (text if text.startswith(self._bos_text) else self._bos_text + text) + reply_prefix

    def _templated(self, turns: list[dict[str, str]]) -> str:
        """The model's own chat form. A template that has no system turn (Mistral's, Gemma's first ones) refuses it;
        then the instruction is put above the question, in the user's turn."""
        from jinja2 import TemplateError

        form = {"tokenize": False, "add_generation_prompt": True}
        try:
            return str(self.tokenizer.apply_chat_template(turns, **form))
        except TemplateError:
            if turns[0]["role"] != "system":
                raise
            joined = {"role": "user", "content": f"{turns[0]['content']}\n\n{turns[1]['content']}"}
            return str(self.tokenizer.apply_chat_template([joined, *turns[2:]], **form))

    @cached_property
    def _bos_text(self) -> str:
        """The begin-of-text token where this tokenizer adds one: prompts then carry it in their text, once, and are
        encoded without special tokens."""
        tokenizer = self.tokenizer
        added = tokenizer("x")["input_ids"]
        has_one = tokenizer.bos_token_id is not None and added and added[0] == tokenizer.bos_token_id
        return str(tokenizer.bos_token) if has_one else ""

    # ---- token ids --------------------------------------------------------------------------------------------------

    def encode(self, prompts: Sequence[str]) -> list[list[int]]:
        """Token ids of final prompts, without special tokens of the tokenizer's own."""
        encoded: list[list[int]] = (
            self.tokenizer(list(prompts), add_special_tokens=False)["input_ids"] if prompts else []
        )
        return encoded

    def single_tokens(self, prompt: str, options: Sequence[str]) -> dict[str, int]:
        """The options that are exactly one token after the prompt, with that token."""
        before, *after = self.encode([prompt, *(prompt + option for option in options)])
        return {
            option: tokens[-1]
            for option, tokens in zip(options, after, strict=True)
            if len(tokens) == len(before) + 1 and tokens[:-1] == before
        }

    # ---- training ---------------------------------------------------------------------------------------------------

    def completion(self, answer: str) -> str:
        """What follows a prompt in training: the answer as the chat form writes it, ended by the token that ends a
        turn, so that the model learns to stop."""
        tokenizer, text = self.tokenizer, self._neutral(answer)
        if self.has_chat_template:
            turn = [{"role": "user", "content": "x"}]
            before = self._templated(turn)
            whole = str(tokenizer.apply_chat_template([*turn, {"role": "assistant", "content": text}], tokenize=False))
            if whole.startswith(before) and text in whole[len(before) :]:
                written = whole[len(before) :]
                end = written.find(tokenizer.eos_token, written.find(text) + len(text))
                if end >= 0:
                    return written[:end] + str(tokenizer.eos_token)
        return text + str(tokenizer.eos_token)

    def encode_pair(self, prompt: str, completion: str) -> tuple[list[int], list[int]]:
        """Token ids of both. Those of the prompt are the ones that it has in evaluation, whatever follows it."""
        before, whole = self.encode([prompt, prompt + completion])
        if whole[: len(before)] == before:
            return before, whole[len(before) :]
        return before, self.encode([completion])[0]
