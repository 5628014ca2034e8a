//! The ledger in the hands of admins: looking through it, moving value and taking it back, by the API,
//! by the pages and in real browsers.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::unwrap_used, reason = "a failing test fails loudly")]

mod support;

#[path = "explorer/browsers.rs"]
mod browsers;
#[path = "explorer/lists.rs"]
mod lists;
#[path = "explorer/log.rs"]
mod log;
#[path = "explorer/pages.rs"]
mod pages;
