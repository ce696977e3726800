"""Sentences of the pages and the docstrings are short."""

import ast
import re
from itertools import chain
from pathlib import Path
from textwrap import dedent

import pytest

ROOT = Path(__file__).parents[1]
LONG = 30  # words
SHARE = 0.05
GUIDES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")),
    *sorted((ROOT / "docs").glob("*.md")),
]
END = re.compile(r"(?<=[a-z0-9)`*_\"'%])[.:;?!][)\"'`*_]*(?=\s+[^a-z\s]|\s*$)")


def sentences(paragraphs):
    """The sentences of paragraphs, as lists of words."""
    for paragraph in paragraphs:
        for sentence in END.split(" ".join(paragraph.split())):
            words = re.findall(r"\S*\w\S*", sentence)
            if words:
                yield words


def paragraphs_of_page(text):
    """Running text: no code, tables, headings or targets of links."""
    text = re.sub(r"^(```|:::).*?^\1$", "", text, flags=re.M | re.S)
    text = re.sub(r"\]\([^)]*\)", "]", text)
    text = re.sub(r"`[^`]*`", "Code", text)
    lines = [
        ""
        if re.match(r"\s*(\||#|>>>|!\[|<)", line)
        else re.sub(r"^\s*([-*]|\d+\.) ", "\n\n", line)
        for line in text.splitlines()
    ]
    return re.split(r"\n\s*\n", "\n".join(lines))


def docstrings(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            yield ast.get_docstring(node) or ""


def paragraphs_of_docstring(text):
    text = re.sub(r"^Examples\n-+\n.*", "", text, flags=re.M | re.S)
    text = re.sub(r"``[^`]*``|`[^`]*`", "Code", text)
    blocks = re.split(r"\n\s*\n|\n-{3,}\n|\n(?=\S+ : )", text)
    return (re.sub(r"^\S+ : .*\n", "", block) for block in blocks if ">>>" not in block)


def assert_short(found):
    found = list(found)
    too_long = [" ".join(words) for words in found if len(words) > LONG]
    assert len(too_long) <= max(1, SHARE * len(found)), "\n\n".join(too_long)


def of_page(page):
    return sentences(paragraphs_of_page(page.read_text(encoding="utf-8")))


def test_sentences_are_told_apart():
    text = """
    # A heading is no sentence. Nor is a table

    One two `three` four. `Five` six ([seven](eight_nine.md), e.g. ten); *eleven*
    twelve:

    - thirteen
    - fourteen.
    ```python
    fifteen = 15
    ```
    """
    found = list(sentences(paragraphs_of_page(dedent(text))))
    assert [len(words) for words in found] == [4, 5, 2, 1, 1]


@pytest.mark.parametrize("page", GUIDES, ids=lambda page: page.name)
def test_guides(page):
    assert_short(of_page(page))


def test_all_pages():
    assert_short(chain.from_iterable(map(of_page, (ROOT / "docs").rglob("*.md"))))


def test_docstrings():
    texts = chain.from_iterable(
        docstrings(path) for path in (ROOT / "sklearn_prune").rglob("*.py")
    )
    found = list(sentences(chain.from_iterable(map(paragraphs_of_docstring, texts))))
    assert len(found) > 1000
    assert_short(found)
