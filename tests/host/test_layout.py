# SPDX-License-Identifier: GPL-2.0
"""The layout of the kernel's structures as three compilers see it: bindgen's, rustc and gcc.

bindgen writes each size and offset, as libclang sees them, into the bindings as constants that
rustc checks. The same numbers are given to gcc, which built the kernel, as assertions in C.
"""

import os
import re

from conftest import TOP, run

HEADER = TOP / "rust/bindings/nf_helper.h"


def assertions(bindings):
    """C assertions from the layout tests of the bindings, for the types that have a name in C."""
    lines = []
    unions = set(re.findall(r"pub union (\w+)", bindings))

    def c_type(name):
        return f"union {name}" if name in unions else f"struct {name}"

    for kind, name, value in re.findall(r'\["(Size|Alignment) of (\w+)"\]\[[^\]]*- (\d+)usize\]', bindings):
        if "__bindgen" not in name:
            operator = {"Size": "sizeof", "Alignment": "_Alignof"}[kind]
            lines.append(f"_Static_assert({operator}({c_type(name)}) == {value}, \"{kind} of {name}\");")
    for name, field, value in re.findall(r'\["Offset of field: (\w+)::(\w+)"\]\s*\[[^\]]*- (\d+)usize\]', bindings):
        if "__bindgen" not in name + field and not field.startswith("_bitfield"):
            # bindgen appends `_` to the words of Rust.
            lines.append(f"_Static_assert(offsetof({c_type(name)}, {field.rstrip('_')}) == {value}, "
                         f"\"{name}::{field}\");")
    return lines


def build(setup, folder, *arguments, **options):
    return run("scripts/kbuild", *arguments, env={**os.environ, "KDIR": setup["KDIR"], "OUT": str(folder), **options})


def test_layout_matches_rustc_and_gcc(setup):
    folder = TOP / "build/layout"
    build(setup, folder, "NF_LAYOUT_TESTS=1", "modules")
    bindings = (folder / "rust/bindings/nf.rs").read_text()
    # A type missing in nf_bindgen_parameters turns the unions it is in into something else.
    assert not re.search(r"pub \w+: __BindgenUnionField", bindings)
    checks = assertions(bindings)
    for needed in ("struct nf_conn)", "nf_conn, status)", "nf_conn_help, data)", "nf_conntrack_expect, tuple)"):
        assert any(needed in line for line in checks), f"nothing is checked about {needed}"

    source = TOP / "build/layout-gcc"
    source.mkdir(exist_ok=True)
    (source / "Kbuild").write_text("obj-m := nf_layout.o\n")
    text = f'#include "{HEADER}"\n' + "\n".join(checks) + '\nMODULE_LICENSE("GPL");\n'
    (source / "nf_layout.c").write_text(text)
    build(setup, source, "nf_layout.o", M=str(source))

    # The control: one wrong number and gcc refuses.
    wrong = re.sub(r"(sizeof\(struct nf_conn\) == )\d+", r"\g<1>1", text, count=1)
    assert wrong != text
    (source / "nf_layout.c").write_text(wrong)
    try:
        build(setup, source, "nf_layout.o", M=str(source))
    except AssertionError:
        pass
    else:
        raise AssertionError("gcc accepted a wrong size")
    print(f"{len(checks)} sizes, alignments and offsets agree")
