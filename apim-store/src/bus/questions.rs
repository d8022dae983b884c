//! Questions to the gateways that follow this node, and their answers.
//!
//! Gateways come to the control plane and not the other way round, so a question travels on a stream that each
//! of them keeps open, and the answer comes back as a report does. Another node's gateways are not asked.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use apim_core::explanation::{Explanation, Question};
use apim_core::{BusError, RequestId};
use futures_util::{Stream, stream};
use tokio::sync::{broadcast, mpsc};

/// Questions that a gateway may be behind with; one that is further behind has missed some.
const BACKLOG: usize = 64;

/// The questions of this node.
pub(crate) struct Questions {
    asked: broadcast::Sender<Question>,
    open: Mutex<HashMap<u64, mpsc::UnboundedSender<Option<Explanation>>>>,
    next: AtomicU64,
}

impl Default for Questions {
    fn default() -> Self {
        Self { asked: broadcast::channel(BACKLOG).0, open: Mutex::default(), next: AtomicU64::new(1) }
    }
}

/// What came of a question.
#[derive(Debug, Default)]
pub(crate) struct Reply {
    /// Gateways that were asked.
    pub(crate) asked: usize,
    /// Those of them that knew nothing.
    pub(crate) ignorant: usize,
    /// What one of them knew.
    pub(crate) found: Option<Explanation>,
}

impl Questions {
    /// The questions from now on, for one gateway.
    pub(crate) fn listen(&self) -> impl Stream<Item = Result<Question, BusError>> + Send + use<> {
        stream::unfold(self.asked.subscribe(), |mut asked| async {
            loop {
                match asked.recv().await {
                    Ok(question) => return Some((Ok(question), asked)),
                    // Who asked has stopped waiting for what was missed.
                    Err(broadcast::error::RecvError::Lagged(_)) => {}
                    Err(broadcast::error::RecvError::Closed) => return None,
                }
            }
        })
    }

    /// Asks every gateway about a request, until one knows it, all have answered, or the time is over.
    pub(crate) async fn ask(&self, request: RequestId, at_most: Duration) -> Reply {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let (sender, mut answers) = mpsc::unbounded_channel();
        self.with(|open| open.insert(number, sender));
        // Removed again when this future ends or is dropped: nobody may wait for an answer any more.
        let _closing = Closing { questions: self, number };
        // An error says that no gateway listens, and then none was asked.
        let asked = self.asked.send(Question { number, request }).unwrap_or_default();
        let mut reply = Reply { asked, ..Reply::default() };
        let all = async {
            while reply.found.is_none() && reply.ignorant < reply.asked {
                match answers.recv().await {
                    Some(Some(found)) => reply.found = Some(found),
                    Some(None) => reply.ignorant += 1,
                    None => break,
                }
            }
        };
        let _ = tokio::time::timeout(at_most, all).await;
        reply
    }

    /// A gateway answers.
    pub(crate) fn answer(&self, number: u64, gateway: &str, found: Option<Explanation>) {
        let found = found.map(|found| Explanation { gateway: Some(gateway.to_owned()), ..found });
        self.with(|open| {
            if let Some(waiting) = open.get(&number) {
                // Whoever asked may have stopped waiting.
                let _ = waiting.send(found);
            }
        });
    }

    fn with<T>(
        &self,
        work: impl FnOnce(&mut HashMap<u64, mpsc::UnboundedSender<Option<Explanation>>>) -> T,
    ) -> T {
        work(&mut self.open.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

struct Closing<'a> {
    questions: &'a Questions,
    number: u64,
}

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        self.questions.with(|open| open.remove(&self.number));
    }
}
