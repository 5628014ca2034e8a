//! Receipts that somebody waits for, or may one day: made several at a time, by as many instances as
//! there are.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::Stop;
use crate::documents::receipt::Receipt;
use crate::domain::{Owner, grouped, signed};
use crate::error::{Error, Result};
use crate::ledger::Clock;
use crate::repo::Db;
use crate::repo::receipts::{self, Key, Task};

/// How many receipts are made between two looks at the database.
const AT_ONCE: i64 = 20;

/// How many transactions get their receipts in one run although nobody has asked. Few, so that a
/// busy ledger keeps its processor; what is left behind is made when somebody asks.
const UNASKED: i64 = 10;

/// What stands for the treasury.
const TREASURY: &str = "Coffer";

/// Makes all receipts that are due until it is told to stop, and writes down those of new transactions.
///
/// # Errors
/// The database's.
pub fn make_due(db: &Db, clock: &Clock, public_url: &str, stop: &Stop) -> Result<()> {
    db.run_here(|conn| receipts::discover(conn, clock(), UNASKED))?;
    while !stop.is_told() {
        let tasks = db.run_here(|conn| receipts::take(conn, clock(), AT_ONCE))?;
        if tasks.is_empty() {
            break;
        }
        let mut made = Vec::new();
        for task in &tasks {
            match pdf(task, public_url) {
                Ok(pdf) => made.push((task.key, pdf)),
                Err(error) => give_up(db, clock, task.key, &error)?,
            }
        }
        keep(db, clock, &made)?;
    }
    Ok(())
}

/// Keeps all together or, where one of them cannot be kept, each alone.
fn keep(db: &Db, clock: &Clock, made: &[(Key, Vec<u8>)]) -> Result<()> {
    if db.run_here(|conn| receipts::keep(conn, made, clock())).is_ok() {
        return Ok(());
    }
    for one in made.chunks(1) {
        let kept = db.run_here(|conn| receipts::keep(conn, one, clock()));
        if let (Err(error), Some((key, _))) = (kept, one.first()) {
            give_up(db, clock, *key, &error)?;
        }
    }
    Ok(())
}

fn give_up(db: &Db, clock: &Clock, key: Key, error: &Error) -> Result<()> {
    let reason = reason(error);
    tracing::error!(transaction = %key.transaction, reason, "a receipt could not be made");
    db.run_here(|conn| receipts::fail(conn, key, &reason, clock()))
}

/// What an admin reads of an error.
fn reason(error: &Error) -> String {
    match error {
        Error::Broken(source) => source.to_string().chars().take(500).collect(),
        error => error.to_string(),
    }
}

/// The file of a receipt. A panic is an error like any other.
fn pdf(task: &Task, public_url: &str) -> Result<Vec<u8>> {
    let typeset = catch_unwind(AssertUnwindSafe(|| paper(task, public_url).pdf()));
    typeset.unwrap_or_else(|_| Err(Error::broken("typesetting panicked")))
}

/// What the receipt says.
fn paper(task: &Task, public_url: &str) -> Receipt {
    let transaction = &task.view.transaction;
    let (about, other) = transaction.sides();
    let is_about = about.owner == Owner::User(task.key.user);
    let own = if is_about { about } else { other };
    let (user, counterparty) = (Some(task.view.user.clone()), task.view.counterparty.clone());
    let (owner, partner) = if is_about { (user, counterparty) } else { (counterparty, user) };
    let owner = owner.unwrap_or_default();
    let gained = !own.amount.is_negative();
    let unit = |number: String| format!("{number} {}", transaction.asset_type);
    let amount = |balance: &crate::domain::Balance| balance.at_scale(transaction.scale.0);
    let partner_name = partner.clone().unwrap_or_else(|| TREASURY.to_owned());
    let (from, to) = if gained { (partner_name, owner.clone()) } else { (owner.clone(), partner_name) };
    let mut facts = vec![
        ("From", from),
        ("To", to),
        ("Time", transaction.created_at.format("%-d %b %Y, %H:%M:%S UTC").to_string()),
    ];
    if !transaction.description.is_empty() {
        facts.push(("Description", transaction.description.clone()));
    }
    if let Some(asset) = transaction.asset {
        facts.push(("Credit", asset.to_string()));
    }
    if let Some(original) = transaction.reverses {
        facts.push(("Takes back", original.to_string()));
    }
    facts.push(("Transaction", transaction.id.to_string()));
    Receipt {
        title: transaction.transaction_type.told(gained, partner.as_deref()),
        amount: unit(signed(&amount(&own.amount))),
        facts,
        owner,
        balances: [
            unit(grouped(&amount(&own.balance_before))),
            unit(signed(&amount(&own.amount))),
            unit(grouped(&amount(&own.balance_after))),
        ],
        code: task.code.to_string(),
        address: public_url.to_owned(),
        time: transaction.created_at,
    }
}
