//! Panics of extensions, made errors.
//!
//! A handler, a mediator or a formatter that panics has failed one request. Without a catch the panic would
//! unwind through the connection, and with it end every other request that an HTTP/2 client has on it. So
//! whoever calls code that strangers wrote calls it through here, and has an error to make a
//! [`Fault`] of. That costs nothing as long as nothing panics, and needs a binary that unwinds
//! (`panic = "unwind"`, the default).
//!
//! # Why asserting unwind safety is sound here
//!
//! The compiler would have every value that outlives a panic checked for being left half changed. What a
//! handler can reach is of two kinds. The exchange or answer is of this request alone, which is answered
//! with a fault and goes no further: nobody looks at the half of it that was changed. And what a handler
//! shares between requests is its own, behind whatever `Sync` type it chose: a `std::sync::Mutex` is
//! poisoned, as it is by any panic on any thread.

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use crate::fault::{self, Fault};

/// The message of a panic.
#[derive(Debug)]
pub struct Panicked(String);

impl Panicked {
    fn new(payload: Box<dyn Any + Send>) -> Self {
        let message = match payload.downcast::<String>() {
            Ok(message) => *message,
            Err(payload) => match payload.downcast::<&'static str>() {
                Ok(message) => (*message).to_owned(),
                // Dropping it could panic anew, and a few leaked bytes of a bug harm nobody.
                Err(payload) => {
                    std::mem::forget(payload);
                    "without a message".to_owned()
                }
            },
        };
        Self(message)
    }

    /// The fault for whoever waits for an answer. `who` panicked, the operator reads.
    pub fn fault(self, who: &str) -> Fault {
        Fault::new(fault::INTERNAL).detail(format!("{who} panicked: {}", self.0))
    }
}

impl fmt::Display for Panicked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a panic: {}", self.0)
    }
}

impl std::error::Error for Panicked {}

/// Calls something.
///
/// # Errors
///
/// If it panicked.
///
/// ```
/// let fine = apim_core::unwind::call(|| 7);
/// assert_eq!(fine.unwrap(), 7);
/// let wrong = apim_core::unwind::call(|| panic!("no such pet"));
/// assert_eq!(wrong.map(|(): ()| ()).unwrap_err().to_string(), "a panic: no such pet");
/// ```
pub fn call<T>(work: impl FnOnce() -> T) -> Result<T, Panicked> {
    catch_unwind(AssertUnwindSafe(work)).map_err(Panicked::new)
}

/// Polls a future once. One that panicked must not be polled again.
///
/// # Errors
///
/// If it panicked.
pub fn poll<F: Future>(future: Pin<&mut F>, cx: &mut Context<'_>) -> Poll<Result<F::Output, Panicked>> {
    match call(|| future.poll(cx)) {
        Ok(poll) => poll.map(Ok),
        Err(panicked) => Poll::Ready(Err(panicked)),
    }
}

/// Waits for a future.
///
/// # Errors
///
/// If it panicked. Dropping this drops the future.
pub async fn wait<F: Future>(future: F) -> Result<F::Output, Panicked> {
    let mut future = pin!(future);
    std::future::poll_fn(|cx| poll(future.as_mut(), cx)).await
}
