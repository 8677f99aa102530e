//! Free ports of 127.0.0.1 for processes that are about to be started.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};

/// Below the range from which the system takes the ports of outgoing connections: a worker that restarts
/// would not get its port back from there.
const RANGE: std::ops::Range<u16> = 20_000..32_000;

/// Gives each port once.
#[derive(Debug, Default)]
pub(crate) struct Ports {
    given: BTreeSet<u16>,
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

    fn take(&mut self, port: u16) -> bool {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        !self.given.contains(&port) && TcpListener::bind(address).is_ok() && self.given.insert(port)
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::Ports;

    #[test]
    fn a_port_in_use_or_given_is_not_given_again() {
        let taken = TcpListener::bind("127.0.0.1:0").expect("some port is free");
        let taken = (taken.local_addr().expect("bound").port(), taken);
        let mut ports = Ports::default();
        let other = ports.take_preferred(taken.0);
        assert_ne!(other, taken.0);
        assert_ne!(ports.take_any(), other);
        assert_ne!(ports.take_preferred(other), other);
    }
}
