//! Moving value by HTTP: what each kind of movement does and who may ask for it, what is refused,
//! what a dry run tells, what a reversal takes back, and that races lose nothing.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::unwrap_used, reason = "a failing test fails loudly")]

mod support;

#[path = "movements/dry_runs.rs"]
mod dry_runs;
#[path = "movements/kinds.rs"]
mod kinds;
#[path = "movements/presumed.rs"]
mod presumed;
#[path = "movements/races.rs"]
mod races;
#[path = "movements/refusals.rs"]
mod refusals;
#[path = "movements/reversals.rs"]
mod reversals;
#[path = "movements/validation.rs"]
mod validation;
