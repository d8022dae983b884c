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
    /// Each time that its request was sent to a backend. Copies of the context have them in common, since a tower
    /// layer may send one request several times.
    tries: Arc<Mutex<Vec<Try>>>,
    /// The one that this copy is at.
    current: Option<usize>,
}

/// One time that a request was sent.
#[derive(Debug, Clone)]
pub(super) struct Try {
    pub(super) began: Instant,
    /// None while it lasts.
    pub(super) ended: Option<Instant>,
    /// The endpoint's URL.
    pub(super) to: Arc<str>,
    pub(super) fate: Fate,
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// Nobody has waited for it.
    Unknown,
    Answered(StatusCode),
    Failed(Code),
}

impl Traced {
    /// That of a request. The lower half of its id is scrambled, and no other request of the worker has it: the spans
    /// have numbers that follow from it.
    pub(super) fn new(trace: u128, parent: Option<u64>, id: RequestId) -> Self {
        Self { trace, parent, server: server(id), tries: Arc::default(), current: None }
    }

    /// The span of a try, counted from 0.
    pub(super) fn client(&self, index: usize) -> u64 {
        client(self.server, index)
    }

    pub(super) fn tries(&self) -> MutexGuard<'_, Vec<Try>> {
        self.tries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(&mut self, headers: &mut HeaderMap, to: &Arc<str>) {
        let began = Try { began: Instant::now(), ended: None, to: to.clone(), fate: Fate::Unknown };
        let index = {
            let mut tries = self.tries();
            tries.push(began);
            tries.len() - 1
        };
        self.current = Some(index);
        // That of the first was written when the call came, for all who look at it on its way. If somebody has taken it
        // away, or written another, that is what counts.
        if index > 0 && TraceParent::of(headers).is_some_and(|told| self.has_told(told, index)) {
            tell(headers, TraceParent { trace: self.trace, span: self.client(index), sampled: true });
        }
    }

    /// Whether that is what one of so many tries has told.
    fn has_told(&self, told: TraceParent, tries: usize) -> bool {
        told.trace == self.trace && (0..tries).any(|index| self.client(index) == told.span)
    }

    fn end(&mut self, fate: Fate) {
        let Some(index) = self.current.take() else { return };
        if let Some(current) = self.tries().get_mut(index) {
            current.ended = Some(Instant::now());
            current.fate = fate;
        }
    }
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

/// It was not.
pub(crate) fn failed(context: &mut Context, code: Code) {
    end(context, Fate::Failed(code));
}

fn end(context: &mut Context, fate: Fate) {
    if let Some(traced) = context.slots.get_mut::<Traced>() {
        traced.end(fate);
    }
}
