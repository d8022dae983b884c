//! Passwords of people: hashed slowly, checked elsewhere than on the runtime's own threads.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use apim_core::Secret;
use argon2::password_hash::phc::PasswordHash;
use argon2::{Argon2, Params, PasswordHasher as _, PasswordVerifier as _};
use tokio::sync::Semaphore;

/// What hashing one password costs (Argon2id, version 19).
#[derive(Debug, Clone, Copy)]
pub struct Cost {
    /// Memory in KiB. Default: 19456, as OWASP advises.
    pub memory: u32,
    /// Passes over the memory. Default: 2.
    pub passes: u32,
    /// Lanes. Default: 1.
    pub lanes: u32,
}

impl Default for Cost {
    fn default() -> Self {
        Self { memory: Params::DEFAULT_M_COST, passes: Params::DEFAULT_T_COST, lanes: Params::DEFAULT_P_COST }
    }
}

impl Cost {
    /// As cheap as the algorithm goes: for tests.
    pub const LEAST: Self = Self { memory: Params::MIN_M_COST, passes: Params::MIN_T_COST, lanes: 1 };
}

/// Why a password could not be hashed.
#[derive(Debug, thiserror::Error)]
#[error("a password could not be hashed: {0}")]
pub struct HashError(String);

/// Hashes a password, in PHC form (`$argon2id$…`). Takes its time: not for a runtime's own threads.
///
/// ```
/// use apim_keymgr::password::{self, Cost};
///
/// let hash = password::hash("correct horse", Cost::LEAST).unwrap();
/// assert!(password::verify("correct horse", &hash));
/// assert!(!password::verify("battery staple", &hash));
/// assert!(!password::verify("anything", "not a hash"));
/// ```
///
/// # Errors
///
/// The cost is out of the algorithm's range, or memory ran out.
pub fn hash(password: &str, cost: Cost) -> Result<String, HashError> {
    let failed = |error: &dyn std::fmt::Display| HashError(error.to_string());
    let params = Params::new(cost.memory, cost.passes, cost.lanes, None).map_err(|e| failed(&e))?;
    let hashed = Argon2::from(params).hash_password(password.as_bytes()).map_err(|e| failed(&e))?;
    Ok(hashed.to_string())
}

/// Whether a hash is of this password. What is not a hash is of none.
pub fn verify(password: &str, phc: &str) -> bool {
    PasswordHash::new(phc)
        .is_ok_and(|hash| Argon2::default().verify_password(password.as_bytes(), &hash).is_ok())
}

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
        let password = crate::opaque::fresh().map_err(|error| HashError(error.to_string()))?;
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
        done.map_err(|error| Unchecked::Failed(HashError(error.to_string())))
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
