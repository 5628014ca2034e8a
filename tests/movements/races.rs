//! Whatever happens at once, no value is made or lost.

use std::time::{Duration, Instant};

use futures::future::join_all;
use reqwest::Response;
use serde_json::json;

use crate::support::api::{CONNECTIONS, sum};
use crate::support::bank::{Bank, ask, posted, problem_of, transfer};

#[actix_web::test]
async fn what_is_there_once_is_given_once() {
    let bank = Bank::with_cash("100").await;
    for _ in 0..20 {
        let gift = transfer("ben", "100");
        let mut answers = join_all([ask(&bank.anna, &gift), ask(&bank.anna, &gift)]).await;
        answers.sort_by_key(Response::status);
        let [given, refused] = <[_; 2]>::try_from(answers).unwrap();
        assert_eq!(given.status(), 201);
        assert_eq!(problem_of(refused, 409, "insufficient_funds").await["available"], "0.00");
        assert_eq!(bank.cash().await, ["0.00", "100.00"]);
        assert_eq!(posted(&bank.ben, &transfer("anna", "100")).await["balance"], "0.00");
    }
}

#[actix_web::test]
async fn two_users_who_give_to_each_other_all_the_time_block_and_lose_nothing() {
    let bank = Bank::with_cash("300").await;
    bank.top_up("ben", "CASH", "300").await;
    let end = Instant::now() + Duration::from_secs(10);
    let client = async |number: usize| {
        let (giver, receiver) = if number.is_multiple_of(2) { (&bank.anna, "ben") } else { (&bank.ben, "anna") };
        let mut given = 0;
        let mut round = number;
        while Instant::now() < end {
            round += 1;
            let answer = ask(giver, &transfer(receiver, &format!("{}.{:02}", round % 40, 1 + round % 99))).await;
            match answer.status().as_u16() {
                201 => given += 1,
                _ => assert_eq!(problem_of(answer, 409, "insufficient_funds").await["status"], json!(409)),
            }
        }
        given
    };
    let given = join_all((0..CONNECTIONS).map(client)).await;
    assert!(given.iter().all(|count| *count > 0), "{given:?}");
    assert_eq!(bank.written()[0], 2 + given.iter().sum::<i64>());
    assert_eq!(sum(bank.cash().await.iter().map(String::as_str)), sum(["600"]));
}
