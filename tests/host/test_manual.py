# SPDX-License-Identifier: GPL-2.0
"""What users are told of the modules, and what the modules have: counters, log lines, parameters, version."""

import re
import subprocess

from conftest import NAMES, TOP, run
from test_modules import modinfo

ALL = {half: {f"ip_{half}_{name}" for name in NAMES} for half in ("conntrack", "nat")}
MANUAL = TOP / "docs/man/ip_conntrack_rust.8"
COUNTERS = TOP / "docs/counters.md"


def sources():
    return [*TOP.glob("*_helper.rs"), *sorted((TOP / "rust").rglob("*.rs")), *TOP.glob("nat/*.rs")]


def declared():
    """The counters of each module, out of the lists in the code."""
    found = {module: set() for half in ALL.values() for module in half}
    for path in sources():
        text = path.read_text()
        for match in re.finditer(r"counters! \{\n((?:\s*(?:///.*|\w+,)\n)+)", text):
            of_root = re.fullmatch(r"(?:(nat)/)?(\w+?)(?:_helper)?\.rs", str(path.relative_to(TOP)))
            if of_root:
                modules = {f"ip_{of_root[1] or 'conntrack'}_{of_root[2]}"}
            else:
                # A list for all modules of a half has its name, or is in a `mod` that has.
                half = re.findall(r"^\s*([A-Z]\w+),$", match[1], re.MULTILINE) or \
                    re.findall(r"\bmod (\w+) \{", text[:match.start()])
                modules = ALL[half[-1].lower()]
            for module in modules:
                found[module] |= set(re.findall(r"^\s*([a-z]\w+),$", match[1], re.MULTILINE))
    return found


def tabulated(text):
    """The counters of each module, out of the tables of docs/counters.md."""
    found = {module: set() for half in ALL.values() for module in half}
    for section in text.split("\n## ")[1:]:
        if half := re.match(r"Counters of the (conntrack|NAT) halves\n", section):
            half = half[1].lower()
            for name, of in re.findall(r"^\| `(\w+)` \| ([\w, ]+) \|", section, re.MULTILINE):
                for module in ALL[half] if of == "all" else {f"ip_{half}_{name}" for name in of.split(", ")}:
                    found[module].add(name)
    return found


def of_manual(text, section, macro):
    """Name and text of each item of a section of the manual, for each module."""
    found = {module: {} for half in ALL.values() for module in half}
    body = re.search(rf"^\.Sh {section}\n(.*?)^\.Sh ", text, re.DOTALL | re.MULTILINE)[1]
    for part in body.split("\n.Ss ")[1:]:
        heading, _, items = part.partition("\n")
        for name, description in re.findall(rf"^\.It {macro} (\w+).*\n((?:(?!\.It|\.El).*\n)+)", items, re.MULTILINE):
            for module in heading.split(", "):
                found[module][name] = description
    return found


def test_counters():
    counters = declared()
    assert counters["ip_conntrack_tftp"] > {"announced", "malformed"}
    assert "rewritten" in counters["ip_nat_ftp"]
    assert tabulated(COUNTERS.read_text()) == counters
    assert {module: set(items) for module, items in of_manual(MANUAL.read_text(), "COUNTERS", "Va").items()} == counters


def test_missing_counter_is_found():
    """The control."""
    assert tabulated(COUNTERS.read_text().replace("| `held` | ftp, irc |", "| `held` | ftp |")) != declared()
    assert "held" not in of_manual(MANUAL.read_text().replace(".It Va held\n", ""), "COUNTERS", "Va")["ip_conntrack_irc"]


def said():
    """What the code writes into the log, with NAME in the place of what differs."""
    for path in sources():
        text = re.sub(r"\\\n\s*", "", path.read_text())
        for message in re.findall(r'\bc"([^"\\]{25,})"', text):
            yield message.strip()
        for message in re.findall(r'\bpr_(?:err|warn|notice|info)!\(\s*"(.+?)(?:\\n)?"', text):
            yield message


def fits(message, text):
    """Whether a message is in the text, which has a word for each argument."""
    return re.search(re.sub(r"\\\{[^}]*\\\}", r"\\S+", re.escape(message)), text)


def test_log_lines():
    text = COUNTERS.read_text()
    messages = list(said())
    assert len(messages) > 10
    for message in messages:
        assert fits(message, text), f"docs/counters.md has not: {message}"
    assert not fits(messages[0][:20] + "zz", text)


def parameters(module):
    """Type and default of each parameter, as modinfo has them."""
    found = {}
    for line in modinfo(module, "parm"):
        name, default = re.fullmatch(r"(\w+):.*\(default: (\S+)\) \([\w ]+\)", line).groups()
        found[name] = default
    return found


def test_parameters(modules):
    manual = of_manual(MANUAL.read_text(), "PARAMETERS", "Cm")
    table = re.search(r"^\| parameter \|.*?\n\n", (TOP / "README.md").read_text(), re.DOTALL | re.MULTILINE)[0]
    readme = {module: {} for module in manual}
    for name, of, default in re.findall(r"^\| `(\w+)=[^`]*` \| ([\w, ]+) \| ([^|]+) \|", table, re.MULTILINE):
        for module in ALL["conntrack"] if of == "all" else {f"ip_conntrack_{one}" for one in of.split(", ")}:
            readme[module][name] = default
    for module in modules:
        has = parameters(module)
        assert set(manual.get(module.stem, {})) == set(readme.get(module.stem, {})) == set(has), module.stem
        for name, default in has.items():
            said = re.search(r"^Default: (.*(?:\n[^.].*)*)", manual[module.stem][name], re.MULTILINE)[1]
            assert re.search(rf"\b{default}\b", said), f"{module.stem}: {name}: {said}"
            shown = {"on": "1", "off": "0"}.get(default, default)
            assert re.search(rf"\b{shown}\b", readme[module.stem][name]), f"{module.stem}: {name}"


def test_manual_is_well_formed(tmp_path):
    run("mandoc", "-T", "lint", "-W", "warning", MANUAL)
    # The control.
    wrong = tmp_path / "wrong.8"
    wrong.write_text(MANUAL.read_text().replace(".El\n", "", 1))
    assert subprocess.run(["mandoc", "-T", "lint", "-W", "warning", wrong], stdout=subprocess.PIPE).returncode != 0


def test_version(modules):
    """The newest entry of the changelog is what modinfo says of every module."""
    newest = re.search(r"^## \[?(\d+\.\d+(?:\.\d+)?)\b", (TOP / "CHANGELOG.md").read_text(), re.MULTILINE)[1]
    assert {module.name: modinfo(module, "version") for module in modules} == {module.name: [newest] for module in modules}
