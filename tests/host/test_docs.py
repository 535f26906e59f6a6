# SPDX-License-Identifier: GPL-2.0
"""That the documentation fits the tree: links, names of files, excerpts of the code, pictures."""

import hashlib
import re
import textwrap

import pytest

from conftest import TOP
from test_code import tracked

PAGES = sorted([*TOP.glob("*.md"), *(TOP / "docs").glob("*.md")])
PICTURES = sorted((TOP / "docs/pictures").glob("*.dot"))
pages = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(TOP)))


def without_code(text):
    return re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)


def anchors(text):
    """The names by which the headings of a page are linked to."""
    for heading in re.findall(r"^#+ (.*)$", without_code(text), re.MULTILINE):
        yield re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def broken_links(page, text):
    for target in re.findall(r"\]\(([^)\s]+)\)", without_code(text)):
        if re.match(r"\w+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        if not file.exists() or (anchor and anchor not in anchors(text if file == page else file.read_text())):
            yield target


@pages
def test_links(page):
    assert not list(broken_links(page, page.read_text()))


def test_broken_link_is_found():
    """The control."""
    page = TOP / "README.md"
    text = "# One\n[a](#one) [b](docs/failover.md#limits) [c](docs/none.md) [d](#two) [e](docs/failover.md#three)"
    assert list(broken_links(page, text)) == ["docs/none.md", "#two", "docs/failover.md#three"]


def unknown_names(text, files):
    """Names of files of this tree, in backticks, that it does not have."""
    folders = {str(parent) for file in files for parent in file.relative_to(TOP).parents}
    names = {str(file.relative_to(TOP)) for file in files} | folders
    for name in re.findall(r"`((?:rust|nat|tests|scripts|docs|\.ci)/[\w./*-]*)", without_code(text)):
        # What is made, and kept by nobody, is not asked for.
        if name.rstrip("/.") not in names and not list(TOP.glob(name)):
            yield name


@pages
def test_names_of_files(page):
    assert not list(unknown_names(page.read_text(), tracked()))


def test_unknown_name_is_found():
    """The control."""
    text = "`tests/host/` `tests/host/test_docs.py::test_links` `tests/*/conftest.py` `rust/none.rs`"
    assert list(unknown_names(text, tracked())) == ["rust/none.rs"]


# A block of code that is part of a file: a comment before it says of which. A line `…` stands for what
# is left out.
EXCERPT = re.compile(r"^<!-- excerpt: (\S+) -->\n```\w*\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def is_excerpt(block, code):
    """Whether the parts of a block follow each other in the code, each indented there by as much."""
    position = 0
    for part in re.split(r"^\s*…\n", block, flags=re.MULTILINE):
        part = textwrap.dedent(part).strip("\n")
        lines = [r"(?:\1" + re.escape(line) + ")" if line else "" for line in part.split("\n")]
        found = re.compile(r"^([ \t]*)(?=\S)" + "\n".join(lines).replace(r"(?:\1", "(?:", 1) + "$", re.MULTILINE)
        match = found.search(code, position)
        if not match:
            return False
        position = match.end()
    return True


@pages
def test_excerpts(page):
    for name, block in EXCERPT.findall(page.read_text()):
        assert is_excerpt(block, (TOP / name).read_text()), f"not (any more) in {name}:\n{block}"


@pytest.mark.parametrize("block, answer", [
    ("fn a() {\n    b();\n}\n", True),
    ("fn a() {\n…\n}\n", True),
    ("b();\n", True),
    ("fn a() {\n    c();\n}\n", False),
    ("}\n…\nfn a() {\n", False),
])
def test_excerpt_check(block, answer):
    """The control."""
    assert is_excerpt(block, "mod m {\n    fn a() {\n        b();\n    }\n}\n") == answer


def source_of(picture):
    """The hash of the source that a picture says it was drawn from."""
    found = re.search(r"sha256 of the source: ([0-9a-f]{64})", picture)
    return found and found[1]


def test_pictures():
    """Each is drawn from its source as it is (`make pictures`), and shown somewhere."""
    assert PICTURES
    for source in PICTURES:
        drawn_from = source_of(source.with_suffix(".svg").read_text())
        assert drawn_from == hashlib.sha256(source.read_bytes()).hexdigest(), source.name
        assert any(f"pictures/{source.stem}.svg" in page.read_text() for page in PAGES), source.name


def test_classes_of_differences():
    """Those that tests/diff knows are those of docs/behaviour.md, word for word."""
    code = re.findall(r'^    (\w+): "(.*)",$', (TOP / "tests/diff/src/class.rs").read_text(), re.MULTILINE)
    table = (TOP / "docs/behaviour.md").read_text().split("\n## Classes of differences\n")[1].split("\n## ")[0]
    assert len(code) > 30
    assert re.findall(r"^\| `(\w+)` \| (.*) \|$", table, re.MULTILINE) == code
