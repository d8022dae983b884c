//! From a payload to bytes.

use bytes::BytesMut;
use http::HeaderValue;

use super::{ContentError, Payload};

/// Formats a payload as bytes.
///
/// Called once for each message whose payload was changed, by the media type in its head. A formatter may
/// accept payloads of another kind than its own; that is how a JSON payload leaves as XML. It must not
/// block.
///
/// ```
/// use apim_core::message::{ContentError, MessageFormatter, Payload};
/// use bytes::BytesMut;
/// use http::HeaderValue;
///
/// /// Writes text in capitals.
/// struct Shout;
///
/// impl MessageFormatter for Shout {
///     fn format(&self, payload: &Payload, out: &mut BytesMut) -> Result<HeaderValue, ContentError> {
///         let Payload::Text(text) = payload else {
///             return Err(ContentError::Unsupported { payload: payload.kind(), format: "shouting" });
///         };
///         out.extend_from_slice(text.to_uppercase().as_bytes());
///         Ok(HeaderValue::from_static("text/plain; charset=utf-8"))
///     }
/// }
/// ```
pub trait MessageFormatter: Send + Sync + 'static {
    /// Appends the payload to `out` and answers the `Content-Type` it now has.
    ///
    /// # Errors
    ///
    /// [`ContentError::Unsupported`] for a payload that has no form here.
    fn format(&self, payload: &Payload, out: &mut BytesMut) -> Result<HeaderValue, ContentError>;
}
