//! Which peers may say who their client is.

use std::net::IpAddr;
use std::sync::Arc;

use apim_core::Peer;
use http::{HeaderMap, HeaderName};
use ipnet::IpNet;

const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Trusted proxies, by network.
#[derive(Debug, Clone, Default)]
pub struct Proxies(Arc<[IpNet]>);

impl Proxies {
    /// These and no others.
    pub fn new(networks: Vec<IpNet>) -> Self {
        Self(networks.into())
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address))
    }

    /// Whether the client's connection is encrypted: the peer's own, or what a trusted proxy says of its.
    pub fn is_secure(&self, peer: Peer, headers: &HeaderMap) -> bool {
        peer.tls
            || !self.0.is_empty()
                && self.trusts(peer.address.ip().to_canonical())
                && headers.get(FORWARDED_PROTO).is_some_and(|scheme| scheme.as_bytes() == b"https")
    }

    /// The client behind a peer. A trusted proxy appends its own peer to `X-Forwarded-For`, so the list is
    /// read from its end as far as the proxies that are trusted; what lies before was written by whoever.
    pub fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        if self.0.is_empty() || !self.trusts(peer) {
            return peer;
        }
        let mut client = peer;
        let lines = headers.get_all(FORWARDED_FOR).iter().rev();
        for hop in lines.flat_map(|line| line.to_str().unwrap_or("?").rsplit(',')) {
            let Some(address) = address(hop.trim()) else { break };
            client = address;
            if !self.trusts(client) {
                break;
            }
        }
        client
    }
}

/// An address, perhaps with a port, as some balancers write it.
fn address(text: &str) -> Option<IpAddr> {
    let plain = text.parse::<IpAddr>().ok();
    let address = plain.or_else(|| Some(text.parse::<std::net::SocketAddr>().ok()?.ip()))?;
    Some(address.to_canonical())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn client(peer: &str, lines: &[&'static str]) -> String {
        let proxies = Proxies::new(vec!["10.0.0.0/8".parse().unwrap(), "::1/128".parse().unwrap()]);
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(FORWARDED_FOR, line.parse().unwrap());
        }
        proxies.client(peer.parse().unwrap(), &headers).to_string()
    }

    #[test]
    fn only_trusted_proxies_are_believed_and_only_as_far_as_they_are_trusted() {
        assert_eq!(client("203.0.113.1", &["1.1.1.1"]), "203.0.113.1");
        assert_eq!(client("10.0.0.1", &[]), "10.0.0.1");
        assert_eq!(client("10.0.0.1", &["198.51.100.7"]), "198.51.100.7");
        assert_eq!(client("10.0.0.1", &["1.1.1.1, 198.51.100.7, 10.0.0.2"]), "198.51.100.7");
        assert_eq!(client("10.0.0.1", &["1.1.1.1", "198.51.100.7:4711"]), "198.51.100.7");
        assert_eq!(client("10.0.0.1", &["198.51.100.7, unknown"]), "10.0.0.1");
        assert_eq!(client("::1", &["::ffff:198.51.100.7"]), "198.51.100.7");
    }
}
