//! The proof of the books: every promise of the ledger as a query that counts what breaks it. The
//! command line, the admin's page and the nightly job share it.

use std::borrow::Cow;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable, Numeric, SmallInt, Text};

use serde::{Deserialize, Serialize};

use crate::domain::{AssetTypeCode, Balance, Scale};
use crate::error::Result;
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

/// The promises and the queries that count what breaks them.
const PROMISES: &[(&str, &str)] = &[
    (
        "Every transaction has the two entries that it names, and they sum to zero",
        "select count(*) from transactions t
         left join entries d on (d.wallet_id, d.created_at, d.version, d.transaction_id, d.amount)
             = (t.debit_wallet_id, t.created_at, t.debit_version, t.id, -t.amount)
         left join entries c on (c.wallet_id, c.created_at, c.version, c.transaction_id, c.amount)
             = (t.credit_wallet_id, t.created_at, t.credit_version, t.id, t.amount)
         where d.wallet_id is null or c.wallet_id is null",
    ),
    (
        "There are no entries but those two",
        "select abs((select count(*) from entries) - 2 * (select count(*) from transactions))",
    ),
    (
        "The entries of every asset type sum to zero",
        "select count(*) from (
             select from entries e join wallets w on w.id = e.wallet_id group by w.asset_type having sum(e.amount) <> 0
         ) broken",
    ),
    (
        "Both wallets of a transaction are in its asset type",
        "select count(*) from transactions t
         left join wallets d on d.id = t.debit_wallet_id
         left join wallets c on c.id = t.credit_wallet_id
         where d.asset_type is distinct from t.asset_type or c.asset_type is distinct from t.asset_type",
    ),
    (
        "The balance of every wallet is the sum of its entries",
        "select count(*) from wallets w
         left join (
             select wallet_id, count(*) as entries, sum(amount) as balance, max(created_at) as last_posted_at,
                    sum(amount) filter (where amount > 0) as credit_total
             from entries group by wallet_id
         ) e on e.wallet_id = w.id
         where w.balance <> coalesce(e.balance, 0)
             or w.credit_total <> coalesce(e.credit_total, 0)
             or w.version <> coalesce(e.entries, 0)
             or w.last_posted_at is distinct from e.last_posted_at",
    ),
    (
        "The entries of every wallet follow on each other without a gap",
        "select count(*) from (
             select version, balance_before, credit_total, greatest(amount, 0) as gained,
                    lag(version, 1, 0::bigint) over entries_of_wallet as earlier_version,
                    lag(balance_after, 1, 0::numeric) over entries_of_wallet as earlier_balance,
                    lag(credit_total, 1, 0::numeric) over entries_of_wallet as earlier_credit_total
             from entries
             window entries_of_wallet as (partition by wallet_id order by created_at, version)
         ) line
         where version <> earlier_version + 1
             or balance_before <> earlier_balance
             or credit_total <> earlier_credit_total + gained",
    ),
    ("No user's wallet is below zero", "select count(*) from wallets where lane is null and balance < 0"),
    (
        "Every claimed asset has one claim, and a transaction of the same amount to the same owner",
        "select count(*) from (select * from assets where status = 'claimed') a
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
        "Every transaction of a claim belongs to a claim",
        "select count(*) from transactions t left join claims c on c.transaction_id = t.id and c.asset_id = t.asset_id
         where t.type = 'claim' and c.asset_id is null",
    ),
    (
        "Every reversal takes back an earlier transaction of the same amount between the same owners",
        "select count(*) from transactions r
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
        "Every answer under an idempotency key names a transaction",
        "select count(*) from idempotency_keys k left join transactions t on t.id = k.transaction_id
         where k.transaction_id is not null and t.id is null",
    ),
];

/// How many promises there are.
pub fn promises() -> usize {
    PROMISES.len()
}

/// Checks every promise on the whole database, in one snapshot, without holding anything up. Calls
/// `progress` with the number of promises checked before each, and their number.
///
/// # Errors
/// The database's.
pub fn verify(conn: &mut PgConnection, mut progress: impl FnMut(usize, usize)) -> Result<Verdict> {
    conn.build_transaction().read_only().repeatable_read().run(|conn| {
        // Whole tables are read here, which takes longer than any request may.
        conn.batch_execute("set local statement_timeout = 0; set local work_mem = '64MB'")?;
        let mut checks = Vec::with_capacity(PROMISES.len());
        for &(promise, query) in PROMISES {
            progress(checks.len(), PROMISES.len());
            let violations = statement::<BigInt>(query).get_result(conn)?;
            checks.push(Check { promise: Cow::Borrowed(promise), violations });
        }
        progress(PROMISES.len(), PROMISES.len());
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
