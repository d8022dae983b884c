//! The id that ties together what several services say about one call.
//!
//! The client may send one (WSO2's header is `activityid`); it is passed on to the backend and echoed to the
//! client as it came, if it is one: short, and of characters that no log has to escape. Otherwise the
//! request's own id takes its place, in the backend's request and in the gateway's own answers. A backend's
//! answer to a client that sent none gets none: unlike in the original, since a header more is an allocation
//! or two of each call. The request's id stays ours in any case: a client cannot choose by which record it is
//! found.

use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::rescue::REQUEST_ID;

/// WSO2's name for it.
pub const ACTIVITY_ID: HeaderName = HeaderName::from_static("activityid");

/// Bytes of an id. The longest in use are those of traces with a prefix.
const LONGEST: usize = 128;

/// Which header carries it.
#[derive(Debug, Clone)]
pub(crate) struct Correlation(Arc<HeaderName>);

impl Correlation {
    pub(crate) fn new(header: HeaderName) -> Self {
        Self(Arc::new(header))
    }

    pub(crate) fn header(&self) -> &HeaderName {
        &self.0
    }

    /// What the client sent, if it can be used.
    pub(crate) fn sent(&self, headers: &HeaderMap) -> Option<HeaderValue> {
        headers.get(&*self.0).filter(|value| is_sane(value.as_bytes())).cloned()
    }
}

/// A header that may carry the id, by its name.
///
/// # Errors
///
/// The reason why it may not: what others read must not be overwritten.
pub(crate) fn header(name: &str) -> Result<HeaderName, String> {
    use http::header as known;
    let name = HeaderName::try_from(name).map_err(|error| error.to_string())?;
    let taken = [
        known::AUTHORIZATION,
        known::CONNECTION,
        known::CONTENT_LENGTH,
        known::CONTENT_TYPE,
        known::COOKIE,
        known::HOST,
        known::LOCATION,
        known::SET_COOKIE,
        known::TE,
        known::TRAILER,
        known::TRANSFER_ENCODING,
        known::UPGRADE,
        REQUEST_ID,
    ];
    match taken.contains(&name) {
        true => Err(format!("`{name}` has another meaning")),
        false => Ok(name),
    }
}

/// Whether an id can stand in a log line, a header and a file's name alike.
fn is_sane(id: &[u8]) -> bool {
    let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._:/+=~@".contains(byte);
    (1..=LONGEST).contains(&id.len()) && id.iter().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_short_and_plain() {
        for good in ["a", "6b7e-11", "urn:uuid:6ba7b810-9dad-11d1-80b4-00c04fd430c8", &"x".repeat(128)] {
            assert!(is_sane(good.as_bytes()), "{good}");
        }
        for bad in ["", "a b", "a\"b", "a\\b", "a,b", "\u{e4}", "a\tb", "${x}", "<a>", &"x".repeat(129)] {
            assert!(!is_sane(bad.as_bytes()), "{bad}");
        }
    }

    #[test]
    fn no_header_with_a_meaning_can_be_taken() {
        assert_eq!(header("X-Correlation-ID"), Ok(HeaderName::from_static("x-correlation-id")));
        for bad in ["Authorization", "x-request-id", "Content-Length", "a b", ""] {
            assert!(header(bad).is_err(), "{bad}");
        }
    }
}
