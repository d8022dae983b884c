//! An answer that is usually there already.

use std::fmt;
use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::BoxFuture;

/// What a hot call returns: its result, or a future of it.
///
/// Most calls on a gateway's path answer from memory. Returning `Done` costs nothing; only a call that
/// really has to wait pays for a box. It can be awaited as it is:
///
/// ```
/// use apim_core::Step;
///
/// fn lookup(key: u32) -> Step<'static, u32> {
///     if key < 10 { Step::Done(key) } else { Step::wait(async move { key * 2 }) }
/// }
/// # futures_executor(async {
/// assert_eq!(lookup(3).await, 3);
/// assert_eq!(lookup(30).await, 60);
/// # });
/// # fn futures_executor(f: impl Future<Output = ()>) {
/// #     tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(f)
/// # }
/// ```
pub enum Step<'a, T> {
    /// The result.
    Done(T),
    /// It takes a while.
    Wait(BoxFuture<'a, T>),
}

impl<'a, T> Step<'a, T> {
    /// Boxes a future.
    pub fn wait(future: impl Future<Output = T> + Send + 'a) -> Self {
        Self::Wait(Box::pin(future))
    }

    /// Polls a future of size zero at once, since boxing one is free and it has nothing to wait on; boxes
    /// any other. So a phase that a handler leaves out costs nothing, with no hint to forget.
    pub(crate) fn of(future: impl Future<Output = T> + Send + 'a) -> Self {
        let idle = size_of_val(&future) == 0;
        let mut boxed: BoxFuture<'a, T> = Box::pin(future);
        if idle
            && let Poll::Ready(value) =
                boxed.as_mut().poll(&mut Context::from_waker(std::task::Waker::noop()))
        {
            return Self::Done(value);
        }
        Self::Wait(boxed)
    }
}

impl<T> fmt::Debug for Step<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Done(_) => "Step::Done(…)",
            Self::Wait(_) => "Step::Wait(…)",
        })
    }
}

/// The future of a [`Step`].
pub struct StepFuture<'a, T>(Option<Step<'a, T>>);

impl<T> fmt::Debug for StepFuture<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StepFuture(…)")
    }
}

// Nothing in it is pinned structurally: a result is moved out, a boxed future is already pinned.
impl<T> Unpin for StepFuture<'_, T> {}

impl<T> Future for StepFuture<'_, T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        match self.0.take() {
            Some(Step::Done(value)) => Poll::Ready(value),
            Some(Step::Wait(mut future)) => match future.as_mut().poll(cx) {
                Poll::Ready(value) => Poll::Ready(value),
                Poll::Pending => {
                    self.0 = Some(Step::Wait(future));
                    Poll::Pending
                }
            },
            None => panic!("a StepFuture was polled after it had finished"),
        }
    }
}

impl<'a, T> IntoFuture for Step<'a, T> {
    type Output = T;
    type IntoFuture = StepFuture<'a, T>;

    fn into_future(self) -> StepFuture<'a, T> {
        StepFuture(Some(self))
    }
}
