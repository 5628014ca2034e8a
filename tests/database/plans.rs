//! A posting thread keeps the plans of its statements as long as its connection. It may have made them
//! while there was next to nothing to look through, and they must serve when there is much.

use coffer::domain::posting::{Action, Command};
use coffer::domain::{AssetId, CampaignId, UserId};
use coffer::error::{Error, Refusal};
use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Text};

use crate::support::books::{Books, Running, bonus, claim, claim_any, eventually, keyed, spend, transfer};

/// How many rows of a table have been looked at.
#[derive(QueryableByName)]
struct Looks {
    #[diesel(sql_type = Text)]
    table: String,
    #[diesel(sql_type = BigInt)]
    rows: i64,
}

/// The looks of all sessions that have gone; a posting thread may still be there.
fn looks(books: &Books, posting_threads: i64) -> Vec<Looks> {
    let mut conn = books.database.connect();
    // A session has counted its looks when it is gone. Two are there to ask: `conn`, and the one that counts.
    let sessions = "select count(*) from pg_stat_activity where datname = current_database()";
    eventually("all other sessions are gone", || books.number(sessions) == posting_threads + 2);
    let looks = "select relname::text as table,
                        (coalesce(seq_tup_read, 0) + greatest(idx_tup_fetch, (
                            select sum(idx_tup_read) from pg_stat_user_indexes i where i.relid = t.relid
                        )))::bigint as rows
                 from pg_stat_user_tables t order by relname";
    sql_query(looks).load(&mut conn).unwrap()
}

/// What is there to be claimed.
struct Supply {
    running: CampaignId,
    sold_out: CampaignId,
    /// Whether credits that are claimed by name belong to the running campaign, as then all do.
    is_one_campaigns: bool,
}

impl Supply {
    fn of(books: &Books, is_one_campaigns: bool) -> Self {
        let campaign = || books.campaign("1", "CASH", 10);
        Self { running: campaign(), sold_out: campaign(), is_one_campaigns }
    }

    fn credits(&self, books: &Books, count: usize) -> Vec<AssetId> {
        if self.is_one_campaigns {
            return books.assets_of(self.running, count);
        }
        books.assets(count, "1", "CASH", None)
    }
}

/// Posts movements of every kind for each of these users, some for the second time; one is refused. Gives their
/// number.
async fn post_all_kinds(books: &Books, ledger: &Running, users: &[UserId], supply: &Supply) -> usize {
    let credits = supply.credits(books, users.len());
    let gifts: Vec<Command> = users.iter().map(|user| bonus(*user, "100", "CASH")).collect();
    let kept = users.iter().map(|user| keyed(bonus(*user, "100", "CASH"), "a gift to keep"));
    let gifts_and_kept: Vec<Command> = gifts.iter().cloned().chain(kept.clone()).collect();
    let mut movements: Vec<Command> = kept.collect();
    movements.extend(gifts.iter().map(|gift| Command::new(users[0], Action::Reversal { reverses: gift.transaction })));
    for (place, user) in users.iter().enumerate() {
        movements.push(claim(*user, credits[place]));
        movements.push(claim_any(*user, supply.running));
        movements.push(keyed(spend(*user, "1", "CASH"), "a spend"));
        movements.push(transfer(*user, users[(place + 1) % users.len()], "1", "CASH"));
    }
    let posted = gifts_and_kept.len() + movements.len() + 1;
    ledger.post_all(gifts_and_kept).await;
    ledger.post_all(movements).await;
    let late = ledger.submit(claim_any(users[0], supply.sold_out)).await;
    assert!(matches!(late, Err(Error::Refused(Refusal::SoldOut))), "{late:?}");
    posted
}

/// Posts after so many users have claimed nearly all there was, and again when there is much of everything, as long
/// as nothing tells the planner.
async fn posting_looks_at_what_it_posts_only(claimants: usize, is_one_campaigns: bool) {
    let books = Books::new();
    for table in ["assets", "campaigns", "claims", "entries", "idempotency_keys", "transactions", "users", "wallets"] {
        books.run(&format!("alter table {table} set (autovacuum_enabled = false)"));
    }
    let supply = Supply::of(&books, is_one_campaigns);
    let early = books.users("early", claimants);
    books.assets_of(supply.running, claimants + 3);
    post_all_kinds(&books, &books.ledger(1, 1_000), &early, &supply).await;
    books.run("vacuum analyze");
    let ledger = books.ledger(1, 1_000);
    post_all_kinds(&books, &ledger, &early[..3], &supply).await;

    if !is_one_campaigns {
        books.assets_of(books.campaign("1", "CASH", 5), 4_000);
    }
    books.assets_of(supply.running, 4_000);
    supply.credits(&books, 4_000);
    let late = books.users("late", 2_000);
    let another = books.ledger(1, 1_000);
    for users in late.chunks(500) {
        let credits = supply.credits(&books, users.len());
        another.post_all(users.iter().map(|user| bonus(*user, "100", "CASH")).collect()).await;
        let claims = users.iter().zip(credits).map(|(user, credit)| keyed(claim(*user, credit), "a claim"));
        another.post_all(claims.collect()).await;
    }
    another.stop();
    let before = looks(&books, 1);
    let posted = i64::try_from(post_all_kinds(&books, &ledger, &late[..8], &supply).await).unwrap();
    ledger.stop();
    let after = looks(&books, 0);
    let rows = |(before, after): (&Looks, &Looks)| (after.table.clone(), after.rows - before.rows);
    let looked: Vec<(String, i64)> = before.iter().zip(&after).map(rows).filter(|(_, rows)| *rows > 0).collect();
    let by_name = |name: &str| looked.iter().find(|(table, _)| table == name).unwrap().1;
    assert!(by_name("wallets") > posted && by_name("assets") >= 16, "looks are counted: {looked:?}");
    for (table, rows) in &looked {
        assert!(rows / posted < 8, "{posted} movements looked at {rows} rows of {table}");
    }
}

#[tokio::test]
async fn plans_made_at_the_very_beginning_serve_when_there_is_much() {
    posting_looks_at_what_it_posts_only(3, false).await;
}

#[tokio::test]
async fn plans_made_at_the_very_beginning_of_a_campaign_serve_when_there_is_much() {
    posting_looks_at_what_it_posts_only(3, true).await;
}

#[tokio::test]
async fn plans_made_when_nothing_was_left_on_offer_serve_when_there_is_much() {
    posting_looks_at_what_it_posts_only(400, false).await;
}

#[tokio::test]
async fn plans_made_when_one_campaign_had_everything_serve_when_there_is_much() {
    posting_looks_at_what_it_posts_only(100, true).await;
}
