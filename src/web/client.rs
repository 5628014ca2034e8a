//! Where a request came from, also through proxies that are trusted.

use std::future::{Ready, ready};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use actix_web::dev::Payload;
use actix_web::http::header::{self, HeaderName};
use actix_web::web::Data;
use actix_web::{FromRequest, HttpRequest};

use super::Site;
use crate::config::Networks;
use crate::error::{Error, Result};

/// For whom a proxy asks, the last one last.
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// What a session and the audit log keep about where a request came from.
#[derive(Debug, Clone)]
pub struct Client {
    /// The program, as it names itself.
    pub user_agent: String,
    /// The address; empty where it is not known.
    pub ip_address: String,
    /// The network that the address counts for.
    pub network: String,
}

impl FromRequest for Client {
    type Error = Error;
    type Future = Ready<Result<Self>>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(Self::of(req)))
    }
}

impl Client {
    /// Where a request came from.
    pub fn of(req: &HttpRequest) -> Self {
        let agent = req.headers().get(header::USER_AGENT).and_then(|value| value.to_str().ok());
        let address = address(req);
        Self {
            user_agent: agent.unwrap_or_default().to_owned(),
            ip_address: address.map(|address| address.to_string()).unwrap_or_default(),
            network: address.map(|address| network(address).to_string()).unwrap_or_default(),
        }
    }
}

/// The address of whoever asks: the peer's, or the one that trusted proxies name.
pub fn address(req: &HttpRequest) -> Option<IpAddr> {
    let peer = req.peer_addr()?.ip().to_canonical();
    let trusted = req.app_data::<Data<Site>>().map(|site| &site.trusted_proxies)?;
    // A part that is no text spoils no other.
    let told = req.headers().get_all(FORWARDED_FOR).map(|value| String::from_utf8_lossy(value.as_bytes()));
    Some(behind(peer, &told.collect::<Vec<_>>().join(","), trusted))
}

/// Whether somebody says that it asks for another.
pub fn is_forwarded(req: &HttpRequest) -> bool {
    [FORWARDED_FOR, header::FORWARDED, header::VIA].iter().any(|name| req.headers().contains_key(name))
}

/// The first address, from the last proxy on, that is not a trusted proxy's. What it says of others
/// may be made up, and so may be anything before what cannot be read.
fn behind(peer: IpAddr, forwarded_for: &str, trusted: &Networks) -> IpAddr {
    let mut known = peer;
    for part in forwarded_for.rsplit(',') {
        if !trusted.contain(known) {
            return known;
        }
        let Some(address) = read_address(part.trim()) else { return known };
        known = address;
    }
    known
}

/// An address, with or without brackets and port.
fn read_address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    let address = bare.parse().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()));
    address.map(|address: IpAddr| address.to_canonical())
}

/// The network that an address counts for: itself, or the 64 bits that one customer of IPv6 has.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64)).into(),
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn an_address_counts_for_its_network() {
        let network_of = |text| network(ip(text));
        assert_eq!(network_of("2001:db8::1"), network_of("2001:db8::ffff:1"));
        assert_ne!(network_of("2001:db8::1"), network_of("2001:db8:0:1::1"));
        assert_ne!(network_of("192.0.2.1"), network_of("192.0.2.2"));
    }

    #[test]
    fn only_trusted_proxies_are_believed_and_only_up_to_the_first_stranger() {
        let trusted: Networks = "10.0.0.0/8, 192.0.2.1, fd00::/8".parse().unwrap();
        let found = |peer: &str, told: &str| behind(ip(peer), told, &trusted).to_string();
        assert_eq!(found("203.0.113.9", "198.51.100.7"), "203.0.113.9");
        assert_eq!(found("10.0.0.1", "198.51.100.7"), "198.51.100.7");
        assert_eq!(found("10.0.0.1", "1.1.1.1, 198.51.100.7, 192.0.2.1"), "198.51.100.7");
        assert_eq!(found("10.0.0.1", "1.1.1.1,10.9.9.9"), "1.1.1.1");
        assert_eq!(found("10.0.0.1", "10.0.0.5"), "10.0.0.5");
        assert_eq!(found("10.0.0.1", ""), "10.0.0.1");
        assert_eq!(found("10.0.0.1", "1.1.1.1, unknown"), "10.0.0.1");
        assert_eq!(found("10.0.0.1", "198.51.100.7:4711"), "198.51.100.7");
        assert_eq!(found("fd00::1", "[2001:db8::7]:4711"), "2001:db8::7");
        assert_eq!(found("fd00::1", "[2001:db8::7]"), "2001:db8::7");
        assert_eq!(found("10.0.0.1", "::ffff:198.51.100.7"), "198.51.100.7");
    }
}
