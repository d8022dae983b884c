//! A map whose copies share what they have in common.

use std::borrow::Borrow;
use std::fmt;
use std::hash::{BuildHasher as _, Hash};
use std::sync::Arc;

use foldhash::quality::RandomState;
use hashbrown::HashTable;

/// Parts a map is divided into.
const SHARDS: usize = 256;

/// A hash map that is cheap to clone, and whose change costs a 256th of a copy.
///
/// A clone shares all shards; a write copies the shard it touches if somebody else holds it too. So a view
/// of 100,000 subscriptions that changes in one of them copies 400 entries, and a view that nobody else has
/// seen yet copies nothing.
pub struct Shards<K, V> {
    shards: Arc<[Arc<Shard<K, V>>]>,
    length: usize,
    /// Keyed at random, so that nobody can choose keys that collide. Hashes find, keys decide.
    hasher: RandomState,
}

type Shard<K, V> = HashTable<(K, V)>;

impl<K, V> Clone for Shards<K, V> {
    fn clone(&self) -> Self {
        Self { shards: self.shards.clone(), length: self.length, hasher: self.hasher.clone() }
    }
}

impl<K, V> Default for Shards<K, V> {
    fn default() -> Self {
        let empty = Arc::new(HashTable::new());
        let shards = (0..SHARDS).map(|_| empty.clone()).collect();
        Self { shards, length: 0, hasher: RandomState::default() }
    }
}

impl<K, V> Shards<K, V> {
    /// How many entries it has.
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// All entries, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.shards.iter().flat_map(|shard| shard.iter()).map(|(key, value)| (key, value))
    }
}

impl<K: Hash + Eq + Clone, V: Clone> Shards<K, V> {
    /// Looks a key up.
    pub fn get<Q>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        if self.length == 0 {
            return None;
        }
        let hash = self.hasher.hash_one(key);
        self.shards[at(hash)].find(hash, |(other, _)| other.borrow() == key).map(|(_, value)| value)
    }

    /// Looks a key up, to change its value.
    pub fn get_mut<Q>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        // A shard is copied only for a key that is there.
        self.get(key)?;
        let hash = self.hasher.hash_one(key);
        self.shard(hash).find_mut(hash, |(other, _)| other.borrow() == key).map(|(_, value)| value)
    }

    /// Puts a value in place of the key's former one.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        let hash = self.hasher.hash_one(&key);
        let hasher = self.hasher.clone();
        let shard = self.shard(hash);
        if let Some((_, old)) = shard.find_mut(hash, |(other, _)| *other == key) {
            return Some(std::mem::replace(old, value));
        }
        shard.insert_unique(hash, (key, value), |(key, _)| hasher.hash_one(key));
        self.length += 1;
        None
    }

    /// Takes a key out.
    pub fn remove<Q>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.get(key)?;
        let hash = self.hasher.hash_one(key);
        let entry = self.shard(hash).find_entry(hash, |(other, _)| other.borrow() == key).ok()?;
        let ((_, value), _) = entry.remove();
        self.length -= 1;
        Some(value)
    }

    fn shard(&mut self, hash: u64) -> &mut Shard<K, V> {
        Arc::make_mut(&mut Arc::make_mut(&mut self.shards)[at(hash)])
    }
}

/// The table itself uses the lowest and the highest bits.
fn at(hash: u64) -> usize {
    (hash >> 32) as usize % SHARDS
}

impl<K, V> fmt::Debug for Shards<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Shards({})", self.length)
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
        let shared = first.shards.iter().zip(second.shards.iter()).filter(|(a, b)| Arc::ptr_eq(a, b));
        assert_eq!(shared.count(), SHARDS - 1);
    }
}
