# SPDX-License-Identifier: GPL-2.0
"""What the host sends along with the guest's initramfs: files and modules, as a second cpio."""

import os
import shutil
import stat
import subprocess
from pathlib import Path

# Debian's merged /usr: a real /lib in the upper layer would hide the link to /usr/lib.
MERGED = ("bin", "sbin", "lib", "lib64")


class Payload:
    """A tree of files that appears over the guest's root, as newc cpio under /upper."""

    def __init__(self):
        self._files = {}  # path in the guest -> (mode, bytes)

    def add(self, source, dest):
        """A file, or a folder with all that is in it, to `dest` in the guest."""
        source = Path(source)
        if not source.exists():
            raise FileNotFoundError(f"{source} is to be sent to the guest, but does not exist")
        if source.is_dir():
            for child in sorted(source.rglob("*")):
                if child.is_file() and "__pycache__" not in child.parts:
                    self._add_file(child, Path(dest) / child.relative_to(source))
        else:
            self._add_file(source, Path(dest))

    def add_text(self, text, dest, mode=0o644):
        self._files[_merged(dest)] = (stat.S_IFREG | mode, text.encode())

    def add_modules(self, modules, guest, scratch):
        """Our .ko files into /lib/modules/<release>/updates with the indexes that depmod makes."""
        release = (guest / "release").read_text().strip()
        base = Path(scratch) / "depmod"
        tree = base / "lib/modules" / release
        stock = guest / "modules/lib/modules" / release
        (tree / "updates").mkdir(parents=True)
        os.symlink(stock / "kernel", tree / "kernel")
        for name in ("modules.builtin", "modules.builtin.modinfo", "modules.order"):
            os.symlink(stock / name, tree / name)
        for module in modules:
            module = Path(module)
            shutil.copy(module, tree / "updates" / module.name)
        subprocess.run(["depmod", "-b", base, release], check=True)
        for made in sorted(tree.iterdir()):
            if made.is_file() and not made.is_symlink():
                self._add_file(made, Path("/lib/modules", release, made.name))
        self.add(tree / "updates", f"/lib/modules/{release}/updates")
        shutil.rmtree(base)

    def _add_file(self, source, dest):
        mode = 0o755 if os.access(source, os.X_OK) else 0o644
        self._files[_merged(dest)] = (stat.S_IFREG | mode, source.read_bytes())

    def cpio(self):
        entries = {"upper": (stat.S_IFDIR | 0o755, b"")}
        for path, entry in self._files.items():
            if path == "/init":
                entries["init"] = entry
                continue
            parts = path.strip("/").split("/")
            for depth in range(1, len(parts)):
                entries.setdefault("upper/" + "/".join(parts[:depth]), (stat.S_IFDIR | 0o755, b""))
            entries["upper/" + "/".join(parts)] = entry
        out = [_record(number, name, *entries[name]) for number, name in enumerate(sorted(entries), 1)]
        out.append(_record(0, "TRAILER!!!", 0, b""))
        return b"".join(out)


def _merged(path):
    parts = Path(path).parts[1:]
    return "/" + "/".join(("usr", *parts) if parts[0] in MERGED else parts)


def _record(inode, name, mode, data):
    name = name.encode() + b"\0"
    fields = (inode, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name), 0)
    head = b"070701" + b"".join(b"%08x" % field for field in fields) + name
    return head + b"\0" * (-len(head) % 4) + data + b"\0" * (-len(data) % 4)
