//! Networks of addresses: the proxies that are trusted to tell for whom they speak, and the client
//! that they tell of.

use std::net::IpAddr;

/// Addresses and networks.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Networks(Vec<Network>);

/// The addresses that begin with the same bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Network {
    address: IpAddr,
    bits: u32,
}

impl Networks {
    /// Reads addresses, and networks such as `10.0.0.0/8`. An error has the index of the wrong one.
    pub(super) fn parse<'a>(texts: impl Iterator<Item = &'a str>) -> Result<Networks, usize> {
        let networks = texts.enumerate();
        let networks = networks.map(|(index, text)| Network::parse(text).ok_or(index));
        networks.collect::<Result<_, _>>().map(Networks)
    }

    pub(super) fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(address))
    }

    /// The client that the values of `X-Forwarded-For` tell of: the last of them that is no trusted
    /// proxy itself. Who stands before it may be invented.
    pub(super) fn client<'a>(
        &self,
        values: impl DoubleEndedIterator<Item = &'a str>,
    ) -> Option<IpAddr> {
        let mut client = None;
        for text in values.rev().flat_map(|value| value.rsplit(',')) {
            // What is no address was not written by a proxy of ours.
            let Some(address) = address(text.trim()) else {
                break;
            };
            client = Some(address);
            if !self.contains(address) {
                break;
            }
        }
        client
    }
}

impl Network {
    fn parse(text: &str) -> Option<Network> {
        let (address, bits) = match text.split_once('/') {
            None => (text, None),
            Some((address, bits)) => (address, Some(bits.parse().ok()?)),
        };
        let address: IpAddr = address.parse().ok()?;
        let all = if address.is_ipv4() { 32 } else { 128 };
        let network = Network { address, bits: bits.unwrap_or(all) };
        (network.bits <= all).then_some(network)
    }

    fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(ours), IpAddr::V4(theirs)) => {
                let differing = u32::from(ours) ^ u32::from(theirs);
                differing.leading_zeros() >= self.bits
            }
            (IpAddr::V6(ours), IpAddr::V6(theirs)) => {
                let differing = u128::from(ours) ^ u128::from(theirs);
                differing.leading_zeros() >= self.bits
            }
            _ => false,
        }
    }
}

/// An address, perhaps with a port.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|text| text.split_once(']'));
    let bare = bare.map_or(text, |(address, _)| address);
    bare.parse().or_else(|_| text.split_once(':').map_or(text, |(host, _)| host).parse()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn networks(texts: &[&str]) -> Networks {
        Networks::parse(texts.iter().copied()).unwrap()
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn networks_contain_addresses() {
        let ours = networks(&["10.0.0.0/8", "192.0.2.7", "2001:db8::/32", "::1"]);
        for inside in ["10.255.0.1", "192.0.2.7", "2001:db8:1::2", "::1", "::ffff:10.1.2.3"] {
            assert!(ours.contains(ip(inside)), "{inside}");
        }
        for outside in ["11.0.0.1", "192.0.2.8", "2001:db9::", "::2"] {
            assert!(!ours.contains(ip(outside)), "{outside}");
        }
        assert!(networks(&["0.0.0.0/0"]).contains(ip("1.2.3.4")));
        for (texts, wrong) in [(["::1", "10.0.0.0/33"], 1), (["a.b", "::1"], 0), (["1/x", ""], 0)] {
            assert_eq!(Networks::parse(texts.into_iter()), Err(wrong));
        }
    }

    #[test]
    fn the_client_is_the_last_that_nobody_can_invent() {
        let ours = networks(&["10.0.0.0/8"]);
        for (values, client) in [
            (&["192.0.2.1"][..], Some("192.0.2.1")),
            (&["203.0.113.9, 192.0.2.1, 10.0.0.5"], Some("192.0.2.1")),
            (&["203.0.113.9", "192.0.2.1:4711,10.0.0.5"], Some("192.0.2.1")),
            (&["[2001:db8::1]:80"], Some("2001:db8::1")),
            (&["2001:db8::1"], Some("2001:db8::1")),
            (&["10.0.0.4"], Some("10.0.0.4")),
            (&["nonsense, 10.0.0.4"], Some("10.0.0.4")),
            (&["192.0.2.1, nonsense"], None),
            (&[""], None),
            (&[], None),
        ] {
            let found = ours.client(values.iter().copied());
            assert_eq!(found, client.map(ip), "{values:?}");
        }
    }
}
