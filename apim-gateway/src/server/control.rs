//! Other settings for a server that runs.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::clients::Clients;
use super::permits::Permits;
use super::places::Places;
use super::{Limits, ServerConfig, ServerError};

/// By this a server that runs is given other settings. Cheap to clone.
///
/// New connections are served by the new settings at once. Where those are about connections, the connections
/// that there are keep theirs for one more answer, which says that it is the last, as while a server drains; over
/// HTTP/2 they are told to go, and finish what they have. WebSockets stay.
#[derive(Clone)]
pub struct Control(Arc<watch::Sender<Arc<Rules>>>);

/// What all workers serve by, until they are given other rules.
pub(super) struct Rules {
    pub(super) config: ServerConfig,
    pub(super) clients: Option<Arc<Clients>>,
    pub(super) places: Arc<Places>,
    pub(super) permits: Arc<Permits>,
    workers: usize,
}

impl Control {
    pub(super) fn new(config: ServerConfig, workers: usize) -> Self {
        let clients = config.limits.connections_per_client.map(Clients::new);
        let places = Places::new(config.limits.connections);
        let permits = Permits::new(config.limits.requests, workers);
        Self(Arc::new(watch::Sender::new(Arc::new(Rules { config, clients, places, permits, workers }))))
    }

    pub(super) fn rules(&self) -> watch::Receiver<Arc<Rules>> {
        self.0.subscribe()
    }

    /// The settings that are in force.
    pub fn config(&self) -> ServerConfig {
        self.0.borrow().config.clone()
    }

    /// Brings other settings into force.
    ///
    /// # Errors
    ///
    /// [`ServerError::Fixed`], if addresses or the number of workers differ; [`ServerError::NoCertificate`].
    pub fn reconfigure(&self, config: ServerConfig) -> Result<(), ServerError> {
        let before = self.0.borrow().clone();
        before.config.may_become(&config)?;
        let limits = &config.limits;
        // Those who are counted stay so.
        let clients = match (limits.connections_per_client, &before.clients) {
            (None, _) => None,
            (Some(most), Some(clients)) => {
                clients.limit(most);
                Some(clients.clone())
            }
            (Some(most), None) => Some(Clients::new(most)),
        };
        let places = before.places.clone();
        places.limit(limits.connections);
        // Requests in flight count by the rules that they began by.
        let permits = match limits.requests == before.config.limits.requests {
            true => before.permits.clone(),
            false => Permits::new(limits.requests, before.workers),
        };
        let workers = before.workers;
        self.0.send_replace(Arc::new(Rules { config, clients, places, permits, workers }));
        Ok(())
    }
}

impl ServerConfig {
    fn may_become(&self, other: &Self) -> Result<(), ServerError> {
        for (name, is_same) in [
            ("http", self.http == other.http),
            ("https", self.https == other.https),
            ("workers", self.workers == other.workers),
        ] {
            if !is_same {
                return Err(ServerError::Fixed(name));
            }
        }
        if other.https.is_some() && other.tls.is_none() {
            return Err(ServerError::NoCertificate);
        }
        Ok(())
    }

    /// Whether connections that were made under these settings would be served otherwise under others.
    pub(super) fn differs_for_connections(&self, other: &Self) -> bool {
        let tls = match (&self.tls, &other.tls) {
            (Some(one), Some(other)) => Arc::ptr_eq(one, other),
            (one, other) => one.is_none() && other.is_none(),
        };
        let of_connections = |limits: &Limits| Limits {
            connections: 0,
            connections_per_client: None,
            drain_timeout: Duration::ZERO,
            ..limits.clone()
        };
        !tls || self.shedding != other.shedding
            || of_connections(&self.limits) != of_connections(&other.limits)
    }
}

impl fmt::Debug for Control {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Control").field(&self.0.borrow().config).finish()
    }
}
