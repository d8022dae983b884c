//! Passwords of people: hashed slowly, checked elsewhere than on the runtime's own threads.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use apim_core::Secret;
use tokio::sync::Semaphore;

pub use apim_core::password::{Cost, HashError, hash, verify};

/// So many may wait for a hasher; whoever comes later is told to try again.
const LONGEST_QUEUE: usize = 64;

/// Hashes and checks passwords, a few at a time, on threads that may block.
pub(crate) struct Hashers {
    cost: Cost,
    permits: Arc<Semaphore>,
    waiting: AtomicUsize,
    /// The hash of a password that nobody has, so that an unknown user takes as long as a known one.
    nobody: String,
}

/// Why a password was neither good nor bad.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unchecked {
    #[error("too many passwords are waiting to be checked")]
    Busy,
    #[error(transparent)]
    Failed(#[from] HashError),
}

impl Hashers {
    pub(crate) fn new(cost: Cost, at_once: usize) -> Result<Self, HashError> {
        let password = crate::opaque::fresh().map_err(HashError::new)?;
        let nobody = hash(password.expose(), cost)?;
        Ok(Self {
            cost,
            permits: Arc::new(Semaphore::new(at_once.max(1))),
            waiting: AtomicUsize::new(0),
            nobody,
        })
    }

    pub(crate) async fn hash(&self, password: &Secret) -> Result<String, Unchecked> {
        let (password, cost) = (password.clone(), self.cost);
        Ok(self.run(move || hash(password.expose(), cost)).await??)
    }

    /// Whether this is the user's password. Without a user it is not, after the same time.
    pub(crate) async fn verify(&self, password: &str, user: Option<&str>) -> Result<bool, Unchecked> {
        let phc = user.unwrap_or(&self.nobody).to_owned();
        let password = Secret::new(password);
        let good = self.run(move || verify(password.expose(), &phc)).await?;
        Ok(good && user.is_some())
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Unchecked> {
        let _place = Place::take(&self.waiting)?;
        // The semaphore is never closed, and the work does not panic unless memory corrupts.
        let permit = self.permits.clone().acquire_owned().await.map_err(|_| Unchecked::Busy)?;
        let work = move || {
            let done = work();
            // Not before the work is done, even if whoever asked is gone by then.
            drop(permit);
            done
        };
        let done = tokio::task::spawn_blocking(work).await;
        done.map_err(|error| Unchecked::Failed(HashError::new(error)))
    }
}

/// A place in the queue, given back also when the waiting future is dropped.
struct Place<'a>(&'a AtomicUsize);

impl<'a> Place<'a> {
    fn take(waiting: &'a AtomicUsize) -> Result<Self, Unchecked> {
        let before = waiting.fetch_add(1, Ordering::Relaxed);
        let place = Self(waiting);
        if before < LONGEST_QUEUE { Ok(place) } else { Err(Unchecked::Busy) }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
