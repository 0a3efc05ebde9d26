//! Which addresses a webhook may go to: people name them, and behind this service's wall there is
//! more than they may reach.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

/// Most characters of a webhook's URL.
pub const URL_MAX_CHARS: usize = 2_000;

/// Whether an address belongs to the open Internet: in none of the blocks that IANA's registries of
/// special-purpose addresses (RFC 6890 and its updates) don't call globally reachable.
#[must_use]
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    !(address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_multicast()
        || address.is_documentation()
        || a == 0
        // 100.64.0.0/10: between providers and their customers.
        || (a == 100 && b & 0xc0 == 64)
        || (a, b, c) == (192, 0, 0)
        // 192.88.99.0/24: relays of 6to4, given up.
        || (a, b, c) == (192, 88, 99)
        // 198.18.0.0/15: between measuring devices.
        || (a == 198 && b & 0xfe == 18)
        // 240.0.0.0/4: reserved, with the broadcast address.
        || a >= 240)
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let embedded = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        is_public_v4(Ipv4Addr::new(a, b, c, d))
    };
    match address.segments() {
        // ::ffff:0:0/96 and 64:ff9b::/96 stand for an IPv4 address.
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
            embedded(high, low)
        }
        // 2002::/16 (6to4) carries one.
        [0x2002, high, low, ..] => embedded(high, low),
        // 2001::/23 (protocols, Teredo among them) and 2001:db8::/32, 3fff::/20 (documentation).
        [0x2001, second, ..] if second < 0x200 || second == 0xdb8 => false,
        [0x3fff, second, ..] if second < 0x1000 => false,
        // 2000::/3 is all that was ever given out.
        [first, ..] => first & 0xe000 == 0x2000,
    }
}

/// What is wrong with a webhook's URL: a sentence for whoever named it.
///
/// # Errors
/// That sentence.
pub fn check(text: &str, private_allowed: bool) -> Result<Url, &'static str> {
    if text.chars().count() > URL_MAX_CHARS {
        return Err("a URL needs at most 2000 characters");
    }
    let url: Url = text.parse().map_err(|_| "this isn't a URL")?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err("a URL mustn't hold a user name or a password");
    }
    match url.scheme() {
        "https" => {}
        "http" if private_allowed => {}
        _ => return Err("a URL must begin with https://"),
    }
    let public = match url.host() {
        None => return Err("a URL needs a host"),
        Some(Host::Ipv4(address)) => is_public_v4(address),
        Some(Host::Ipv6(address)) => is_public_v6(address),
        // What it stands for is looked up, and looked at, when it is used.
        Some(Host::Domain(name)) => {
            let name = name.trim_end_matches('.').to_ascii_lowercase();
            name != "localhost" && !name.ends_with(".localhost")
        }
    };
    if !public && !private_allowed {
        return Err("a URL must lead to a public address");
    }
    Ok(url)
}

/// Looks names up, and gives public addresses only: at the moment of the connection, so that a name
/// can't stand for one address when it is looked at and for another when it is used.
#[derive(Debug, Clone, Copy)]
pub struct PublicOnly;

/// A name leads to no public address.
#[derive(Debug)]
struct NotPublic;

impl fmt::Display for NotPublic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name leads to no public address")
    }
}

impl std::error::Error for NotPublic {}

impl Resolve for PublicOnly {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let public: Vec<SocketAddr> = found.filter(|address| is_public(address.ip())).collect();
            if public.is_empty() {
                return Err(NotPublic.into());
            }
            Ok(Box::new(public.into_iter()) as Addrs)
        })
    }
}
