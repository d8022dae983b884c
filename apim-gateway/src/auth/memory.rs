//! Tokens that have been verified already.

use std::hash::BuildHasher as _;
use std::sync::Arc;

use apim_core::Claims;
use foldhash::quality::RandomState;
use hashbrown::HashTable;

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
    hasher: RandomState,
    bytes: usize,
    bounds: Bounds,
    generation: u64,
}

type Half = HashTable<(Box<str>, Arc<Claims>)>;

/// Bytes of a token's end that are hashed. They are of its signature, and so as good as random; nobody can choose
/// tokens that are good and end alike.
const HASHED: usize = 64;

/// How much one half may hold.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    pub(super) tokens: usize,
    pub(super) bytes: usize,
}

impl Memory {
    pub(super) fn new(bounds: Bounds) -> Self {
        let hasher = RandomState::default();
        Self { young: Half::new(), old: Half::new(), hasher, bytes: 0, bounds, generation: 0 }
    }

    /// Forgets everything if the keys have changed since.
    pub(super) fn at(&mut self, generation: u64) -> &mut Self {
        if self.generation != generation {
            *self = Self { generation, ..Self::new(self.bounds) };
        }
        self
    }

    pub(super) fn get(&mut self, token: &str) -> Option<Arc<Claims>> {
        let hash = hash(&self.hasher, token);
        if let Some((_, claims)) = self.young.find(hash, |(known, _)| **known == *token) {
            return Some(claims.clone());
        }
        let used = self.old.find_entry(hash, |(known, _)| **known == *token).ok()?;
        let ((token, claims), _) = used.remove();
        self.keep(token, claims.clone());
        Some(claims)
    }

    pub(super) fn put(&mut self, token: &str, claims: Arc<Claims>) {
        self.forget(token);
        self.keep(token.into(), claims);
    }

    pub(super) fn forget(&mut self, token: &str) {
        let hash = hash(&self.hasher, token);
        for half in [&mut self.young, &mut self.old] {
            if let Ok(known) = half.find_entry(hash, |(known, _)| **known == *token) {
                known.remove();
            }
        }
    }

    fn keep(&mut self, token: Box<str>, claims: Arc<Claims>) {
        // Decoded claims take about as much again as the token itself, and the map a little.
        let bytes = token.len() * 2 + 256;
        if self.young.len() >= self.bounds.tokens || self.bytes + bytes > self.bounds.bytes {
            self.old = std::mem::take(&mut self.young);
            self.bytes = 0;
        }
        self.bytes += bytes;
        let hasher = &self.hasher;
        let rehash = |(token, _): &(Box<str>, _)| hash(hasher, token);
        self.young.insert_unique(hash(hasher, &token), (token, claims), rehash);
    }
}

fn hash(hasher: &RandomState, token: &str) -> u64 {
    let bytes = token.as_bytes();
    hasher.hash_one(&bytes[bytes.len().saturating_sub(HASHED)..])
}
