//! Transactions as the ledger holds them, and what happened in a user's wallets.

use std::collections::HashMap;

use chrono::{DateTime, TimeDelta, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Jsonb, Nullable, Numeric, SmallInt, Text, Timestamptz, Uuid};

use super::assets::Viewer;
use super::statement::{Statement, statement};
use super::{Page, PageRequest};
use crate::domain::{
    Amount, AssetId, AssetTypeCode, Balance, Entry, Owner, Period, Scale, Transaction, TransactionId, TransactionType,
    UserId, WalletId,
};
use crate::error::{Error, Refusal, Result};

/// What the list of all transactions is called in its cursors.
const ALL: &str = "transactions";

/// What the list of a user's transactions is called in its cursors.
const OF_USER: &str = "transactions-of-user";

type Head = (TransactionId, TransactionType, AssetTypeCode, Scale, Amount, Option<AssetId>, Option<TransactionId>);
type Tail = (String, Option<serde_json::Value>, Option<String>, UserId, DateTime<Utc>);
type Line = (WalletId, Option<UserId>, i64, Balance, Balance, Balance, Option<String>);
type Row = (Head, Tail, Line, Line);

type LineColumns = (BigInt, Nullable<BigInt>, BigInt, Numeric, Numeric, Numeric, Nullable<Text>);
type Columns = (
    (Uuid, Text, Text, SmallInt, Numeric, Nullable<BigInt>, Nullable<Uuid>),
    (Text, Nullable<Jsonb>, Nullable<Text>, BigInt, Timestamptz),
    LineColumns,
    LineColumns,
);

/// A transaction, and what its users are called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransactionView {
    /// The transaction.
    pub transaction: Transaction,
    /// The public name of the user whom it is about: the first of [`Transaction::sides`].
    pub user: String,
    /// The public name of the other user; none where the other side is the treasury.
    pub counterparty: Option<String>,
}

impl TransactionView {
    /// A transaction whose users' names are known.
    ///
    /// # Errors
    /// [`Error::Broken`] where one of them is not.
    pub fn named(transaction: Transaction, names: &HashMap<UserId, String>) -> Result<Self> {
        let name = |entry: &Entry| match entry.owner {
            Owner::Treasury => Ok(None),
            Owner::User(user) => {
                names.get(&user).cloned().map(Some).ok_or_else(|| Error::broken("a user without a name"))
            }
        };
        let (about, other) = transaction.sides();
        let user = name(about)?.ok_or_else(|| Error::broken("a transaction without a user"))?;
        Ok(Self { user, counterparty: name(other)?, transaction })
    }
}

/// What a list of transactions shows; each part that is given narrows it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TransactionFilter {
    /// Those that moved value in this user's wallets.
    pub user: Option<UserId>,
    /// Those for this reason.
    pub transaction_type: Option<TransactionType>,
    /// Those of this unit.
    pub asset_type: Option<AssetTypeCode>,
    /// Those that were posted in this period.
    pub period: Period,
}

/// The text of a query for whole transactions: those of `$transactions`, as `t`, with what belongs
/// to them. That is looked up row by row, each by its whole key (a limit makes the planner do so): in tables
/// that were small, a kept plan might go through all entries of a wallet or all users.
macro_rules! views {
    ($transactions:literal, $order:literal) => {
        concat!(
            "select t.id, t.type, t.asset_type, y.scale, t.amount, t.asset_id, t.reverses,
                    t.description, t.metadata, t.reason, t.requested_by, t.created_at,
                    d.wallet_id, dw.user_id, d.version, d.amount, d.balance_before, d.balance_after, du.external_id,
                    c.wallet_id, cw.user_id, c.version, c.amount, c.balance_before, c.balance_after, cu.external_id
             from (",
            $transactions,
            ") t
             join asset_types y on y.code = t.asset_type
             cross join lateral (
                 select * from entries
                 where (wallet_id, created_at, version) = (t.debit_wallet_id, t.created_at, t.debit_version) limit 1
             ) d
             cross join lateral (
                 select * from entries
                 where (wallet_id, created_at, version) = (t.credit_wallet_id, t.created_at, t.credit_version) limit 1
             ) c
             cross join lateral (select user_id from wallets where id = d.wallet_id limit 1) dw
             cross join lateral (select user_id from wallets where id = c.wallet_id limit 1) cw
             left join lateral (select external_id from users where id = dw.user_id limit 1) du on true
             left join lateral (select external_id from users where id = cw.user_id limit 1) cu on true ",
            $order
        )
    };
}

/// The transactions with these ids, in no particular order; unknown ids are left out.
///
/// # Errors
/// The database's.
pub fn by_ids(conn: &mut PgConnection, ids: &[TransactionId]) -> QueryResult<Vec<Transaction>> {
    Ok(views(conn, ids)?.into_iter().map(|view| view.transaction).collect())
}

/// As [`by_ids`], with the names of the users.
///
/// # Errors
/// The database's.
pub fn views(conn: &mut PgConnection, ids: &[TransactionId]) -> QueryResult<Vec<TransactionView>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let found = statement::<Columns>(views!("select * from transactions where id = any($)", ""));
    load(found.bind::<Array<Uuid>, _>(ids), conn)
}

/// One transaction that the viewer may know of: an admin any, a user those of its wallets.
///
/// # Errors
/// [`Refusal::TransactionNotFound`].
pub fn one(conn: &mut PgConnection, viewer: Viewer, id: TransactionId) -> Result<TransactionView> {
    let may_know = |view: &TransactionView| match viewer {
        Viewer::Admin => true,
        Viewer::User(user) => {
            let TransactionView { transaction: Transaction { debit, credit, .. }, .. } = view;
            debit.owner == Owner::User(user) || credit.owner == Owner::User(user)
        }
    };
    let found = views(conn, &[id])?.pop().filter(may_know);
    found.ok_or_else(|| Refusal::TransactionNotFound.into())
}

/// A transaction, and what is asked about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// The transaction.
    pub view: TransactionView,
    /// The public name of whoever asked for it.
    pub requested_by: String,
    /// The transaction that has taken it back; none where it stands.
    pub reversed_by: Option<TransactionId>,
}

/// One transaction that the viewer may know of, with what is asked about it.
///
/// # Errors
/// [`Refusal::TransactionNotFound`].
pub fn told(conn: &mut PgConnection, viewer: Viewer, id: TransactionId) -> Result<Told> {
    let view = one(conn, viewer, id)?;
    let (requested_by, reversed_by) = statement::<(Text, Nullable<Uuid>)>(
        "select u.external_id, (select id from transactions where reverses = $) from users u where u.id = $",
    )
    .bind::<Uuid, _>(id)
    .bind::<BigInt, _>(view.transaction.requested_by)
    .get_result(conn)?;
    Ok(Told { view, requested_by, reversed_by })
}

/// One page of transactions, newest first. Those of one user are in the order of their times, and
/// are merged from the indexes of the user's wallets; all together are in the order in which they
/// were asked for, which is that of their ids.
///
/// # Errors
/// [`Error::InvalidCursor`](crate::error::Error::InvalidCursor).
pub fn page(
    conn: &mut PgConnection,
    filter: &TransactionFilter,
    request: &PageRequest,
) -> Result<Page<TransactionView>> {
    match filter.user {
        Some(user) => page_of(conn, user, filter, request),
        None => page_of_all(conn, filter, request),
    }
}

fn page_of(
    conn: &mut PgConnection,
    user: UserId,
    filter: &TransactionFilter,
    request: &PageRequest,
) -> Result<Page<TransactionView>> {
    let after = request.after::<(DateTime<Utc>, i64, i64)>(OF_USER)?;
    let rows = statement::<Columns>(views!(
        "select t.*, e.version as newest_version, e.wallet_id as newest_wallet
         from (
             select e.* from wallets w
             cross join lateral (
                 select e.wallet_id, e.created_at, e.version, e.transaction_id from entries e
                 join transactions t on t.id = e.transaction_id and t.type = coalesce($, t.type)
                 where e.wallet_id = w.id
                     and e.created_at >= coalesce($, '-infinity'::timestamptz)
                     and e.created_at < coalesce($, 'infinity'::timestamptz)
                     and (e.created_at, e.version, e.wallet_id)
                         < (coalesce($, 'infinity'::timestamptz), coalesce($, 0), coalesce($, 0))
                 order by e.created_at desc, e.version desc
                 limit $
             ) e
             where w.user_id = $ and w.asset_type = coalesce($, w.asset_type)
             order by e.created_at desc, e.version desc, e.wallet_id desc
             limit $
         ) e
         join transactions t on t.id = e.transaction_id",
        "order by t.created_at desc, t.newest_version desc, t.newest_wallet desc"
    ))
    .bind::<Nullable<Text>, _>(filter.transaction_type)
    .bind::<Nullable<Timestamptz>, _>(filter.period.from)
    .bind::<Nullable<Timestamptz>, _>(filter.period.before)
    .bind::<Nullable<Timestamptz>, _>(after.map(|(time, _, _)| time))
    .bind::<Nullable<BigInt>, _>(after.map(|(_, version, _)| version))
    .bind::<Nullable<BigInt>, _>(after.map(|(_, _, wallet)| wallet))
    .bind::<BigInt, _>(request.look_ahead())
    .bind::<BigInt, _>(user)
    .bind::<Nullable<Text>, _>(filter.asset_type.as_ref())
    .bind::<BigInt, _>(request.look_ahead());
    Ok(Page::from_rows(load(rows, conn)?, request, OF_USER, |view| {
        let Transaction { debit, credit, created_at, .. } = &view.transaction;
        let own = if debit.owner == Owner::User(user) { debit } else { credit };
        (*created_at, own.version, own.wallet_id.map_or(0, |wallet| wallet.0))
    }))
}

fn page_of_all(
    conn: &mut PgConnection,
    filter: &TransactionFilter,
    request: &PageRequest,
) -> Result<Page<TransactionView>> {
    let (first, last) = ids_in(conn, filter.period)?;
    let rows = statement::<Columns>(views!(
        "select * from transactions
         where id < coalesce($, 'ffffffff-ffff-ffff-ffff-ffffffffffff'::uuid)
             and id between $ and $
             and type = coalesce($, type)
             and asset_type = coalesce($, asset_type)
             and created_at >= coalesce($, '-infinity'::timestamptz)
             and created_at < coalesce($, 'infinity'::timestamptz)
         order by id desc
         limit $",
        "order by t.id desc"
    ))
    .bind::<Nullable<Uuid>, _>(request.after::<TransactionId>(ALL)?)
    .bind::<Uuid, _>(first)
    .bind::<Uuid, _>(last)
    .bind::<Nullable<Text>, _>(filter.transaction_type)
    .bind::<Nullable<Text>, _>(filter.asset_type.as_ref())
    .bind::<Nullable<Timestamptz>, _>(filter.period.from)
    .bind::<Nullable<Timestamptz>, _>(filter.period.before)
    .bind::<BigInt, _>(request.look_ahead());
    Ok(Page::from_rows(load(rows, conn)?, request, ALL, |view| view.transaction.id))
}

/// Bounds of the ids that the transactions of a period have, so that a list in the order of ids need
/// not walk through all that is newer. They are read off the treasury's wallets, whose entries are in
/// the order of their times; a transaction is posted well within an hour of its id's making.
pub(super) fn ids_in(conn: &mut PgConnection, period: Period) -> QueryResult<(TransactionId, TransactionId)> {
    let hour = TimeDelta::hours(1);
    let first = match period.from {
        Some(from) => statement::<(Uuid,)>(
            "select e.transaction_id from wallets w
             cross join lateral (
                 select transaction_id from entries where wallet_id = w.id and created_at < $
                 order by created_at desc, version desc limit 1
             ) e
             where w.user_id is null
             order by e.transaction_id desc limit 1",
        )
        .bind::<Timestamptz, _>(from.checked_sub_signed(hour).unwrap_or(from))
        .get_result(conn)
        .optional()?,
        None => None,
    };
    let last = match period.before {
        Some(before) => statement::<(Uuid,)>(
            "select e.transaction_id from wallets w
             cross join lateral (
                 select transaction_id from entries where wallet_id = w.id and created_at > $
                 order by created_at, version limit 1
             ) e
             where w.user_id is null
             order by e.transaction_id limit 1",
        )
        .bind::<Timestamptz, _>(before.checked_add_signed(hour).unwrap_or(before))
        .get_result(conn)
        .optional()?,
        None => None,
    };
    let bound = |found: Option<(TransactionId,)>, open| found.map_or(TransactionId(open), |(id,)| id);
    Ok((bound(first, uuid::Uuid::nil()), bound(last, uuid::Uuid::max())))
}

fn load(statement: Statement<'_, Columns>, conn: &mut PgConnection) -> QueryResult<Vec<TransactionView>> {
    Ok(statement.load::<Row>(conn)?.into_iter().map(view).collect())
}

fn view((head, tail, debit, credit): Row) -> TransactionView {
    let (id, transaction_type, asset_type, scale, amount, asset, reverses) = head;
    let (description, metadata, reason, requested_by, created_at) = tail;
    let (debit, debit_name) = entry(debit);
    let (credit, credit_name) = entry(credit);
    let transaction = Transaction {
        id,
        transaction_type,
        asset_type,
        scale,
        amount,
        debit,
        credit,
        asset,
        reverses,
        description,
        metadata,
        reason,
        requested_by,
        created_at,
    };
    let about_debit = transaction.sides().0 == &transaction.debit;
    let (user, counterparty) = if about_debit { (debit_name, credit_name) } else { (credit_name, debit_name) };
    TransactionView { transaction, user: user.unwrap_or_default(), counterparty }
}

fn entry(line: Line) -> (Entry, Option<String>) {
    let (wallet_id, user, version, amount, balance_before, balance_after, name) = line;
    let owner = user.map_or(Owner::Treasury, Owner::User);
    (Entry { wallet_id: Some(wallet_id), owner, version, amount, balance_before, balance_after }, name)
}

/// A line of a user's own history: what one transaction did to one of the user's wallets.
#[derive(Debug, Clone, PartialEq, Eq, Queryable)]
pub struct Activity {
    /// The transaction.
    pub transaction: TransactionId,
    /// Why value moved.
    pub transaction_type: TransactionType,
    /// The unit.
    pub asset_type: AssetTypeCode,
    /// Its decimals.
    pub scale: Scale,
    /// What the wallet gained, or gave where negative.
    pub amount: Balance,
    /// What it held afterwards.
    pub balance_after: Balance,
    /// What it was for.
    pub description: String,
    /// The other user's public name; none where it is the treasury.
    pub counterparty: Option<String>,
    /// When.
    pub created_at: DateTime<Utc>,
}

impl Activity {
    /// What a transaction did to the wallet of one of its users.
    pub fn of(view: TransactionView, user: UserId) -> Self {
        let TransactionView { transaction, user: about, counterparty } = view;
        let (first, second) = transaction.sides();
        let (own, other) = if first.owner == Owner::User(user) { (first, counterparty) } else { (second, Some(about)) };
        Self {
            transaction: transaction.id,
            transaction_type: transaction.transaction_type,
            scale: transaction.scale,
            amount: own.amount.clone(),
            balance_after: own.balance_after.clone(),
            counterparty: other,
            created_at: transaction.created_at,
            asset_type: transaction.asset_type,
            description: transaction.description,
        }
    }
}

/// The latest ten lines of all wallets of a user, newest first. Reads as many of each wallet's index, however
/// long their histories are. Planned once, which a number of lines that is not known beforehand would prevent;
/// what belongs to them is looked up as by [`views!`].
///
/// # Errors
/// The database's.
pub fn recent_of(conn: &mut PgConnection, user: UserId) -> QueryResult<Vec<Activity>> {
    statement::<(Uuid, Text, Text, SmallInt, Numeric, Numeric, Text, Nullable<Text>, Timestamptz)>(
        "select t.id, t.type, t.asset_type, y.scale, e.amount, e.balance_after, t.description, o.external_id,
                e.created_at
         from (
             select e.* from wallets w
             cross join lateral (
                 select * from entries where wallet_id = w.id order by created_at desc, version desc limit 10
             ) e
             where w.user_id = $
             order by e.created_at desc, e.version desc limit 10
         ) e
         cross join lateral (select * from transactions where id = e.transaction_id limit 1) t
         join asset_types y on y.code = t.asset_type
         cross join lateral (
             select user_id from wallets
             where id = case when e.amount > 0 then t.debit_wallet_id else t.credit_wallet_id end limit 1
         ) ow
         left join lateral (select external_id from users where id = ow.user_id limit 1) o on true
         order by e.created_at desc, e.version desc",
    )
    .bind::<BigInt, _>(user)
    .load(conn)
}
