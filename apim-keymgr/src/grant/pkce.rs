//! Proof Key for Code Exchange (RFC 7636), method S256 only.

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::opaque;

/// What the client committed to when it asked for the code.
pub(crate) struct Challenge<'a>(pub(crate) &'a str);

impl<'a> Challenge<'a> {
    /// Reads a `code_challenge`: 32 bytes in base64url.
    pub(crate) fn parse(text: &'a str) -> Option<Self> {
        let hash = URL_SAFE_NO_PAD.decode(text).ok()?;
        (hash.len() == 32).then_some(Self(text))
    }

    /// Whether a verifier is the one that was committed to (RFC 7636 section 4.6).
    pub(crate) fn is_met_by(&self, verifier: &str) -> bool {
        let unreserved = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~');
        let well_formed = (43..=128).contains(&verifier.len()) && verifier.bytes().all(unreserved);
        let hash = URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, verifier.as_bytes()));
        well_formed && opaque::same(&hash, self.0)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::Challenge;

    #[test]
    fn the_example_of_rfc_7636_appendix_b_is_met() {
        let challenge = Challenge::parse("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM").unwrap();
        assert!(challenge.is_met_by("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"));
        assert!(!challenge.is_met_by("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXl"));
        assert!(!challenge.is_met_by("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"), "plain");
    }

    #[test]
    fn a_challenge_that_is_no_hash_is_refused() {
        for text in
            ["", "short", &"a".repeat(42), &"a".repeat(44), "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw+cM"]
        {
            assert!(Challenge::parse(text).is_none(), "{text}");
        }
    }
}
