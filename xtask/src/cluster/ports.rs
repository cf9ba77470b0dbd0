//! Free ports of loopback.

use std::{
    net::{Ipv4Addr, TcpListener},
    time::{SystemTime, UNIX_EPOCH},
};

use anyhow::Context as _;

/// Not those that systems give to outgoing connections, nor those that the kubelet gives to Pods: one
/// of these would take the port of a process that is stopped and started again.
const RANGE: std::ops::Range<u16> = 10_000..19_000;

pub(super) struct Ports {
    next: u16,
}

impl Ports {
    /// Each call begins elsewhere, so that clusters which start together do not meet.
    pub(super) fn new() -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let seed = now.subsec_micros().wrapping_add(std::process::id() * 97);
        let length = u32::from(RANGE.end - RANGE.start);
        let offset = u16::try_from(seed % length).expect("less than the length, which is a u16");
        Self { next: RANGE.start + offset }
    }

    /// One that nobody listens on, and that is given once.
    pub(super) fn free(&mut self) -> anyhow::Result<u16> {
        RANGE
            .map(|_| {
                self.next = if self.next + 1 < RANGE.end { self.next + 1 } else { RANGE.start };
                self.next
            })
            .find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok())
            .context("no port of loopback is free")
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, TcpListener};

    use super::{Ports, RANGE};

    #[test]
    fn a_port_in_use_is_not_given_and_a_given_one_not_given_again() {
        let mut ports = Ports::new();
        let given = ports.free().unwrap();
        let _listener = TcpListener::bind((Ipv4Addr::LOCALHOST, given)).unwrap();
        ports.next = given - 1;
        let (one, two) = (ports.free().unwrap(), ports.free().unwrap());
        assert!(one != given && two != given && one != two, "{given} {one} {two}");
        assert!(RANGE.contains(&one) && RANGE.contains(&two));
    }
}
