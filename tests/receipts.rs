//! Receipts and statements from outside: who gets which, when they are there, what they say, and
//! what becomes of those that cannot be made.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::unwrap_used, reason = "a failing test fails loudly")]

mod support;

#[path = "receipts/browsers.rs"]
mod browsers;
#[path = "receipts/files.rs"]
mod files;
#[path = "receipts/job.rs"]
mod job;
#[path = "receipts/pages.rs"]
mod pages;

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

use coffer::domain::Role;
use reqwest::{Client, RequestBuilder, Response};
use serde_json::{Value, json};
use support::api::{Caller, caller, text, web_with_admin};
use support::web::{Web, send};

/// A server with an admin, and two users of whom the first has 100.00 GOLD.
struct Stage {
    web: Web,
    admin: Caller,
    asha: Caller,
    bela: Caller,
}

impl Stage {
    async fn new() -> Self {
        let (web, admin) = web_with_admin().await;
        let transferable = json!({ "transferable": true });
        let answer = send(admin.request(reqwest::Method::PATCH, "/admin/asset-types/GOLD").json(&transferable)).await;
        assert_eq!(answer.status(), 200);
        let (asha, bela) = (caller(&web, "asha", Role::User).await, caller(&web, "bela", Role::User).await);
        let stage = Self { web, admin, asha, bela };
        stage.top_up("100").await;
        stage
    }

    async fn top_up(&self, amount: &str) -> String {
        let body = json!({ "type": "top_up", "user": self.asha.name, "asset_type": "GOLD", "amount": amount });
        movement(&self.admin, body).await
    }

    /// Asha sends some GOLD to Bela.
    async fn transfer(&self, amount: &str, description: &str) -> String {
        let body = json!({ "type": "transfer", "receiver": self.bela.name, "asset_type": "GOLD", "amount": amount,
            "description": description });
        movement(&self.asha, body).await
    }
}

/// Posts a movement and returns its id.
async fn movement(caller: &Caller, body: Value) -> String {
    let key = uuid::Uuid::new_v4().to_string();
    let answer = send(caller.post("/transactions").header("idempotency-key", key).json(&body)).await;
    assert_eq!(answer.status(), 201, "{body}");
    text(&answer.json::<Value>().await.unwrap()["id"])
}

/// Asks until the answer is another one than 202; says how often it was 202.
async fn awaited(request: impl Fn() -> RequestBuilder) -> (usize, Response) {
    for round in 0..200 {
        let answer = send(request()).await;
        if answer.status() != 202 {
            return (round, answer);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the receipt is being prepared for ever");
}

/// The text of a caller's receipt.
async fn receipt(caller: &Caller, transaction: &str) -> String {
    let (_, answer) = awaited(|| caller.get(&format!("/transactions/{transaction}/receipt"))).await;
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["content-type"], "application/pdf");
    pdf_text(&answer.bytes().await.unwrap())
}

/// What pdftotext reads, as it stands on the pages.
fn pdf_text(pdf: &[u8]) -> String {
    assert!(pdf.starts_with(b"%PDF-"), "{}", String::from_utf8_lossy(pdf));
    let mut reader = Command::new("pdftotext")
        .args(["-layout", "-", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("pdftotext is installed");
    reader.stdin.take().unwrap().write_all(pdf).unwrap();
    let output = reader.wait_with_output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

/// The code on a receipt.
fn code_of(receipt: &str) -> String {
    let line = receipt.lines().find(|line| line.contains("Receipt ") && line.contains("Page 1")).unwrap();
    line.split_whitespace().nth(1).unwrap().to_owned()
}

/// A client without an account.
fn anyone() -> Client {
    Client::new()
}
