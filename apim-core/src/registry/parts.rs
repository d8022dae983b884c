//! What plug-ins are built with.

use std::any::{Any, TypeId, type_name};
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use http::Extensions;

use super::BuildError;
use crate::clock::{Clock, SystemClock};

/// What a gateway already has and plug-ins may use: a clock, state, and whatever else it was given, by type.
///
/// apim's gateway gives each plug-in its `Arc<dyn `[`TokenVerifier`](crate::TokenVerifier)`>` and its
/// `Arc<dyn `[`ThrottleEngine`](crate::ThrottleEngine)`>`; links and mediators also the
/// `Arc<`[`Api`](crate::model::Api)`>` that they are built for; and all of them what the program that embeds
/// it has added with `Builder::part`.
///
/// ```
/// use apim_core::{Clock, Parts, Timestamp};
/// use std::sync::atomic::{AtomicU64, Ordering};
///
/// #[derive(Default)]
/// struct Count(AtomicU64);
///
/// let parts = Parts::default().with("a part");
/// assert_eq!(parts.get::<&str>().unwrap(), "a part");
/// assert!(parts.get::<String>().unwrap_err().to_string().contains("String"));
/// assert!(parts.clock().now() > Timestamp::default());
///
/// parts.state::<Count>().0.fetch_add(1, Ordering::Relaxed);
/// assert_eq!(parts.state::<Count>().0.load(Ordering::Relaxed), 1);
/// ```
#[derive(Clone)]
pub struct Parts {
    clock: Arc<dyn Clock>,
    shared: Extensions,
    states: States,
}

type States = Arc<Mutex<HashMap<TypeId, Arc<dyn Any + Send + Sync>>>>;

impl Default for Parts {
    fn default() -> Self {
        Self::new(Arc::new(SystemClock))
    }
}

impl Parts {
    /// With a clock and nothing else.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, shared: Extensions::new(), states: States::default() }
    }

    /// The clock; keep it, and ask it whenever the time matters, so that tests can move it.
    pub fn clock(&self) -> Arc<dyn Clock> {
        self.clock.clone()
    }

    /// A plug-in's own state, made when it is first asked for, and the same ever after.
    ///
    /// It lives as long as the gateway does. What a plug-in keeps in itself is lost when its API is deployed
    /// again, and is apart for each API; what it keeps here is neither. One value of each type: make the type
    /// your crate's own, and what must be counted apart (APIs, say) part of its keys. It is met by all workers
    /// at once, and whoever is not trusted can make it grow, so bound it.
    pub fn state<S: Default + Send + Sync + 'static>(&self) -> Arc<S> {
        let mut states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
        let state = states.get(&TypeId::of::<S>()).cloned().and_then(|state| state.downcast().ok());
        state.unwrap_or_else(|| {
            let state = Arc::<S>::default();
            states.insert(TypeId::of::<S>(), state.clone());
            state
        })
    }

    /// Adds something, as `Arc<dyn ThrottleEngine>`.
    #[must_use]
    pub fn with<P: Clone + Send + Sync + 'static>(mut self, part: P) -> Self {
        self.shared.insert(part);
        self
    }

    /// What was added of that type.
    ///
    /// # Errors
    ///
    /// If nothing was; the text names the type.
    pub fn get<P: Clone + Send + Sync + 'static>(&self) -> Result<P, BuildError> {
        self.shared.get::<P>().cloned().ok_or_else(|| {
            BuildError::at("", format!("it needs a {}, which this gateway was not given", type_name::<P>()))
        })
    }
}

impl fmt::Debug for Parts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parts").finish_non_exhaustive()
    }
}
