//! A wallet's history as a file.

use coffer::domain::Role;
use reqwest::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use serde_json::{Value, json};

use super::wallet_of;
use crate::support::api::{Caller, caller, text, web_with_admin};
use crate::support::web::{is, problem, send};

async fn top_up(admin: &Caller, user: &str, description: &str) {
    let body =
        json!({"type": "top_up", "user": user, "asset_type": "GOLD", "amount": "1.50", "description": description});
    let answer = send(admin.post("/transactions").json(&body)).await;
    assert_eq!(answer.status(), 201, "{body}");
}

/// The lines of a file, under the names of its fields.
async fn lines(caller: &Caller, path: &str) -> Vec<Value> {
    let answer = send(caller.get(path)).await;
    assert_eq!(answer.status(), 200, "{path}");
    assert_eq!(answer.headers()[CONTENT_TYPE], "text/csv; charset=utf-8");
    let body = answer.text().await.unwrap();
    assert!(body.ends_with("\r\n") && !body.contains("\r\n\r\n"), "{body}");
    let mut reader = csv::Reader::from_reader(body.as_bytes());
    let names = reader.headers().unwrap().clone();
    let record = |record: csv::StringRecord| names.iter().zip(&record).map(|(n, v)| (n.to_owned(), json!(v))).collect();
    reader.records().map(|line| Value::Object(record(line.unwrap()))).collect()
}

#[actix_web::test]
async fn the_file_has_every_row_of_the_history_however_long_it_is() {
    let (web, admin) = web_with_admin().await;
    let alice = caller(&web, "alice", Role::User).await;
    for number in 0..405 {
        top_up(&admin, "alice", &format!("Payment {number}, with \"quotes\"")).await;
    }
    let wallet = wallet_of(&alice, "GOLD").await;
    let rows = alice.walk(&format!("/wallets/{wallet}/transactions?order=asc&limit=200")).await;
    let lines = lines(&alice, &format!("/wallets/{wallet}/statement")).await;
    assert_eq!((lines.len(), rows.len()), (405, 405));
    for (line, row) in lines.iter().zip(&rows) {
        for name in ["transaction_id", "type", "description", "amount", "balance_before", "balance_after"] {
            assert_eq!(line[name], row[name], "{line}");
        }
        assert_eq!(text(&line["version"]), row["version"].to_string());
        assert_eq!((text(&line["counterparty"]), text(&line["asset_id"])), (String::new(), String::new()));
        let at = |time: &Value| chrono::DateTime::parse_from_rfc3339(time.as_str().unwrap()).unwrap();
        assert_eq!(at(&line["created_at"]), at(&row["created_at"]));
    }
    let (middle, last) = (text(&rows[200]["created_at"]), text(&rows[404]["created_at"]));
    let part = lines_of(&alice, wallet, &format!("start_date={middle}&end_date={last}")).await;
    assert_eq!(part, lines[200..]);
}

async fn lines_of(caller: &Caller, wallet: i64, range: &str) -> Vec<Value> {
    lines(caller, &format!("/wallets/{wallet}/statement?format=csv&{range}")).await
}

#[actix_web::test]
async fn the_file_of_a_range_without_rows_has_the_names_alone_and_is_called_after_its_wallet() {
    let (web, admin) = web_with_admin().await;
    let alice = caller(&web, "alice", Role::User).await;
    top_up(&admin, "alice", "").await;
    let wallet = wallet_of(&alice, "GOLD").await;
    let answer = send(alice.get(&format!("/wallets/{wallet}/statement?end_date=2020-01-01"))).await;
    assert_eq!(answer.headers()[CONTENT_DISPOSITION], format!("attachment; filename=\"GOLD-wallet-{wallet}.csv\""));
    let names = "created_at,transaction_id,type,counterparty,description,asset_id,amount,balance_before,\
                 balance_after,version\r\n";
    assert_eq!(answer.text().await.unwrap(), names);
}

#[actix_web::test]
async fn no_text_in_the_file_is_a_formula() {
    let (web, admin) = web_with_admin().await;
    let alice = caller(&web, "alice", Role::User).await;
    let texts = ["=1+1", "+1", "-1", "@A1", "\t=1", "1=1", "", "'quoted"];
    for description in texts {
        top_up(&admin, "alice", description).await;
    }
    let wallet = wallet_of(&alice, "GOLD").await;
    let found: Vec<String> = lines_of(&alice, wallet, "").await.iter().map(|line| text(&line["description"])).collect();
    assert_eq!(found, ["'=1+1", "'+1", "'-1", "'@A1", "'\t=1", "1=1", "", "'quoted"]);
}

#[actix_web::test]
async fn the_file_is_for_the_owner_and_admins_and_of_a_kind_that_exists() {
    let (web, admin) = web_with_admin().await;
    let alice = caller(&web, "alice", Role::User).await;
    let bob = caller(&web, "bob", Role::User).await;
    top_up(&admin, "alice", "For you").await;
    let wallet = wallet_of(&alice, "GOLD").await;
    assert_eq!(lines_of(&admin, wallet, "").await.len(), 1);
    let path = format!("/wallets/{wallet}/statement");
    assert_eq!(problem(send(bob.get(&path)).await).await, is(404, "not_found"));
    assert_eq!(problem(send(alice.get("/wallets/0/statement")).await).await, is(404, "not_found"));
    assert_eq!(problem(send(alice.get(&format!("{path}?format=xls"))).await).await, is(400, "malformed"));
    let reversed = format!("{path}?start_date=2024-02-01&end_date=2024-01-01");
    assert_eq!(problem(send(alice.get(&reversed)).await).await, is(422, "invalid"));
}
