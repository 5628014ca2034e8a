//! The two files of the API: the receipt of a transaction and the statement of a wallet.

use coffer::domain::{Period, WalletId};
use coffer::error::{Error, Refusal};
use coffer::repo::assets::Viewer;
use coffer::repo::history;
use reqwest::Method;
use serde_json::Value;

use crate::support::api::audit;
use crate::support::web::{is, problem, send};
use crate::{Stage, awaited, pdf_text, receipt};

#[actix_web::test]
async fn a_receipt_is_prepared_when_somebody_asks_and_then_there() {
    let stage = Stage::new().await;
    let id = stage.transfer("12.50", "Dinner").await;
    let path = format!("/transactions/{id}/receipt");
    let first = send(stage.asha.get(&path)).await;
    assert_eq!((first.status().as_u16(), first.headers()["retry-after"].to_str().unwrap()), (202, "1"));
    assert_eq!(first.json::<Value>().await.unwrap(), serde_json::json!({ "status": "pending" }));
    let (_, there) = awaited(|| stage.asha.get(&path)).await;
    assert_eq!((there.status().as_u16(), there.headers()["content-type"].to_str().unwrap()), (200, "application/pdf"));
    let name = there.headers()["content-disposition"].to_str().unwrap().to_owned();
    assert!(name.starts_with("attachment; filename=\"receipt-") && name.ends_with(".pdf\""), "{name}");
    let bytes = there.bytes().await.unwrap();
    assert_eq!(bytes, send(stage.asha.get(&path)).await.bytes().await.unwrap());
    assert_eq!(send(stage.asha.request(Method::HEAD, &path)).await.status(), 200);
    audit(&stage.web);
}

#[actix_web::test]
async fn each_side_reads_its_own_balance_and_an_admin_that_of_the_sender() {
    let stage = Stage::new().await;
    let id = stage.transfer("12.50", "Café ₹ 李").await;
    let (asha, bela) = (receipt(&stage.asha, &id).await, receipt(&stage.bela, &id).await);
    for part in ["−12.50 GOLD", "Transfer to bela", "Wallet of asha", "100.00 GOLD", "87.50 GOLD"] {
        assert!(asha.contains(part), "{part} is not in\n{asha}");
    }
    for part in ["+12.50 GOLD", "Transfer from asha", "Wallet of bela", "0.00 GOLD"] {
        assert!(bela.contains(part), "{part} is not in\n{bela}");
    }
    assert!(!bela.contains("87.50"), "{bela}");
    for text in [&asha, &bela] {
        assert!(text.contains("Café ₹ [U+674E]") && text.contains(&id), "{text}");
    }
    assert_eq!(receipt(&stage.admin, &id).await, asha);
    let top_up = stage.top_up("5").await;
    let text = receipt(&stage.asha, &top_up).await;
    assert!(text.contains("Top-up") && text.contains("Coffer") && text.contains("92.50 GOLD"), "{text}");
}

#[actix_web::test]
async fn nobody_learns_of_anothers_receipt() {
    let stage = Stage::new().await;
    let id = stage.top_up("5").await;
    for path in [format!("/transactions/{id}/receipt"), format!("/transactions/{}/receipt", uuid::Uuid::now_v7())] {
        assert_eq!(problem(send(stage.bela.get(&path)).await).await, is(404, "not_found"), "{path}");
    }
    assert_eq!(problem(send(stage.bela.get("/transactions/7/receipt")).await).await, is(404, "not_found"));
    let path = stage.web.url(&format!("/api/v1/transactions/{id}/receipt"));
    assert_eq!(problem(send(crate::anyone().get(path)).await).await, is(401, "unauthenticated"));
}

#[actix_web::test]
async fn a_statement_comes_as_pdf_for_its_owner_and_for_admins() {
    let stage = Stage::new().await;
    for number in 0..60 {
        stage.transfer("0.50", &format!("Café ₹ 李, number {number}")).await;
    }
    let wallets = stage.asha.read("/wallets").await;
    let path = format!("/wallets/{}/statement?format=pdf", wallets["data"][0]["id"]);
    let answer = send(stage.asha.get(&path)).await;
    assert_eq!(
        (answer.status().as_u16(), answer.headers()["content-type"].to_str().unwrap()),
        (200, "application/pdf")
    );
    let bytes = answer.bytes().await.unwrap();
    let text = pdf_text(&bytes);
    for part in [
        "GOLD · Gold Coins",
        "Wallet of asha · From the beginning",
        "Opening balance",
        "100.00",
        "30.00",
        "70.00",
        "Transfer to bela",
        "Café ₹ [U+674E], number 0",
        "number 59",
        "−0.50",
        "+100.00",
    ] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
    let pages = text.matches("What happened").count();
    assert!(pages > 1, "{text}");
    for page in 1..=pages {
        assert!(text.contains(&format!("Page {page} of {pages}")), "page {page} of {pages}");
    }
    assert_eq!(send(stage.admin.get(&path)).await.bytes().await.unwrap(), bytes);
    assert_eq!(problem(send(stage.bela.get(&path)).await).await, is(404, "not_found"));
    let none = send(stage.asha.get(&format!("{path}&start_date=2001-01-01&end_date=2001-01-31"))).await;
    let text = pdf_text(&none.bytes().await.unwrap());
    assert!(text.contains("1 Jan 2001 to 31 Jan 2001") && text.contains("Nothing came or went"), "{text}");
    let wrong = send(stage.asha.get(&format!("{path}&start_date=soon"))).await;
    assert_eq!(problem(wrong).await, is(422, "invalid"));
    let unknown = send(stage.asha.get(&path.replace("pdf", "doc"))).await;
    assert_eq!(problem(unknown).await, is(400, "malformed"));
}

#[actix_web::test]
async fn a_statement_that_is_too_long_for_paper_is_refused() {
    let stage = Stage::new().await;
    for _ in 0..4 {
        stage.transfer("0.50", "").await;
    }
    let wallet = WalletId(stage.asha.read("/wallets").await["data"][0]["id"].as_i64().unwrap());
    let whole =
        |most| stage.web.db.run_here(|conn| history::whole(conn, Viewer::Admin, wallet, Period::default(), most));
    assert_eq!(whole(5).unwrap().2.len(), 5);
    let refusal = whole(4).unwrap_err();
    assert!(matches!(refusal, Error::Refused(Refusal::StatementTooLong(4))), "{refusal:?}");
    assert!(refusal.to_string().contains("Choose a shorter one, or take the CSV file"), "{refusal}");
}
