// SPDX-License-Identifier: GPL-2.0

//! Who talks to whom, and what the modules make of an announcement between them.

use std::net::IpAddr;

use conntrack_fuzz::session::{
    Found,
    Kind, //
};
use conntrack_proto::{
    ftp,
    irc,
    Direction, //
};

use crate::mainline::Opened;

/// The ends of a connection that is not translated.
#[derive(Clone, Copy, Debug)]
pub struct Parties {
    pub client: IpAddr,
    pub server: IpAddr,
    pub client_port: u16,
}

impl Parties {
    pub fn new(is_ipv4: bool) -> Self {
        let [client, server] = if is_ipv4 {
            ["10.0.0.2", "192.0.2.1"]
        } else {
            ["2001:db8::a", "2001:db8:1::1"]
        };
        Self {
            client: client.parse().unwrap(),
            server: server.parse().unwrap(),
            client_port: 40_000,
        }
    }

    pub fn sender(&self, direction: Direction) -> IpAddr {
        match direction {
            Direction::Original => self.client,
            Direction::Reply => self.server,
        }
    }

    /// What the modules expect after `found`, as *_helper.rs have it.
    pub fn believe(
        &self,
        direction: Direction,
        loose: bool,
        start: usize,
        found: &Found,
    ) -> Option<Opened> {
        if !found.is_admitted
            || (1..1024).contains(&found.port) && matches!(found.kind, Kind::Ftp(_) | Kind::Irc(_))
        {
            return None;
        }
        let sender = self.sender(direction);
        let announced = found.address.unwrap_or(sender);
        let (port, is_tcp) = match found.kind {
            Kind::Ftp(_) if announced == sender => (found.port, true),
            Kind::Ftp(_) if loose && announced.is_ipv4() == sender.is_ipv4() => (found.port, true),
            // Clients connect to the server all the same.
            Kind::Ftp(ftp::Kind::Pasv) => (found.port, true),
            Kind::Irc(irc::Kind::Offer) if announced == self.client => (found.port, true),
            Kind::Amanda(_) => (found.port, true),
            Kind::Tftp => (self.client_port, false),
            Kind::Ftp(_) | Kind::Irc(_) => return None,
        };
        let address = match found.kind {
            Kind::Tftp => self.client,
            Kind::Ftp(ftp::Kind::Pasv) if !loose || announced.is_ipv4() != sender.is_ipv4() => {
                sender
            }
            _ => announced,
        };
        Some(Opened {
            start,
            len: found.len,
            address,
            port,
            is_tcp,
        })
    }
}
