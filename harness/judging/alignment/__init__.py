"""A judge of answers of any length that needs no language model: it aligns the words of answer and reference."""
