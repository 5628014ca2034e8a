//! The proof of the books: every promise of the ledger as a query that counts what breaks it. The
//! command line, the admin's page and the nightly job share it.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Nullable, Numeric, SmallInt, Text};

use serde::{Deserialize, Serialize};

use crate::domain::{AssetTypeCode, Balance, Scale};
use crate::error::{Error, Result};
use crate::repo::statement::statement;

/// One promise of the ledger, and how often it is broken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Check {
    /// The promise, as a sentence.
    #[schema(value_type = String, examples("The entries of every asset type sum to zero"))]
    pub promise: Cow<'static, str>,
    /// How many rows break it; zero is as it must be.
    pub violations: i64,
}

/// What the books say of one asset type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrialBalance {
    /// The unit.
    pub asset_type: AssetTypeCode,
    /// Its decimals.
    pub scale: Scale,
    /// The sum of all entries; zero in books that are right.
    pub entries: Balance,
    /// The sum of all wallets, the treasury's among them; zero as well.
    pub balances: Balance,
    /// All that the treasury ever gave.
    pub issued: Balance,
    /// What users hold now.
    pub outstanding: Balance,
    /// What users got by claims.
    pub claimed: Balance,
}

/// The verdict on the whole database, at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// The trial balance of each asset type.
    pub trial_balances: Vec<TrialBalance>,
    /// Every promise.
    pub checks: Vec<Check>,
}

impl Verdict {
    /// Whether no promise is broken.
    pub fn is_clean(&self) -> bool {
        self.checks.iter().all(|check| check.violations == 0)
    }
}

const FOLLOW: &str = "The entries of every wallet follow on each other without a gap";

/// The promises, and the queries that count what breaks them: each reads a large table as few times
/// as it can, and gives an array with one count for each of its promises. What
/// two queries count of one promise is added up.
const PROMISES: &[(&[&str], &str)] = &[
    (
        // An entry fits one side of one transaction and is unique there by its key. So as many
        // entries that fit as there are sides are an entry for each side.
        &[
            "Every transaction has the two entries that it names, and they sum to zero",
            "There are no entries but those two",
        ],
        "select array[sides - count(*) filter (where fits), abs(count(entry) - sides)]
         from (select 2 * count(*) as sides from transactions) t
         left join (
             select e.version as entry, e.created_at = t.created_at and (
                        (e.wallet_id, e.version, e.amount) = (t.debit_wallet_id, t.debit_version, -t.amount)
                        or (e.wallet_id, e.version, e.amount) = (t.credit_wallet_id, t.credit_version, t.amount)
                    ) as fits
             from entries e left join transactions t on t.id = e.transaction_id
         ) e on true
         group by sides",
    ),
    (
        &[
            "The entries of every asset type sum to zero",
            "The balance of every wallet is the sum of its entries",
            FOLLOW,
        ],
        "with summed as materialized (
             select wallet_id, count(*) as entries, sum(amount) as balance, max(version) as version,
                    max(created_at) as last_posted_at, sum(amount) filter (where amount > 0) as credit_total
             from entries group by wallet_id
         )
         select array[
             (select count(*) from (
                 select from summed s join wallets w on w.id = s.wallet_id
                 group by w.asset_type having sum(s.balance) <> 0
             ) broken),
             (select count(*) from wallets w left join summed s on s.wallet_id = w.id
              where w.balance <> coalesce(s.balance, 0)
                  or w.credit_total <> coalesce(s.credit_total, 0)
                  or w.version <> coalesce(s.entries, 0)
                  or w.last_posted_at is distinct from s.last_posted_at),
             (select count(*) from summed where entries <> version)
         ]",
    ),
    (
        &["Both wallets of a transaction are in its asset type"],
        "select array[count(*)] from transactions t
         left join wallets d on d.id = t.debit_wallet_id
         left join wallets c on c.id = t.credit_wallet_id
         where d.asset_type is distinct from t.asset_type or c.asset_type is distinct from t.asset_type",
    ),
    (
        // With as many entries as the highest version, which is counted above: none is there twice.
        &[FOLLOW],
        "select array[count(*)] from entries e
         left join entries earlier on earlier.wallet_id = e.wallet_id and earlier.version = e.version - 1
         where (earlier.version is null) <> (e.version = 1)
             or e.balance_before <> coalesce(earlier.balance_after, 0)
             or e.credit_total <> coalesce(earlier.credit_total, 0) + greatest(e.amount, 0)
             or earlier.created_at > e.created_at",
    ),
    (
        &["No user's wallet is below zero"],
        "select array[count(*)] from wallets where lane is null and balance < 0",
    ),
    (
        &["Every claimed asset has one claim, and a transaction of the same amount to the same owner"],
        "select array[count(*)] from (select * from assets where status = 'claimed') a
         full join claims c on c.asset_id = a.id
         left join transactions t on t.id = c.transaction_id
         left join wallets w on w.id = t.credit_wallet_id
         where a.id is null or c.asset_id is null
             or t.type is distinct from 'claim'
             or t.asset_id is distinct from a.id
             or t.amount is distinct from a.amount
             or t.asset_type is distinct from a.asset_type
             or t.created_at is distinct from c.claimed_at
             or w.user_id is distinct from c.user_id",
    ),
    (
        &["Every transaction of a claim belongs to a claim"],
        "select array[count(*)] from transactions t left join claims c on c.transaction_id = t.id and c.asset_id = t.asset_id
         where t.type = 'claim' and c.asset_id is null",
    ),
    (
        &["Every reversal takes back an earlier transaction of the same amount between the same owners"],
        "select array[count(*)] from transactions r
         left join transactions t on t.id = r.reverses
         left join wallets rd on rd.id = r.debit_wallet_id
         left join wallets rc on rc.id = r.credit_wallet_id
         left join wallets td on td.id = t.debit_wallet_id
         left join wallets tc on tc.id = t.credit_wallet_id
         where r.type = 'reversal'
             and (t.id is null or t.amount <> r.amount or t.asset_type <> r.asset_type or t.created_at > r.created_at
                 or rd.user_id is distinct from tc.user_id or rc.user_id is distinct from td.user_id)",
    ),
    (
        &["Every answer under an idempotency key names a transaction"],
        "select array[count(*)] from idempotency_keys k left join transactions t on t.id = k.transaction_id
         where k.transaction_id is not null and t.id is null",
    ),
];

/// How many promises there are.
pub fn promises() -> usize {
    PROMISES.iter().flat_map(|(promises, _)| *promises).collect::<BTreeSet<_>>().len()
}

/// Checks every promise on the whole database, in one snapshot, without holding anything up. Calls
/// `progress` with the number of promises checked before each, and their number.
///
/// # Errors
/// The database's.
pub fn verify(conn: &mut PgConnection, mut progress: impl FnMut(usize, usize)) -> Result<Verdict> {
    // Whole tables are read here, which takes longer than any request may.
    check(conn, "set local statement_timeout = 0", |checked, promises| {
        progress(checked, promises);
        Ok(())
    })
}

/// As [`verify`], for whoever waits for it.
///
/// # Errors
/// The database's; [`Error::Overloaded`] where it takes longer than `most`.
pub fn verify_within(conn: &mut PgConnection, most: Duration) -> Result<Verdict> {
    let started = Instant::now();
    let bound = format!("set local statement_timeout = {}", most.as_millis());
    check(conn, &bound, |_, _| if started.elapsed() < most { Ok(()) } else { Err(Error::Overloaded) })
}

fn check(
    conn: &mut PgConnection,
    bound: &str,
    mut progress: impl FnMut(usize, usize) -> Result<()>,
) -> Result<Verdict> {
    conn.build_transaction().read_only().repeatable_read().run(|conn| {
        conn.batch_execute(bound)?;
        conn.batch_execute("set local work_mem = '64MB'")?;
        // A planner that takes the entries of the treasury for few would sort them all, or worse.
        conn.batch_execute("set local enable_mergejoin = off; set local enable_nestloop = off")?;
        let mut checks: Vec<Check> = Vec::with_capacity(promises());
        for &(of_query, query) in PROMISES {
            progress(checks.len(), promises())?;
            let broken = statement::<Array<BigInt>>(query).get_result::<Vec<i64>>(conn)?;
            for (promise, violations) in of_query.iter().zip(broken) {
                match checks.iter_mut().find(|check| check.promise == *promise) {
                    Some(check) => check.violations += violations,
                    None => checks.push(Check { promise: Cow::Borrowed(promise), violations }),
                }
            }
        }
        progress(checks.len(), promises())?;
        Ok(Verdict { trial_balances: trial_balances(conn)?, checks })
    })
}

/// The trial balance of every asset type, by code.
///
/// # Errors
/// The database's.
pub fn trial_balances(conn: &mut PgConnection) -> Result<Vec<TrialBalance>> {
    type Sums = (Option<Balance>, Option<Balance>, Option<Balance>, Option<Balance>, Option<Balance>);
    let rows = statement::<(
        (Text, SmallInt),
        (Nullable<Numeric>, Nullable<Numeric>, Nullable<Numeric>, Nullable<Numeric>, Nullable<Numeric>),
    )>(
        "select t.code, t.scale, e.entries, w.balances, w.issued, w.outstanding, c.claimed
         from asset_types t
         left join (
             select asset_type, sum(balance) as balances,
                    sum(credit_total - balance) filter (where lane is not null) as issued,
                    sum(balance) filter (where lane is null) as outstanding
             from wallets group by asset_type
         ) w on w.asset_type = t.code
         left join (
             select w.asset_type, sum(e.amount) as entries
             from entries e join wallets w on w.id = e.wallet_id group by w.asset_type
         ) e on e.asset_type = t.code
         left join (
             select asset_type, sum(amount) as claimed from assets where status = 'claimed' group by asset_type
         ) c on c.asset_type = t.code
         order by t.code",
    )
    .load::<((AssetTypeCode, Scale), Sums)>(conn)?;
    let or_zero = |sum: Option<Balance>| sum.unwrap_or_else(Balance::zero);
    Ok(rows
        .into_iter()
        .map(|((asset_type, scale), (entries, balances, issued, outstanding, claimed))| TrialBalance {
            asset_type,
            scale,
            entries: or_zero(entries),
            balances: or_zero(balances),
            issued: or_zero(issued),
            outstanding: or_zero(outstanding),
            claimed: or_zero(claimed),
        })
        .collect())
}
