//! A wallet's history by HTTP: its edges, its pages, and who is named in it.

use coffer::domain::Role;
use coffer::domain::posting::{Action, Command};
use futures::future::{join, join_all};
use serde_json::{Value, json};

use super::{versions, wallet_of};
use crate::support::api::{Caller, audit, caller, credit, id, sum, text, web_with_admin};
use crate::support::books::{bonus, spend, transfer};
use crate::support::till::{Till, have_cash, instant, user_id};
use crate::support::web::{is, problem, send};

/// That opening balance + credit - debit = closing balance, neither side below zero.
pub fn assert_balanced(totals: &Value) {
    let [credit, debit, opening, closing] =
        ["credit", "debit", "opening_balance", "closing_balance"].map(|name| sum([totals[name].as_str().unwrap()]));
    assert!(credit.sign() != bigdecimal::num_bigint::Sign::Minus, "{totals}");
    assert!(debit.sign() != bigdecimal::num_bigint::Sign::Minus, "{totals}");
    assert_eq!(opening + credit - debit, closing, "{totals}");
}

#[actix_web::test]
async fn a_range_holds_both_its_ends_whether_they_are_days_or_instants() {
    let (web, _admin) = web_with_admin().await;
    let anna = caller(&web, "anna", Role::User).await;
    let (till, a) = (Till::new(&web), user_id(&web, "anna"));
    till.post("2024-01-30T23:59:59.999999Z", bonus(a, "1", "GOLD")).await;
    till.post("2024-01-31T00:00:00Z", bonus(a, "2", "GOLD")).await;
    till.post("2024-01-31T12:00:00.5Z", spend(a, "0.50", "GOLD")).await;
    till.post("2024-01-31T23:59:59.999999Z", bonus(a, "4", "GOLD")).await;
    till.post("2024-02-01T00:00:00Z", bonus(a, "8", "GOLD")).await;
    let wallet = wallet_of(&anna, "GOLD").await;
    for (query, found, [credit, debit, opening, closing]) in [
        ("", vec![5, 4, 3, 2, 1], ["15.00", "0.50", "0.00", "14.50"]),
        ("order=asc", vec![1, 2, 3, 4, 5], ["15.00", "0.50", "0.00", "14.50"]),
        ("start_date=2024-01-31&end_date=2024-01-31", vec![4, 3, 2], ["6.00", "0.50", "1.00", "6.50"]),
        ("start_date=2024-01-31", vec![5, 4, 3, 2], ["14.00", "0.50", "1.00", "14.50"]),
        ("end_date=2024-01-31&order=asc", vec![1, 2, 3, 4], ["7.00", "0.50", "0.00", "6.50"]),
        ("start_date=2024-01-31T00:00:00Z&end_date=2024-01-31T00:00:00Z", vec![2], ["2.00", "0.00", "1.00", "3.00"]),
        (
            "start_date=2024-01-31T00:00:00.000001Z&end_date=2024-01-31T12:00:00.499999Z",
            vec![],
            ["0.00", "0.00", "3.00", "3.00"],
        ),
        (
            "start_date=2024-01-31T12:00:00.5Z&end_date=2024-01-31T12:00:00.5Z",
            vec![3],
            ["0.00", "0.50", "3.00", "2.50"],
        ),
        ("end_date=2024-01-30T23:59:59.999998Z", vec![], ["0.00", "0.00", "0.00", "0.00"]),
        ("start_date=2024-02-01T00:00:00.000001Z", vec![], ["0.00", "0.00", "14.50", "14.50"]),
        ("start_date=0001-01-01&end_date=9999-12-31", vec![5, 4, 3, 2, 1], ["15.00", "0.50", "0.00", "14.50"]),
        ("start_date=9999-12-31&end_date=9999-12-31", vec![], ["0.00", "0.00", "14.50", "14.50"]),
        // 05:30 east of Greenwich the 31st began 5.5 hours earlier; a plus sign may be bare.
        (
            "start_date=2024-01-31T05:30:00%2B05:30&end_date=2024-01-31T05:30:00+05:30",
            vec![2],
            ["2.00", "0.00", "1.00", "3.00"],
        ),
        (
            "start_date=2024-01-31T00:00:00+05:30&end_date=2024-01-31T23:59:59.999999+05:30",
            vec![3, 2, 1],
            ["3.00", "0.50", "0.00", "2.50"],
        ),
        ("start_date=2024-01-31T19:00:00-05:00", vec![5], ["8.00", "0.00", "6.50", "14.50"]),
        // The rows of a type, the totals of all.
        ("type=spend", vec![3], ["15.00", "0.50", "0.00", "14.50"]),
        (
            "type=bonus&start_date=2024-01-31&end_date=2024-01-31&order=desc",
            vec![4, 2],
            ["6.00", "0.50", "1.00", "6.50"],
        ),
        ("type=transfer", vec![], ["15.00", "0.50", "0.00", "14.50"]),
    ] {
        let page = anna.read(&format!("/wallets/{wallet}/transactions?{query}")).await;
        assert_eq!(versions(page["data"].as_array().unwrap()), found, "{query}");
        let totals = json!({"credit": credit, "debit": debit, "opening_balance": opening, "closing_balance": closing});
        assert_eq!(page["totals"], totals, "{query}");
        assert_balanced(&page["totals"]);
    }
    audit(&web);
}

#[actix_web::test]
async fn a_range_that_is_none_is_refused_by_its_field() {
    let (web, _admin) = web_with_admin().await;
    let anna = caller(&web, "anna", Role::User).await;
    Till::new(&web).post("2024-01-01T00:00:00Z", bonus(user_id(&web, "anna"), "1", "GOLD")).await;
    let wallet = wallet_of(&anna, "GOLD").await;
    for path in [format!("/wallets/{wallet}/transactions"), "/transactions".to_owned()] {
        for (query, fields) in [
            ("start_date=2024-02-01&end_date=2024-01-31", vec!["end_date"]),
            ("start_date=2024-01-31T12:00:00Z&end_date=2024-01-31T11:59:59Z", vec!["end_date"]),
            ("start_date=yesterday", vec!["start_date"]),
            ("start_date=&end_date=2024-02-30", vec!["start_date", "end_date"]),
            ("end_date=2024-01-31T23:59:60Z", vec!["end_date"]),
            ("end_date=99999-12-31", vec!["end_date"]),
            ("start_date=0000-12-31T23:59:59Z", vec!["start_date"]),
            ("start_date=%00", vec!["start_date"]),
        ] {
            let answer = send(anna.get(&format!("{path}?{query}"))).await;
            assert_eq!(answer.status(), 422, "{query}");
            let refusal: Value = answer.json().await.unwrap();
            assert_eq!(refusal["code"], "invalid");
            let named: Vec<_> =
                refusal["errors"].as_array().unwrap().iter().map(|error| text(&error["field"])).collect();
            assert_eq!(named, fields, "{query}");
        }
        for (query, code) in [
            ("type=gift", "malformed"),
            ("type=", "malformed"),
            ("order=sideways", "malformed"),
            ("from=2024-01-01", "malformed"),
            ("limit=0", "malformed"),
            ("limit=201", "malformed"),
            ("cursor=%21", "invalid_cursor"),
            ("cursor=bm9uZQ", "invalid_cursor"),
            ("cursor=Ny4x", "invalid_cursor"),
        ] {
            let answer = send(anna.get(&format!("{path}?{query}"))).await;
            assert_eq!(problem(answer).await, is(400, code), "{path}?{query}");
        }
    }
}

#[actix_web::test]
async fn a_row_says_what_a_transaction_did_to_this_wallet_and_with_whom() {
    let (web, admin) = web_with_admin().await;
    have_cash(&web);
    let (anna, ben) = (caller(&web, "anna", Role::User).await, caller(&web, "ben", Role::User).await);
    let (till, a, b) = (Till::new(&web), user_id(&web, "anna"), user_id(&web, "ben"));
    till.post("2024-01-01T00:00:00Z", bonus(a, "10", "CASH")).await;
    let lunch = Command { description: "Lunch".to_owned(), ..transfer(a, b, "2.50", "CASH") };
    let lunch = till.post("2024-01-02T00:00:00.25Z", lunch).await;
    till.post("2024-01-03T00:00:00Z", Command::new(a, Action::Reversal { reverses: lunch.id })).await;
    let asset = id(&admin.create(&credit(1, "CASH", "1")).await[0]);
    assert_eq!(send(anna.claim(asset)).await.status(), 201);
    let rows = anna.read(&format!("/wallets/{}/transactions?order=asc", wallet_of(&anna, "CASH").await)).await;
    assert_eq!(
        rows["data"][1],
        json!({
            "transaction_id": lunch.id, "type": "transfer", "amount": "-2.50", "balance_before": "10.00",
            "balance_after": "7.50", "version": 2, "counterparty": "ben", "description": "Lunch", "asset_id": null,
            "created_at": "2024-01-02T00:00:00.250Z",
        })
    );
    let shown = |row: &Value| ["type", "amount", "counterparty", "asset_id"].map(|name| row[name].clone());
    let theirs = ben.read(&format!("/wallets/{}/transactions?order=asc", wallet_of(&ben, "CASH").await)).await;
    assert_eq!(
        theirs["data"].as_array().unwrap().iter().map(shown).collect::<Vec<_>>(),
        [
            [json!("transfer"), json!("2.50"), json!("anna"), json!(null)],
            [json!("reversal"), json!("-2.50"), json!("anna"), json!(null)],
        ]
    );
    assert_eq!(shown(&rows["data"][3]), [json!("claim"), json!("1.00"), json!(null), json!(asset)]);
    // The treasury's wallet, for admins.
    let treasury = admin.walk("/wallets?asset_type=CASH").await;
    let treasury = treasury.iter().filter(|wallet| wallet["user"] == "treasury" && wallet["version"] == 2);
    let treasury = id(treasury.into_iter().next().unwrap());
    let rows = admin.read(&format!("/wallets/{treasury}/transactions?order=asc")).await;
    assert_eq!(shown(&rows["data"][0]), [json!("bonus"), json!("-10.00"), json!("anna"), json!(null)]);
    assert_eq!(rows["totals"]["closing_balance"], "-11.00");
    audit(&web);
}

/// Walks a wallet's history page by page while three credits arrive with every page.
async fn walk_while_posting(anna: &Caller, till: &Till, path: &str, bonuses: impl Fn() -> Command) -> Vec<Value> {
    let (mut rows, mut cursor, mut second) = (Vec::new(), String::new(), 0);
    loop {
        let arrivals = (0..3).map(|_| {
            second += 1;
            till.try_at(instant("2024-06-01T00:00:00Z") + chrono::TimeDelta::seconds(second), bonuses())
        });
        let page = format!("{path}{cursor}");
        let (mut page, arrived) = join(anna.read(&page), join_all(arrivals)).await;
        assert!(arrived.iter().all(Result::is_ok), "{arrived:?}");
        assert_balanced(&page["totals"]);
        rows.append(page["data"].as_array_mut().unwrap());
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return rows,
        }
    }
}

#[actix_web::test]
async fn pages_in_both_directions_have_every_row_once_while_more_is_posted() {
    let (web, _admin) = web_with_admin().await;
    let anna = caller(&web, "anna", Role::User).await;
    let (till, a) = (Till::new(&web), user_id(&web, "anna"));
    for number in 0..60 {
        // Ten at a time share their microsecond.
        let time = instant("2024-01-01T00:00:00Z") + chrono::TimeDelta::days(number / 10);
        till.try_at(time, bonus(a, "1.25", "GOLD")).await.unwrap();
    }
    let wallet = wallet_of(&anna, "GOLD").await;
    let path = format!("/wallets/{wallet}/transactions?limit=7");
    let gift = || bonus(a, "0.01", "GOLD");
    let newest_first = walk_while_posting(&anna, &till, &path, gift).await;
    let found = versions(&newest_first);
    assert_eq!(found, (1..=found[0]).rev().collect::<Vec<_>>());
    assert!(found[0] >= 60);
    let oldest_first = walk_while_posting(&anna, &till, &format!("{path}&order=asc"), gift).await;
    let found = versions(&oldest_first);
    assert_eq!(found, (1..=found.len() as i64).collect::<Vec<_>>());
    assert!(found.len() >= 60 + 27, "the second walk meets what came during the first: {}", found.len());
    for pair in oldest_first.windows(2) {
        assert_eq!(pair[0]["balance_after"], pair[1]["balance_before"]);
    }
    // Rows and totals of one answer are of one moment.
    let reads = async {
        for _ in 0..20 {
            let page = anna.read(&format!("/wallets/{wallet}/transactions?limit=1")).await;
            assert_eq!(page["totals"]["closing_balance"], page["data"][0]["balance_after"]);
        }
    };
    let time = instant("2024-07-01T00:00:00Z");
    let posts = async {
        for _ in 0..100 {
            till.try_at(time, gift()).await.unwrap();
        }
    };
    join(reads, posts).await;
    audit(&web);
}
