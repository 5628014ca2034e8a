//! Writes the postings of a batch: one statement per table, however many postings there are.

use std::collections::{BTreeSet, HashMap};

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Binary, Jsonb, Nullable, Numeric, SmallInt, Text, Timestamptz, Uuid};

use super::Failure;
use crate::domain::posting::{Book, Command, EntryLine, Posting, WalletKey, WalletState};
use crate::domain::{AssetId, AssetTypeCode, Balance, Lane, Owner, UserId, WalletId};
use crate::repo::statement::statement;

/// The rows of the wallets that a batch moves.
pub(super) struct WalletIds(HashMap<WalletKey, WalletId>);

impl WalletIds {
    pub(super) fn of(book: &Book) -> Self {
        Self(book.wallets.iter().filter_map(|(key, wallet)| Some((key.clone(), wallet.id?))).collect())
    }

    pub(super) fn get(&self, key: &WalletKey) -> Result<WalletId, Failure> {
        self.0.get(key).copied().ok_or(Failure::Conflict)
    }

    /// Opens the wallets that get their first entry. One that another batch opens at the same time
    /// makes this a conflict, and the next try finds it.
    pub(super) fn open_missing(
        &mut self,
        conn: &mut PgConnection,
        lane: Lane,
        posted: &[(&Command, &Posting)],
    ) -> Result<(), Failure> {
        let missing: BTreeSet<&WalletKey> =
            lines(posted).map(|(_, line)| &line.wallet).filter(|key| !self.0.contains_key(key)).collect();
        if missing.is_empty() {
            return Ok(());
        }
        let user = |key: &WalletKey| match key.owner {
            Owner::User(user) => Some(user),
            Owner::Treasury => None,
        };
        let opened = statement::<(BigInt, Nullable<BigInt>, Text)>(
            "insert into wallets (user_id, lane, asset_type)
             select * from unnest($::bigint[], $::smallint[], $::text[])
             on conflict do nothing returning id, user_id, asset_type",
        )
        .bind::<Array<Nullable<BigInt>>, _>(missing.iter().map(|key| user(key)).collect::<Vec<_>>())
        .bind::<Array<Nullable<SmallInt>>, _>(
            missing.iter().map(|key| user(key).is_none().then_some(lane.0)).collect::<Vec<_>>(),
        )
        .bind::<Array<Text>, _>(missing.iter().map(|key| key.asset_type.as_str()).collect::<Vec<_>>())
        .load::<(WalletId, Option<UserId>, AssetTypeCode)>(conn)?;
        if opened.len() < missing.len() {
            return Err(Failure::Conflict);
        }
        self.0.extend(opened.into_iter().map(|(id, user, asset_type)| {
            (WalletKey { owner: user.map_or(Owner::Treasury, Owner::User), asset_type }, id)
        }));
        Ok(())
    }
}

/// The two lines of every posting, in order.
fn lines<'a>(posted: &'a [(&Command, &'a Posting)]) -> impl Iterator<Item = (&'a Posting, &'a EntryLine)> {
    posted.iter().flat_map(|(_, posting)| [(*posting, &posting.debit), (*posting, &posting.credit)])
}

/// Writes the postings. The order matters to the triggers: what claims and entries are checked
/// against is there before them.
pub(super) fn write(
    conn: &mut PgConnection,
    now: DateTime<Utc>,
    book: &Book,
    wallets: &WalletIds,
    posted: &[(&Command, &Posting)],
) -> Result<(), Failure> {
    update_wallets(conn, book, wallets, posted)?;
    insert_transactions(conn, wallets, posted)?;
    insert_entries(conn, wallets, posted)?;
    insert_claims(conn, posted)?;
    insert_keys(conn, now, posted)
}

fn update_wallets(
    conn: &mut PgConnection,
    book: &Book,
    wallets: &WalletIds,
    posted: &[(&Command, &Posting)],
) -> Result<(), Failure> {
    let touched: BTreeSet<&WalletKey> = lines(posted).map(|(_, line)| &line.wallet).collect();
    let states: Vec<&WalletState> = touched.iter().filter_map(|key| book.wallets.get(key)).collect();
    let ids = touched.iter().map(|key| wallets.get(key)).collect::<Result<Vec<_>, _>>()?;
    let updated = statement::<()>(
        "update wallets w
         set balance = n.balance, credit_total = n.credit_total, version = n.version, last_posted_at = n.posted_at
         from unnest($::bigint[], $::numeric[], $::numeric[], $::bigint[], $::timestamptz[])
             n (id, balance, credit_total, version, posted_at)
         where w.id = n.id",
    )
    .bind::<Array<BigInt>, _>(ids)
    .bind::<Array<Numeric>, _>(states.iter().map(|wallet| &wallet.balance).collect::<Vec<_>>())
    .bind::<Array<Numeric>, _>(states.iter().map(|wallet| &wallet.credit_total).collect::<Vec<_>>())
    .bind::<Array<BigInt>, _>(states.iter().map(|wallet| wallet.version).collect::<Vec<_>>())
    .bind::<Array<Nullable<Timestamptz>>, _>(states.iter().map(|wallet| wallet.last_posted_at).collect::<Vec<_>>())
    .execute(conn)?;
    expect_rows(updated, touched.len())
}

fn insert_transactions(
    conn: &mut PgConnection,
    wallets: &WalletIds,
    posted: &[(&Command, &Posting)],
) -> Result<(), Failure> {
    let of = |line: fn(&Posting) -> &EntryLine| {
        posted.iter().map(|(_, posting)| wallets.get(&line(posting).wallet)).collect::<Result<Vec<_>, _>>()
    };
    let (debit_wallets, credit_wallets) = (of(|posting| &posting.debit)?, of(|posting| &posting.credit)?);
    macro_rules! column {
        (|$command:ident, $posting:ident| $value:expr) => {
            posted.iter().map(|&($command, $posting)| $value).collect::<Vec<_>>()
        };
    }
    let inserted = statement::<()>(
        "insert into transactions (id, type, asset_type, amount, debit_wallet_id, debit_version, credit_wallet_id,
                                   credit_version, asset_id, reverses, requested_by, description, metadata, reason,
                                   created_at)
         select * from unnest($::uuid[], $::text[], $::text[], $::numeric[], $::bigint[], $::bigint[], $::bigint[],
                              $::bigint[], $::bigint[], $::uuid[], $::bigint[], $::text[], $::jsonb[], $::text[],
                              $::timestamptz[])",
    )
    .bind::<Array<Uuid>, _>(column!(|_c, p| p.transaction))
    .bind::<Array<Text>, _>(column!(|_c, p| p.transaction_type))
    .bind::<Array<Text>, _>(column!(|_c, p| p.asset_type.as_str()))
    .bind::<Array<Numeric>, _>(column!(|_c, p| &p.amount))
    .bind::<Array<BigInt>, _>(debit_wallets)
    .bind::<Array<BigInt>, _>(column!(|_c, p| p.debit.version))
    .bind::<Array<BigInt>, _>(credit_wallets)
    .bind::<Array<BigInt>, _>(column!(|_c, p| p.credit.version))
    .bind::<Array<Nullable<BigInt>>, _>(column!(|_c, p| p.asset))
    .bind::<Array<Nullable<Uuid>>, _>(column!(|_c, p| p.reverses))
    .bind::<Array<BigInt>, _>(column!(|c, _p| c.requested_by))
    .bind::<Array<Text>, _>(column!(|_c, p| p.description.as_str()))
    .bind::<Array<Nullable<Jsonb>>, _>(column!(|c, _p| c.metadata.as_ref()))
    .bind::<Array<Nullable<Text>>, _>(column!(|c, _p| c.reason.as_deref()))
    .bind::<Array<Timestamptz>, _>(column!(|_c, p| p.created_at))
    .execute(conn)?;
    expect_rows(inserted, posted.len())
}

fn insert_entries(
    conn: &mut PgConnection,
    wallets: &WalletIds,
    posted: &[(&Command, &Posting)],
) -> Result<(), Failure> {
    let ids = lines(posted).map(|(_, line)| wallets.get(&line.wallet)).collect::<Result<Vec<_>, _>>()?;
    let amounts = posted
        .iter()
        .flat_map(|(_, posting)| [Balance::of_debit(&posting.amount), Balance::of_credit(&posting.amount)])
        .collect::<Vec<_>>();
    let inserted = statement::<()>(
        "insert into entries (wallet_id, created_at, version, transaction_id, amount, balance_before, balance_after,
                              credit_total)
         select * from unnest($::bigint[], $::timestamptz[], $::bigint[], $::uuid[], $::numeric[], $::numeric[],
                              $::numeric[], $::numeric[])",
    )
    .bind::<Array<BigInt>, _>(ids)
    .bind::<Array<Timestamptz>, _>(lines(posted).map(|(posting, _)| posting.created_at).collect::<Vec<_>>())
    .bind::<Array<BigInt>, _>(lines(posted).map(|(_, line)| line.version).collect::<Vec<_>>())
    .bind::<Array<Uuid>, _>(lines(posted).map(|(posting, _)| posting.transaction).collect::<Vec<_>>())
    .bind::<Array<Numeric>, _>(amounts)
    .bind::<Array<Numeric>, _>(lines(posted).map(|(_, line)| &line.balance_before).collect::<Vec<_>>())
    .bind::<Array<Numeric>, _>(lines(posted).map(|(_, line)| &line.balance_after).collect::<Vec<_>>())
    .bind::<Array<Numeric>, _>(lines(posted).map(|(_, line)| &line.credit_total).collect::<Vec<_>>())
    .execute(conn)?;
    expect_rows(inserted, 2 * posted.len())
}

fn insert_claims(conn: &mut PgConnection, posted: &[(&Command, &Posting)]) -> Result<(), Failure> {
    let claims: Vec<(AssetId, UserId, &Posting)> = posted
        .iter()
        .filter_map(|(_, posting)| match posting.credit.wallet.owner {
            Owner::User(user) => Some((posting.asset?, user, *posting)),
            Owner::Treasury => None,
        })
        .collect();
    if claims.is_empty() {
        return Ok(());
    }
    let assets: Vec<AssetId> = claims.iter().map(|(asset, ..)| *asset).collect();
    let updated = statement::<()>(
        "update assets set status = 'claimed', version = version + 1 where id = any($) and status = 'available'",
    )
    .bind::<Array<BigInt>, _>(assets.clone())
    .execute(conn)?;
    expect_rows(updated, assets.len())?;
    let inserted = statement::<()>(
        "insert into claims (asset_id, user_id, transaction_id, claimed_at)
         select * from unnest($::bigint[], $::bigint[], $::uuid[], $::timestamptz[])",
    )
    .bind::<Array<BigInt>, _>(assets)
    .bind::<Array<BigInt>, _>(claims.iter().map(|(_, user, _)| *user).collect::<Vec<_>>())
    .bind::<Array<Uuid>, _>(claims.iter().map(|(.., posting)| posting.transaction).collect::<Vec<_>>())
    .bind::<Array<Timestamptz>, _>(claims.iter().map(|(.., posting)| posting.created_at).collect::<Vec<_>>())
    .execute(conn)?;
    expect_rows(inserted, claims.len())
}

/// Remembers the keys. One that another batch has written since this one read them is a conflict;
/// the next try finds it and replays.
fn insert_keys(conn: &mut PgConnection, now: DateTime<Utc>, posted: &[(&Command, &Posting)]) -> Result<(), Failure> {
    let mut keyed: Vec<_> = posted
        .iter()
        .filter_map(|(command, posting)| {
            let idempotency = command.idempotency.as_ref()?;
            Some((command.requested_by, idempotency.key.as_str(), &idempotency.request_hash[..], posting.transaction))
        })
        .collect();
    if keyed.is_empty() {
        return Ok(());
    }
    // In one order in every batch, so that two batches with the same keys cannot wait for each other.
    keyed.sort_unstable();
    let inserted = statement::<()>(
        "insert into idempotency_keys (user_id, key, request_hash, transaction_id, created_at)
         select user_id, key, request_hash, transaction_id, $
         from unnest($::bigint[], $::text[], $::bytea[], $::uuid[]) n (user_id, key, request_hash, transaction_id)
         on conflict do nothing",
    )
    .bind::<Timestamptz, _>(now)
    .bind::<Array<BigInt>, _>(keyed.iter().map(|(caller, ..)| *caller).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(keyed.iter().map(|(_, key, ..)| *key).collect::<Vec<_>>())
    .bind::<Array<Binary>, _>(keyed.iter().map(|(_, _, hash, _)| *hash).collect::<Vec<_>>())
    .bind::<Array<Uuid>, _>(keyed.iter().map(|(.., transaction)| *transaction).collect::<Vec<_>>())
    .execute(conn)?;
    expect_rows(inserted, keyed.len())
}

/// Every row that the batch holds locked must have been written: anything else means that the books
/// moved under it, which a new try sees afresh.
fn expect_rows(written: usize, expected: usize) -> Result<(), Failure> {
    if written == expected { Ok(()) } else { Err(Failure::Conflict) }
}
