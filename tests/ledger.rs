//! The ledger on a real PostgreSQL: batches, races, repetitions, faults, and the proof of the books.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::unwrap_used, reason = "a failing test fails loudly")]

mod support;

#[path = "ledger/batches.rs"]
mod batches;
#[path = "ledger/campaigns.rs"]
mod campaigns;
#[path = "ledger/faults.rs"]
mod faults;
#[path = "ledger/groups.rs"]
mod groups;
#[path = "ledger/lost_groups.rs"]
mod lost_groups;
#[path = "ledger/outdated.rs"]
mod outdated;
#[path = "ledger/preview.rs"]
mod preview;
#[path = "ledger/proof.rs"]
mod proof;
#[path = "ledger/proxy.rs"]
mod proxy;
#[path = "ledger/races.rs"]
mod races;
