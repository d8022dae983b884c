//! Which builder and formatter serve which media type.

use std::fmt;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue};

use super::{ContentError, ContentHead, MessageBuilder, MessageFormatter, Payload};

/// A media type without its parameters, in lower case, and its charset (RFC 9110 section 8.3.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediaType {
    essence: String,
    charset: Option<String>,
}

impl MediaType {
    /// Reads the value of a `Content-Type` header.
    pub fn parse(value: &str) -> Option<Self> {
        let mut parts = value.split(';');
        let essence = parts.next()?.trim().to_ascii_lowercase();
        let (kind, subtype) = essence.split_once('/')?;
        if kind.is_empty() || subtype.is_empty() || subtype.contains('/') {
            return None;
        }
        let charset = parts.find_map(|part| {
            let (name, value) = part.split_once('=')?;
            name.trim()
                .eq_ignore_ascii_case("charset")
                .then(|| value.trim().trim_matches('"').to_ascii_lowercase())
        });
        Some(Self { essence, charset })
    }

    /// Type and subtype, as `application/json`.
    pub fn essence(&self) -> &str {
        &self.essence
    }

    /// The charset, if one is named.
    pub fn charset(&self) -> Option<&str> {
        self.charset.as_deref()
    }

    /// Whether it is what a pattern means: itself, or `+json` for all structured suffixes (RFC 6839).
    fn matches(&self, pattern: &str) -> bool {
        match pattern.strip_prefix('+') {
            Some(_) => self.essence.ends_with(pattern),
            None => self.essence == pattern,
        }
    }
}

/// A builder and a formatter, with the media types they are for: what a format crate provides.
///
/// ```
/// use apim_core::message::{ContentError, ContentHead, Format, Formats, MessageBuilder, MessageFormatter, Payload};
/// use bytes::{Bytes, BytesMut};
/// use http::HeaderValue;
///
/// /// Bytes back to front.
/// struct Mirrored;
///
/// impl MessageBuilder for Mirrored {
///     fn build(&self, _: &ContentHead, body: Bytes) -> Result<Payload, ContentError> {
///         Ok(Payload::Binary(body.iter().rev().copied().collect()))
///     }
/// }
///
/// impl MessageFormatter for Mirrored {
///     fn format(&self, payload: &Payload, out: &mut BytesMut) -> Result<HeaderValue, ContentError> {
///         let Payload::Binary(bytes) = payload else {
///             return Err(ContentError::Unsupported { payload: payload.kind(), format: "mirrored bytes" });
///         };
///         out.extend(bytes.iter().rev());
///         Ok(HeaderValue::from_static("application/x-mirrored"))
///     }
/// }
///
/// let formats = Formats::default().preferring(Format::new("application/x-mirrored", Mirrored).and("+mirrored"));
/// # let _ = formats;
/// ```
#[derive(Clone)]
pub struct Format {
    patterns: Vec<Arc<str>>,
    builder: Arc<dyn MessageBuilder>,
    formatter: Arc<dyn MessageFormatter>,
}

impl Format {
    /// For a media type, as `text/csv`, or for a structured suffix, as `+json`.
    pub fn new<F>(pattern: &str, format: F) -> Self
    where
        F: MessageBuilder + MessageFormatter,
    {
        let format = Arc::new(format);
        Self { patterns: vec![pattern.into()], builder: format.clone(), formatter: format }
    }

    /// Also for another.
    #[must_use]
    pub fn and(mut self, pattern: &str) -> Self {
        self.patterns.push(pattern.into());
        self
    }

    fn rows(&self) -> impl Iterator<Item = Row> {
        self.patterns.iter().map(|pattern| Row {
            pattern: pattern.clone(),
            builder: self.builder.clone(),
            formatter: self.formatter.clone(),
        })
    }
}

impl fmt::Debug for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Format").field(&self.patterns).finish()
    }
}

/// The builders and formatters of a gateway, by media type.
///
/// Cheap to clone. The default knows none: every body is binary, and leaves as it came.
#[derive(Clone)]
pub struct Formats {
    // None where there are none, so that a default costs no allocation: each context starts with one.
    rows: Option<Arc<[Row]>>,
    limit: usize,
}

#[derive(Clone)]
struct Row {
    pattern: Arc<str>,
    builder: Arc<dyn MessageBuilder>,
    formatter: Arc<dyn MessageFormatter>,
}

impl Default for Formats {
    fn default() -> Self {
        Self { rows: None, limit: Self::USUAL_LIMIT }
    }
}

impl fmt::Debug for Formats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.rows().iter().map(|row| &row.pattern)).finish()
    }
}

impl Formats {
    /// Bytes of a body that may be buffered, unless another limit is set: 10 MiB.
    pub const USUAL_LIMIT: usize = 10 << 20;

    /// Adds a format for a media type, as `application/json`, or for a structured suffix, as `+json`.
    /// Earlier ones win.
    #[must_use]
    pub fn with<F>(mut self, pattern: &str, format: F) -> Self
    where
        F: MessageBuilder + MessageFormatter,
    {
        self.rows = Some(self.rows().iter().cloned().chain(Format::new(pattern, format).rows()).collect());
        self
    }

    /// Adds a format in front of the others, so that it wins.
    #[must_use]
    pub fn preferring(mut self, format: Format) -> Self {
        self.rows = Some(format.rows().chain(self.rows().iter().cloned()).collect());
        self
    }

    /// Sets how many bytes of a body may be buffered.
    #[must_use]
    pub fn with_limit(mut self, bytes: usize) -> Self {
        self.limit = bytes;
        self
    }

    /// How many bytes of a body may be buffered.
    pub fn limit(&self) -> usize {
        self.limit
    }

    pub(crate) fn builder(&self, headers: &HeaderMap) -> &dyn MessageBuilder {
        self.row(headers).map_or(&Binary as &dyn MessageBuilder, |row| &*row.builder)
    }

    pub(crate) fn formatter(&self, headers: &HeaderMap) -> Arc<dyn MessageFormatter> {
        self.row(headers)
            .map_or_else(|| Arc::new(Binary) as Arc<dyn MessageFormatter>, |row| row.formatter.clone())
    }

    fn rows(&self) -> &[Row] {
        self.rows.as_deref().unwrap_or_default()
    }

    fn row(&self, headers: &HeaderMap) -> Option<&Row> {
        let media_type = MediaType::parse(headers.get(CONTENT_TYPE)?.to_str().ok()?)?;
        self.rows().iter().find(|row| media_type.matches(&row.pattern))
    }
}

/// For media types that nobody knows.
struct Binary;

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
            other => {
                return Err(ContentError::Unsupported {
                    payload: other.kind(),
                    format: "an unknown media type",
                });
            }
        }
        Ok(HeaderValue::from_static("application/octet-stream"))
    }
}
