# SPDX-License-Identifier: GPL-2.0
"""Many clients at once behind one address, all of which announce the same port."""

import ftplib
import socket
import threading

import servers
import shell
from dialogue import digest
from servers import ROOT, SMALL

COUNT = 20
PORT = 40000
ADDRESSES = [f"192.0.2.{100 + number}" for number in range(COUNT)]


class Client(ftplib.FTP):
    """A client on an address and a data port of its choice."""

    def __init__(self, host, address):
        super().__init__(source_address=(address, 0), timeout=60 * shell.PATIENCE)
        self.own, self.own_address = host, address
        self.set_pasv(False)

    def makeport(self):
        with self.own.entered():
            listener = socket.create_server((self.own_address, PORT))
        listener.settimeout(60 * shell.PATIENCE)
        self.sendport(self.own_address, PORT)
        return listener


def _session(host, address, target, received, all_here):
    client = Client(host, address)
    with host.entered():
        client.connect(target)
    client.login()
    # Nobody is alone.
    all_here.wait(60)
    data = bytearray()
    client.retrbinary(f"RETR {SMALL}", data.extend)
    client.quit()
    received[address] = digest(data)


def test_twenty_clients_at_once(network, nat_helper, flow):
    way = flow("snat")
    way.client.run("ip -batch -", stdin="".join(f"address add {address}/24 dev net\n" for address in ADDRESSES))
    try:
        servers.vsftpd(way.server, "ipv4")
        received, all_here = {}, threading.Barrier(COUNT)
        threads = [threading.Thread(target=_session, args=(way.client, address, way.target, received, all_here))
                   for address in ADDRESSES]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert received == dict.fromkeys(ADDRESSES, digest((ROOT / SMALL).read_bytes()))
        assert way.wall.counts()["related"] == COUNT
        assert way.wall.counts()["blocked"] == 0
    finally:
        way.client.run("ip -batch -", stdin="".join(f"address del {address}/24 dev net\n" for address in ADDRESSES))
