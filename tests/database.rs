//! The database itself: what it refuses whoever asks, what it counts, how its schema comes and goes, and
//! that reads stay cheap when it is large.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::unwrap_used, reason = "a failing test fails loudly")]

mod support;

#[path = "database/access.rs"]
mod access;
#[path = "database/migrations.rs"]
mod migrations;
#[path = "database/plans.rs"]
mod plans;
#[path = "database/pool.rs"]
mod pool;
#[path = "database/reads.rs"]
mod reads;
#[path = "database/refusals.rs"]
mod refusals;
