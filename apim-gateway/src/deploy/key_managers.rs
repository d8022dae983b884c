//! Key managers whose tokens are good.

use std::collections::HashMap;
use std::sync::Arc;

use apim_core::model::KeyManagerName;

use crate::auth::KeySet;

/// All key managers of a gateway, with their keys parsed.
#[derive(Debug, Clone, Default)]
pub struct KeyManagers {
    all: Arc<HashMap<KeyManagerName, Arc<KeySet>>>,
    generation: u64,
}

impl KeyManagers {
    /// The key manager whose tokens carry exactly this issuer.
    pub fn named(&self, issuer: &str) -> Option<&Arc<KeySet>> {
        self.all.values().find(|keys| keys.issuer() == issuer)
    }

    /// Which other key manager has this one's issuer. Two of one issuer could not be told apart.
    pub(super) fn rival(&self, keys: &KeySet) -> Option<&KeyManagerName> {
        self.named(keys.issuer()).map(|known| known.name()).filter(|name| *name != keys.name())
    }

    /// Another number after each change; see [`Trust::generation`](crate::auth::Trust::generation).
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// None yet, but later than these.
    pub(super) fn after(&self) -> Self {
        Self { all: Arc::default(), generation: self.generation + 1 }
    }

    pub(super) fn save(&mut self, keys: KeySet) {
        Arc::make_mut(&mut self.all).insert(keys.name().clone(), Arc::new(keys));
        self.generation += 1;
    }

    pub(super) fn remove(&mut self, name: &KeyManagerName) {
        Arc::make_mut(&mut self.all).remove(name);
        self.generation += 1;
    }
}
