//! Text, and bytes that nobody looks into.

use apim_core::message::{ContentError, ContentHead, MessageBuilder, MessageFormatter, Payload};
use bytes::{Bytes, BytesMut};
use http::HeaderValue;

/// Reads text in UTF-8, ASCII or ISO 8859-1, and writes it in UTF-8.
#[derive(Debug, Clone)]
pub struct Text {
    media_type: HeaderValue,
}

impl Text {
    /// For a media type, which what it writes will have.
    pub fn new(media_type: &'static str) -> Self {
        // A media type from our own code is a header value; with its charset it still is.
        let media_type = HeaderValue::from_str(&format!("{media_type}; charset=utf-8"))
            .unwrap_or_else(|_| HeaderValue::from_static("text/plain; charset=utf-8"));
        Self { media_type }
    }
}

impl MessageBuilder for Text {
    fn build(&self, head: &ContentHead, body: Bytes) -> Result<Payload, ContentError> {
        let charset = head.media_type.as_ref().and_then(|media_type| media_type.charset());
        decode("text", charset, &body).map(Payload::Text)
    }
}

impl MessageFormatter for Text {
    fn format(&self, payload: &Payload, out: &mut BytesMut) -> Result<HeaderValue, ContentError> {
        match payload {
            Payload::Text(text) => out.extend_from_slice(text.as_bytes()),
            other => return Err(ContentError::Unsupported { payload: other.kind(), format: "text" }),
        }
        Ok(self.media_type.clone())
    }
}

/// Keeps bytes as they are.
#[derive(Debug, Clone, Copy)]
pub struct Binary;

impl MessageBuilder for Binary {
    fn build(&self, _: &ContentHead, body: Bytes) -> Result<Payload, ContentError> {
        Ok(Payload::Binary(body))
    }
}

impl MessageFormatter for Binary {
    fn format(&self, payload: &Payload, out: &mut BytesMut) -> Result<HeaderValue, ContentError> {
        match payload {
            Payload::Binary(bytes) => out.extend_from_slice(bytes),
            Payload::Text(text) => out.extend_from_slice(text.as_bytes()),
            other => return Err(ContentError::Unsupported { payload: other.kind(), format: "binary data" }),
        }
        Ok(HeaderValue::from_static("application/octet-stream"))
    }
}

/// Bytes as text; a byte order mark is not part of it.
pub(super) fn decode(
    format: &'static str,
    charset: Option<&str>,
    body: &[u8],
) -> Result<String, ContentError> {
    match charset {
        None | Some("utf-8" | "utf8" | "us-ascii") => match std::str::from_utf8(body) {
            Ok(text) => Ok(text.strip_prefix('\u{feff}').unwrap_or(text).to_owned()),
            Err(error) => Err(ContentError::Malformed {
                format,
                place: format!("byte {}", error.valid_up_to()),
                rule: "not UTF-8".to_owned(),
            }),
        },
        Some("iso-8859-1" | "latin1") => Ok(body.iter().copied().map(char::from).collect()),
        Some(other) => Err(ContentError::Malformed {
            format,
            place: "the media type".to_owned(),
            rule: format!("the charset `{other}` is not supported"),
        }),
    }
}
