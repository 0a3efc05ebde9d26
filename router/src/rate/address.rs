//! Who asks, by address: the peer itself, or whom trusted proxies name.

use std::net::IpAddr;

use http::{HeaderMap, HeaderName, header::FORWARDED};

use super::config::{ClientAddress, ForwardedHeader};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
/// Most hops that are looked at, from the nearest.
const HOPS_MAX: usize = 32;

/// Finds out a client's address.
#[derive(Debug, Clone)]
pub(crate) struct AddressRule {
    trusted: Vec<Network>,
    header: ForwardedHeader,
}

impl AddressRule {
    /// Reads the settings; the error is the text that is no network.
    pub(crate) fn new(config: &ClientAddress) -> Result<Self, String> {
        let trusted = config.trusted_proxies.iter();
        let trusted = trusted.map(|text| Network::parse(text).ok_or_else(|| text.clone()));
        Ok(Self { trusted: trusted.collect::<Result<_, _>>()?, header: config.header })
    }

    /// The address that a request comes from. Hops are believed as far as trusted proxies tell them:
    /// the nearest one that isn't trusted is the client.
    pub(crate) fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut client = peer.to_canonical();
        if !self.trusts(client) {
            return client;
        }
        let (name, read): (_, fn(&str) -> Option<IpAddr>) = match self.header {
            ForwardedHeader::XForwardedFor => (X_FORWARDED_FOR, address),
            ForwardedHeader::Forwarded => (FORWARDED, forwarded_for),
        };
        let values: Vec<_> = headers.get_all(name).iter().collect();
        let hops = values.iter().rev().flat_map(|value| {
            // What can't be read ends the chain below.
            value.to_str().unwrap_or("?").rsplit(',')
        });
        for hop in hops.take(HOPS_MAX) {
            let Some(address) = read(hop.trim()) else { break };
            client = address;
            if !self.trusts(client) {
                break;
            }
        }
        client
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.trusted.iter().any(|network| network.contains(address))
    }
}

/// `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1` or `[2001:db8::1]:80`.
fn address(text: &str) -> Option<IpAddr> {
    let address = match text.parse::<IpAddr>() {
        Ok(address) => address,
        Err(_) => match text.parse::<std::net::SocketAddr>() {
            Ok(socket) => socket.ip(),
            Err(_) => text.strip_prefix('[')?.strip_suffix(']')?.parse().ok()?,
        },
    };
    Some(address.to_canonical())
}

/// The `for` of one element of `Forwarded`.
fn forwarded_for(element: &str) -> Option<IpAddr> {
    let (_, value) = element
        .split(';')
        .filter_map(|pair| pair.split_once('='))
        .find(|(name, _)| name.trim().eq_ignore_ascii_case("for"))?;
    address(value.trim().trim_matches('"'))
}

/// An address range.
#[derive(Debug, Clone, Copy)]
struct Network {
    first: u128,
    mask: u128,
}

impl Network {
    fn parse(text: &str) -> Option<Self> {
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length.parse::<u32>().ok()?)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().ok()?;
        let width = if address.is_ipv4() { 32 } else { 128 };
        let length = length.unwrap_or(width);
        if length > width {
            return None;
        }
        let mask = u128::MAX.checked_shl(width - length).unwrap_or(0);
        Some(Self { first: bits(address) & mask, mask })
    }

    fn contains(&self, address: IpAddr) -> bool {
        bits(address) & self.mask == self.first
    }
}

/// IPv4 as mapped into IPv6, so that the families never meet by accident.
fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
        IpAddr::V6(address) => address.to_bits(),
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn client(rule: &AddressRule, peer: &str, name: &'static str, values: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(name, HeaderValue::from_str(value).unwrap());
        }
        rule.client(peer.parse().unwrap(), &headers).to_string()
    }

    fn rule(header: ForwardedHeader) -> AddressRule {
        let trusted_proxies = ["10.0.0.0/8", "192.0.2.7", "2001:db8::/32"].map(Into::into).into();
        AddressRule::new(&ClientAddress { trusted_proxies, header }).unwrap()
    }

    #[test]
    fn only_trusted_hops_are_believed() {
        let rule = rule(ForwardedHeader::XForwardedFor);
        let of = |peer, values: &[&str]| client(&rule, peer, "x-forwarded-for", values);
        // A client that talks to us directly can't say that it is another.
        assert_eq!(of("203.0.113.5", &["198.51.100.1"]), "203.0.113.5");
        assert_eq!(of("10.0.0.1", &["198.51.100.1"]), "198.51.100.1");
        // What stands left of the first foreign hop is the client's own invention.
        assert_eq!(of("10.0.0.1", &["1.1.1.1, 198.51.100.1, 192.0.2.7"]), "198.51.100.1");
        assert_eq!(of("10.0.0.1", &["1.1.1.1", "198.51.100.1", "10.2.2.2"]), "198.51.100.1");
        assert_eq!(of("10.0.0.1", &[]), "10.0.0.1");
        assert_eq!(of("10.0.0.1", &["198.51.100.1, nonsense"]), "10.0.0.1");
        assert_eq!(of("::ffff:10.0.0.1", &["198.51.100.1:4711"]), "198.51.100.1");
        assert_eq!(of("2001:db8::1", &["[2001:dead::1]:80"]), "2001:dead::1");
    }

    #[test]
    fn the_standard_header_is_read_where_it_is_configured() {
        let rule = rule(ForwardedHeader::Forwarded);
        let values = ["for=1.1.1.1, For=\"[2001:dead::1]:4711\";proto=https, for=10.1.1.1"];
        assert_eq!(client(&rule, "10.0.0.1", "forwarded", &values), "2001:dead::1");
        assert_eq!(client(&rule, "10.0.0.1", "forwarded", &["for=unknown"]), "10.0.0.1");
        assert_eq!(client(&rule, "10.0.0.1", "x-forwarded-for", &["1.1.1.1"]), "10.0.0.1");
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for text in ["", "10.0.0.0/33", "ten", "10.0.0.0/-1", "::/129"] {
            let config =
                ClientAddress { trusted_proxies: vec![text.to_owned()], ..Default::default() };
            assert_eq!(AddressRule::new(&config).unwrap_err(), text);
        }
    }
}
