//! API keys, ready to be checked.

use std::net::IpAddr;

use apim_core::BuildError;
use apim_core::Timestamp;
use apim_core::model::{ApiId, ApiKey, ApplicationId, KeyId, KeyType};
use aws_lc_rs::digest;
use ipnet::IpNet;

/// The SHA-256 of an API key: all that the gateway knows of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyDigest([u8; 32]);

impl KeyDigest {
    /// The digest of a key as a caller presents it.
    pub fn of(key: &[u8]) -> Self {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest::digest(&digest::SHA256, key).as_ref());
        Self(bytes)
    }

    fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0; 32];
        if text.len() != 64 || !text.is_ascii() {
            return None;
        }
        for (byte, digits) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
            let digit = |at: usize| char::from(digits[at]).to_digit(16);
            *byte = u8::try_from(digit(0)? * 16 + digit(1)?).ok()?;
        }
        Some(Self(bytes))
    }
}

/// An API key with its restrictions compiled.
#[derive(Debug)]
pub struct Key {
    /// Identifies it without being it.
    pub id: KeyId,
    /// The application it speaks for.
    pub application: ApplicationId,
    /// The one API it opens, if it does not open all that the application has subscribed to.
    pub api: Option<ApiId>,
    /// Which endpoint it leads to.
    pub key_type: KeyType,
    /// When it stops being good.
    pub expires_at: Option<Timestamp>,
    pub(super) digest: KeyDigest,
    networks: Vec<IpNet>,
    referers: Vec<String>,
}

impl Key {
    pub(super) fn new(key: &ApiKey) -> Result<Self, BuildError> {
        let digest = KeyDigest::parse(&key.hash)
            .ok_or_else(|| BuildError::at("hash", "64 hexadecimal digits are wanted"))?;
        let mut networks = Vec::with_capacity(key.permitted_ips.len());
        for (index, text) in key.permitted_ips.iter().enumerate() {
            let network = network(text.trim());
            networks.push(network.map_err(|error| BuildError::at(format!("permitted_ips[{index}]"), error))?);
        }
        Ok(Self {
            id: key.id.clone(),
            application: key.application.clone(),
            api: key.api.clone(),
            key_type: key.key_type,
            expires_at: key.expires_at,
            digest,
            networks,
            referers: key.permitted_referers.clone(),
        })
    }

    /// Whether it may be used from an address.
    pub fn permits_address(&self, address: IpAddr) -> bool {
        self.networks.is_empty() || self.networks.iter().any(|network| network.contains(&address))
    }

    /// Whether it may be used from a page. Where pages are restricted, having no `Referer` is no way in.
    pub fn permits_referer(&self, referer: Option<&str>) -> bool {
        self.referers.is_empty()
            || referer.is_some_and(|referer| self.referers.iter().any(|pattern| matches(pattern, referer)))
    }
}

/// A network in CIDR notation, or a single address.
pub(crate) fn network(text: &str) -> Result<IpNet, ipnet::AddrParseError> {
    match text.parse::<IpAddr>() {
        Ok(address) => Ok(IpNet::from(address.to_canonical())),
        Err(_) => text.parse(),
    }
}

/// Whether a text fits a pattern in which `*` stands for any run without spaces.
pub(crate) fn matches(pattern: &str, text: &str) -> bool {
    let mut pieces = pattern.split('*');
    let Some(first) = pieces.next() else { return false };
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let Some(last) = pieces.next_back() else { return rest.is_empty() };
    if text.contains(' ') {
        return false;
    }
    for piece in pieces {
        let Some(at) = rest.find(piece) else { return false };
        rest = &rest[at + piece.len()..];
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_run_without_spaces() {
        assert!(matches("https://shop.example/*", "https://shop.example/a/b"));
        assert!(matches("*.example", "https://shop.example"));
        assert!(matches("a*b*c", "a1b2c") && matches("a*", "a") && matches("x", "x"));
        assert!(!matches("https://shop.example/*", "https://evil.example/https://shop.example/"));
        assert!(!matches("a*b", "a b") && !matches("x", "xy") && !matches("a*a", "a") && !matches("", "a"));
    }

    #[test]
    fn digests_are_read_as_they_are_made() {
        let text = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
        assert_eq!(KeyDigest::parse(text), Some(KeyDigest::of(b"hello")));
        assert_eq!(KeyDigest::parse("2cf2"), None);
        assert_eq!(KeyDigest::parse(&"é".repeat(32)), None);
    }
}
