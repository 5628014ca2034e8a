//! Transactions and entries as scripts of admins list them.

use serde_json::{Value, json};

use crate::support::api::{sum, text};
use crate::support::bank::{Bank, posted, spend, transfer};
use crate::support::web::{is, problem, send};

/// A bank in which some value has moved.
async fn busy() -> Bank {
    let bank = Bank::with_cash("100").await;
    posted(&bank.anna, &spend("10")).await;
    posted(&bank.anna, &transfer("ben", "30")).await;
    let bonus = json!({"type": "bonus", "user": "ben", "asset_type": "CASH", "amount": "5"});
    posted(&bank.admin, &bonus).await;
    bank
}

async fn listed(bank: &Bank, path: &str) -> Vec<Value> {
    bank.admin.read(path).await["data"].as_array().unwrap().clone()
}

fn ids(rows: &[Value], field: &str) -> Vec<String> {
    rows.iter().map(|row| text(&row[field])).collect()
}

#[actix_web::test]
async fn entries_come_in_pairs_which_a_page_may_part() {
    let bank = busy().await;
    let all = listed(&bank, "/admin/ledger/entries").await;
    let transactions = listed(&bank, "/admin/ledger/transactions").await;
    assert_eq!(all.len(), 2 * transactions.len());
    for (pair, transaction) in all.chunks(2).zip(&transactions) {
        assert_eq!(ids(pair, "transaction_id"), [text(&transaction["id"]), text(&transaction["id"])]);
        assert_eq!(sum(pair.iter().map(|line| line["amount"].as_str().unwrap())), sum(["0"]));
    }
    for limit in [1, 2, 3, 5] {
        let pages = bank.admin.walk(&format!("/admin/ledger/entries?limit={limit}")).await;
        assert_eq!(pages, all, "{limit}");
    }
}

#[actix_web::test]
async fn transactions_tell_who_asked_for_them_and_why() {
    let bank = busy().await;
    let found = listed(&bank, "/admin/ledger/transactions").await;
    assert_eq!(ids(&found, "requested_by"), ["root", "anna", "anna", "root"]);
    let adjustment = json!({
        "type": "adjustment", "user": "ben", "asset_type": "CASH", "amount": "1", "direction": "debit", "reason": "Why",
    });
    posted(&bank.admin, &adjustment).await;
    let found = listed(&bank, "/admin/ledger/transactions?user=ben&type=adjustment").await;
    assert_eq!((found.len(), &found[0]["reason"], &found[0]["user"]), (1, &json!("Why"), &json!("ben")));
    let walked = bank.admin.walk("/admin/ledger/transactions?limit=2").await;
    assert_eq!(walked, listed(&bank, "/admin/ledger/transactions").await);
}

#[actix_web::test]
async fn entries_are_narrowed_by_all_that_they_say() {
    let bank = busy().await;
    let all = listed(&bank, "/admin/ledger/entries").await;
    let wallet = &all.iter().find(|line| line["user"] == "ben").unwrap()["wallet_id"];
    for (query, keeps) in [
        ("user=ben".to_owned(), Box::new(|line: &Value| line["user"] == "ben") as Box<dyn Fn(&Value) -> bool>),
        (format!("wallet_id={wallet}"), Box::new(|line: &Value| line["wallet_id"] == *wallet)),
        ("type=spend".to_owned(), Box::new(|line: &Value| line["type"] == "spend")),
        (
            "user=anna&type=transfer".to_owned(),
            Box::new(|line: &Value| line["user"] == "anna" && line["type"] == "transfer"),
        ),
        ("asset_type=CASH".to_owned(), Box::new(|line: &Value| line["asset_type"] == "CASH")),
        ("end_date=2001-01-01".to_owned(), Box::new(|_: &Value| false)),
        ("user=ben&start_date=2001-01-01".to_owned(), Box::new(|line: &Value| line["user"] == "ben")),
    ] {
        let expected: Vec<Value> = all.iter().filter(|line| keeps(line)).cloned().collect();
        let whole = listed(&bank, &format!("/admin/ledger/entries?{query}")).await;
        assert_eq!(whole, expected, "{query}");
        assert_eq!(bank.admin.walk(&format!("/admin/ledger/entries?{query}&limit=1")).await, expected, "{query}");
    }
}

#[actix_web::test]
async fn only_admins_look_through_the_ledger() {
    let bank = busy().await;
    for path in ["/admin/ledger/entries", "/admin/ledger/transactions"] {
        assert_eq!(problem(send(bank.anna.get(path)).await).await, is(403, "forbidden"));
        for (query, status, code) in [
            ("user=nobody", 404, "user_not_found"),
            ("asset_type=NONE", 404, "asset_type_not_found"),
            ("cursor=bm9uZQ", 400, "invalid_cursor"),
            ("start_date=soon", 422, "invalid"),
        ] {
            let answer = send(bank.admin.get(&format!("{path}?{query}"))).await;
            assert_eq!(problem(answer).await, is(status, code), "{path}?{query}");
        }
    }
}
