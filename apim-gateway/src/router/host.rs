//! The host a request is meant for, in canonical form.

use std::borrow::Cow;
use std::net::Ipv6Addr;

use http::uri::Scheme;

use super::Ambiguous;

/// A host name in lower case, without port and without the closing dot of an absolute name.
///
/// Borrows what is in lower case already, as nearly every client sends it.
#[derive(Clone, PartialEq, Eq)]
pub struct Host<'a>(Cow<'a, str>);

impl<'a> Host<'a> {
    /// Longest name of the domain name system (RFC 1035 section 2.3.4).
    pub const LONGEST: usize = 253;

    /// Reads an authority, as in a `Host` header.
    ///
    /// # Errors
    ///
    /// [`Ambiguous::Host`] if it has user information, a port that is no number, an empty label, or a
    /// character that names and addresses do not have.
    pub fn parse(authority: &'a str) -> Result<Self, Ambiguous> {
        let end = if authority.starts_with('[') { address(authority) } else { name(authority) };
        let (name, port) = authority.split_at(end.ok_or(Ambiguous::Host)?);
        let name = name.strip_suffix('.').unwrap_or(name);
        if !is_port(port) || name.len() > Self::LONGEST {
            return Err(Ambiguous::Host);
        }
        Ok(Self(match name.bytes().fold(false, |found, byte| found | byte.is_ascii_uppercase()) {
            true => Cow::Owned(name.to_ascii_lowercase()),
            false => Cow::Borrowed(name),
        }))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The host of a request: of its target if that names one, else of its `Host` header.
    ///
    /// # Errors
    ///
    /// [`Ambiguous`] if there are two, and they are not the same, or if one is malformed; also if the target
    /// has a scheme that is not HTTP's.
    pub fn of(head: &'a http::request::Parts) -> Result<Option<Self>, Ambiguous> {
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
            Some(header) if header != target => Err(Ambiguous::HostMismatch),
            _ => Ok(Some(target)),
        }
    }
}

/// Where a name ends, its closing dot included: where the authority does, or at the colon of the port.
fn name(authority: &str) -> Option<usize> {
    let bytes = authority.as_bytes();
    let end = memchr::memchr(b':', bytes).unwrap_or(bytes.len());
    let name = &bytes[..end];
    let known = name.iter().fold(true, |known, byte| known & IN_NAMES[usize::from(*byte)]);
    let empty_label =
        name.first().is_none_or(|first| *first == b'.') || name.windows(2).any(|pair| pair == b"..");
    (known && !empty_label).then_some(end)
}

/// Whether a byte may stand in a name.
const IN_NAMES: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 128 {
        table[byte] = matches!(byte as u8, b'-' | b'_' | b'.' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z');
        byte += 1;
    }
    table
};

/// Where an IPv6 address in brackets ends.
fn address(authority: &str) -> Option<usize> {
    let end = authority.find(']')?;
    let address = authority[1..end].parse::<Ipv6Addr>();
    address.is_ok().then_some(end + 1)
}

/// Whether what stands behind a name is nothing, or a port, or a port that was left out.
fn is_port(text: &str) -> bool {
    match text.strip_prefix(':') {
        Some(digits) => {
            digits.bytes().all(|byte| byte.is_ascii_digit())
                && (digits.is_empty() || digits.parse::<u16>().is_ok())
        }
        None => text.is_empty(),
    }
}

impl std::fmt::Debug for Host<'_> {
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
