//! How many requests are inside, for whoever lets them in and whoever waits for more of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The requests that are being worked on. Clones are of the same ones.
#[derive(Clone, Default)]
pub struct Crowd(Arc<AtomicUsize>);

impl Crowd {
    /// How many there are.
    pub fn size(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    /// Lets one in, unless so many are inside.
    #[must_use]
    pub fn enter(&self, most: usize) -> bool {
        let has_room = self.0.fetch_add(1, Ordering::Relaxed) < most;
        if !has_room {
            self.leave();
        }
        has_room
    }

    /// One is done.
    pub fn leave(&self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
