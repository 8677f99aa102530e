//! Ports of 127.0.0.1 for processes that are about to be started.
//!
//! A port is held until its process starts: two `sluice up` that start at the same time would otherwise
//! both find the usual port of a broker free, and one would talk to the broker of the other.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};

/// Below the range from which the system takes the ports of outgoing connections: a worker that restarts
/// would not get its port back from there.
const RANGE: std::ops::Range<u16> = 20_000..32_000;

/// Ports that are held, and those that were given away.
#[derive(Debug, Default)]
pub(crate) struct Ports {
    /// `None` once the port was given away.
    taken: BTreeMap<u16, Option<TcpListener>>,
}

impl Ports {
    /// The preferred port if it is free, else another.
    pub(crate) fn take_preferred(&mut self, preferred: u16) -> u16 {
        if self.take(preferred) { preferred } else { self.take_any() }
    }

    /// Some free port; 0, by which a process lets the system choose, in the odd case that none is.
    pub(crate) fn take_any(&mut self) -> u16 {
        // Several `sluice up` that start at once should not try the same ports.
        let width = u32::from(RANGE.end - RANGE.start);
        let start = std::process::id().wrapping_mul(7919) % width;
        let candidates = (0..width).map(|step| RANGE.start + ((start + step) % width) as u16);
        candidates.into_iter().find(|port| self.take(*port)).unwrap_or(0)
    }

    /// Lets the process have its port.
    pub(crate) fn give_away(&mut self, port: u16) {
        self.taken.insert(port, None);
    }

    fn take(&mut self, port: u16) -> bool {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let listener = if self.taken.contains_key(&port) { None } else { TcpListener::bind(address).ok() };
        let is_free = listener.is_some();
        if is_free {
            self.taken.insert(port, listener);
        }
        is_free
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::Ports;

    #[test]
    fn a_port_in_use_is_not_given() {
        let taken = TcpListener::bind("127.0.0.1:0").expect("some port is free");
        let port = taken.local_addr().expect("bound").port();
        assert_ne!(Ports::default().take_preferred(port), port);
    }

    #[test]
    fn a_port_is_held_against_others_until_it_is_given_away() {
        let mut ports = Ports::default();
        let port = ports.take_any();
        assert_ne!(Ports::default().take_preferred(port), port);
        ports.give_away(port);
        TcpListener::bind(("127.0.0.1", port)).expect("free for its process");
        assert_ne!(ports.take_preferred(port), port, "but not for a second one");
    }
}
