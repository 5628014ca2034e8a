//! What is remembered for speed alone, in bounded space: facts that never change, or of which whoever
//! remembers them finds out whether they have. It may be lost at any moment.

use std::hash::Hash;
use std::sync::{Mutex, PoisonError};

use foldhash::HashMap;

/// A bounded memory. What is asked for stays; of the rest the older half goes when the newer is full.
pub struct Memory<K, V> {
    half: usize,
    halves: Mutex<Halves<K, V>>,
}

struct Halves<K, V> {
    newer: HashMap<K, V>,
    older: HashMap<K, V>,
}

impl<K: Eq + Hash, V: Clone> Memory<K, V> {
    /// A memory of at most `most` facts, with none in it.
    pub fn of_at_most(most: usize) -> Self {
        let halves = Mutex::new(Halves { newer: HashMap::default(), older: HashMap::default() });
        Self { half: most / 2, halves }
    }

    /// Remembers a fact.
    pub fn insert(&self, key: K, value: V) {
        self.halves.lock().unwrap_or_else(PoisonError::into_inner).insert(key, value, self.half);
    }

    /// Forgets a fact.
    pub fn forget(&self, key: &K) {
        let mut halves = self.halves.lock().unwrap_or_else(PoisonError::into_inner);
        halves.newer.remove(key);
        halves.older.remove(key);
    }

    /// What is remembered of a key.
    pub fn get<Q>(&self, key: &Q) -> Option<V>
    where
        K: std::borrow::Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        let mut halves = self.halves.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(value) = halves.newer.get(key) {
            return Some(value.clone());
        }
        let (key, value) = halves.older.remove_entry(key)?;
        halves.insert(key, value.clone(), self.half);
        Some(value)
    }
}

impl<K: Eq + Hash, V> Halves<K, V> {
    fn insert(&mut self, key: K, value: V, half: usize) {
        if self.newer.len() >= half && !self.newer.contains_key(&key) {
            self.older = std::mem::take(&mut self.newer);
        }
        self.newer.insert(key, value);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn the_memory_is_bounded_and_what_is_asked_for_stays() {
        let memory = Memory::of_at_most(100);
        memory.insert("hot".to_owned(), 7);
        for number in 0..1_000 {
            memory.insert(number.to_string(), number);
            assert_eq!(memory.get("hot"), Some(7));
        }
        assert_eq!((memory.get("999"), memory.get("1")), (Some(999), None));
        let halves = memory.halves.lock().unwrap();
        assert!(halves.newer.len() + halves.older.len() <= 100);
    }
}
