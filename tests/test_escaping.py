"""Names, titles, descriptions and whatever else comes from outside cannot write tags, links or tables into a page."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

from harness.reports.page import Grid, Page, Section, html, markdown
from harness.tables import escaped, markdown_table, prose

HOSTILE = [
    "a|b", "a\\|b", "a\\", "line\nline", "line\r\nline", "para\u2029graph", "<script>alert(1)</script>", "<!-- hidden",
    "</table><h1>x</h1>", "[x](javascript:alert(1))", "![x](http://x.example/y.png)", "[x]: javascript:alert(1)",
    "[x][y]", "`code`", "``` \nfence", "&lt;script&gt;", "&#60;script&#62;", "gnitset\u202etesting", "\u2066isolate",
    "zero\u200bwidth", "\ufeffmark", "\x1b[31mred", "bell\x07", "<javascript:alert(1)>", "\\<b>",
    "\\`code`", "\\[x](y)",
]  # fmt: skip

UNSEEN = re.compile(r"[\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\x00-\x09\x0b-\x1f\x7f-\x9f]")


def unescaped(letter: str, text: str) -> list[str]:
    """Where the letter is not behind an odd number of backslashes."""
    return re.findall(rf"(?<!\\)(?:\\\\)*({letter})", text)


@pytest.mark.parametrize("text", HOSTILE)
def test_a_cell_stays_one_cell_of_one_row_without_tags_code_or_links(text: str) -> None:
    table = markdown_table(["name", "n"], [[text, "1"]], [False, True])
    (_, _, row) = table.split("\n")
    assert len(unescaped(r"\|", row)) == 3
    assert not unescaped("`", row)
    assert not re.search(r"<[a-zA-Z/!?]", row)
    assert not unescaped(r"\]\(|\]\[|\]:", row)
    assert not re.search(r"&(lt|#60);script", row.replace("&lt;script>", ""))
    assert not UNSEEN.search(row)


def test_what_is_harmless_is_left_as_it_is() -> None:
    for text in ("mistral-lora-500@1", "a < b & c", "α → β, 95 % [1.2, 3.4]", "C:\\data", "naïve"):
        assert escaped(text) == text


def test_a_description_keeps_its_emphasis_and_links_and_loses_tags_and_scripts() -> None:
    text = (
        "*One* `two`.\n\n[Three](https://a.example/b) [four](docs/x.md) <b>five</b> [six](javascript:alert(1)) ![7](x)"
    )
    assert prose(text) == (
        "*One* `two`.\n\n[Three](https://a.example/b) [four](docs/x.md) &lt;b>five&lt;/b> [six]\\(javascript:alert(1))"
        " !\\[7](x)"
    )


class Tags(HTMLParser):
    """The names of all tags, and the text between them."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.text = ""
        self.comments: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        assert {name for name, _ in attrs} <= {"lang", "charset", "class"}

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_comment(self, data: str) -> None:
        self.comments.append(data)


@pytest.mark.parametrize("text", HOSTILE)
def test_a_page_has_no_tags_but_its_own_and_shows_what_was_said(text: str) -> None:
    section = Section(
        text, [f"About {escaped(text)}."], Grid([text, "n"], [[text, "1"]], 1), [f"After {escaped(text)}."]
    )
    page = Page(text, [section])
    read = Tags()
    read.feed(html(page))
    assert read.tags <= {"html", "meta", "title", "style", "h1", "h2", "p", "table", "tr", "th", "td", "em", "strong"}
    assert read.comments == []
    shown = UNSEEN.sub(" ", text.replace("\n", " ")).replace("\x1b", " ")
    assert f"About {shown}." in read.text
    assert not UNSEEN.search(html(page).replace("\n", ""))
    written = markdown(page)
    assert written.startswith("# ")
    assert not re.search(r"<[a-zA-Z/!?]", written)
    assert not UNSEEN.search(written)
