//! The host a request is meant for, in canonical form.

use http::uri::Scheme;

use super::Ambiguous;

/// A host name in lower case, without port and without the closing dot of an absolute name.
///
/// It is copied onto the stack, so that looking at it allocates nothing.
#[derive(Clone, Copy)]
pub struct Host {
    bytes: [u8; Host::LONGEST],
    length: u8,
}

impl Host {
    /// Longest name of the domain name system (RFC 1035 section 2.3.4).
    pub const LONGEST: usize = 253;

    /// Reads an authority, as in a `Host` header.
    ///
    /// # Errors
    ///
    /// [`Ambiguous::Host`] if it has user information, a port that is no number, an empty label, or a
    /// character that names and addresses do not have.
    pub fn parse(authority: &str) -> Result<Self, Ambiguous> {
        let (name, port) = match authority.rfind(']') {
            Some(end) => authority.split_at(end + 1),
            None => authority.split_at(authority.find(':').unwrap_or(authority.len())),
        };
        let digits = port.strip_prefix(':').unwrap_or(port);
        let port_is_good = port.is_empty()
            || port.starts_with(':')
                && digits.bytes().all(|b| b.is_ascii_digit())
                && (digits.is_empty() || digits.parse::<u16>().is_ok());
        let name = name.strip_suffix('.').unwrap_or(name);
        let name_is_good = if let Some(address) = name.strip_prefix('[') {
            let address = address.strip_suffix(']').unwrap_or_default();
            address.parse::<std::net::Ipv6Addr>().is_ok()
        } else {
            name.split('.').all(|label| {
                !label.is_empty()
                    && label.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
            })
        };
        if !port_is_good || !name_is_good || name.len() > Self::LONGEST {
            return Err(Ambiguous::Host);
        }
        let mut bytes = [0; Self::LONGEST];
        for (to, from) in bytes.iter_mut().zip(name.bytes()) {
            *to = from.to_ascii_lowercase();
        }
        Ok(Self { bytes, length: u8::try_from(name.len()).map_err(|_| Ambiguous::Host)? })
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        // Only ASCII was let in.
        std::str::from_utf8(&self.bytes[..usize::from(self.length)]).unwrap_or_default()
    }

    /// The host of a request: of its target if that names one, else of its `Host` header.
    ///
    /// # Errors
    ///
    /// [`Ambiguous`] if there are two, and they are not the same, or if one is malformed; also if the target
    /// has a scheme that is not HTTP's.
    pub fn of(head: &http::request::Parts) -> Result<Option<Self>, Ambiguous> {
        if head.uri.scheme().is_some_and(|scheme| *scheme != Scheme::HTTP && *scheme != Scheme::HTTPS) {
            return Err(Ambiguous::Target);
        }
        let mut headers = head.headers.get_all(http::header::HOST).iter();
        let header = match (headers.next(), headers.next()) {
            (_, Some(_)) => return Err(Ambiguous::HostMismatch),
            (Some(value), None) => Some(Self::parse(value.to_str().map_err(|_| Ambiguous::Host)?)?),
            (None, None) => None,
        };
        let Some(authority) = head.uri.authority() else { return Ok(header) };
        let target = Self::parse(authority.as_str())?;
        match header {
            Some(header) if header.as_str() != target.as_str() => Err(Ambiguous::HostMismatch),
            _ => Ok(Some(target)),
        }
    }
}

impl std::fmt::Debug for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Host({:?})", self.as_str())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn spellings_of_one_host_become_one() {
        for raw in ["shop.example", "SHOP.example", "shop.example.", "shop.example:8243", "Shop.Example.:80"]
        {
            assert_eq!(Host::parse(raw).unwrap().as_str(), "shop.example", "{raw}");
        }
        assert_eq!(Host::parse("[::1]:8280").unwrap().as_str(), "[::1]");
    }

    #[test]
    fn malformed_hosts_are_refused() {
        let long = "a.".repeat(140);
        for raw in [
            "",
            ".",
            "a..b",
            "a@b",
            "a b",
            "a:b",
            "a:1:2",
            "a:65536",
            "a:999999",
            "[::1",
            "[::1%25eth0]",
            "[x]",
            "a/b",
            "caf\u{e9}",
            &long,
        ] {
            assert!(Host::parse(raw).is_err(), "{raw:?}");
        }
    }

    #[test]
    fn two_hosts_are_one_too_many() {
        let head = |uri: &str, hosts: &[&str]| {
            let mut request = http::Request::builder().uri(uri);
            for host in hosts {
                request = request.header("host", *host);
            }
            request.body(()).unwrap().into_parts().0
        };
        assert!(Host::of(&head("/", &["a", "b"])).is_err());
        assert!(Host::of(&head("http://a/", &["b"])).is_err());
        assert_eq!(Host::of(&head("http://a/", &["A:80"])).unwrap().unwrap().as_str(), "a");
        assert!(Host::of(&head("/", &[])).unwrap().is_none());
    }

    #[test]
    fn a_target_of_another_scheme_is_no_target() {
        for (uri, is_good) in
            [("http://a/", true), ("HTTPS://a/", true), ("ftp://a/", false), ("://a/", false)]
        {
            let Ok(request) = http::Request::get(uri).body(()) else { continue };
            assert_eq!(Host::of(&request.into_parts().0).is_ok(), is_good, "{uri}");
        }
    }
}
