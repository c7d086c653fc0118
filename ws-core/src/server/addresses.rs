//! Counts the open sockets of each peer address, for `limits.connections_per_ip`.
//!
//! Addresses without an open socket are removed, so the memory is bounded by the number of open
//! sockets.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::Arc,
};

use crate::sync::{Mutex, MutexGuard};

/// The first 64 bits of an IPv6 address. A host can choose the other 64 bits (RFC 4291 section
/// 2.5.1), so it could evade a limit on the whole address.
const IPV6_NETWORK: u128 = u128::MAX << 64;

/// The addresses with open sockets, and the number of sockets of each.
#[derive(Debug)]
pub(crate) struct Addresses {
    limit: usize,
    open: Mutex<HashMap<IpAddr, usize>>,
}

/// The permit of one socket under the limit of its address. Dropping it releases the permit.
#[derive(Debug)]
pub(crate) struct AddressPermit {
    addresses: Arc<Addresses>,
    address: IpAddr,
}

impl Addresses {
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit, open: Mutex::default() }
    }

    /// Counts one more socket of this address. Returns `None` if the address is at its limit.
    pub(crate) fn enter(self: &Arc<Self>, address: IpAddr) -> Option<AddressPermit> {
        let address = counted(address);
        let mut open = self.open();
        // Looked up before an entry is inserted, so that a refused socket leaves no entry.
        let count = open.get(&address).copied().unwrap_or_default();
        if count >= self.limit {
            return None;
        }
        open.insert(address, count + 1);
        Some(AddressPermit { addresses: Arc::clone(self), address })
    }

    fn open(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.open.lock()
    }
}

impl Drop for AddressPermit {
    fn drop(&mut self) {
        let mut open = self.addresses.open();
        if let Some(count) = open.get_mut(&self.address) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                open.remove(&self.address);
            }
        }
    }
}

/// Returns the address under which this address is counted: an IPv4 address, or an IPv6 network.
pub(super) fn counted(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & IPV6_NETWORK).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_counted_as_a_whole_and_ipv6_by_its_first_64_bits() {
        let cases = [
            ("10.0.0.1", "10.0.0.1", true),
            ("10.0.0.1", "10.0.0.2", false),
            ("10.0.0.1", "::ffff:10.0.0.1", true),
            ("2001:db8:0:1::1", "2001:db8:0:1:ffff:ffff:ffff:ffff", true),
            ("2001:db8:0:1::1", "2001:db8:0:2::1", false),
        ];
        for (a, b, same) in cases {
            assert_eq!(counted(a.parse().unwrap()) == counted(b.parse().unwrap()), same, "{a} and {b}");
        }
    }

    #[test]
    fn places_are_released_and_an_address_without_sockets_is_removed() {
        let addresses = Arc::new(Addresses::new(2));
        let (one, other) = ("10.0.0.1".parse().unwrap(), "10.0.0.2".parse().unwrap());
        let (first, second) = (addresses.enter(one), addresses.enter(one));
        assert!(first.is_some() && second.is_some());
        assert!(addresses.enter(one).is_none(), "the address is at its limit");
        assert!(addresses.enter(other).is_some(), "another address has its own limit");
        drop(first);
        assert!(addresses.enter(one).is_some());
        drop(second);
        assert!(addresses.open().is_empty());
        let full = Arc::new(Addresses::new(0));
        assert!(full.enter(one).is_none() && full.open().is_empty(), "a refused address is not stored");
    }
}
