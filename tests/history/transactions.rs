//! Transactions by HTTP: who sees which, in what order, and how much of them.

use coffer::domain::posting::{Action, Command, Direction};
use coffer::domain::{Role, Transaction};
use serde_json::{Value, json};

use crate::support::api::{Caller, audit, caller, credit, id, text, web_with_admin};
use crate::support::books::{bonus, of, spend, transfer};
use crate::support::till::{Till, have_cash, user_id};
use crate::support::web::{Web, is, problem, send};

/// Anna and ben, who move CASH between them, an admin, and a stranger.
struct Town {
    web: Web,
    admin: Caller,
    anna: Caller,
    ben: Caller,
    carol: Caller,
    /// A top-up for anna, a bonus for ben, a transfer from anna to ben, its reversal, what ben
    /// spends, and an adjustment of anna's PTS.
    posted: Vec<Transaction>,
}

async fn town() -> Town {
    let (web, admin) = web_with_admin().await;
    have_cash(&web);
    let anna = caller(&web, "anna", Role::User).await;
    let ben = caller(&web, "ben", Role::User).await;
    let carol = caller(&web, "carol", Role::User).await;
    let (a, b, root) = (user_id(&web, "anna"), user_id(&web, "ben"), user_id(&web, "root"));
    let till = Till::new(&web);
    let mut posted = vec![
        till.post("2024-01-01T00:00:00Z", Command::new(root, Action::TopUp(of(a, "100", "CASH")))).await,
        till.post("2024-01-02T00:00:00Z", bonus(b, "5", "CASH")).await,
    ];
    let gift = Command {
        description: "For the tickets".to_owned(),
        metadata: Some(json!({"order": {"id": 7}})),
        ..transfer(a, b, "30.5", "CASH")
    };
    posted.push(till.post("2024-01-03T10:00:00Z", gift).await);
    let back = Command {
        reason: Some("Sent by mistake".to_owned()),
        ..Command::new(root, Action::Reversal { reverses: posted[2].id })
    };
    posted.push(till.post("2024-01-04T00:00:00Z", back).await);
    posted.push(till.post("2024-01-04T00:00:00Z", spend(b, "1", "CASH")).await);
    let adjusted = Action::Adjustment { movement: of(a, "9", "PTS"), direction: Direction::Credit };
    posted.push(till.post("2024-01-05T00:00:00Z", Command::new(root, adjusted)).await);
    Town { web, admin, anna, ben, carol, posted }
}

#[actix_web::test]
async fn admins_find_what_was_posted_in_a_range_of_days() {
    let Town { web: _web, admin, posted, .. } = town().await;
    let days = ["2023-12-31", "2024-01-01", "2024-01-02", "2024-01-03", "2024-01-04", "2024-01-05", "2024-01-06"];
    for from in days {
        for until in days.into_iter().filter(|until| *until >= from) {
            let is_in = |transaction: &&Transaction| {
                let day = transaction.created_at.date_naive().to_string();
                from <= day.as_str() && day.as_str() <= until
            };
            let expected: Vec<_> = posted.iter().rev().filter(is_in).map(|found| found.id.to_string()).collect();
            let query = format!("start_date={from}&end_date={until}");
            let found = admin.walk(&format!("/admin/ledger/transactions?{query}&limit=2")).await;
            assert_eq!(found.iter().map(|row| text(&row["id"])).collect::<Vec<_>>(), expected, "{query}");
            let lines = admin.walk(&format!("/admin/ledger/entries?{query}&limit=3")).await;
            let ids = lines.iter().map(|row| text(&row["transaction_id"])).collect::<Vec<_>>();
            assert_eq!(ids, expected.iter().flat_map(|id| [id.clone(), id.clone()]).collect::<Vec<_>>(), "{query}");
        }
    }
}

#[actix_web::test]
async fn a_transaction_looks_different_to_both_sides_and_to_an_admin() {
    let Town { web, admin, anna, ben, carol, posted } = town().await;
    let path = format!("/transactions/{}", posted[2].id);
    let (from, to) = (posted[2].debit.wallet_id.unwrap().0, posted[2].credit.wallet_id.unwrap().0);
    let seen_by = |theirs: [&str; 2], others: [&str; 2]| {
        let balances = |shown: [&str; 2]| shown.map(|text| if text.is_empty() { json!(null) } else { json!(text) });
        let ([sent_before, sent_after], [got_before, got_after]) = (balances(theirs), balances(others));
        json!({
            "id": posted[2].id, "type": "transfer", "user": "anna", "counterparty": "ben", "asset_type": "CASH",
            "amount": "30.50", "description": "For the tickets", "metadata": {"order": {"id": 7}}, "asset_id": null,
            "reverses": null, "created_at": "2024-01-03T10:00:00Z",
            "entries": [
                {"wallet_id": from, "amount": "-30.50", "balance_before": sent_before, "balance_after": sent_after},
                {"wallet_id": to, "amount": "30.50", "balance_before": got_before, "balance_after": got_after},
            ],
        })
    };
    assert_eq!(anna.read(&path).await, seen_by(["100.00", "69.50"], ["", ""]));
    assert_eq!(ben.read(&path).await, seen_by(["", ""], ["5.00", "35.50"]));
    assert_eq!(admin.read(&path).await, seen_by(["100.00", "69.50"], ["5.00", "35.50"]));
    assert_eq!(problem(send(carol.get(&path)).await).await, is(404, "not_found"));
    // The reversal is about whoever sent at first, and only admins are told why it was.
    let path = format!("/transactions/{}", posted[3].id);
    for (caller, reason) in [(&anna, json!(null)), (&ben, json!(null)), (&admin, json!("Sent by mistake"))] {
        let seen = caller.read(&path).await;
        let shown = ["type", "user", "counterparty", "amount", "reverses", "reason"].map(|name| seen[name].clone());
        let expected = [json!("reversal"), json!("anna"), json!("ben"), json!("30.50"), json!(posted[2].id), reason];
        assert_eq!(shown, expected, "{}", caller.name);
    }
    audit(&web);
}

#[actix_web::test]
async fn the_treasury_has_no_name_and_shows_its_balance_to_admins_only() {
    let Town { web, admin, anna, posted, .. } = town().await;
    let asset = id(&admin.create(&credit(1, "PTS", "4")).await[0]);
    let claim = send(anna.claim(asset)).await.json::<Value>().await.unwrap();
    let claim = anna.read(&format!("/transactions/{}", text(&claim["claim"]["transaction_id"]))).await;
    assert_eq!((&claim["type"], &claim["asset_id"], &claim["amount"]), (&json!("claim"), &json!(asset), &json!("4")));
    for number in [0, 5] {
        let path = format!("/transactions/{}", posted[number].id);
        let (seen, all) = (anna.read(&path).await, admin.read(&path).await);
        assert_eq!((&seen["user"], &seen["counterparty"]), (&json!("anna"), &json!(null)));
        assert_eq!(seen["metadata"], json!({}));
        let [of_treasury, own] = [&seen["entries"][0], &seen["entries"][1]];
        assert_eq!((&of_treasury["balance_before"], &of_treasury["balance_after"]), (&json!(null), &json!(null)));
        assert!(own["balance_before"].is_string() && own["balance_after"].is_string(), "{own}");
        assert_eq!(all["entries"][0]["balance_after"], if number == 0 { "-100.00" } else { "-9" });
    }
    audit(&web);
}

#[actix_web::test]
async fn lists_hold_what_the_caller_may_see_newest_first_by_every_filter() {
    let Town { admin, anna, ben, carol, posted, .. } = &town().await;
    let cases: Vec<(&Caller, &str, Vec<usize>)> = vec![
        (anna, "", vec![5, 3, 2, 0]),
        (anna, "user=me", vec![5, 3, 2, 0]),
        (anna, "user=anna&asset_type=CASH", vec![3, 2, 0]),
        (anna, "type=transfer", vec![2]),
        (anna, "type=spend", vec![]),
        (anna, "asset_type=GOLD", vec![]),
        (anna, "asset_type=PTS&type=adjustment", vec![5]),
        (anna, "start_date=2024-01-03&end_date=2024-01-04", vec![3, 2]),
        (anna, "start_date=2024-01-03T10:00:00Z&end_date=2024-01-03T15:30:00+05:30", vec![2]),
        (ben, "", vec![4, 3, 2, 1]),
        (ben, "end_date=2024-01-03T09:59:59.999999Z", vec![1]),
        (carol, "", vec![]),
        (admin, "", vec![5, 4, 3, 2, 1, 0]),
        (admin, "user=anna", vec![5, 3, 2, 0]),
        (admin, "user=ben&type=reversal", vec![3]),
        (admin, "user=me", vec![]),
        (admin, "asset_type=CASH&type=bonus", vec![1]),
        (admin, "start_date=2024-01-04&end_date=2024-01-04", vec![4, 3]),
        (admin, "end_date=2024-01-01", vec![0]),
        (admin, "start_date=2024-01-06", vec![]),
    ];
    for (caller, query, numbers) in cases {
        let expected: Vec<Value> = numbers.iter().map(|number| json!(posted[*number].id)).collect();
        for limit in [1, 2, 50] {
            let rows = caller.walk(&format!("/transactions?limit={limit}&{query}")).await;
            let found: Vec<Value> = rows.iter().map(|row| row["id"].clone()).collect();
            assert_eq!(found, expected, "{query} by {}, {limit} a page", caller.name);
        }
    }
    let unknown = send(anna.get("/transactions?asset_type=SILVER")).await;
    assert_eq!(problem(unknown).await, is(404, "asset_type_not_found"));
    // A row of a list is the transaction, no less.
    for caller in [anna, ben, admin] {
        for row in caller.walk("/transactions?").await {
            assert_eq!(caller.read(&format!("/transactions/{}", text(&row["id"]))).await, row);
        }
    }
}

#[actix_web::test]
async fn what_others_moved_cannot_be_found_and_what_is_no_id_names_nothing() {
    let Town { admin, anna, ben, posted, .. } = &town().await;
    for caller in [anna, ben] {
        let own = caller.walk("/transactions?").await;
        for transaction in posted {
            let answer = send(caller.get(&format!("/transactions/{}", transaction.id))).await;
            if own.iter().any(|row| row["id"] == json!(transaction.id)) {
                assert_eq!(answer.status(), 200);
            } else {
                assert_eq!(problem(answer).await, is(404, "not_found"));
            }
        }
    }
    for id in ["1", "x", "00000000-0000-0000-0000-000000000000", "0192f0c1-2b3c-7def-8123-456789abcdeZ", "%00"] {
        let answer = send(admin.get(&format!("/transactions/{id}"))).await;
        assert_eq!(problem(answer).await, is(404, "not_found"), "{id}");
    }
    for user in ["ben", "root", "nobody", "treasury"] {
        let answer = send(anna.get(&format!("/transactions?user={user}"))).await;
        assert_eq!(problem(answer).await, is(404, "user_not_found"), "{user}");
    }
    // A place in the list of all is none in the list of one user, and the other way round.
    for (given, taken) in [("", "user=anna"), ("user=anna", "")] {
        let page = admin.read(&format!("/transactions?limit=1&{given}")).await;
        let cursor = text(&page["next_cursor"]);
        let answer = send(admin.get(&format!("/transactions?cursor={cursor}&{taken}"))).await;
        assert_eq!(problem(answer).await, is(400, "invalid_cursor"), "{given} in {taken}");
    }
}
