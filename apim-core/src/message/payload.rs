//! A body that has been understood.

use std::any::Any;
use std::fmt;

use bytes::Bytes;

use super::xml::Document;
use crate::BoxError;
use crate::unwind::Panicked;

/// A body that has been understood, by its media type.
#[derive(Debug)]
#[non_exhaustive]
pub enum Payload {
    /// A JSON value (RFC 8259); members keep their order.
    Json(serde_json::Value),
    /// An XML document.
    Xml(Document),
    /// `application/x-www-form-urlencoded`: names and values, decoded, in order.
    Form(Vec<(String, String)>),
    /// Text, decoded.
    Text(String),
    /// Bytes that nobody looks into.
    Binary(Bytes),
    /// What a builder of another crate made; [`other`](Self::other) gets it back.
    Other(Box<dyn Custom>),
}

/// A payload of another crate's making: any type of its own. Whoever knows the type gets it back by
/// [`Payload::other`].
///
/// ```
/// use apim_core::Payload;
///
/// #[derive(Debug)]
/// struct Lines(Vec<String>);
///
/// let mut payload = Payload::Other(Box::new(Lines(vec!["one".into()])));
/// payload.other_mut::<Lines>().unwrap().0.push("two".into());
/// assert_eq!(payload.other::<Lines>().unwrap().0, ["one", "two"]);
/// assert!(payload.other::<String>().is_none());
/// ```
pub trait Custom: Any + fmt::Debug + Send + Sync {}

impl<T: Any + fmt::Debug + Send + Sync> Custom for T {}

/// Why a body could not be read, built or formatted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ContentError {
    /// It is larger than the limit, in bytes.
    #[error("the body is larger than {limit} bytes")]
    TooLarge {
        /// The limit.
        limit: usize,
    },
    /// It is not what its media type says.
    #[error("malformed {format} at {place}: {rule}")]
    Malformed {
        /// The format, as `JSON`.
        format: &'static str,
        /// Where, as `line 3 column 7`.
        place: String,
        /// What is wrong.
        rule: String,
    },
    /// A payload of this kind has no form in that format.
    #[error("{payload} cannot be written as {format}")]
    Unsupported {
        /// What it is.
        payload: &'static str,
        /// What it was to become.
        format: &'static str,
    },
    /// The peer went away.
    #[error("the body ended too early")]
    Broken(#[source] BoxError),
    /// The body is a conversation without an end.
    #[error("a stream without an end has no payload")]
    Upgraded,
    /// The builder or formatter panicked.
    #[error(transparent)]
    Panicked(#[from] Panicked),
}

impl Payload {
    /// What it is, for messages.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Json(_) => "JSON",
            Self::Xml(_) => "XML",
            Self::Form(_) => "a form",
            Self::Text(_) => "text",
            Self::Binary(_) => "binary data",
            Self::Other(_) => "a custom payload",
        }
    }

    /// What a builder of another crate made, if it is of this type.
    pub fn other<T: Custom>(&self) -> Option<&T> {
        // The content is asked for, since a box is `Any` as well, and of no type that anybody looks for.
        let Self::Other(other) = self else { return None };
        (&**other as &dyn Any).downcast_ref()
    }

    /// The same, to be changed.
    pub fn other_mut<T: Custom>(&mut self) -> Option<&mut T> {
        let Self::Other(other) = self else { return None };
        (&mut **other as &mut dyn Any).downcast_mut()
    }
}
