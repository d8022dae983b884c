//! Things that are found by what they say themselves.

use std::fmt;
use std::hash::BuildHasher as _;
use std::marker::PhantomData;

use super::shards::Table;

/// By which of its own texts a thing is found; where there is but one, the other is empty.
pub(super) trait By<T> {
    fn key(thing: &T) -> [&str; 2];
}

/// Shared things, each found by what it says of itself, so that a place in it takes one pointer: there are tens of
/// thousands of subscriptions. Copies share what they have in common, as [`Shards`](super::Shards) do.
pub(super) struct Index<T, B>(Table<T>, PhantomData<fn() -> B>);

impl<T, B> Clone for Index<T, B> {
    fn clone(&self) -> Self {
        Self(self.0.clone(), PhantomData)
    }
}

impl<T, B> Default for Index<T, B> {
    fn default() -> Self {
        Self(Table::default(), PhantomData)
    }
}

impl<T: Clone, B: By<T>> Index<T, B> {
    pub(super) fn get(&self, key: [&str; 2]) -> Option<&T> {
        self.0.find(self.0.hash(key), |other| B::key(other) == key)
    }

    /// Puts a thing in place of the former one of its key.
    pub(super) fn insert(&mut self, thing: T) -> Option<T> {
        let key = B::key(&thing);
        let hash = self.0.hash(key);
        if let Some(old) = self.0.find_mut(hash, |other| B::key(other) == key) {
            return Some(std::mem::replace(old, thing));
        }
        self.0.add(hash, thing, |hasher, thing| hasher.hash_one(B::key(thing)));
        None
    }

    pub(super) fn remove(&mut self, key: [&str; 2]) -> Option<T> {
        self.0.remove(self.0.hash(key), |other| B::key(other) == key)
    }
}

impl<T, B> fmt::Debug for Index<T, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Index({})", self.0.len())
    }
}
