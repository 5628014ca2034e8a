//! The proof of the books finds every kind of damage, and names the promise that is broken.
