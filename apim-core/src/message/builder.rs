//! From bytes to a payload.

use bytes::Bytes;
use http::HeaderMap;
use http::header::CONTENT_TYPE;

use super::{ContentError, MediaType, Payload};

/// What the head says of the content.
#[derive(Debug, Clone, Default)]
pub struct ContentHead {
    /// The media type; none where the message has none, or a malformed one.
    pub media_type: Option<MediaType>,
}

impl ContentHead {
    /// From a message's headers.
    pub fn of(headers: &HeaderMap) -> Self {
        Self {
            media_type: headers.get(CONTENT_TYPE).and_then(|value| MediaType::parse(value.to_str().ok()?)),
        }
    }
}

/// Builds a payload from bytes.
///
/// Called at most once per message, and only when something asks for the payload; the bytes are all there
/// and within [`Formats::limit`](super::Formats::limit). It must not block, must not panic whatever the
/// bytes are, and bounds depth and count itself, since a small body can nest deeply.
///
/// ```
/// use apim_core::message::{ContentError, ContentHead, MessageBuilder, Payload};
/// use bytes::Bytes;
///
/// /// Comma-separated values, as rows of a JSON array.
/// struct Csv;
///
/// impl MessageBuilder for Csv {
///     fn build(&self, _: &ContentHead, body: Bytes) -> Result<Payload, ContentError> {
///         let text = std::str::from_utf8(&body).map_err(|error| ContentError::Malformed {
///             format: "CSV",
///             place: format!("byte {}", error.valid_up_to()),
///             rule: "not UTF-8".to_owned(),
///         })?;
///         let rows = text.lines().map(|line| line.split(',').collect::<Vec<_>>()).collect::<Vec<_>>();
///         Ok(Payload::Json(serde_json::json!(rows)))
///     }
/// }
/// # let built = Csv.build(&ContentHead::default(), Bytes::from_static(b"a,b\n1,2")).unwrap();
/// # assert!(matches!(built, Payload::Json(v) if v == serde_json::json!([["a","b"],["1","2"]])));
/// ```
pub trait MessageBuilder: Send + Sync + 'static {
    /// # Errors
    ///
    /// [`ContentError::Malformed`], naming the place and the rule.
    fn build(&self, head: &ContentHead, body: Bytes) -> Result<Payload, ContentError>;
}
