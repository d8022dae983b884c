//! XML 1.0 with namespaces, without document types.

mod chars;
mod names;
mod read;
mod write;

use apim_core::message::{ContentError, ContentHead, MessageBuilder, MessageFormatter, Payload};
use bytes::{Bytes, BytesMut};
use http::HeaderValue;

pub(super) use chars::{begins_name, continues_name, is_char};
pub(super) use names::resolve;
pub(super) use write::write;

use super::{convert, text};

/// Reads and writes XML.
///
/// A document type is refused, and with it every entity but the five that XML defines itself. What nests deeper
/// than [`DEPTH`](super::DEPTH) or holds more than [`COUNT`](super::COUNT) elements and attributes is refused
/// too. Comments and processing instructions are left out.
#[derive(Debug, Clone)]
pub struct Xml {
    media_type: HeaderValue,
}

impl Xml {
    /// For a media type, which what it writes will have.
    pub fn new(media_type: &'static str) -> Self {
        let media_type = HeaderValue::from_str(&format!("{media_type}; charset=utf-8"))
            .unwrap_or_else(|_| HeaderValue::from_static("application/xml; charset=utf-8"));
        Self { media_type }
    }
}

impl MessageBuilder for Xml {
    fn build(&self, head: &ContentHead, body: Bytes) -> Result<Payload, ContentError> {
        let charset = head.media_type.as_ref().and_then(|media_type| media_type.charset());
        let text = text::decode("XML", charset, &body)?;
        read::read(&text).map(Payload::Xml)
    }
}

impl MessageFormatter for Xml {
    fn format(&self, payload: &Payload, out: &mut BytesMut) -> Result<HeaderValue, ContentError> {
        let text = match payload {
            Payload::Xml(document) => write(document),
            Payload::Json(value) => write(&convert::json_to_xml(value)?),
            Payload::Form(pairs) => write(&convert::json_to_xml(&convert::form_to_json(pairs))?),
            other => return Err(ContentError::Unsupported { payload: other.kind(), format: "XML" }),
        };
        out.extend_from_slice(text.as_bytes());
        Ok(self.media_type.clone())
    }
}
