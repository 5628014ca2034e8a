//! Receipts in real browsers, with scripts and without.

use crate::Stage;
use crate::support::api::audit;
use crate::support::browser::Screen::{Desk, Phone};
use crate::support::browser::Scripts::{Off, On};
use crate::support::browser::{Browser, Screen, Scripts};
use crate::{code_of, pdf_text, receipt};

/// Waits on the page until the receipt comes by itself, then has its code checked.
async fn prepare_and_check(screen: Screen, scripts: Scripts) {
    let stage = Stage::new().await;
    let id = stage.transfer("12.50", "Dinner").await;
    // Nobody makes it before the page has been seen.
    let hold = "create function hold() returns trigger language plpgsql as $$ begin
            new.next_attempt_at := now() + interval '1 hour'; return new; end $$;
        create trigger hold before insert on receipts for each row execute function hold()";
    run(&stage, hold);
    let path = format!("/transactions/{id}/receipt");
    let browser = Browser::signed_in(&stage.web, "asha", "/wallet", screen, scripts).await;
    browser.open(&path).await;
    browser.see(".empty", "Your receipt is being prepared").await;
    browser.assert_sound().await;
    // The page that comes back by itself shows what has become of it.
    run(&stage, "update receipts set status = 'failed', error = 'no space left'");
    browser.see(".empty", "could not be made").await;
    browser.assert_sound().await;
    run(&stage, "update receipts set status = 'pending', attempts = 0, next_attempt_at = now()");
    let code = code_of(&receipt(&stage.asha, &id).await);

    browser.open("/verify").await;
    browser.fill("code", &code.to_lowercase()).await;
    browser.press("Check").await;
    browser.arrive(&format!("/verify/{code}")).await;
    browser.see("dl", "12.50 GOLD").await;
    browser.assert_sound().await;
    browser.fill("code", "ABCD-EFGH-JKLM-NPQR").await;
    browser.press("Check").await;
    browser.see(".summary", "There is no such receipt").await;
    browser.assert_sound().await;
    audit(&stage.web);
}

/// Asks for a receipt on the transaction's page and waits until it lies among the downloads.
async fn download(screen: Screen, scripts: Scripts) {
    let stage = Stage::new().await;
    let id = stage.transfer("12.50", "Dinner").await;
    let path = format!("/transactions/{id}");
    let browser = Browser::signed_in(&stage.web, "asha", &path, screen, scripts).await;
    let folder = browser.keep_downloads().await;
    browser.press("Receipt").await;
    let (name, pdf) = browser.downloaded(&folder).await;
    let text = pdf_text(&pdf);
    assert!(text.contains("12.50 GOLD") && text.contains("Wallet of asha") && text.contains(&id), "{text}");
    assert_eq!(name, format!("receipt-{}.pdf", code_of(&text).replace('-', "")));
    audit(&stage.web);
}

#[actix_web::test]
async fn a_receipt_lands_among_the_downloads() {
    download(Desk, On).await;
}

#[actix_web::test]
async fn a_receipt_lands_among_the_downloads_of_a_phone_without_scripts() {
    download(Phone, Off).await;
}

fn run(stage: &Stage, sql: &str) {
    let run = |conn: &mut diesel::PgConnection| {
        diesel::connection::SimpleConnection::batch_execute(conn, sql).map_err(Into::into)
    };
    stage.web.db.run_here(run).unwrap();
}

#[actix_web::test]
async fn a_receipt_comes_by_itself_and_its_code_can_be_checked() {
    prepare_and_check(Desk, On).await;
}

#[actix_web::test]
async fn a_receipt_needs_no_scripts() {
    prepare_and_check(Desk, Off).await;
}

#[actix_web::test]
async fn a_receipt_needs_no_more_than_a_phone() {
    prepare_and_check(Phone, On).await;
}
