//! Passwords of people: hashed slowly, a few at a time on threads that may block, and not to be guessed.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use apim_core::model::{Tenant, UserName};
use apim_core::password::{self, Cost};
use apim_core::{Secret, Timestamp};
use tokio::sync::Semaphore;

use crate::error::{Failure, Result, code};

/// So many are hashed at a time; each takes a core and 19 MiB.
const AT_ONCE: usize = 2;
/// So many may wait for that or be under way; whoever comes later is told to try again.
const MOST_WAITING: usize = 64;
/// So many wrong passwords of one user are too many, within this time.
const MOST_WRONG: u32 = 10;
const WINDOW: Duration = Duration::from_secs(300);

/// Hashes and checks passwords for a whole store.
pub(crate) struct Passwords {
    permits: Arc<Semaphore>,
    waiting: AtomicUsize,
    attempts: Mutex<HashMap<(Tenant, UserName), Attempts>>,
}

/// How often somebody tried since when.
struct Attempts {
    count: u32,
    since: Timestamp,
}

impl Default for Passwords {
    fn default() -> Self {
        let permits = Arc::new(Semaphore::new(AT_ONCE));
        Self { permits, waiting: AtomicUsize::default(), attempts: Mutex::default() }
    }
}

impl Passwords {
    /// A password's hash in PHC form.
    pub(crate) async fn hash(&self, password: Secret) -> Result<String> {
        let hash = self.run(move || password::hash(password.expose(), Cost::default())).await?;
        Ok(hash.map_err(Failure::from_error)?)
    }

    /// Whether a hash is of this password. What is not a hash is of none.
    pub(crate) async fn verify(&self, password: Secret, hash: String) -> Result<bool> {
        self.run(move || password::verify(password.expose(), &hash)).await
    }

    /// Counts an attempt before it is made, since many at once must not all be let through.
    ///
    /// # Errors
    ///
    /// 429 after too many.
    pub(crate) fn begin(&self, tenant: &Tenant, user: &UserName, now: Timestamp) -> Result<()> {
        let mut all = self.attempts.lock().unwrap_or_else(PoisonError::into_inner);
        // A clock that was set back must not make a count last until it has caught up.
        all.retain(|_, it| now >= it.since && now.since(it.since) < WINDOW);
        let fresh = Attempts { count: 0, since: now };
        let attempts = all.entry((tenant.clone(), user.clone())).or_insert(fresh);
        if attempts.count >= MOST_WRONG {
            let wait = WINDOW.saturating_sub(now.since(attempts.since));
            return Err(code::TOO_MANY.because("Too many wrong passwords").retry_after(wait).into());
        }
        attempts.count += 1;
        Ok(())
    }

    /// Forgets the attempts of somebody who knew the password.
    pub(crate) fn succeed(&self, tenant: &Tenant, user: &UserName) {
        let mut all = self.attempts.lock().unwrap_or_else(PoisonError::into_inner);
        all.remove(&(tenant.clone(), user.clone()));
    }

    async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
        let _place = Place::take(&self.waiting)?;
        let permit = self.permits.clone().acquire_owned().await.map_err(Failure::from_error)?;
        let work = move || {
            let done = work();
            // Not before the work is done, even if whoever asked is gone by then.
            drop(permit);
            done
        };
        Ok(tokio::task::spawn_blocking(work).await.map_err(Failure::from_error)?)
    }
}

/// A place in the queue, given back also when the waiting future is dropped.
struct Place<'a>(&'a AtomicUsize);

impl<'a> Place<'a> {
    fn take(waiting: &'a AtomicUsize) -> Result<Self> {
        let before = waiting.fetch_add(1, Ordering::Relaxed);
        let place = Self(waiting);
        if before < MOST_WAITING {
            return Ok(place);
        }
        Err(code::UNAVAILABLE.because("Too many passwords are being checked; try again").into())
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn two_are_hashed_at_a_time_and_the_queue_has_an_end() {
        let passwords = Arc::new(Passwords::default());
        let (open, gate) = mpsc::channel::<()>();
        let (gate, begun) = (Arc::new(Mutex::new(gate)), Arc::new(AtomicUsize::new(0)));
        let jobs: Vec<_> = (0..MOST_WAITING)
            .map(|_| {
                let (passwords, gate, begun) = (passwords.clone(), gate.clone(), begun.clone());
                tokio::spawn(async move {
                    let work = move || {
                        begun.fetch_add(1, Ordering::SeqCst);
                        // An error once the gate is open.
                        let _ = gate.lock().map(|gate| gate.recv().is_err());
                    };
                    passwords.run(work).await.is_ok()
                })
            })
            .collect();
        while passwords.waiting.load(Ordering::SeqCst) < MOST_WAITING
            || begun.load(Ordering::SeqCst) < AT_ONCE
        {
            tokio::task::yield_now().await;
        }
        assert!(passwords.run(|| ()).await.is_err(), "there is no place left");
        assert_eq!(begun.load(Ordering::SeqCst), AT_ONCE);
        drop(open);
        for job in jobs {
            assert!(matches!(job.await, Ok(true)));
        }
        assert!(passwords.run(|| ()).await.is_ok());
    }
}
