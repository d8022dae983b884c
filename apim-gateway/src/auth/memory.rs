//! Tokens that have been verified already.

use std::collections::HashMap;
use std::sync::Arc;

use apim_core::Claims;
use foldhash::quality::RandomState;

/// Remembers what verified tokens say, within bounds.
///
/// The whole token is the key, compared whole, under a hash that is keyed at random: two tokens are never
/// taken for one. What is remembered is that the signature was good; expiry and revocation are checked on
/// every call.
///
/// Tokens live in two halves. New ones, and old ones that were used, go into the young half; when that is
/// full it becomes the old half, and what the old half held is forgotten. So what is in use stays, and
/// forgetting costs nothing per token.
pub(super) struct Memory {
    young: Half,
    old: Half,
    bytes: usize,
    bounds: Bounds,
    generation: u64,
}

type Half = HashMap<Box<str>, Arc<Claims>, RandomState>;

/// How much one half may hold.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    pub(super) tokens: usize,
    pub(super) bytes: usize,
}

impl Memory {
    pub(super) fn new(bounds: Bounds) -> Self {
        Self { young: Half::default(), old: Half::default(), bytes: 0, bounds, generation: 0 }
    }

    /// Forgets everything if the keys have changed since.
    pub(super) fn at(&mut self, generation: u64) -> &mut Self {
        if self.generation != generation {
            *self = Self { generation, ..Self::new(self.bounds) };
        }
        self
    }

    pub(super) fn get(&mut self, token: &str) -> Option<Arc<Claims>> {
        if let Some(claims) = self.young.get(token) {
            return Some(claims.clone());
        }
        let (token, claims) = self.old.remove_entry(token)?;
        self.keep(token, claims.clone());
        Some(claims)
    }

    pub(super) fn put(&mut self, token: &str, claims: Arc<Claims>) {
        self.keep(token.into(), claims);
    }

    pub(super) fn forget(&mut self, token: &str) {
        self.young.remove(token);
        self.old.remove(token);
    }

    fn keep(&mut self, token: Box<str>, claims: Arc<Claims>) {
        // Decoded claims take about as much again as the token itself, and the map a little.
        let bytes = token.len() * 2 + 256;
        if self.young.len() >= self.bounds.tokens || self.bytes + bytes > self.bounds.bytes {
            self.old = std::mem::take(&mut self.young);
            self.bytes = 0;
        }
        self.bytes += bytes;
        self.young.insert(token, claims);
    }
}
