//! The PROXY protocol, versions 1 and 2: a balancer's word on whom a connection comes from
//! (HAProxy, "The PROXY protocol").
//!
//! It comes before everything else on a connection, TLS included, and only from peers that the listener was
//! told to trust; from them it must come. Nobody else's is read: his bytes are a request like any, and a bad
//! one. What the protocol carries beyond addresses is bounded and passed over.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::io::{AsyncRead, AsyncReadExt as _};

/// The longest line of version 1, its `\r\n` included.
const LONGEST_LINE: usize = 107;

/// The most that version 2 may say after its first 16 bytes: addresses, and a few extensions.
const LONGEST_REST: usize = 2048;

/// The shortest header there is: `PROXY UNKNOWN`, with its end.
const SHORTEST: usize = 15;

/// How version 2 begins.
const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";

/// What is known from the bytes so far.
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Parsed {
    /// At least so many more bytes belong to the header.
    More(usize),
    /// The header is whole.
    Whole {
        /// The client; none if the balancer speaks for itself, as when it checks our health.
        client: Option<SocketAddr>,
        /// Bytes of the header.
        length: usize,
    },
}

/// Bytes that are no header, or one that is longer than any that is needed.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("what the balancer sent is no PROXY header")]
pub struct Malformed;

/// Reads as much of a header as there is.
///
/// # Errors
///
/// [`Malformed`]; nothing may be made of the connection then.
///
/// ```
/// use apim_gateway::server::proxy::{Parsed, parse};
///
/// let header = b"PROXY TCP4 198.51.100.7 10.0.0.1 4711 443\r\n";
/// let client = Some(([198, 51, 100, 7], 4711).into());
/// assert_eq!(parse(header), Ok(Parsed::Whole { client, length: header.len() }));
/// assert!(parse(b"GET / HTTP/1.1\r\n").is_err());
/// ```
pub fn parse(bytes: &[u8]) -> Result<Parsed, Malformed> {
    if bytes.is_empty() {
        return Ok(Parsed::More(SHORTEST));
    }
    let begin = bytes.get(..SIGNATURE.len()).unwrap_or(bytes);
    if SIGNATURE.starts_with(begin) {
        return version_2(bytes);
    }
    let prefix = b"PROXY ";
    if prefix.starts_with(begin) || begin.starts_with(prefix) { version_1(bytes) } else { Err(Malformed) }
}

fn version_1(bytes: &[u8]) -> Result<Parsed, Malformed> {
    let longest = bytes.get(..LONGEST_LINE).unwrap_or(bytes);
    let Some(end) = memchr::memmem::find(longest, b"\r\n") else {
        if longest.len() == LONGEST_LINE || memchr::memchr(b'\n', longest).is_some() {
            return Err(Malformed);
        }
        return Ok(Parsed::More(if bytes.last() == Some(&b'\r') { 1 } else { 2 }));
    };
    let line = bytes.get(..end).and_then(|line| std::str::from_utf8(line).ok()).ok_or(Malformed)?;
    // Refused as it is while its end has not come: how the bytes arrive makes no difference.
    if line.contains('\n') {
        return Err(Malformed);
    }
    let length = end + 2;
    let mut words = line.split(' ').skip(1);
    let family = words.next().ok_or(Malformed)?;
    if family == "UNKNOWN" {
        return Ok(Parsed::Whole { client: None, length });
    }
    let mut next = || words.next().ok_or(Malformed);
    let (source, destination, port, destination_port) = (next()?, next()?, next()?, next()?);
    let client = match family {
        "TCP4" => (address::<Ipv4Addr>(source)?, address::<Ipv4Addr>(destination)?).0,
        "TCP6" => (address::<Ipv6Addr>(source)?, address::<Ipv6Addr>(destination)?).0,
        _ => return Err(Malformed),
    };
    let client = SocketAddr::new(client, self::port(port)?);
    self::port(destination_port)?;
    if words.next().is_some() {
        return Err(Malformed);
    }
    Ok(Parsed::Whole { client: Some(client), length })
}

fn address<A: std::str::FromStr + Into<IpAddr>>(text: &str) -> Result<IpAddr, Malformed> {
    text.parse::<A>().map(Into::into).map_err(|_| Malformed)
}

fn port(text: &str) -> Result<u16, Malformed> {
    let canonical = text == "0" || !text.starts_with('0');
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| canonical && digits).ok_or(Malformed)
}

fn version_2(bytes: &[u8]) -> Result<Parsed, Malformed> {
    let Some((head, rest)) = bytes.split_at_checked(16) else { return Ok(Parsed::More(16 - bytes.len())) };
    let [.., command, family, high, low] = *head else { return Err(Malformed) };
    let announced = usize::from(u16::from_be_bytes([high, low]));
    if announced > LONGEST_REST {
        return Err(Malformed);
    }
    let Some(rest) = rest.get(..announced) else { return Ok(Parsed::More(announced - rest.len())) };
    let client = match (command, family) {
        // LOCAL: the balancer speaks for itself, whatever it fills the rest with.
        (0x20, _) => None,
        // PROXY, over a family without addresses that we could use.
        (0x21, 0x00) => None,
        (0x21, 0x11) => Some(addresses::<4>(rest)?),
        (0x21, 0x21) => Some(addresses::<16>(rest)?),
        _ => return Err(Malformed),
    };
    Ok(Parsed::Whole { client, length: 16 + announced })
}

/// Source, destination, and their ports; extensions may follow.
fn addresses<const N: usize>(rest: &[u8]) -> Result<SocketAddr, Malformed>
where
    IpAddr: From<[u8; N]>,
{
    let source = rest.first_chunk::<N>().ok_or(Malformed)?;
    let port = rest.get(2 * N..2 * N + 2).ok_or(Malformed)?;
    rest.get(2 * N + 2..2 * N + 4).ok_or(Malformed)?;
    let port = port.iter().fold(0, |port, byte| port << 8 | u16::from(*byte));
    Ok(SocketAddr::new(IpAddr::from(*source), port))
}

/// Takes the header off a connection, and not a byte more. Answers the client it names.
pub(super) async fn take(io: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<SocketAddr>> {
    let mut bytes = Vec::with_capacity(64);
    loop {
        match parse(&bytes).map_err(io::Error::other)? {
            Parsed::Whole { client, .. } => return Ok(client),
            Parsed::More(count) => {
                let before = bytes.len();
                bytes.resize(before + count, 0);
                let fresh = bytes.get_mut(before..).unwrap_or_default();
                io.read_exact(fresh).await?;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn v2(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
        [&SIGNATURE[..], &[command, family], &length, rest].concat()
    }

    #[test]
    fn addresses_of_both_families_are_read_in_both_versions() {
        let four = [198, 51, 100, 7, 10, 0, 0, 1, 0x12, 0x67, 0x01, 0xbb];
        let six = [[0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7]; 2].concat();
        let six = [&six[..], &[0x12, 0x67, 0x01, 0xbb]].concat();
        for (header, expected) in [
            (b"PROXY TCP4 198.51.100.7 10.0.0.1 4711 443\r\n".to_vec(), Some("198.51.100.7:4711")),
            (b"PROXY TCP6 2001:db8::7 ::1 4711 443\r\n".to_vec(), Some("[2001:db8::7]:4711")),
            (b"PROXY UNKNOWN\r\n".to_vec(), None),
            (b"PROXY UNKNOWN ff00::1 ff00::2 1 2\r\n".to_vec(), None),
            (v2(0x21, 0x11, &four), Some("198.51.100.7:4711")),
            (v2(0x21, 0x11, &[&four[..], b"\x04\x00\x01x"].concat()), Some("198.51.100.7:4711")),
            (v2(0x21, 0x21, &six), Some("[2001:db8::7]:4711")),
            (v2(0x20, 0x00, b""), None),
            (v2(0x21, 0x00, b"anything"), None),
        ] {
            let client = expected.map(|text| text.parse().unwrap());
            assert_eq!(parse(&header), Ok(Parsed::Whole { client, length: header.len() }), "{header:?}");
            let more = [&header[..], b"GET"].concat();
            assert_eq!(parse(&more), Ok(Parsed::Whole { client, length: header.len() }));
            for end in 0..header.len() {
                let Ok(Parsed::More(count)) = parse(&header[..end]) else { panic!("{end} of {header:?}") };
                assert!(count > 0 && end + count <= header.len(), "{count} more after {end} of {header:?}");
            }
        }
    }

    #[test]
    fn what_is_no_header_is_refused() {
        let long = format!("PROXY UNKNOWN {}\r\n", "x".repeat(100));
        for line in [
            "GET / HTTP/1.1\r\n",
            "PROXY\r\n",
            "PROXY \r\n",
            "PROXY TCP4\r\n",
            "proxy TCP4 1.1.1.1 2.2.2.2 1 2\r\n",
            "PROXY TCP4 1.1.1.1 2.2.2.2 1\r\n",
            "PROXY TCP4 1.1.1.1 2.2.2.2 1 2 3\r\n",
            "PROXY TCP4 1.1.1.1  2.2.2.2 1 2\r\n",
            "PROXY TCP4 1.1.1.1 2.2.2.2 1 2 \r\n",
            "PROXY TCP4 1.1.1 2.2.2.2 1 2\r\n",
            "PROXY TCP4 ::1 2.2.2.2 1 2\r\n",
            "PROXY TCP4 1.1.1.1 ::1 1 2\r\n",
            "PROXY TCP6 1.1.1.1 2.2.2.2 1 2\r\n",
            "PROXY TCP4 1.1.1.1 2.2.2.2 65536 2\r\n",
            "PROXY TCP4 1.1.1.1 2.2.2.2 +1 2\r\n",
            "PROXY TCP4 1.1.1.1 2.2.2.2 01 2\r\n",
            "PROXY TCP4 1.1.1.1 2.2.2.2 1 2\n",
            "PROXY UNKNOWN a\nb\r\n",
            "PROXY UDP4 1.1.1.1 2.2.2.2 1 2\r\n",
            &long,
        ] {
            assert_eq!(parse(line.as_bytes()), Err(Malformed), "{line:?}");
        }
        for header in [
            v2(0x11, 0x11, &[0; 12]),
            v2(0x22, 0x11, &[0; 12]),
            v2(0x21, 0x11, &[0; 11]),
            v2(0x21, 0x21, &[0; 35]),
            v2(0x21, 0x12, &[0; 12]),
            v2(0x21, 0x31, &[0; 216]),
            v2(0x21, 0x11, &[0; LONGEST_REST + 1]),
        ] {
            assert_eq!(parse(&header), Err(Malformed), "{header:?}");
        }
    }
}
