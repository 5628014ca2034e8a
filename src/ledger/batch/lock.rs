//! Reads and locks what a batch may touch, in the one lock order.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::result::Error as DieselError;
use diesel::sql_types::{Array, BigInt, Binary, Bool, Integer, Nullable, Numeric, SmallInt, Text, Timestamptz, Uuid};

use super::campaigns;
use crate::domain::posting::{
    Action, Answer, AssetState, AssetTypeRules, Book, Command, KeyUse, Reversible, WalletKey, WalletState,
};
use crate::domain::{
    AccessState, Amount, AssetId, AssetStatus, AssetTypeCode, Balance, CampaignId, Lane, Owner, Scale, TransactionId,
    UserId, UserStatus, WalletId,
};
use crate::repo::statement::statement;

/// Whether what is read stays as it is until the end of the database transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Locks {
    /// It does: for posting.
    Held,
    /// It does not: for a look at a snapshot.
    None,
}

/// The text of a statement with or without what stands in brackets: its locks.
macro_rules! sql {
    ($locks:expr, $($text:literal $([$clause:literal])?)*) => {
        match $locks {
            Locks::Held => concat!($($text, $($clause,)?)*),
            Locks::None => concat!($($text,)*),
        }
    };
}
pub(super) use sql;

/// Reads and locks all that the commands may touch; gives it with the state of access, where that has been
/// read along with it.
pub(super) fn open_book(
    conn: &mut PgConnection,
    lane: Lane,
    now: DateTime<Utc>,
    commands: &[&Command],
    locks: Locks,
) -> Result<(Book, Option<AccessState>), DieselError> {
    let mut book = Book::empty(now);
    read_originals(conn, &mut book, commands)?;
    lock_assets(conn, &mut book, commands, locks)?;
    campaigns::lock_offers(conn, &mut book, commands, locks)?;
    let wanted: BTreeSet<WalletKey> = commands.iter().flat_map(|command| wallets_of(&book, command)).collect();
    let access = lock_wallets(conn, &mut book, lane, &wanted, locks)?;
    read_rules(conn, &mut book, &wanted, locks)?;
    // Under the locks of their wallets, which a reversal elsewhere has held.
    read_reversals(conn, &mut book)?;
    // Under the lock of the user's wallet, or else a constraint of the claims makes it a conflict.
    campaigns::count_claims(conn, &mut book, commands)?;
    // Under the locks: another instance that is posting the same request has held them, so that its
    // key is there now, and the request is not refused for what it has done itself.
    read_keys(conn, &mut book, commands)?;
    Ok((book, access))
}

fn read_keys(conn: &mut PgConnection, book: &mut Book, commands: &[&Command]) -> Result<(), DieselError> {
    // The items of a batch may all have the one key of the batch.
    let wanted: BTreeSet<(UserId, &str)> = commands
        .iter()
        .filter_map(|command| Some((command.requested_by, command.idempotency.as_ref()?.key.as_str())))
        .collect();
    if wanted.is_empty() {
        return Ok(());
    }
    let (callers, keys): (Vec<UserId>, Vec<&str>) = wanted.into_iter().unzip();
    // Each is looked up by itself, as the offset makes the planner do, however few keys there were.
    let used = statement::<(BigInt, Text, Binary, Integer, Nullable<Uuid>, Nullable<Numeric>)>(
        "select k.* from unnest($::bigint[], $::text[]) wanted (user_id, key)
         cross join lateral (
             select user_id, key, request_hash, item, transaction_id, owned_with from idempotency_keys
             where user_id = wanted.user_id and key = wanted.key offset 0
         ) k",
    )
    .bind::<Array<BigInt>, _>(callers)
    .bind::<Array<Text>, _>(keys)
    .load::<(UserId, String, Vec<u8>, i32, Option<TransactionId>, Option<Balance>)>(conn)?;
    for (caller, key, request_hash, item, transaction, owned_with) in used {
        // Its length is a constraint of the table.
        let request_hash = request_hash.try_into().unwrap_or_default();
        let used = book.keys.entry((caller, key)).or_insert_with(|| KeyUse::of(request_hash));
        used.stored.insert(item, transaction.map(|transaction| Answer { transaction, owned_with }));
    }
    Ok(())
}

fn read_originals(conn: &mut PgConnection, book: &mut Book, commands: &[&Command]) -> Result<(), DieselError> {
    let reversed: Vec<TransactionId> = commands
        .iter()
        .filter_map(|command| match &command.action {
            Action::Reversal { reverses } => Some(*reverses),
            _ => None,
        })
        .collect();
    if reversed.is_empty() {
        return Ok(());
    }
    let originals = statement::<(Uuid, Nullable<BigInt>, Nullable<BigInt>, Text, Numeric)>(
        "select t.id, d.user_id, c.user_id, t.asset_type, t.amount from transactions t
         join wallets d on d.id = t.debit_wallet_id
         join wallets c on c.id = t.credit_wallet_id
         where t.id = any($)",
    )
    .bind::<Array<Uuid>, _>(reversed)
    .load::<(TransactionId, Option<UserId>, Option<UserId>, AssetTypeCode, Amount)>(conn)?;
    for (id, debit, credit, asset_type, amount) in originals {
        let owner = |user: Option<UserId>| user.map_or(Owner::Treasury, Owner::User);
        let original = Reversible { debit: owner(debit), credit: owner(credit), asset_type, amount, reversed: false };
        book.transactions.insert(id, original);
    }
    Ok(())
}

fn read_reversals(conn: &mut PgConnection, book: &mut Book) -> Result<(), DieselError> {
    if book.transactions.is_empty() {
        return Ok(());
    }
    let originals: Vec<TransactionId> = book.transactions.keys().copied().collect();
    let reversed = statement::<Uuid>("select reverses from transactions where reverses = any($)")
        .bind::<Array<Uuid>, _>(originals)
        .load::<TransactionId>(conn)?;
    for id in reversed {
        if let Some(original) = book.transactions.get_mut(&id) {
            original.reversed = true;
        }
    }
    Ok(())
}

fn lock_assets(
    conn: &mut PgConnection,
    book: &mut Book,
    commands: &[&Command],
    locks: Locks,
) -> Result<(), DieselError> {
    let named: BTreeSet<AssetId> = commands
        .iter()
        .filter_map(|command| match &command.action {
            Action::Claim { asset, .. } => Some(*asset),
            _ => None,
        })
        .collect();
    if named.is_empty() {
        return Ok(());
    }
    let locked = statement::<AssetColumns>(sql!(
        locks,
        "select id, status, expires_at, asset_type, amount, title, campaign_id from assets
         where id = any($) order by id "["for update"]
    ))
    .bind::<Array<BigInt>, _>(named.into_iter().collect::<Vec<_>>())
    .load::<AssetRow>(conn)?;
    let mut claimed = Vec::new();
    for row in locked {
        let (id, state) = asset(row);
        if state.status == AssetStatus::Claimed {
            claimed.push(id);
        }
        book.assets.insert(id, state);
    }
    if claimed.is_empty() {
        return Ok(());
    }
    let owners = statement::<(BigInt, BigInt, Uuid)>(
        "select asset_id, user_id, transaction_id from claims where asset_id = any($)",
    )
    .bind::<Array<BigInt>, _>(claimed)
    .load::<(AssetId, UserId, TransactionId)>(conn)?;
    for (asset, owner, transaction) in owners {
        if let Some(state) = book.assets.get_mut(&asset) {
            state.claimed = Some((owner, transaction));
        }
    }
    Ok(())
}

pub(super) type AssetColumns = (BigInt, Text, Nullable<Timestamptz>, Text, Numeric, Text, Nullable<BigInt>);
pub(super) type AssetRow =
    (AssetId, AssetStatus, Option<DateTime<Utc>>, AssetTypeCode, Amount, String, Option<CampaignId>);

/// An asset whose owner, if it has one, is not known yet.
pub(super) fn asset((id, status, expires_at, asset_type, amount, title, campaign): AssetRow) -> (AssetId, AssetState) {
    (id, AssetState { status, expires_at, asset_type, amount, title, campaign, claimed: None })
}

/// The wallets that a command may move, as far as its assets leave that open.
fn wallets_of(book: &Book, command: &Command) -> Vec<WalletKey> {
    let between = |asset_type: &AssetTypeCode, one: Owner, other: Owner| {
        [one, other].map(|owner| WalletKey { owner, asset_type: *asset_type }).to_vec()
    };
    match &command.action {
        Action::Claim { user, asset } => match book.assets.get(asset) {
            Some(state) if state.status == AssetStatus::Available => {
                between(&state.asset_type, Owner::User(*user), Owner::Treasury)
            }
            Some(state) if state.claimed.is_some_and(|(owner, _)| owner == *user) => {
                vec![WalletKey { owner: Owner::User(*user), asset_type: state.asset_type }]
            }
            _ => Vec::new(),
        },
        // In the unit of the assets on offer, which are locked: the campaign may have had another one
        // when it was read.
        Action::ClaimAny { user, campaign } => {
            let offer = book.campaigns.get(campaign);
            let on_offer = offer.into_iter().flat_map(|offer| &offer.assets);
            let units: BTreeSet<_> = on_offer.filter_map(|id| book.assets.get(id)).map(|a| &a.asset_type).collect();
            let units = units.into_iter().chain(offer.map(|offer| &offer.campaign.asset_type));
            units.flat_map(|unit| between(unit, Owner::User(*user), Owner::Treasury)).collect()
        }
        Action::TopUp(movement)
        | Action::Bonus(movement)
        | Action::Spend { movement, .. }
        | Action::Adjustment { movement, .. } => {
            between(&movement.asset_type, Owner::User(movement.user), Owner::Treasury)
        }
        Action::Transfer { movement, receiver, .. } => {
            between(&movement.asset_type, Owner::User(movement.user), Owner::User(*receiver))
        }
        Action::Reversal { reverses } => book
            .transactions
            .get(reverses)
            .map(|original| between(&original.asset_type, original.debit, original.credit))
            .unwrap_or_default(),
    }
}

type LockedWallet = (
    WalletId,
    Option<UserId>,
    AssetTypeCode,
    (Balance, Balance, i64, Option<DateTime<Utc>>),
    Option<UserStatus>,
    (Scale, Balance, bool),
    i64,
);

/// Locks the wallets that are there. Owners and units are looked up behind the locks' order, not joined before it:
/// a unit once, instead of once for each wallet.
fn lock_wallets(
    conn: &mut PgConnection,
    book: &mut Book,
    lane: Lane,
    wanted: &BTreeSet<WalletKey>,
    locks: Locks,
) -> Result<Option<AccessState>, DieselError> {
    if wanted.is_empty() {
        return Ok(None);
    }
    let (mut users, mut user_types, mut treasury_types) = (Vec::new(), Vec::new(), Vec::new());
    let types: BTreeSet<&str> = wanted.iter().map(|key| key.asset_type.as_str()).collect();
    for key in wanted {
        match key.owner {
            Owner::User(user) => {
                users.push(user);
                user_types.push(key.asset_type.as_str());
            }
            Owner::Treasury => treasury_types.push(key.asset_type.as_str()),
        }
    }
    let locked = statement::<(
        BigInt,
        Nullable<BigInt>,
        Text,
        (Numeric, Numeric, BigInt, Nullable<Timestamptz>),
        Nullable<Text>,
        (SmallInt, Numeric, Bool),
        BigInt,
    )>(sql!(
        locks,
        "with of_users as materialized (
             select w.id, w.user_id, w.asset_type, w.balance, w.credit_total, w.version, w.last_posted_at
             from unnest($::bigint[], $::text[]) wanted (user_id, asset_type)
             join wallets w on w.user_id = wanted.user_id and w.asset_type = wanted.asset_type
             order by w.id " ["for update of w"] "
         ), of_treasury as materialized (
             select id, user_id, asset_type, balance, credit_total, version, last_posted_at from wallets
             where lane = $ and asset_type = any($)
             order by id " ["for update"] "
         ), types as materialized (
             select code, scale, minimum_balance, transferable from asset_types where code = any($)
         )
         select locked.*, (select status from users where id = locked.user_id),
                t.scale, t.minimum_balance, t.transferable, (select number from access_changes)
         from (select * from of_users union all select * from of_treasury) locked
         join types t on t.code = locked.asset_type"
    ))
    .bind::<Array<BigInt>, _>(users)
    .bind::<Array<Text>, _>(user_types)
    .bind::<SmallInt, _>(lane.0)
    .bind::<Array<Text>, _>(treasury_types)
    .bind::<Array<Text>, _>(types.into_iter().collect::<Vec<_>>())
    .load::<LockedWallet>(conn)?;
    let access = locked.first().map(|row| AccessState(row.6));
    for (id, user, asset_type, (balance, credit_total, version, last_posted_at), status, rules, _) in locked {
        if let (Some(user), Some(status)) = (user, status) {
            book.users.insert(user, status);
        }
        let (scale, minimum_balance, transferable) = rules;
        book.asset_types.insert(asset_type, AssetTypeRules { scale, minimum_balance, transferable });
        let owner = user.map_or(Owner::Treasury, Owner::User);
        book.wallets.insert(
            WalletKey { owner, asset_type },
            WalletState { id: Some(id), balance, credit_total, version, last_posted_at },
        );
    }
    Ok(access)
}

/// Looks up the users and asset types of wallets that nobody has opened yet. Such an asset type may
/// be in use nowhere, and so its decimals may change: they are held until the wallets are there.
fn read_rules(
    conn: &mut PgConnection,
    book: &mut Book,
    wanted: &BTreeSet<WalletKey>,
    locks: Locks,
) -> Result<(), DieselError> {
    let users: BTreeSet<UserId> = wanted
        .iter()
        .filter_map(|key| match key.owner {
            Owner::User(user) if !book.users.contains_key(&user) => Some(user),
            _ => None,
        })
        .collect();
    if !users.is_empty() {
        let found = statement::<(BigInt, Text)>("select id, status from users where id = any($)")
            .bind::<Array<BigInt>, _>(users.into_iter().collect::<Vec<_>>())
            .load::<(UserId, UserStatus)>(conn)?;
        book.users.extend(found);
    }
    let types: BTreeSet<&str> = wanted
        .iter()
        .filter(|key| !book.asset_types.contains_key(&key.asset_type))
        .map(|key| key.asset_type.as_str())
        .collect();
    if !types.is_empty() {
        let found = statement::<(Text, SmallInt, Numeric, Bool)>(sql!(
            locks,
            "select code, scale, minimum_balance, transferable from asset_types where code = any($)
             order by code "["for key share"]
        ))
        .bind::<Array<Text>, _>(types.into_iter().collect::<Vec<_>>())
        .load::<(AssetTypeCode, Scale, Balance, bool)>(conn)?;
        book.asset_types.extend(found.into_iter().map(|(code, scale, minimum_balance, transferable)| {
            (code, AssetTypeRules { scale, minimum_balance, transferable })
        }));
    }
    Ok(())
}
