# SPDX-License-Identifier: GPL-2.0
"""The story that `make demo` tells: one protocol after the other, the same transfers without and
with the module. What it is told with is in demo_stage.py."""

import subprocess
import sys

import demo_amanda
import demo_ftp
import demo_irc
import demo_tftp
from demo_stage import Stage, heading, paint, tell

PICTURE = """
     client                         router                         server
   192.0.2.10  ────────  192.0.2.1  (firewall)  198.51.100.1  ────────  198.51.100.10
"""


def main():
    print("The guest is up; it makes three hosts out of network namespaces …", flush=True)
    stage = Stage()
    heading("The network")
    print(PICTURE)
    tell("""The router's firewall lets new connections through to four ports of the server: FTP, IRC, TFTP
         and Amanda; and what belongs to them. All else is dropped. (The rule without -j only counts.)""")
    stage.firewall()
    for protocol in (demo_ftp, demo_tftp, demo_irc, demo_amanda):
        protocol.play(stage)
        stage.reset()

    heading("Conclusion")
    tell("""FTP, TFTP, IRC and Amanda: without the module each transfer failed, with it each succeeded. The
         firewall's rules were the same all the time, and no port had to be left open for any of it: each
         connection was expected from what was said in the first one, to one port, once.""")
    print(paint("1;32", "The demonstration went as told."), flush=True)


if __name__ == "__main__":
    try:
        main()
    except (AssertionError, OSError, subprocess.SubprocessError) as error:
        print(paint("1;31", f"\nThe demonstration broke off: {error}"), flush=True)
        sys.exit(1)
