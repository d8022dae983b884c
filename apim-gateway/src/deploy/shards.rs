//! A table whose copies share what they have in common.

use std::borrow::Borrow;
use std::fmt;
use std::hash::{BuildHasher as _, Hash};
use std::sync::Arc;

use foldhash::quality::RandomState;
use hashbrown::HashTable;

/// Parts a table is divided into.
const SHARDS: usize = 256;

/// A hash table that is cheap to clone, and whose change costs a 256th of a copy. It knows hashes; what its
/// entries are found by is its owner's business.
///
/// A clone shares all shards; a write copies the shard it touches if somebody else holds it too. So a view
/// of 100,000 subscriptions that changes in one of them copies 400 entries, and a view that nobody else has
/// seen yet copies nothing.
pub(super) struct Table<E> {
    shards: Arc<[Arc<HashTable<E>>]>,
    length: usize,
    /// Keyed at random, so that nobody can choose keys that collide. Hashes find, keys decide.
    hasher: RandomState,
}

impl<E> Clone for Table<E> {
    fn clone(&self) -> Self {
        Self { shards: self.shards.clone(), length: self.length, hasher: self.hasher.clone() }
    }
}

impl<E> Default for Table<E> {
    fn default() -> Self {
        let empty = Arc::new(HashTable::new());
        let shards = (0..SHARDS).map(|_| empty.clone()).collect();
        Self { shards, length: 0, hasher: RandomState::default() }
    }
}

impl<E> Table<E> {
    pub(super) fn len(&self) -> usize {
        self.length
    }

    /// In no order.
    pub(super) fn iter(&self) -> impl Iterator<Item = &E> {
        self.shards.iter().flat_map(|shard| shard.iter())
    }

    pub(super) fn hash(&self, key: impl Hash) -> u64 {
        self.hasher.hash_one(key)
    }

    pub(super) fn find(&self, hash: u64, is: impl FnMut(&E) -> bool) -> Option<&E> {
        self.shards[at(hash)].find(hash, is)
    }
}

impl<E: Clone> Table<E> {
    pub(super) fn find_mut(&mut self, hash: u64, mut is: impl FnMut(&E) -> bool) -> Option<&mut E> {
        // A shard is copied only for an entry that is there.
        self.find(hash, &mut is)?;
        self.shard(hash).find_mut(hash, is)
    }

    /// Puts in an entry that is not there.
    pub(super) fn add(&mut self, hash: u64, entry: E, rehash: impl Fn(&RandomState, &E) -> u64) {
        let hasher = self.hasher.clone();
        self.shard(hash).insert_unique(hash, entry, |entry| rehash(&hasher, entry));
        self.length += 1;
    }

    pub(super) fn remove(&mut self, hash: u64, mut is: impl FnMut(&E) -> bool) -> Option<E> {
        self.find(hash, &mut is)?;
        let entry = self.shard(hash).find_entry(hash, is).ok()?;
        let (removed, _) = entry.remove();
        self.length -= 1;
        Some(removed)
    }

    fn shard(&mut self, hash: u64) -> &mut HashTable<E> {
        Arc::make_mut(&mut Arc::make_mut(&mut self.shards)[at(hash)])
    }
}

/// A map whose copies share what they have in common, as a view's do: changing one of 100,000 entries copies 400.
pub struct Shards<K, V>(Table<(K, V)>);

impl<K, V> Clone for Shards<K, V> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<K, V> Default for Shards<K, V> {
    fn default() -> Self {
        Self(Table::default())
    }
}

impl<K, V> Shards<K, V> {
    /// How many entries it has.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All entries, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.0.iter().map(|(key, value)| (key, value))
    }
}

impl<K: Hash + Eq + Clone, V: Clone> Shards<K, V> {
    /// Looks a key up.
    pub fn get<Q>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        if self.is_empty() {
            return None;
        }
        self.0.find(self.0.hash(key), |(other, _)| other.borrow() == key).map(|(_, value)| value)
    }

    /// Looks a key up, to change its value.
    pub fn get_mut<Q>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.0.find_mut(self.0.hash(key), |(other, _)| other.borrow() == key).map(|(_, value)| value)
    }

    /// Puts a value in place of the key's former one.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        let hash = self.0.hash(&key);
        if let Some((_, old)) = self.0.find_mut(hash, |(other, _)| *other == key) {
            return Some(std::mem::replace(old, value));
        }
        self.0.add(hash, (key, value), |hasher, (key, _)| hasher.hash_one(key));
        None
    }

    /// Takes a key out.
    pub fn remove<Q>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.0.remove(self.0.hash(key), |(other, _)| other.borrow() == key).map(|(_, value)| value)
    }
}

/// The table itself uses the lowest and the highest bits.
fn at(hash: u64) -> usize {
    (hash >> 32) as usize % SHARDS
}

impl<K, V> fmt::Debug for Shards<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Shards({})", self.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_keeps_what_it_had() {
        let mut first = Shards::default();
        for n in 0..1000 {
            first.insert(n, n * 2);
        }
        let mut second = first.clone();
        assert_eq!(second.insert(7, 0), Some(14));
        assert_eq!(second.remove(&8), Some(16));
        *second.get_mut(&9).expect("it is there") = 1;
        assert_eq!((first.get(&7), first.get(&8), first.get(&9)), (Some(&14), Some(&16), Some(&18)));
        assert_eq!((second.get(&7), second.get(&8), second.get(&9)), (Some(&0), None, Some(&1)));
        assert_eq!((first.len(), second.len()), (1000, 999));
    }

    #[test]
    fn a_change_copies_one_shard() {
        let mut first = Shards::default();
        for n in 0..10_000 {
            first.insert(n, ());
        }
        let mut second = first.clone();
        second.insert(10_000, ());
        let shared = first.0.shards.iter().zip(second.0.shards.iter()).filter(|(a, b)| Arc::ptr_eq(a, b));
        assert_eq!(shared.count(), SHARDS - 1);
    }
}
