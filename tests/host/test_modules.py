# SPDX-License-Identifier: GPL-2.0
"""What can be said of the modules without loading them."""

import re
import subprocess

import pytest

# Functions of core that end in a panic. In softirq that is the end of the firewall.
PANIC = re.compile(r"panicking|panic_|unwrap_failed|expect_failed|slice_\w*fail|_fail$|already_borrowed|index_fail")


def panics(objfile):
    """Each function in the object that refers to a panic function of core, with that function."""
    listing = subprocess.run(["objdump", "-dr", "--no-show-raw-insn", objfile], check=True, stdout=subprocess.PIPE,
                             text=True).stdout
    found, function = set(), "?"
    for line in listing.splitlines():
        if start := re.match(r"[0-9a-f]+ <(.+)>:$", line):
            function = start[1]
        elif (target := re.search(r"R_X86_64_\w+\s+(\S+?)(?:[-+]0x[0-9a-f]+)?$", line)) and PANIC.search(target[1]):
            found.add((function, target[1]))
    undefined = subprocess.run(["nm", "--undefined-only", objfile], check=True, stdout=subprocess.PIPE, text=True).stdout
    named = {target for _, target in found}
    found |= {("(data)", s) for s in undefined.split() if PANIC.search(s) and s not in named}
    return found


def test_no_panic_path(modules):
    for module in modules:
        bad = panics(module)
        assert not bad, "\n".join(f"{module.name}: {f} can reach {p}" for f, p in sorted(bad))


@pytest.mark.parametrize("body", ["a[i]", "a.get(i).copied().unwrap()", "i as u8 + a.len() as u8"])
def test_panic_check_finds(body, userland, tmp_path_factory, setup):
    """The control of the check: code that can panic is found, by the function's name."""
    folder = tmp_path_factory.mktemp("panic")
    source = f"#![no_std]\n#[no_mangle] pub fn guilty(a: &[u8], i: usize) -> u8 {{ {body} }}\n"
    objfile = folder / "guilty.o"
    made = userland("sh", "-c", "mkdir /tmp/p && cat >/tmp/p/guilty.rs <<'E'\n" + source + "E\n"
                    "rustc --crate-type rlib --emit obj -O -C overflow-checks=on -C panic=abort"
                    " -o /tmp/p/guilty.o /tmp/p/guilty.rs && base64 -w0 /tmp/p/guilty.o")
    import base64
    objfile.write_bytes(base64.b64decode(made.splitlines()[-1]))
    assert {function for function, _ in panics(objfile)} == {"guilty"}


def callbacks(symbols):
    """The functions of our adapter to the kernel's callbacks of a helper, by their names alone."""
    found = set()
    for name in symbols:
        if match := re.search(r"^_R.*9netfilter6helper.*7Adapter.*E(\d+)([a-z]\w*)", name):
            found.add(match[2][:int(match[1])])
    return found


def test_callbacks(modules):
    """A helper has these two and no other, in particular no `destroy`, see docs/kernel-contracts.md; the
    others have none."""
    for module in modules:
        symbols = subprocess.run(["nm", "--format=just-symbols", module], check=True, stdout=subprocess.PIPE,
                                 text=True).stdout.split()
        has_helper = module.name.startswith("ip_conntrack_") and module.name != "ip_conntrack_core.ko"
        wanted = {"help", "from_nlattr"} if has_helper else set()
        assert callbacks(symbols) == wanted, module.name


def test_another_callback_is_found():
    """The control: as rustc named it when there was one."""
    name = "_RNvMs_NtNtCs2lDwL8YnYXh_10ftp_helper9netfilter6helperINtB4_7AdapterNtB8_3FtpE7destroyB8_"
    assert callbacks([name]) == {"destroy"}


def modinfo(module, field):
    return subprocess.run(["modinfo", "-F", field, module], check=True, stdout=subprocess.PIPE,
                          text=True).stdout.splitlines()


def test_modinfo(modules):
    for module in modules:
        assert modinfo(module, "license") == ["GPL"]
        assert modinfo(module, "description") and modinfo(module, "author")
        for parm in modinfo(module, "parm"):
            assert re.fullmatch(r"\w+:\S.{20,} \(\w+\)|\w+:\S.{20,} \(array of \w+\)", parm), parm


def test_ftp_modinfo(build):
    module = build / "ip_conntrack_ftp.ko"
    assert "nfct-helper-ftp" in modinfo(module, "alias")
    assert modinfo(module, "depends") == ["ip_conntrack_core,nf_conntrack"]
    assert {p.split(":")[0] for p in modinfo(module, "parm")} == {"ports", "auto_assign", "loose", "allow_privileged"}


def test_nat_ftp_modinfo(build):
    assert "ip_conntrack_ftp" in modinfo(build / "ip_nat_ftp.ko", "depends")[0].split(",")
