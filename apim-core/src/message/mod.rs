//! A message: its head, and a body that stays a stream until someone asks.

mod builder;
mod formats;
mod formatter;
mod payload;
pub mod xml;

use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderValue, Request, request, response};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};

pub use builder::{ContentHead, MessageBuilder};
pub use formats::{Format, Formats, MediaType};
pub use formatter::MessageFormatter;
pub use payload::{ContentError, Custom, Payload};

use crate::body::{Body, Memory};
use crate::unwind;

/// A head that has headers: `request::Parts` or `response::Parts`.
pub trait Head: sealed::Sealed {
    /// Its headers.
    fn headers(&self) -> &HeaderMap;
    /// Its headers.
    fn headers_mut(&mut self) -> &mut HeaderMap;
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for http::request::Parts {}
    impl Sealed for http::response::Parts {}
}

impl Head for request::Parts {
    fn headers(&self) -> &HeaderMap {
        &self.headers
    }
    fn headers_mut(&mut self) -> &mut HeaderMap {
        &mut self.headers
    }
}

impl Head for response::Parts {
    fn headers(&self) -> &HeaderMap {
        &self.headers
    }
    fn headers_mut(&mut self) -> &mut HeaderMap {
        &mut self.headers
    }
}

/// A request or response, of which only the head has been read.
///
/// Untouched, it leaves byte for byte as it came. [`bytes`](Self::bytes) reads the body once, under a limit;
/// [`payload`](Self::payload) builds it once, by its media type; [`payload_mut`](Self::payload_mut) forgets
/// the bytes, and the payload is formatted again on its way out.
///
/// ```
/// use apim_core::message::{Formats, Message, Payload};
/// use http::{HeaderValue, Request, header::CONTENT_TYPE};
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let formats = Formats::default(); // knows no format: everything is binary
/// let (head, body) = Request::new("hello".into()).into_parts();
/// let mut message = Message::new(head, body);
/// assert_eq!(message.bytes(&formats).await.unwrap().as_ref(), b"hello");
/// assert!(matches!(message.payload(&formats).await.unwrap(), Payload::Binary(_)));
/// # });
/// ```
#[derive(Debug)]
pub struct Message<H> {
    head: H,
    content: Content,
}

#[derive(Debug)]
enum Content {
    Stream(Body),
    /// Read, and perhaps built, but not changed.
    Read(Bytes, Option<Box<Payload>>),
    /// Changed: the bytes are gone.
    Changed(Box<Payload>),
}

impl Content {
    fn of(body: Body) -> Self {
        match body.into_memory() {
            Ok(Memory::Bytes(bytes)) => Self::Read(bytes, None),
            Ok(Memory::Built(built)) => Self::Changed(Box::new(built.payload)),
            Err(stream) => Self::Stream(stream),
        }
    }

    fn into_body(self, head: &impl Head, formats: &Formats) -> Body {
        match self {
            Self::Stream(body) => body,
            Self::Read(bytes, _) => bytes.into(),
            Self::Changed(payload) => Body::built(*payload, formats.formatter(head.headers())),
        }
    }

    const fn nothing() -> Self {
        Self::Read(Bytes::new(), None)
    }

    /// What a body leaves behind that is being read: should that fail, or be given up, nobody must take
    /// the rest for the whole.
    fn lost() -> Self {
        Self::Stream(Body::lost())
    }
}

impl Message<request::Parts> {
    /// Takes it out, member by member, since it is large; one that says nothing stays.
    pub(crate) fn take(&mut self, formats: &Formats) -> Request<Body> {
        let mut request = Request::new(self.take_body(formats));
        *request.method_mut() = std::mem::take(&mut self.head.method);
        *request.uri_mut() = std::mem::take(&mut self.head.uri);
        *request.version_mut() = self.head.version;
        *request.headers_mut() = std::mem::take(&mut self.head.headers);
        *request.extensions_mut() = std::mem::take(&mut self.head.extensions);
        request
    }
}

impl Message<response::Parts> {
    /// One that says nothing.
    pub(crate) fn response() -> Self {
        Self { head: no_response(), content: Content::nothing() }
    }

    /// Takes the head off; an empty one stays.
    pub(crate) fn take_head(&mut self) -> response::Parts {
        std::mem::replace(&mut self.head, no_response())
    }
}

fn no_response() -> response::Parts {
    let (head, ()) = http::Response::new(()).into_parts();
    head
}

impl<H: Head> Message<H> {
    /// From a head and a body, which is not touched.
    pub fn new(head: H, body: Body) -> Self {
        Self { head, content: Content::of(body) }
    }

    /// The head.
    pub fn head(&self) -> &H {
        &self.head
    }

    /// The head.
    pub fn head_mut(&mut self) -> &mut H {
        &mut self.head
    }

    /// Whether the body is still a stream.
    pub fn is_stream(&self) -> bool {
        matches!(self.content, Content::Stream(_))
    }

    /// Wraps the body, which keeps streaming; how scanners and counters look on. A changed payload is
    /// wrapped as the bytes that it will be.
    pub fn map_body(&mut self, formats: &Formats, wrap: impl FnOnce(Body) -> Body) {
        let content = std::mem::replace(&mut self.content, Content::lost());
        self.content = Content::of(wrap(content.into_body(&self.head, formats)));
    }

    /// Replaces the body. The media type is the caller's to set; lengths are mended on the way out.
    pub fn set_body(&mut self, body: impl Into<Body>) {
        self.content = Content::of(body.into());
        self.resized();
    }

    /// Replaces the body with a payload and says of which media type it is.
    pub fn set_payload(&mut self, payload: Payload, media_type: HeaderValue) {
        self.head.headers_mut().insert(CONTENT_TYPE, media_type);
        self.content = Content::Changed(Box::new(payload));
        self.resized();
    }

    /// The body's bytes, read once.
    ///
    /// # Errors
    ///
    /// [`ContentError::TooLarge`] beyond [`Formats::limit`]; [`ContentError::Broken`] if the peer went away;
    /// [`ContentError::Upgraded`] for a message whose body never ends. A body that could not be read to its
    /// end is lost: it stays an error for whoever asks next, and for the backend.
    pub async fn bytes(&mut self, formats: &Formats) -> Result<&Bytes, ContentError> {
        self.read(formats).await?;
        self.write(formats)?;
        match &self.content {
            Content::Read(bytes, _) => Ok(bytes),
            Content::Stream(_) | Content::Changed(_) => Err(ContentError::Upgraded),
        }
    }

    /// The body as a payload, built once.
    ///
    /// # Errors
    ///
    /// As [`bytes`](Self::bytes), and [`ContentError::Malformed`] if it is not what its media type says.
    pub async fn payload(&mut self, formats: &Formats) -> Result<&Payload, ContentError> {
        self.build(formats).await?;
        match &self.content {
            Content::Read(_, Some(payload)) | Content::Changed(payload) => Ok(payload),
            Content::Read(_, None) | Content::Stream(_) => Err(ContentError::Upgraded),
        }
    }

    /// The body as a payload that may be changed; the original bytes are forgotten.
    ///
    /// # Errors
    ///
    /// As [`payload`](Self::payload).
    pub async fn payload_mut(&mut self, formats: &Formats) -> Result<&mut Payload, ContentError> {
        self.build(formats).await?;
        if let Content::Read(_, Some(_)) = &self.content
            && let Content::Read(_, Some(payload)) = std::mem::replace(&mut self.content, Content::lost())
        {
            self.content = Content::Changed(payload);
            self.resized();
        }
        match &mut self.content {
            Content::Changed(payload) => Ok(payload),
            Content::Read(..) | Content::Stream(_) => Err(ContentError::Upgraded),
        }
    }

    /// Formats a payload that was changed, so that a format that cannot hold it is an error here and not a
    /// broken body later.
    ///
    /// # Errors
    ///
    /// [`ContentError::Unsupported`].
    pub fn write(&mut self, formats: &Formats) -> Result<(), ContentError> {
        if let Content::Changed(payload) = &self.content {
            let mut out = BytesMut::new();
            let formatter = formats.formatter(self.head.headers());
            let media_type = unwind::call(|| formatter.format(payload, &mut out))??;
            settle_type(self.head.headers_mut(), media_type);
            self.content = Content::Read(out.freeze(), None);
            self.resized();
        }
        Ok(())
    }

    /// Takes it apart without formatting: a changed payload travels on in the body.
    pub fn into_parts(self, formats: &Formats) -> (H, Body) {
        let body = self.content.into_body(&self.head, formats);
        (self.head, body)
    }

    /// Takes the body out; an empty one stays.
    pub(crate) fn take_body(&mut self, formats: &Formats) -> Body {
        std::mem::replace(&mut self.content, Content::nothing()).into_body(&self.head, formats)
    }

    async fn read(&mut self, formats: &Formats) -> Result<(), ContentError> {
        let Content::Stream(body) = &mut self.content else { return Ok(()) };
        if is_endless(self.head.headers()) {
            return Err(ContentError::Upgraded);
        }
        let limit = formats.limit();
        let declared = http_body::Body::size_hint(body).lower();
        if declared > limit as u64 {
            return Err(ContentError::TooLarge { limit });
        }
        let body = std::mem::replace(body, Body::lost());
        match Limited::new(body, limit).collect().await {
            Ok(whole) => self.content = Content::Read(whole.to_bytes(), None),
            Err(error) if error.is::<LengthLimitError>() => return Err(ContentError::TooLarge { limit }),
            Err(error) => return Err(ContentError::Broken(error)),
        }
        // What was chunked has a length now.
        self.resized();
        Ok(())
    }

    async fn build(&mut self, formats: &Formats) -> Result<(), ContentError> {
        self.read(formats).await?;
        if let Content::Read(bytes, payload @ None) = &mut self.content {
            let head = ContentHead::of(self.head.headers());
            let builder = formats.builder(self.head.headers());
            *payload = Some(Box::new(unwind::call(|| builder.build(&head, bytes.clone()))??));
        }
        Ok(())
    }

    /// The body has another length than the head says.
    fn resized(&mut self) {
        let headers = self.head.headers_mut();
        headers.remove(CONTENT_LENGTH);
        headers.remove(TRANSFER_ENCODING);
    }
}

/// Says what was written. The formatter was chosen by the type that is there already, which may be more precise
/// than what the formatter knows, as `application/hal+json` is: that one stays, unless it names a charset in
/// which nothing is written any more.
fn settle_type(headers: &mut HeaderMap, written: HeaderValue) {
    let parse = |value: &HeaderValue| MediaType::parse(value.to_str().ok()?);
    let keeps = headers.get(CONTENT_TYPE).and_then(parse).is_some_and(|before| {
        let same = parse(&written).is_some_and(|written| written.essence() == before.essence());
        !same && matches!(before.charset(), None | Some("utf-8"))
    });
    if !keeps {
        headers.insert(CONTENT_TYPE, written);
    }
}

/// Whether the body is a conversation rather than a document.
fn is_endless(headers: &HeaderMap) -> bool {
    headers.contains_key(http::header::UPGRADE)
        || headers
            .get(CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .and_then(MediaType::parse)
            .is_some_and(|media_type| media_type.essence() == "text/event-stream")
}

// The compiler shows the next line to whoever writes `?` on an error of another type.
impl From<ContentError> for crate::Fault /* other errors: .fault(code)? of OrFault */ {
    fn from(error: ContentError) -> Self {
        use crate::fault;
        match error {
            ContentError::TooLarge { limit } => {
                Self::new(fault::BODY_TOO_LARGE).because(format!("The body is larger than {limit} bytes"))
            }
            ContentError::Malformed { .. } => Self::new(fault::MALFORMED_BODY).because(error.to_string()),
            ContentError::Unsupported { .. } => Self::new(fault::UNSUPPORTED_BODY).because(error.to_string()),
            ContentError::Broken(source) => {
                Self::new(fault::BAD_REQUEST).because("The body ended too early").caused_by(source)
            }
            ContentError::Upgraded => {
                Self::new(fault::UNSUPPORTED_BODY).because("A stream without an end has no payload").detail(
                    "a handler or mediator asked for the payload of an upgraded connection or event stream",
                )
            }
            ContentError::Panicked(panicked) => panicked.fault("a builder or formatter"),
        }
    }
}
