//! Opens the wallets that get their first entry, and writes the postings of a batch.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Binary, Integer, Jsonb, Nullable, Numeric, SmallInt, Text, Timestamptz, Uuid};

use super::Failure;
use crate::domain::posting::{Answer, Book, Command, EntryLine, FastMap, Posting, WalletKey, WalletState};
use crate::domain::{AssetTypeCode, Lane, Owner, UserId, WalletId};
use crate::repo::statement::statement;

/// The rows of the wallets that a batch moves.
pub(super) struct WalletIds(FastMap<WalletKey, WalletId>);

impl WalletIds {
    pub(super) fn of(book: &Book) -> Self {
        Self(book.wallets.iter().filter_map(|(key, wallet)| Some((*key, wallet.id?))).collect())
    }

    pub(super) fn get(&self, key: &WalletKey) -> Option<WalletId> {
        self.0.get(key).copied()
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
            lines(posted).map(|line| &line.wallet).filter(|key| !self.0.contains_key(key)).collect();
        if missing.is_empty() {
            return Ok(());
        }
        let opened = statement::<(BigInt, Nullable<BigInt>, Text)>(
            "insert into wallets (user_id, lane, asset_type)
             select * from unnest($::bigint[], $::smallint[], $::text[])
             on conflict do nothing returning id, user_id, asset_type",
        )
        .bind::<Array<Nullable<BigInt>>, _>(missing.iter().map(|key| user_of(key)).collect::<Vec<_>>())
        .bind::<Array<Nullable<SmallInt>>, _>(
            missing.iter().map(|key| user_of(key).is_none().then_some(lane.0)).collect::<Vec<_>>(),
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
fn lines<'a>(posted: &'a [(&Command, &'a Posting)]) -> impl Iterator<Item = &'a EntryLine> {
    posted.iter().flat_map(|(_, posting)| [&posting.debit, &posting.credit])
}

/// One value of each row.
macro_rules! column {
    ($rows:ident, $row:pat => $value:expr) => {
        $rows.iter().map(|$row| $value).collect::<Vec<_>>()
    };
}

/// Writes the postings and the keys that the book has not stored yet, by the database's function
/// `write_postings`; says whether there was anything to write.
pub(super) fn write(
    conn: &mut PgConnection,
    now: DateTime<Utc>,
    book: &Book,
    wallets: &WalletIds,
    posted: &[(&Command, &Posting)],
) -> Result<bool, Failure> {
    let keys = new_keys(book);
    if posted.is_empty() && keys.is_empty() {
        return Ok(false);
    }
    let touched: BTreeSet<&WalletKey> = lines(posted).map(|line| &line.wallet).collect();
    let states: Vec<&WalletState> = touched.iter().filter_map(|key| book.wallets.get(key)).collect();
    let row = |key: &WalletKey| wallets.get(key).ok_or(Failure::Conflict);
    let moved = touched.iter().map(|key| row(key)).collect::<Result<Vec<_>, _>>()?;
    let rows = |line: fn(&Posting) -> &EntryLine| {
        posted.iter().map(|(_, posting)| row(&line(posting).wallet)).collect::<Result<Vec<_>, _>>()
    };
    let (debit_wallets, credit_wallets) = (rows(|posting| &posting.debit)?, rows(|posting| &posting.credit)?);
    statement::<()>(
        "select write_postings($, $, $, $, $, $, $, $, $, $, $, $, $, $, $, $, $, $, $, $, $, $, $, $, $, $, $, $, $, $,
                                $, $, $, $)",
    )
    .bind::<Array<BigInt>, _>(moved)
    .bind::<Array<Numeric>, _>(column!(states, wallet => &wallet.balance))
    .bind::<Array<Numeric>, _>(column!(states, wallet => &wallet.credit_total))
    .bind::<Array<BigInt>, _>(column!(states, wallet => wallet.version))
    .bind::<Array<Nullable<Timestamptz>>, _>(column!(states, wallet => wallet.last_posted_at))
    .bind::<Array<Uuid>, _>(column!(posted, (_, p) => p.transaction))
    .bind::<Array<Text>, _>(column!(posted, (_, p) => p.transaction_type))
    .bind::<Array<Text>, _>(column!(posted, (_, p) => p.asset_type.as_str()))
    .bind::<Array<Numeric>, _>(column!(posted, (_, p) => &p.amount))
    .bind::<Array<BigInt>, _>(debit_wallets)
    .bind::<Array<BigInt>, _>(column!(posted, (_, p) => p.debit.version))
    .bind::<Array<Numeric>, _>(column!(posted, (_, p) => &p.debit.balance_after))
    .bind::<Array<Numeric>, _>(column!(posted, (_, p) => &p.debit.credit_total))
    .bind::<Array<BigInt>, _>(credit_wallets)
    .bind::<Array<BigInt>, _>(column!(posted, (_, p) => p.credit.version))
    .bind::<Array<Numeric>, _>(column!(posted, (_, p) => &p.credit.balance_after))
    .bind::<Array<Numeric>, _>(column!(posted, (_, p) => &p.credit.credit_total))
    .bind::<Array<Nullable<BigInt>>, _>(column!(posted, (_, p) => p.asset))
    .bind::<Array<Nullable<BigInt>>, _>(column!(posted, (_, p) => user_of(&p.credit.wallet)))
    .bind::<Array<Nullable<BigInt>>, _>(column!(posted, (_, p) => p.campaign.map(|(campaign, _)| campaign)))
    .bind::<Array<Nullable<Integer>>, _>(column!(posted, (_, p) => p.campaign.map(|(_, number)| number)))
    .bind::<Array<Nullable<Uuid>>, _>(column!(posted, (_, p) => p.reverses))
    .bind::<Array<BigInt>, _>(column!(posted, (c, _) => c.requested_by))
    .bind::<Array<Text>, _>(column!(posted, (_, p) => p.description.as_str()))
    .bind::<Array<Nullable<Jsonb>>, _>(column!(posted, (c, _) => c.metadata.as_ref()))
    .bind::<Array<Nullable<Text>>, _>(column!(posted, (c, _) => c.reason.as_deref()))
    .bind::<Array<Timestamptz>, _>(column!(posted, (_, p) => p.created_at))
    .bind::<Array<BigInt>, _>(column!(keys, key => key.user))
    .bind::<Array<Text>, _>(column!(keys, key => key.key))
    .bind::<Array<Binary>, _>(column!(keys, key => key.request_hash))
    .bind::<Array<Integer>, _>(column!(keys, key => key.item))
    .bind::<Array<Nullable<Uuid>>, _>(column!(keys, key => key.answer.map(|answer| answer.transaction)))
    .bind::<Array<Nullable<Numeric>>, _>(column!(keys, key => key.answer.and_then(|answer| answer.owned_with.as_ref())))
    .bind::<Timestamptz, _>(now)
    .execute(conn)?;
    Ok(true)
}

/// One row of the idempotency keys.
#[derive(Clone, Copy)]
struct KeyRow<'a> {
    user: UserId,
    key: &'a str,
    request_hash: &'a [u8],
    item: i32,
    answer: Option<&'a Answer>,
}

/// The keys that this batch has used. One with items has a row for the whole request, too, so that
/// no two requests can have the key, whichever of their items are refused.
fn new_keys(book: &Book) -> Vec<KeyRow<'_>> {
    let new = book.keys.iter().flat_map(|((user, key), used)| {
        let row = |item, answer| KeyRow { user: *user, key, request_hash: &used.request_hash, item, answer };
        let whole = used.stored.is_empty() && !used.new.is_empty() && !used.new.contains_key(&0);
        let answers = used.new.iter().map(move |(item, answer)| row(*item, Some(answer)));
        whole.then(|| row(0, None)).into_iter().chain(answers)
    });
    new.collect()
}

fn user_of(key: &WalletKey) -> Option<UserId> {
    match key.owner {
        Owner::User(user) => Some(user),
        Owner::Treasury => None,
    }
}
