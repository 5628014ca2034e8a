//! The pages: the waiting page, the file, the statement, and the page that confirms a code.

use reqwest::{Client, Response};

use crate::support::web::{PASSWORD, browser, send, submit, texts};
use crate::{Stage, anyone, code_of, pdf_text, receipt};

async fn signed_in(stage: &Stage, login: &str) -> Client {
    let client = browser();
    assert_eq!(submit(&stage.web, &client, "/login", &[("login", login), ("password", PASSWORD)]).await.status(), 303);
    client
}

async fn get(stage: &Stage, client: &Client, path: &str) -> Response {
    send(client.get(stage.web.url(path))).await
}

#[actix_web::test]
async fn the_waiting_page_comes_back_by_itself_until_the_file_is_there() {
    let stage = Stage::new().await;
    let id = stage.transfer("12.50", "Dinner").await;
    let asha = signed_in(&stage, "asha").await;
    let path = format!("/transactions/{id}/receipt");
    let waiting = get(&stage, &asha, &path).await;
    assert_eq!((waiting.status().as_u16(), waiting.headers()["refresh"].to_str().unwrap()), (202, "2"));
    assert!(waiting.text().await.unwrap().contains("Your receipt is being prepared"));
    receipt(&stage.asha, &id).await;
    let file = get(&stage, &asha, &path).await;
    assert_eq!((file.status().as_u16(), file.headers()["content-type"].to_str().unwrap()), (200, "application/pdf"));
    assert!(pdf_text(&file.bytes().await.unwrap()).contains("Wallet of asha"));
    let bela = signed_in(&stage, "bela").await;
    assert_eq!(get(&stage, &bela, &path).await.status(), 202);
    let top_up = stage.top_up("1").await;
    assert_eq!(get(&stage, &bela, &format!("/transactions/{top_up}/receipt")).await.status(), 404);
    assert_eq!(get(&stage, &anyone(), &path).await.url().path(), "/login");
}

#[actix_web::test]
async fn a_receipt_that_cannot_be_made_says_so() {
    let stage = Stage::new().await;
    let id = stage.transfer("1", "").await;
    let asha = signed_in(&stage, "asha").await;
    let path = format!("/transactions/{id}/receipt");
    assert_eq!(get(&stage, &asha, &path).await.status(), 202);
    receipt(&stage.asha, &id).await;
    stage
        .web
        .db
        .run_here(|conn| {
            diesel::connection::SimpleConnection::batch_execute(
                conn,
                "update receipts set status = 'failed', error = 'no space left', pdf = null",
            )
            .map_err(Into::into)
        })
        .unwrap();
    let page = get(&stage, &asha, &path).await;
    assert_eq!((page.status().as_u16(), page.headers().get("refresh")), (409, None));
    let page = page.text().await.unwrap();
    assert!(page.contains("This receipt could not be made") && !page.contains("no space"), "{page}");
    let page = get(&stage, &asha, &format!("/transactions/{id}")).await.text().await.unwrap();
    assert!(page.contains("The receipt could not be made."), "{page}");
    let root = signed_in(&stage, "root").await;
    let page = get(&stage, &root, &format!("/admin/transactions/{id}")).await.text().await.unwrap();
    let notes = texts(&page, ".note");
    assert_eq!(notes, ["The receipt for asha could not be made. Look why, and have it tried again"]);
    assert!(!page.contains("/receipt\""), "{page}");
    let top_up = stage.top_up("1").await;
    let page = get(&stage, &root, &format!("/admin/transactions/{top_up}")).await.text().await.unwrap();
    assert_eq!((texts(&page, ".note").len(), page.contains("/receipt\"")), (0, true));
}

#[actix_web::test]
async fn a_statement_of_ones_own_wallet_comes_in_both_kinds() {
    let stage = Stage::new().await;
    stage.transfer("12.50", "Café ₹ 李").await;
    let asha = signed_in(&stage, "asha").await;
    let pdf = get(&stage, &asha, "/wallet/GOLD/statement?start_date=&end_date=&format=pdf").await;
    assert_eq!(pdf.headers()["content-type"], "application/pdf");
    let text = pdf_text(&pdf.bytes().await.unwrap());
    assert!(text.contains("87.50") && text.contains("Café ₹ [U+674E]"), "{text}");
    let csv = get(&stage, &asha, "/wallet/GOLD/statement?format=csv").await;
    assert_eq!(csv.headers()["content-type"], "text/csv; charset=utf-8");
    assert_eq!(csv.text().await.unwrap().lines().count(), 3);
    for (path, status) in [
        ("/wallet/PTS/statement?format=pdf", 404),
        ("/wallet/nothing/statement?format=pdf", 404),
        ("/wallet/GOLD/statement?format=pdf&start_date=2026-02-01&end_date=2026-01-01", 422),
        ("/wallet/GOLD/statement?format=doc", 400),
    ] {
        assert_eq!(get(&stage, &asha, path).await.status(), status, "{path}");
    }
}

#[actix_web::test]
async fn anyone_can_check_a_receipt_and_learns_no_names() {
    let stage = Stage::new().await;
    let id = stage.transfer("12.50", "Secret dinner").await;
    let code = code_of(&receipt(&stage.asha, &id).await);
    assert_ne!(code, code_of(&receipt(&stage.bela, &id).await));
    for typed in [code.clone(), code.to_lowercase(), code.replace('-', "")] {
        let page = get(&stage, &anyone(), &format!("/verify/{typed}")).await;
        assert_eq!(page.status(), 200, "{typed}");
        let page = page.text().await.unwrap();
        let facts = texts(&page, "dl dd").join("|");
        assert!(facts.contains("12.50 GOLD") && facts.contains("Transfer") && facts.contains(&id), "{facts}");
        assert!(facts.contains("UTC"), "{facts}");
        for name in ["asha", "bela", "dinner", "87.50"] {
            assert!(!page.contains(name), "{name} is shown");
        }
    }
    let reason = serde_json::json!({ "reason": "A mistake" });
    let mut last = id;
    for is_reversed in [true, false, true] {
        let reversal = stage.admin.post(&format!("/transactions/{last}/reverse")).json(&reason);
        let reversal: serde_json::Value = send(reversal).await.json().await.unwrap();
        last = reversal["id"].as_str().unwrap().to_owned();
        let page = get(&stage, &anyone(), &format!("/verify/{code}")).await.text().await.unwrap();
        assert_eq!(page.contains("taken back since"), is_reversed, "{page}");
    }
}

#[actix_web::test]
async fn an_unknown_code_confirms_nothing() {
    let stage = Stage::new().await;
    for code in ["ABCD-EFGH-JKLM-NPQR", "nonsense", "%00", "ABCDEFGHJKLMNPQ%27"] {
        let page = get(&stage, &anyone(), &format!("/verify/{code}")).await;
        assert_eq!(page.status(), 404, "{code}");
        assert!(page.text().await.unwrap().contains("There is no such receipt"), "{code}");
    }
    let client = browser();
    let typed = get(&stage, &client, "/verify?code=abcd+efgh-jklm+npqr").await;
    assert_eq!(
        (typed.status().as_u16(), typed.headers()["location"].to_str().unwrap()),
        (303, "/verify/ABCD-EFGH-JKLM-NPQR")
    );
    assert_eq!(get(&stage, &client, "/verify?code=short").await.status(), 422);
    assert_eq!(get(&stage, &client, "/verify").await.status(), 200);
}
