//! Turns of those who try what can be guessed: of one key only few tries are on their way at once,
//! so that those that were wrong are counted before many others are let in.

use std::collections::BTreeSet;
use std::hash::{BuildHasher, Hash, RandomState};
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};

use crate::error::{Error, Result};

/// How many tries of one key are on their way at once.
const AT_ONCE: usize = 3;

/// How long a try waits for its turn.
const PATIENCE: Duration = Duration::from_secs(10);

/// Turns by key. Keys share 64 queues, so a few wait for strangers.
pub struct Turns {
    hasher: RandomState,
    queues: [Semaphore; 64],
}

impl Default for Turns {
    fn default() -> Self {
        Self { hasher: RandomState::new(), queues: std::array::from_fn(|_| Semaphore::new(AT_ONCE)) }
    }
}

impl Turns {
    /// Waits until it is the turn of a try that is for all of these keys. The turn ends when what
    /// is returned is dropped.
    ///
    /// # Errors
    /// [`Error::Overloaded`] after ten seconds.
    pub async fn wait<K: Hash>(&self, keys: &[K]) -> Result<Vec<SemaphorePermit<'_>>> {
        let number = |key| self.hasher.hash_one(key) % self.queues.len() as u64;
        // In the same order for all, so that no two wait for each other.
        let numbers: BTreeSet<u64> = keys.iter().map(number).collect();
        let queues = numbers.into_iter().filter_map(|number| self.queues.get(usize::try_from(number).ok()?));
        let all = async {
            let mut turns = Vec::new();
            for queue in queues {
                turns.push(queue.acquire().await.map_err(Error::broken)?);
            }
            Ok(turns)
        };
        tokio::time::timeout(PATIENCE, all).await.map_err(|_| Error::Overloaded)?
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[tokio::test]
    async fn a_few_of_one_key_go_at_once_and_the_next_when_one_is_done() {
        let turns = Turns::default();
        let mut taken = Vec::new();
        for _ in 0..AT_ONCE {
            taken.push(turns.wait(&["alice", "alice"]).await.unwrap());
        }
        let mut next = Box::pin(turns.wait(&["alice"]));
        assert!((&mut next).now_or_never().is_none());
        drop(taken.pop());
        assert_eq!(next.await.unwrap().len(), 1);
    }
}
