// SPDX-License-Identifier: GPL-2.0

//! Calls mainline's helpers, which build.rs compiled.

use std::net::{
    IpAddr,
    Ipv4Addr,
    Ipv6Addr, //
};

use conntrack_fuzz::session::Protocol;
use conntrack_proto::Direction;

use crate::parties::Parties;

/// As `struct diff_found` in c/shim.h.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct CFound {
    offset: u32,
    len: u32,
    address: [u8; 16],
    port: u16,
    family: u8,
    proto: u8,
}

/// As `struct diff_call` in c/shim.h.
#[repr(C)]
struct Call {
    payload: *const u8,
    len: u32,
    seq: u32,
    reply: u8,
    family: u8,
    loose: u8,
    behind: u8,
    client: [u8; 16],
    server: [u8; 16],
    client_port: u16,
    data: Data,
    verdict: u32,
    count: u32,
    found: [CFound; 8],
}

/// What a helper keeps for a connection.
#[repr(C, align(8))]
#[derive(Clone, Copy, PartialEq, Eq)]
struct Data([u8; 32]);

extern "C" {
    fn diff_ftp(call: *mut Call);
    fn diff_irc(call: *mut Call);
    fn diff_tftp(call: *mut Call);
    fn diff_amanda(call: *mut Call);
}

const PF_INET: u8 = 2;
const PF_INET6: u8 = 10;
const NF_DROP: u32 = 0;

/// An expectation, and where in the payload it comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opened {
    pub start: usize,
    pub len: usize,
    pub address: IpAddr,
    pub port: u16,
    pub is_tcp: bool,
}

/// What mainline makes of one packet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    pub opened: Vec<Opened>,
    pub is_dropped: bool,
    /// Whether it depends on what lies in memory behind the packet.
    pub is_of_others: bool,
}

/// One connection.
pub struct Connection {
    protocol: Protocol,
    parties: Parties,
    loose: bool,
    data: Data,
}

impl Connection {
    pub fn new(protocol: Protocol, parties: Parties, loose: bool) -> Self {
        Self {
            protocol,
            parties,
            loose,
            data: Data([0; 32]),
        }
    }

    /// Gives it a packet.
    pub fn packet(&mut self, direction: Direction, seq: u32, payload: &[u8]) -> Answer {
        let (answer, data) = self.call(direction, seq, payload, 0);
        let others = b" 7\n".map(|behind| self.call(direction, seq, payload, behind));
        let is_of_others = others.iter().any(|other| *other != (answer.clone(), data));
        self.data = data;
        Answer {
            is_of_others,
            ..answer
        }
    }

    fn call(&self, direction: Direction, seq: u32, payload: &[u8], behind: u8) -> (Answer, Data) {
        let octets = |address| match address {
            IpAddr::V4(address) => {
                let mut octets = [0; 16];
                octets[..4].copy_from_slice(&Ipv4Addr::octets(&address));
                octets
            }
            IpAddr::V6(address) => address.octets(),
        };
        let is_ipv4 = self.parties.client.is_ipv4();
        let mut call = Call {
            payload: payload.as_ptr(),
            len: payload.len().try_into().unwrap(),
            seq,
            reply: u8::from(direction == Direction::Reply),
            family: if is_ipv4 { PF_INET } else { PF_INET6 },
            loose: u8::from(self.loose),
            behind,
            client: octets(self.parties.client),
            server: octets(self.parties.server),
            client_port: self.parties.client_port,
            data: self.data,
            verdict: 0,
            count: 0,
            found: [CFound::default(); 8],
        };
        let function = match self.protocol {
            Protocol::Ftp => diff_ftp,
            Protocol::Irc => diff_irc,
            Protocol::Tftp => diff_tftp,
            Protocol::Amanda => diff_amanda,
        };
        // SAFETY: `Call` is what the function expects, and lives until it returns; this program has
        // one thread.
        unsafe { function(&mut call) };
        let one = |found: &CFound| Opened {
            start: found.offset as usize,
            len: found.len as usize,
            address: match found.family {
                PF_INET => IpAddr::V4(Ipv4Addr::from_bits(u32::from_be_bytes(
                    found.address[..4].try_into().unwrap(),
                ))),
                _ => IpAddr::V6(Ipv6Addr::from(found.address)),
            },
            port: found.port,
            is_tcp: found.proto == 6,
        };
        let answer = Answer {
            opened: call.found[..call.count as usize].iter().map(one).collect(),
            is_dropped: call.verdict == NF_DROP,
            is_of_others: false,
        };
        (answer, call.data)
    }
}
