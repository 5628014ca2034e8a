//! What happened: transactions and their lists, the history of a wallet, and the totals of a range
//! of dates, whose cost does not grow with what is in it.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::unwrap_used, reason = "a failing test fails loudly")]

mod support;

#[path = "history/files.rs"]
mod files;
#[path = "history/statements.rs"]
mod statements;
#[path = "history/totals.rs"]
mod totals;
#[path = "history/transactions.rs"]
mod transactions;

use serde_json::Value;
use support::api::{Caller, id};

/// The id of a caller's only wallet in an asset type.
async fn wallet_of(caller: &Caller, asset_type: &str) -> i64 {
    let wallets = caller.walk(&format!("/wallets?user=me&asset_type={asset_type}")).await;
    assert_eq!(wallets.len(), 1, "{} has one wallet of {asset_type}", caller.name);
    id(&wallets[0])
}

/// The numbers of a history's rows in their wallet.
fn versions(rows: &[Value]) -> Vec<i64> {
    rows.iter().map(|row| row["version"].as_i64().unwrap()).collect()
}
