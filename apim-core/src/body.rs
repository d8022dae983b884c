//! The body of a message: empty, whole, built, or one boxed stream.

use std::any::Any;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use http_body::{Frame, SizeHint};
use http_body_util::BodyExt as _;
use sync_wrapper::SyncWrapper;

use crate::BoxError;
use crate::message::{MessageFormatter, Payload};
use crate::unwind;

/// The body of a request or response.
///
/// `Default`, `Send` and `Sync`, so that any tower layer can carry it. A payload that was built inside the
/// chain travels in it unformatted; it becomes bytes when somebody polls.
#[derive(Default)]
pub struct Body(Kind);

#[derive(Default)]
enum Kind {
    #[default]
    Empty,
    Full(Bytes),
    Built(Box<Built>),
    Stream(Stream),
    Lost,
}

/// A payload with what turns it into bytes.
pub(crate) struct Built {
    pub(crate) payload: Payload,
    pub(crate) formatter: Arc<dyn MessageFormatter>,
}

struct Stream {
    // Never touched through `&self`, which is what makes the body `Sync` whatever the stream is.
    body: SyncWrapper<Pin<Box<dyn http_body::Body<Data = Bytes, Error = BoxError> + Send>>>,
    hint: SizeHint,
    ended: bool,
}

impl Body {
    /// No body at all.
    pub const fn empty() -> Self {
        Self(Kind::Empty)
    }

    /// Takes any body. One of this very type is taken as it is, and one that has ended is not boxed.
    pub fn new<B>(body: B) -> Self
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let mut body = Some(body);
        if let Some(same) = (&mut body as &mut dyn Any).downcast_mut::<Option<Self>>() {
            return same.take().unwrap_or_default();
        }
        match body {
            Some(body) if !body.is_end_stream() => {
                let hint = body.size_hint();
                let body = SyncWrapper::new(Box::pin(body.map_err(Into::into)) as Pin<Box<_>>);
                Self(Kind::Stream(Stream { body, hint, ended: false }))
            }
            _ => Self::empty(),
        }
    }

    pub(crate) fn built(payload: Payload, formatter: Arc<dyn MessageFormatter>) -> Self {
        Self(Kind::Built(Box::new(Built { payload, formatter })))
    }

    /// What is left of a body that somebody began to read and did not finish: an error.
    pub(crate) const fn lost() -> Self {
        Self(Kind::Lost)
    }

    /// Whether it is still a stream, which can be read only once.
    pub fn is_stream(&self) -> bool {
        matches!(self.0, Kind::Stream(_) | Kind::Lost)
    }

    /// The same once more, if all of it is in memory as bytes already, and they are not more than so many.
    pub fn replay(&self, limit: usize) -> Option<Self> {
        match &self.0 {
            Kind::Empty => Some(Self::empty()),
            Kind::Full(bytes) if bytes.len() <= limit => Some(bytes.clone().into()),
            _ => None,
        }
    }

    /// Takes what is in memory already.
    pub(crate) fn into_memory(self) -> Result<Memory, Self> {
        match self.0 {
            Kind::Empty => Ok(Memory::Bytes(Bytes::new())),
            Kind::Full(bytes) => Ok(Memory::Bytes(bytes)),
            Kind::Built(built) => Ok(Memory::Built(built)),
            Kind::Stream(_) | Kind::Lost => Err(self),
        }
    }
}

impl Kind {
    /// All its bytes at once, for those that are no stream.
    fn whole(self) -> Result<Option<Bytes>, BoxError> {
        match self {
            Self::Full(bytes) => Ok(Some(bytes)),
            Self::Built(built) => {
                let mut out = BytesMut::new();
                unwind::call(|| built.formatter.format(&built.payload, &mut out))??;
                Ok(Some(out.freeze()))
            }
            Self::Lost => Err("the body was read in part and given up".into()),
            Self::Empty | Self::Stream(_) => Ok(None),
        }
    }
}

pub(crate) enum Memory {
    Bytes(Bytes),
    Built(Box<Built>),
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Empty => f.write_str("Body(empty)"),
            Kind::Full(bytes) => write!(f, "Body({} bytes)", bytes.len()),
            Kind::Built(_) => f.write_str("Body(payload)"),
            Kind::Stream(_) => f.write_str("Body(stream)"),
            Kind::Lost => f.write_str("Body(lost)"),
        }
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Self(if bytes.is_empty() { Kind::Empty } else { Kind::Full(bytes) })
    }
}

impl From<String> for Body {
    fn from(text: String) -> Self {
        Bytes::from(text).into()
    }
}

impl From<&'static str> for Body {
    fn from(text: &'static str) -> Self {
        Bytes::from_static(text.as_bytes()).into()
    }
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Self {
        Bytes::from(bytes).into()
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match &mut self.0 {
            Kind::Stream(stream) => {
                if stream.ended {
                    return Poll::Ready(None);
                }
                let frame = stream.body.get_mut().as_mut().poll_frame(cx);
                let body = stream.body.get_mut();
                stream.hint = body.size_hint();
                stream.ended = matches!(frame, Poll::Ready(None)) || body.is_end_stream();
                frame
            }
            whole => {
                Poll::Ready(std::mem::take(whole).whole().transpose().map(|bytes| bytes.map(Frame::data)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Kind::Empty => true,
            Kind::Full(_) | Kind::Built(_) | Kind::Lost => false,
            Kind::Stream(stream) => stream.ended,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Empty => SizeHint::with_exact(0),
            Kind::Full(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Kind::Built(_) | Kind::Lost => SizeHint::default(),
            Kind::Stream(stream) => stream.hint,
        }
    }
}
