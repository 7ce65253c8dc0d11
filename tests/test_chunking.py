"""Chunks: in bounds, in place, covering, and cut where it reads best."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.retrieval.chunking import Chunker

texts = st.text(alphabet=st.sampled_from("ab é漢.!?\n \t🙂"), max_size=400)


@given(texts, st.integers(5, 60), st.integers(0, 4))
def test_chunks_lie_within_the_text_are_not_too_long_and_get_on(text: str, chars: int, overlap: int) -> None:
    spans = list(Chunker(chars, overlap).spans(text))
    for start, end in spans:
        assert 0 <= start < end <= len(text)
        assert end - start <= chars
        assert text[start:end] == text[start:end].strip()
    assert all(a[0] < b[0] and a[1] < b[1] for a, b in pairwise(spans))


@given(texts, st.integers(5, 60), st.integers(0, 4))
def test_no_visible_character_is_lost(text: str, chars: int, overlap: int) -> None:
    covered = {place for start, end in Chunker(chars, overlap).spans(text) for place in range(start, end)}
    assert all(place in covered or letter.isspace() for place, letter in enumerate(text))


@given(texts, st.integers(5, 60))
def test_without_overlap_no_character_is_in_two_chunks(text: str, chars: int) -> None:
    spans = list(Chunker(chars).spans(text))
    assert all(a[1] <= b[0] for a, b in pairwise(spans))


def cut(text: str, chars: int, overlap: int = 0) -> list[str]:
    return [text[start:end] for start, end in Chunker(chars, overlap).spans(text)]


def test_a_paragraph_end_is_the_best_cut() -> None:
    assert cut("One. Two.\n\nThree. Four five six.", 20) == ["One. Two.", "Three. Four five", "six."]


def test_then_a_sentence_end() -> None:
    assert cut("One two three. Four five six seven.", 20) == ["One two three.", "Four five six seven."]


def test_then_white_space_then_mid_word() -> None:
    assert cut("aaaa bbbb cccc dddd", 11) == ["aaaa bbbb", "cccc dddd"]
    assert cut("abcdefghij", 4) == ["abcd", "efgh", "ij"]


def test_an_overlap_begins_with_a_whole_word() -> None:
    assert cut("aaaa bbbb cccc dddd", 11, overlap=6) == ["aaaa bbbb", "bbbb cccc", "cccc dddd"]
    assert cut("aaaa bbbb cccc dddd", 11, overlap=5) == ["aaaa bbbb", "bbbb cccc", "cccc dddd"], "it begins at one"


def test_a_boundary_exactly_at_the_half_is_taken_and_one_before_it_is_not() -> None:
    assert cut("Aaa. bbbbbbbbb", 10) == ["Aaa.", "bbbbbbbbb"], "the sentence and its space are 5 of 10"
    assert cut("Aa. bbbbbb ccc", 10) == ["Aa. bbbbbb", "ccc"], "4 of 10"


def test_a_boundary_that_the_overlap_would_lead_back_behind_is_not_taken() -> None:
    """After "aaaaaa " the next chunk would begin at 7 - 7 = 0 again."""
    assert cut("aaaaaa bbbbbbbbb", 12, overlap=7)[:2] == ["aaaaaa bbbbb", "bbbbbbbbb"]


def test_a_text_that_fits_is_one_chunk_and_an_empty_one_none() -> None:
    assert cut("short", 1_500) == ["short"]
    assert cut(" \n ", 1_500) == []


def test_an_overlap_as_long_as_the_chunk_is_refused() -> None:
    with pytest.raises(ValueError, match="overlap 10 must be at least 0 and below chars 10"):
        Chunker(10, 10)
