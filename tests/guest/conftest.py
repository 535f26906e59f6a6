# SPDX-License-Identifier: GPL-2.0
"""Fixtures: the network once per run; per test a clean router, and a look at the kernel's log."""

import pytest

import firewall as firewalls
import kernellog
import module as modules
import reporting
import servers
import shell
import topology
from helpers import gate, way  # noqa: F401  fixtures
from natmodule import conntrack_half, flow, nat_helper, wall  # noqa: F401  fixtures


def pytest_addoption(parser):
    parser.addoption("--shard", default="0/1", metavar="I/N", help="only every Nth test, from the Ith on")


def pytest_configure(config):
    config.addinivalue_line("markers", "debug: for the debug kernel")
    config.addinivalue_line("markers", "ours: for behaviour that the stock module does not have")
    config.pluginmanager.register(reporting.Verdict(), "verdict")


def pytest_collection_modifyitems(config, items):
    first, step = map(int, config.getoption("shard").split("/"))
    items[:] = items[first::step]
    if shell.PATIENCE > 1:
        for item in items:
            marker = item.get_closest_marker("timeout")
            seconds = marker.args[0] if marker else int(config.getini("timeout"))
            item.add_marker(pytest.mark.timeout(seconds * shell.PATIENCE), append=False)
    if modules.under_test() is modules.STOCK:
        for item in items:
            if item.get_closest_marker("ours"):
                item.add_marker(pytest.mark.skip(reason="not what the stock module does"))


@pytest.fixture(scope="session")
def network():
    net = topology.Network()
    servers.make_files()
    return net


@pytest.fixture(scope="session")
def kernel_log_reader():
    return kernellog.Reader()


@pytest.fixture(autouse=True)
def kernel_log(kernel_log_reader):
    """New complaints of the kernel fail the test during which they come; `allow` excuses a text
    that the test provokes."""
    kernel_log_reader.start()
    yield kernel_log_reader
    complaints = kernel_log_reader.complaints()
    assert not complaints, "the kernel complained:\n" + "\n".join(complaints)


@pytest.fixture(autouse=True)
def clean(kernel_log, network):
    """Each test leaves the router as it found it: no rules, no connections, no helper."""
    yield
    shell.stop_background()
    for host in network.hosts:
        host.kill_all()
        host.drop_sockets()
    firewalls.clear(network.router)
    network.router.run("conntrack -F", check=False)
    modules.unload_all()


@pytest.fixture
def helper(network, clean):
    """The module under test, loaded."""
    module = modules.under_test()
    module.load()
    return module


@pytest.fixture
def firewall(network, clean):
    """firewall(kind, family, assign=…) puts up the router's firewall."""

    def put_up(kind="iptables", family="ipv4", assign=True):
        wall = firewalls.KINDS[kind](network.router, family)
        wall.load(assign)
        return wall

    return put_up


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if report.failed and report.when == "call" and "network" in item.fixturenames:
        report.sections.append(("state of the router", reporting.state(item.funcargs["network"])))
    return report
