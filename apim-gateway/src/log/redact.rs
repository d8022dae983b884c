//! Takes secrets out of queries and headers.

use std::io::{self, Write};

use http::{HeaderName, Uri};

/// Keys whose values are credentials, or as good as one.
const USUAL: [&str; 12] = [
    "apikey",
    "api_key",
    "access_token",
    "token",
    "id_token",
    "refresh_token",
    "code",
    "client_secret",
    "password",
    "secret",
    "signature",
    "sig",
];

/// Headers that carry credentials, beside those whose names end as below.
const HEADERS: [&str; 8] = [
    "authorization",
    "proxy-authorization",
    "cookie",
    "set-cookie",
    "apikey",
    "x-jwt-assertion",
    "authentication-info",
    "proxy-authentication-info",
];

/// How the names of headers end that carry credentials under a name of somebody's own.
const ENDINGS: [&str; 5] = ["token", "key", "secret", "password", "signature"];

/// Bytes of a target.
const LONGEST_TARGET: usize = 2048;

const REDACTED: &str = "[redacted]";

/// The keys of a query whose values are not written.
#[derive(Debug)]
pub(crate) struct Redact {
    keys: Vec<Box<str>>,
}

impl Default for Redact {
    fn default() -> Self {
        Self { keys: USUAL.map(Box::from).into() }
    }
}

impl Redact {
    pub(crate) fn also(&mut self, keys: impl IntoIterator<Item = String>) {
        self.keys.extend(keys.into_iter().map(|key| key.to_ascii_lowercase().into_boxed_str()));
    }

    /// Writes a query with the values of such keys replaced.
    pub(crate) fn query(&self, query: &str, out: &mut impl Write) -> io::Result<()> {
        let mut rest = query;
        loop {
            // Some backends read a semicolon as they read an ampersand (HTML 4.01, B.2.2).
            let end = rest.find(['&', ';']).unwrap_or(rest.len());
            let (pair, further) = rest.split_at(end);
            match pair.split_once('=') {
                Some((key, _)) if self.hides(key) => write!(out, "{key}={REDACTED}")?,
                _ => out.write_all(pair.as_bytes())?,
            }
            let Some(separator) = further.get(..1) else { return Ok(()) };
            out.write_all(separator.as_bytes())?;
            rest = &further[1..];
        }
    }

    /// A target with its query, cut after 2048 bytes.
    pub(crate) fn target(&self, uri: &Uri) -> String {
        let mut target = uri.path().as_bytes().to_vec();
        if let Some(query) = uri.query() {
            target.push(b'?');
            // Writing into memory does not fail.
            let _ = self.query(query, &mut target);
        }
        target.truncate(LONGEST_TARGET);
        String::from_utf8_lossy(&target).into_owned()
    }

    /// Whether the value of a header is a credential, or as good as one.
    pub(crate) fn hides_header(&self, name: &HeaderName) -> bool {
        let name = name.as_str();
        HEADERS.contains(&name)
            || ENDINGS.iter().any(|ending| name.ends_with(ending))
            || self.keys.iter().any(|key| **key == *name)
    }

    /// Whether a key, which may be percent-encoded, is one of those.
    fn hides(&self, key: &str) -> bool {
        self.keys.iter().any(|hidden| decoded(key.as_bytes()).eq(hidden.bytes()))
    }
}

/// The bytes of a key of a form, in small letters.
fn decoded(mut key: &[u8]) -> impl Iterator<Item = u8> {
    std::iter::from_fn(move || {
        let (byte, rest) = match key {
            [b'%', high, low, rest @ ..] => match (digit(*high), digit(*low)) {
                (Some(high), Some(low)) => (high << 4 | low, rest),
                _ => (b'%', &key[1..]),
            },
            [byte, rest @ ..] => (*byte, rest),
            [] => return None,
        };
        key = rest;
        Some(byte.to_ascii_lowercase())
    })
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn headers_that_carry_credentials_are_known_by_name_or_by_its_end() {
        let mut redact = Redact::default();
        redact.also(["X-Session".to_owned()]);
        for (name, hidden) in [
            ("authorization", true),
            ("set-cookie", true),
            ("x-api-key", true),
            ("x-amz-security-token", true),
            ("x-session", true),
            ("accept", false),
            ("content-type", false),
            ("x-token-count", false),
        ] {
            assert_eq!(redact.hides_header(&HeaderName::from_static(name)), hidden, "{name}");
        }
    }

    #[test]
    fn a_target_is_short_and_without_secrets() {
        let redact = Redact::default();
        assert_eq!(redact.target(&"/a?token=x&b=1".parse().unwrap()), "/a?token=[redacted]&b=1");
        let long = format!("/{}", "a".repeat(5000));
        assert_eq!(redact.target(&long.parse().unwrap()).len(), LONGEST_TARGET);
    }

    #[test]
    fn values_of_secret_keys_are_replaced_however_the_key_is_spelt() {
        let mut redact = Redact::default();
        redact.also(["Session".to_owned()]);
        let redacted = |query: &str| {
            let mut out = Vec::new();
            redact.query(query, &mut out).unwrap();
            String::from_utf8(out).unwrap()
        };
        assert_eq!(redacted("page=2&apikey=s3cret&x"), "page=2&apikey=[redacted]&x");
        assert_eq!(
            redacted("%41pi%4bey=s;ToKeN=t=u&session="),
            "%41pi%4bey=[redacted];ToKeN=[redacted]&session=[redacted]"
        );
        for kept in ["", "&", "&&=", "token", "tokens=3", "%=1&%4=2&%zz=3", "a=b;c"] {
            assert_eq!(redacted(kept), kept);
        }
    }
}
