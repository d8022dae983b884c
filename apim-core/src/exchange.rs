//! A request on its way in, its answer on the way out, and what is known of both.

use std::any::Any;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use http::{
    Extensions, HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri, request, response,
};
use serde::{Serialize, Serializer};

use crate::analytics::Outcome;
use crate::body::Body;
use crate::clock::Timestamp;
use crate::fault::{Fault, Rescue};
use crate::key_manager::Claims;
use crate::message::{ContentError, Formats, Message, Payload};
use crate::model::{Api, Application, ClientId, KeyType, Operation, Subscription, UserName};
use crate::unwind;
use crate::worker::Worker;

/// What there is of one call: it moves as one pointer from the server through all links to the backend and back.
#[derive(Debug)]
struct Call {
    context: Context,
    request: Message<request::Parts>,
    response: Message<response::Parts>,
}

impl Call {
    #[inline(always)]
    fn new(head: request::Parts, body: Body, context: Context) -> Box<Self> {
        // A kilobyte, which is put together where it stays: `Box::new` would first have it on the stack.
        let place = Box::new_uninit();
        Box::write(place, Self { context, request: Message::new(head, body), response: Message::response() })
    }
}

/// A request with its context: what handlers see before the backend.
///
/// Small, and cheap to move: all of it is in one box, which the [`Answer`] takes over.
#[derive(Debug)]
pub struct Exchange(Box<Call>);

impl Exchange {
    /// From a request and its context.
    pub fn new(request: Request<Body>, context: Context) -> Self {
        let (head, body) = request.into_parts();
        Self(Call::new(head, body, context))
    }

    /// From a request that has just arrived and is taken out of its place: with a [new](Context::new) context.
    pub fn begin(
        request: &mut Request<Body>,
        request_id: RequestId,
        peer: Peer,
        received_at: Timestamp,
    ) -> Self {
        let (head, body) = std::mem::take(request).into_parts();
        let context = Context::new(request_id, peer, received_at, &head);
        Self(Call::new(head, body, context))
    }

    /// The method towards the backend. The client's own is [`Context::method`].
    pub fn method(&self) -> &Method {
        &self.0.request.head().method
    }

    /// The target towards the backend. The client's own is [`Context::uri`].
    pub fn uri(&self) -> &Uri {
        &self.0.request.head().uri
    }

    /// Request headers.
    pub fn headers(&self) -> &HeaderMap {
        &self.0.request.head().headers
    }

    /// Request headers.
    pub fn headers_mut(&mut self) -> &mut HeaderMap {
        &mut self.head_mut().headers
    }

    /// The whole head.
    pub fn head_mut(&mut self) -> &mut request::Parts {
        self.0.request.head_mut()
    }

    /// What is known of this request.
    pub fn context(&self) -> &Context {
        &self.0.context
    }

    /// What is known of this request.
    pub fn context_mut(&mut self) -> &mut Context {
        &mut self.0.context
    }

    /// Head and context at once, for those who write one from the other.
    pub fn split_mut(&mut self) -> (&mut request::Parts, &mut Context) {
        let Call { context, request, .. } = &mut *self.0;
        (request.head_mut(), context)
    }

    /// The message, for those who replace its body.
    pub fn message_mut(&mut self) -> &mut Message<request::Parts> {
        &mut self.0.request
    }

    /// See [`Message::map_body`].
    pub fn map_body(&mut self, wrap: impl FnOnce(Body) -> Body) {
        let Call { context, request, .. } = &mut *self.0;
        request.map_body(&context.formats, wrap);
    }

    /// See [`Message::bytes`].
    pub async fn bytes(&mut self) -> Result<&Bytes, ContentError> {
        let Call { context, request, .. } = &mut *self.0;
        request.bytes(&context.formats).await
    }

    /// See [`Message::payload`].
    pub async fn payload(&mut self) -> Result<&Payload, ContentError> {
        let Call { context, request, .. } = &mut *self.0;
        request.payload(&context.formats).await
    }

    /// See [`Message::payload_mut`].
    pub async fn payload_mut(&mut self) -> Result<&mut Payload, ContentError> {
        let Call { context, request, .. } = &mut *self.0;
        request.payload_mut(&context.formats).await
    }

    /// See [`Message::write`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn write(&mut self) -> Result<(), ContentError> {
        let Call { context, request, .. } = &mut *self.0;
        request.write(&context.formats)
    }

    /// Takes the request out, for a backend that passes it on; an empty one stays. A payload that was changed and
    /// not [written](Self::write) travels in its body.
    pub fn take_request(&mut self) -> Request<Body> {
        let Call { context, request, .. } = &mut *self.0;
        request.take(&context.formats)
    }

    /// Puts a request in place of the one that is there, or was taken out.
    pub fn put_request(&mut self, request: Request<Body>) {
        let (head, body) = request.into_parts();
        self.0.request = Message::new(head, body);
    }

    /// Ends it with a response.
    pub fn answer(mut self, response: Response<Body>) -> Answer {
        let (head, body) = response.into_parts();
        self.0.response = Message::new(head, body);
        Answer(self.0)
    }

    /// Ends it with the response to a fault.
    pub fn fail(self, fault: Fault, rescue: &dyn Rescue) -> Answer {
        let mut answer = Answer(self.0);
        answer.fail(fault, rescue);
        answer
    }
}

/// A response with its context: what handlers see after the backend.
///
/// Small, and cheap to move, as an [`Exchange`] is.
#[derive(Debug)]
pub struct Answer(Box<Call>);

impl Answer {
    /// The status.
    pub fn status(&self) -> StatusCode {
        self.head().status
    }

    /// Response headers.
    pub fn headers(&self) -> &HeaderMap {
        &self.head().headers
    }

    /// Response headers.
    pub fn headers_mut(&mut self) -> &mut HeaderMap {
        &mut self.head_mut().headers
    }

    /// The whole head.
    pub fn head(&self) -> &response::Parts {
        self.0.response.head()
    }

    /// The whole head.
    pub fn head_mut(&mut self) -> &mut response::Parts {
        self.0.response.head_mut()
    }

    /// What is known of this request.
    pub fn context(&self) -> &Context {
        &self.0.context
    }

    /// What is known of this request.
    pub fn context_mut(&mut self) -> &mut Context {
        &mut self.0.context
    }

    /// Head and context at once, for handlers that write one from the other.
    pub fn split_mut(&mut self) -> (&mut response::Parts, &mut Context) {
        let Call { context, response, .. } = &mut *self.0;
        (response.head_mut(), context)
    }

    /// The message, for those who replace its body.
    pub fn message_mut(&mut self) -> &mut Message<response::Parts> {
        &mut self.0.response
    }

    /// See [`Message::map_body`].
    pub fn map_body(&mut self, wrap: impl FnOnce(Body) -> Body) {
        let Call { context, response, .. } = &mut *self.0;
        response.map_body(&context.formats, wrap);
    }

    /// See [`Message::bytes`].
    pub async fn bytes(&mut self) -> Result<&Bytes, ContentError> {
        let Call { context, response, .. } = &mut *self.0;
        response.bytes(&context.formats).await
    }

    /// See [`Message::payload`].
    pub async fn payload(&mut self) -> Result<&Payload, ContentError> {
        let Call { context, response, .. } = &mut *self.0;
        response.payload(&context.formats).await
    }

    /// See [`Message::payload_mut`].
    pub async fn payload_mut(&mut self) -> Result<&mut Payload, ContentError> {
        let Call { context, response, .. } = &mut *self.0;
        response.payload_mut(&context.formats).await
    }

    /// Replaces the response by the one for a fault, and remembers the fault in the context.
    pub fn fail(&mut self, fault: Fault, rescue: &dyn Rescue) {
        let (head, body) = rescue.rescue(&fault, &self.0.context).into_parts();
        self.0.response = Message::new(head, body);
        self.0.context.fault = Some(Arc::new(fault));
    }

    /// See [`Message::write`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn write(&mut self) -> Result<(), ContentError> {
        let Call { context, response, .. } = &mut *self.0;
        response.write(&context.formats)
    }

    /// Takes the head off, for those who need it by itself; an empty one stays.
    pub fn take_head(&mut self) -> response::Parts {
        self.0.response.take_head()
    }

    /// Takes the body out, for whoever sends it; an empty one stays. A payload that was changed and not
    /// [written](Self::write) travels in it.
    pub fn take_body(&mut self) -> Body {
        let Call { context, response, .. } = &mut *self.0;
        response.take_body(&context.formats)
    }

    /// Takes it apart. A payload that was changed and not [written](Self::write) travels in the body.
    pub fn into_parts(self) -> (Response<Body>, Context) {
        let Call { context, response, .. } = *self.0;
        let (head, body) = response.into_parts(&context.formats);
        (Response::from_parts(head, body), context)
    }
}

/// The client's end of the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    /// The socket's address.
    pub address: SocketAddr,
    /// Whether the connection is encrypted.
    pub tls: bool,
}

/// Identifies a request in logs, answers and the backend's logs.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct RequestId(pub u128);

impl RequestId {
    /// Its 32 hexadecimal digits, as everybody writes it.
    pub fn digits(self) -> [u8; 32] {
        let mut text = [0; 32];
        for (pair, byte) in text.chunks_exact_mut(2).zip(self.0.to_be_bytes()) {
            pair.copy_from_slice(&HEXADECIMAL[usize::from(byte)]);
        }
        text
    }
}

/// The two digits of every byte.
const HEXADECIMAL: [[u8; 2]; 256] = {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut table = [[0; 2]; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = [DIGITS[byte >> 4], DIGITS[byte & 15]];
        byte += 1;
    }
    table
};

impl Serialize for RequestId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // Digits are ASCII, so there is always a text.
        serializer.serialize_str(std::str::from_utf8(&self.digits()).unwrap_or_default())
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(std::str::from_utf8(&self.digits()).unwrap_or_default())
    }
}

/// Thirty-two hexadecimal digits, as it prints.
impl FromStr for RequestId {
    type Err = InvalidRequestId;

    fn from_str(text: &str) -> Result<Self, InvalidRequestId> {
        // A sign is a number's to Rust, and not an id's to us.
        if text.len() != 32 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(InvalidRequestId);
        }
        u128::from_str_radix(text, 16).map(Self).map_err(|_| InvalidRequestId)
    }
}

/// A text that is no [`RequestId`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a request id has 32 hexadecimal digits")]
pub struct InvalidRequestId;

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Who calls, once that is known.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Principal {
    /// The user on whose behalf; for application tokens the owner, for anonymous calls `anonymous`.
    pub user: UserName,
    /// The OAuth client, if the call came with a token.
    pub client: Option<ClientId>,
    /// What the token says, if the call came with one.
    pub claims: Option<Arc<Claims>>,
    /// The application it speaks for, once the subscription has been checked.
    pub application: Option<Arc<Application>>,
    /// The subscription that allows the call, once it has been checked.
    pub subscription: Option<Arc<Subscription>>,
    /// Which endpoint it leads to.
    pub key_type: KeyType,
}

impl Principal {
    /// A user of whom nothing else is known yet.
    pub fn new(user: UserName) -> Self {
        Self {
            user,
            client: None,
            claims: None,
            application: None,
            subscription: None,
            key_type: KeyType::Production,
        }
    }
}

/// What is known of a request, from its first byte to its last.
///
/// Handlers read and write the plain fields; what handlers of other crates want to
/// keep goes into [`slots`](Self::slots), by type. Cloning copies everything but the duty to report the
/// request's end: that stays with the original, and is done when the original is dropped.
#[non_exhaustive]
pub struct Context {
    /// Identifies the request.
    pub request_id: RequestId,
    /// What ties this call to those of other services: the client's own id. Without one the request's is meant.
    pub correlation_id: Option<HeaderValue>,
    /// The client's end of the connection.
    pub peer: Peer,
    /// The client's address: the peer's, or what a trusted proxy says it is. `0.0.0.0` where whoever embeds the gateway
    /// has told of no peer: all callers share it then.
    pub client_ip: IpAddr,
    /// Which worker handles it.
    pub worker: Worker,
    /// When its head had been read, by the injected clock.
    pub received_at: Timestamp,
    /// The same moment, for measuring durations.
    pub started: Instant,
    /// The client's method.
    pub method: Method,
    /// The client's target, with its path normalised: the API's context and version, then the operation's path.
    pub uri: Uri,
    /// The client's `User-Agent`.
    pub user_agent: Option<HeaderValue>,
    /// The API, once routed.
    pub api: Option<Arc<Api>>,
    /// The index of the operation in the API, once routed.
    pub operation: Option<u32>,
    /// Who calls, once authenticated.
    pub principal: Option<Principal>,
    /// Builders and formatters.
    pub formats: Formats,
    /// When the request was handed to the backend.
    pub backend_started: Option<Instant>,
    /// When the head of the backend's response had been read.
    pub backend_ended: Option<Instant>,
    /// The backend's status.
    pub backend_status: Option<StatusCode>,
    /// The backend's address, as text.
    pub destination: Option<Arc<str>>,
    /// The stage that answered instead of the backend: a link by its name, or the gateway's own `router`,
    /// `upstream` or `origin`.
    pub answered_by: Option<&'static str>,
    /// Why the request failed, if it did.
    pub fault: Option<Arc<Fault>>,
    /// What handlers keep, by type.
    pub slots: Extensions,
    /// The final status, once the answer leaves.
    pub status: Option<StatusCode>,
    /// The answer's media type, if somebody on its way has kept it here, as analytics does.
    pub content_type: Option<HeaderValue>,
    /// Bytes of the answer's body that have left so far.
    pub sent: u64,
    /// Whether the answer's body left whole.
    pub finished: bool,
    pinned: Option<Arc<dyn Any + Send + Sync>>,
    completion: Option<Arc<dyn Completion>>,
    /// Whether this is the original, whose end is the request's.
    reports: bool,
}

/// Learns of each request's end.
pub trait Completion: Any + Send + Sync {
    /// Called once per request, from wherever it ended; must not block.
    fn complete(&self, outcome: &Outcome<'_>);
}

impl Context {
    /// The context of a request that has just arrived.
    #[inline]
    pub fn new(request_id: RequestId, peer: Peer, received_at: Timestamp, head: &request::Parts) -> Self {
        Self {
            request_id,
            correlation_id: None,
            peer,
            client_ip: peer.address.ip().to_canonical(),
            worker: Worker(0),
            received_at,
            started: Instant::now(),
            method: head.method.clone(),
            uri: head.uri.clone(),
            user_agent: head.headers.get(http::header::USER_AGENT).cloned(),
            api: None,
            operation: None,
            principal: None,
            formats: Formats::default(),
            backend_started: None,
            backend_ended: None,
            backend_status: None,
            destination: None,
            answered_by: None,
            fault: None,
            slots: Extensions::new(),
            status: None,
            content_type: None,
            sent: 0,
            finished: false,
            pinned: None,
            completion: None,
            reports: true,
        }
    }

    /// The operation that was routed to.
    pub fn operation(&self) -> Option<&Operation> {
        self.api.as_ref()?.operations.get(self.operation? as usize)
    }

    /// Which endpoint the call leads to.
    pub fn key_type(&self) -> KeyType {
        self.principal.as_ref().map_or(KeyType::Production, |principal| principal.key_type)
    }

    /// Keeps what the gateway must hold on to until the request ends, as the state it was routed by.
    pub fn pin(&mut self, state: Arc<dyn Any + Send + Sync>) {
        self.pinned = Some(state);
    }

    /// What was pinned, if it is of that type.
    pub fn pinned<T: Any>(&self) -> Option<&T> {
        self.pinned.as_deref()?.downcast_ref()
    }

    /// Says who is to learn of the request's end.
    pub fn on_completion(&mut self, completion: Arc<dyn Completion>) {
        self.completion = Some(completion);
    }

    /// Who is to learn of the request's end, if it is of that type. A gateway has the API that it routed the
    /// request to learn of it, so this is how links that serve all APIs find what they must know of this one.
    pub fn reports_to<T: Completion>(&self) -> Option<&T> {
        let completion: &dyn Any = self.completion.as_deref()?;
        completion.downcast_ref()
    }

    /// Takes over what a copy of this context learned behind a tower layer.
    pub(crate) fn catch_up(&mut self, copy: &mut Self) {
        std::mem::swap(self, copy);
        std::mem::swap(&mut self.reports, &mut copy.reports);
    }
}

impl Clone for Context {
    fn clone(&self) -> Self {
        Self {
            request_id: self.request_id,
            correlation_id: self.correlation_id.clone(),
            peer: self.peer,
            client_ip: self.client_ip,
            worker: self.worker,
            received_at: self.received_at,
            started: self.started,
            method: self.method.clone(),
            uri: self.uri.clone(),
            user_agent: self.user_agent.clone(),
            api: self.api.clone(),
            operation: self.operation,
            principal: self.principal.clone(),
            formats: self.formats.clone(),
            backend_started: self.backend_started,
            backend_ended: self.backend_ended,
            backend_status: self.backend_status,
            destination: self.destination.clone(),
            answered_by: self.answered_by,
            fault: self.fault.clone(),
            slots: self.slots.clone(),
            status: self.status,
            content_type: self.content_type.clone(),
            sent: self.sent,
            finished: self.finished,
            pinned: self.pinned.clone(),
            completion: self.completion.clone(),
            reports: false,
        }
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        if let (true, Some(completion)) = (self.reports, &self.completion) {
            // A context may be dropped by a panic that unwinds, and a second one then would end the process. The
            // panic hook has told of it.
            let _ = unwind::call(|| completion.complete(&Outcome::of(self)));
        }
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("request_id", &self.request_id)
            .field("method", &self.method)
            .field("uri", &self.uri)
            .field("peer", &self.peer)
            .field("api", &self.api.as_ref().map(|api| &api.id))
            .field("status", &self.status)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_small_enough_for_what_an_allocator_keeps_at_hand() {
        // Beyond 1,032 bytes glibc's malloc has no list of its own for each thread, and takes several times as long.
        assert!(size_of::<Call>() <= 1032, "{} bytes", size_of::<Call>());
    }
}
