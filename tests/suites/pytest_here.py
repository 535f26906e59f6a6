# SPDX-License-Identifier: GPL-2.0
"""A folder of pytest tests run on this machine, with Debian's pytest."""

import subprocess
import xml.etree.ElementTree as xml


def run(folder, out):
    """Returns (passed, failed). A run that breaks off counts as failed."""
    out.mkdir(parents=True)
    report = out / "report.xml"
    command = ["/usr/bin/python3", "-B", "-m", "pytest", "-p", "no:cacheprovider", "-v", "--tb=short",
               f"--junitxml={report}", folder]
    code = subprocess.run(command, stdin=subprocess.DEVNULL).returncode
    try:
        suites = xml.parse(report).getroot().iter("testsuite")
        counts = {name: 0 for name in ("tests", "failures", "errors", "skipped")}
        for suite in suites:
            for name in counts:
                counts[name] += int(suite.get(name, 0))
    except (OSError, xml.ParseError):
        counts = {"tests": 0, "failures": 0, "errors": 1, "skipped": 0}
    failed = counts["failures"] + counts["errors"]
    passed = max(0, counts["tests"] - failed - counts["skipped"])
    return passed, failed or (1 if code or not passed else 0)
