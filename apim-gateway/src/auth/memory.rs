//! Tokens that have been verified already.

use std::hash::BuildHasher as _;
use std::sync::Arc;

use apim_core::model::{Audience, Scope};
use apim_core::{Claims, Timestamp};
use foldhash::quality::RandomState;
use hashbrown::HashTable;

use crate::fetch::Fetch;

/// Remembers what verified tokens say, within so many bytes.
///
/// The whole token is the key, compared whole, under a hash that is keyed at random: two tokens are never
/// taken for one. What is remembered is that the signature was good; expiry and revocation are checked on
/// every call.
///
/// As long as there is room every token is taken in. When there is none, a token is taken in the second time it
/// comes, in place of one that has expired or was not used for a while: who sends a new token with each call
/// neither drives those out that are in use nor makes the memory turn over. So a token is verified once, or
/// twice if it met a full memory.
pub(super) struct Memory {
    known: HashTable<Entry>,
    door: Door,
    hasher: RandomState,
    /// What entries take, without their places in the table.
    bytes: usize,
    most: usize,
    /// The place where the next one to leave is looked for.
    hand: usize,
    generation: u64,
}

struct Entry {
    token: Box<str>,
    claims: Arc<Claims>,
    hash: u64,
    bytes: u32,
    /// Since the hand came by.
    used: bool,
}

/// Bytes of a token's end that are hashed. They are of its signature, and so as good as random; nobody can choose
/// tokens that are good and end alike.
const HASHED: usize = 64;

impl Memory {
    /// Of so many bytes at most. A token that takes more than an eighth of them is not remembered.
    pub(super) fn new(most: usize) -> Self {
        let hasher = RandomState::default();
        let door = Door::of(most);
        Self { known: HashTable::new(), door, hasher, bytes: 0, most, hand: 0, generation: 0 }
    }

    /// Forgets everything if the keys have changed since.
    pub(super) fn at(&mut self, generation: u64) -> &mut Self {
        if self.generation != generation {
            *self = Self { generation, ..Self::new(self.most) };
        }
        self
    }

    pub(super) fn get(&mut self, token: &str) -> Option<Arc<Claims>> {
        let hash = hash(&self.hasher, token);
        let entry = self.known.find_mut(hash, |entry| {
            // It is nearly always this one, and comparing takes as long as fetching.
            fetch(&entry.claims);
            *entry.token == *token
        })?;
        entry.used = true;
        Some(entry.claims.clone())
    }

    pub(super) fn put(&mut self, token: &str, claims: &Arc<Claims>, now: Timestamp) {
        let needed = block(token.len()) + weight(claims);
        let Ok(bytes) = u32::try_from(needed) else { return };
        if needed > self.most / 8 {
            return;
        }
        // Workers beyond the number that was told share a memory, so it may have come meanwhile.
        self.forget(token);
        let hash = hash(&self.hasher, token);
        if !self.has_room(needed) {
            if !self.door.knows(hash) {
                return;
            }
            while !self.has_room(needed) && !self.known.is_empty() {
                self.dismiss(now);
            }
        }
        let entry = Entry { token: token.into(), claims: claims.clone(), hash, bytes, used: false };
        self.known.insert_unique(hash, entry, |entry| entry.hash);
        self.bytes += needed;
    }

    pub(super) fn forget(&mut self, token: &str) {
        let hash = hash(&self.hasher, token);
        if let Ok(entry) = self.known.find_entry(hash, |entry| *entry.token == *token) {
            self.bytes -= entry.remove().0.bytes as usize;
        }
    }

    /// What it takes, which is no less than what it really takes.
    pub(super) fn size(&self) -> usize {
        self.bytes + self.known.allocation_size() + self.door.size()
    }

    fn has_room(&self, bytes: usize) -> bool {
        self.size() + self.growth() + bytes <= self.most
    }

    /// What the table takes in addition while it grows. It does when no place is left that was never used, unless
    /// at least half of its places are free: then it is tidied up where it is.
    fn growth(&self) -> usize {
        let places = self.known.num_buckets() * 7 / 8;
        match self.known.len() < self.known.capacity() || self.known.len() < places / 2 {
            true => 0,
            false => (2 * self.known.allocation_size()).max(block(8 * size_of::<Entry>())),
        }
    }

    /// Lets one go: the first from the hand on that has expired, or was not used since the hand came by.
    fn dismiss(&mut self, now: Timestamp) {
        // Whoever was used is passed over once.
        for _ in 0..2 * self.known.num_buckets() {
            let place = self.hand % self.known.num_buckets();
            self.hand = place + 1;
            let Ok(mut entry) = self.known.get_bucket_entry(place) else { continue };
            let known = entry.get_mut();
            if !known.used || known.claims.expires_at < now {
                self.bytes -= entry.remove().0.bytes as usize;
                return;
            }
            known.used = false;
        }
    }
}

/// Knows which tokens came lately that were not taken in, by their hashes.
///
/// A hash that falls on another's place takes it. One that is taken for another, which happens once in four
/// thousand million times, lets a token in a call early.
struct Door {
    places: Box<[u32]>,
    most: usize,
}

impl Door {
    /// A 64th of a memory.
    fn of(bytes: usize) -> Self {
        Self { places: Box::default(), most: bytes / 64 / size_of::<u32>() }
    }

    /// Whether it has come before. It has from now on.
    fn knows(&mut self, hash: u64) -> bool {
        if self.places.is_empty() {
            self.places = vec![0; self.most].into();
        }
        // Whichever half it is, cutting it off is what is wanted.
        let (place, mark) = (hash as u32 as usize % self.most.max(1), (hash >> 32) as u32 | 1);
        let Some(place) = self.places.get_mut(place) else { return false };
        std::mem::replace(place, mark) == mark
    }

    /// From the beginning, since it is needed just when there is no room for it.
    fn size(&self) -> usize {
        block(self.most * size_of::<u32>())
    }
}

/// Asks for what the links are about to look at.
fn fetch(claims: &Claims) {
    let mut fetch = Fetch::default();
    fetch.text(&claims.key_manager).text(&claims.subject).text(&claims.client);
    claims.scopes.iter().take(4).for_each(|scope| {
        fetch.text(scope);
    });
}

fn hash(hasher: &RandomState, token: &str) -> u64 {
    let bytes = token.as_bytes();
    hasher.hash_one(&bytes[bytes.len().saturating_sub(HASHED)..])
}

/// What claims take. A text that several tokens share counts for each of them, since who else holds it is not known.
fn weight(claims: &Claims) -> usize {
    /// The two counters of an `Arc`.
    const COUNTS: usize = 2 * size_of::<usize>();
    let texts = [claims.subject.as_str(), claims.client.as_str()].into_iter();
    let texts = texts.chain(claims.id.as_deref());
    let texts = texts.chain(claims.scopes.iter().map(|scope| scope.as_str()));
    let texts = texts.chain(claims.audiences.iter().map(|audience| audience.as_str()));
    block(COUNTS + size_of::<Claims>())
        + texts.map(|text| block(COUNTS + text.len())).sum::<usize>()
        + block(size_of::<Scope>() * claims.scopes.capacity())
        + block(size_of::<Audience>() * claims.audiences.capacity())
        + block(claims.all.as_str().len())
}

/// What the allocator takes for so many bytes: a word of its own, in steps of two.
fn block(bytes: usize) -> usize {
    const WORD: usize = size_of::<usize>();
    (bytes + WORD).next_multiple_of(2 * WORD).max(4 * WORD)
}
