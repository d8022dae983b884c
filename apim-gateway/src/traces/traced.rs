//! What is kept of a call that is recorded, until its spans are written.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use apim_core::fault::Code;
use apim_core::{Context, RequestId};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use super::context::{self, TraceParent};
use crate::text;

const TRACEPARENT: HeaderName = HeaderName::from_static(context::TRACEPARENT);

/// The trace of a call that is recorded. Stands among the slots of its context.
#[derive(Debug, Clone)]
pub(super) struct Traced {
    pub(super) trace: u128,
    /// The span that has called us.
    pub(super) parent: Option<u64>,
    /// Our span of the call.
    pub(super) server: u64,
    /// Each time that its request was sent to a backend or waited for a token. Copies of the context have them in
    /// common, since a tower layer may send one request several times.
    tries: Arc<Mutex<Vec<Try>>>,
    /// The one that this copy is at.
    current: Option<usize>,
}

/// One time that somebody was asked.
#[derive(Debug, Clone)]
pub(super) struct Try {
    pub(super) span: u64,
    pub(super) of: Of,
    pub(super) began: Instant,
    /// None while it lasts.
    pub(super) ended: Option<Instant>,
    /// The URL of the endpoint, or of the token server.
    pub(super) to: Arc<str>,
    pub(super) fate: Fate,
}

impl Try {
    fn begun(of: Of, span: u64, to: &Arc<str>) -> Self {
        Self { span, of, began: Instant::now(), ended: None, to: to.clone(), fate: Fate::Unknown }
    }
}

/// Who was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Of {
    /// A backend, after it or others had been asked so many times.
    Backend { before: usize },
    /// Who gives out tokens for a backend.
    TokenServer,
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// Nobody has waited for it.
    Unknown,
    Answered(StatusCode),
    /// It was answered, with nothing that could be used.
    Refused(StatusCode, Code),
    Failed(Code),
}

impl Traced {
    /// That of a request. The lower half of its id is scrambled, and no other request of the worker has it: the spans
    /// have numbers that follow from it.
    pub(super) fn new(trace: u128, parent: Option<u64>, id: RequestId) -> Self {
        Self { trace, parent, server: server(id), tries: Arc::default(), current: None }
    }

    pub(super) fn tries(&self) -> MutexGuard<'_, Vec<Try>> {
        lock(&self.tries)
    }

    fn begin(&mut self, headers: &mut HeaderMap, to: &Arc<str>) {
        let mut tries = lock(&self.tries);
        let before = tries.iter().filter(|tried| tried.of != Of::TokenServer).count();
        let span = client(self.server, before);
        self.current = Some(tries.len());
        tries.push(Try::begun(Of::Backend { before }, span, to));
        drop(tries);
        // That of the first was written when the call came, for all who look at it on its way. If somebody has taken it
        // away, or written another, that is what counts.
        if before > 0 && TraceParent::of(headers).is_some_and(|told| self.has_told(told, before)) {
            tell(headers, TraceParent { trace: self.trace, span, sampled: true });
        }
    }

    fn wants_token(&mut self, to: &Arc<str>) {
        let mut tries = lock(&self.tries);
        self.current = Some(tries.len());
        let span = token(self.server, tries.len());
        tries.push(Try::begun(Of::TokenServer, span, to));
    }

    /// Whether that is what one of so many tries has told.
    fn has_told(&self, told: TraceParent, tries: usize) -> bool {
        told.trace == self.trace && (0..tries).any(|index| client(self.server, index) == told.span)
    }

    fn end(&mut self, fate: Fate) {
        let Some(index) = self.current.take() else { return };
        if let Some(current) = self.tries().get_mut(index) {
            current.ended = Some(Instant::now());
            current.fate = fate;
        }
    }
}

fn lock(tries: &Mutex<Vec<Try>>) -> MutexGuard<'_, Vec<Try>> {
    tries.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The span of a call.
fn server(id: RequestId) -> u64 {
    not_zero(id.0 as u64)
}

/// The span of one of its tries.
fn client(server: u64, index: usize) -> u64 {
    let number = u64::try_from(index).unwrap_or_default() + 1;
    // By an odd number, so that no two tries come out the same.
    not_zero(server.rotate_left(32) ^ number.wrapping_mul(0x5bd1_e995))
}

/// The span of waiting for a token. No call is sent so many times that one of its tries had the same.
fn token(server: u64, index: usize) -> u64 {
    client(server, index | 1 << (usize::BITS - 2))
}

fn not_zero(span: u64) -> u64 {
    span.max(1)
}

/// The span by which a request's first try is told of, whether it is recorded or not.
pub(super) fn first(id: RequestId) -> u64 {
    client(server(id), 0)
}

/// Writes a context into the headers of a request.
pub(super) fn tell(headers: &mut HeaderMap, parent: TraceParent) {
    if let Ok(value) = HeaderValue::from_maybe_shared(text::cut(&[&parent.digits()])) {
        headers.insert(TRACEPARENT, value);
    }
}

/// A request is about to be sent to a backend: for the first time, or once more.
pub(crate) fn begin(context: &mut Context, headers: &mut HeaderMap, to: &Arc<str>) {
    if let Some(traced) = context.slots.get_mut::<Traced>() {
        traced.begin(headers, to);
    }
}

/// It was answered.
pub(crate) fn answered(context: &mut Context, status: StatusCode) {
    end(context, Fate::Answered(status));
}

/// It is about to wait for a token for a backend.
pub(crate) fn wants_token(context: &mut Context, from: &Arc<str>) {
    if let Some(traced) = context.slots.get_mut::<Traced>() {
        traced.wants_token(from);
    }
}

/// It was answered, with nothing that could be used.
pub(crate) fn refused(context: &mut Context, status: StatusCode, code: Code) {
    end(context, Fate::Refused(status, code));
}

/// It was not.
pub(crate) fn failed(context: &mut Context, code: Code) {
    end(context, Fate::Failed(code));
}

fn end(context: &mut Context, fate: Fate) {
    if let Some(traced) = context.slots.get_mut::<Traced>() {
        traced.end(fate);
    }
}
