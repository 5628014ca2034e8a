//! One movement, and the list of all, as those see them whom they are about.

use serde_json::{Value, json};

use crate::support::api::text;
use crate::support::bank::{posted, transfer};
use crate::support::web::{page, send, texts};
use crate::{Branch, at_home, attributes, fact};

#[actix_web::test]
async fn each_side_sees_its_own_balances_and_never_the_others() {
    let branch = Branch::with_cash("100").await;
    let body = json!({
        "type": "transfer", "asset_type": "CASH", "amount": "12.5", "receiver": "ben", "description": "Dinner",
    });
    let id = text(&posted(&branch.bank.anna, &body).await["id"]);
    let path = format!("/transactions/{id}");
    let html = branch.page(&path).await;
    assert_eq!(texts(&html, "h1"), ["Sent Done"]);
    assert_eq!((fact(&html, "From"), fact(&html, "To")), ("You".to_owned(), "ben".to_owned()));
    assert_eq!(fact(&html, "What it is for"), "Dinner");
    assert_eq!(texts(&html, "tbody tr:first-child > *"), ["Your wallet", "−12.50 CASH", "100.00", "87.50"]);
    assert_eq!(texts(&html, "tbody tr:last-child > *"), ["ben", "+12.50 CASH", "–", "–"]);
    assert_eq!(attributes(&html, ".head__end a", "href"), [format!("{path}/receipt")]);
    let ben = at_home(&branch.bank, "ben").await;
    let html = page(&branch.bank.web, &ben, &path).await;
    assert_eq!(texts(&html, "h1"), ["Received Done"]);
    assert_eq!((fact(&html, "From"), fact(&html, "To")), ("anna".to_owned(), "You".to_owned()));
    assert!(!html.contains("87.50") && !html.contains("100.00"), "what anna holds is hers to know");
}

#[actix_web::test]
async fn anothers_movement_is_not_there_but_for_admins_who_have_a_page_of_their_own() {
    let branch = Branch::with_cash("100").await;
    let topped_up = branch.bank.top_up("ben", "CASH", "7").await;
    let path = format!("/transactions/{}", text(&topped_up["id"]));
    let status = async |path: &str| send(branch.anna.get(branch.bank.web.url(path))).await.status().as_u16();
    assert_eq!(status(&path).await, 404);
    for id in ["1", "nothing", "01890a5d-ac96-774b-bcce-b302099a8057"] {
        assert_eq!(status(&format!("/transactions/{id}")).await, 404, "{id}");
    }
    let root = at_home(&branch.bank, "root").await;
    let answer = send(root.get(branch.bank.web.url(&path))).await;
    assert_eq!(
        (answer.status().as_u16(), &answer.headers()["location"]),
        (303, &format!("/admin{path}").parse().unwrap())
    );
}

#[actix_web::test]
async fn what_was_taken_back_and_what_took_it_back_lead_to_each_other() {
    let branch = Branch::with_cash("100").await;
    let id = text(&posted(&branch.bank.anna, &transfer("ben", "10")).await["id"]);
    let reverse =
        branch.bank.admin.post(&format!("/transactions/{id}/reverse")).json(&json!({"reason": "Secret reason"}));
    let reversal: Value = send(reverse).await.json().await.unwrap();
    let back = format!("/transactions/{}", text(&reversal["id"]));
    let html = branch.page(&format!("/transactions/{id}")).await;
    assert_eq!(texts(&html, "h1 .badge"), ["Taken back"]);
    assert_eq!(attributes(&html, ".note a", "href"), [back.as_str()]);
    let html = branch.page(&back).await;
    assert_eq!(texts(&html, "h1"), ["Given back Done"]);
    assert_eq!(attributes(&html, ".note a", "href"), [format!("/transactions/{id}")]);
    assert!(!html.contains("Secret reason"), "reasons are for admins");
}

#[actix_web::test]
async fn a_claim_names_its_credit() {
    let branch = Branch::open().await;
    let asset = branch.bank.admin.issue(1, "GOLD", "5").await[0];
    let claim: Value = send(branch.bank.anna.claim(asset)).await.json().await.unwrap();
    let html = branch.page(&format!("/transactions/{}", text(&claim["claim"]["transaction_id"]))).await;
    assert_eq!(texts(&html, "h1"), ["Claimed Done"]);
    assert_eq!(fact(&html, "Credit"), "Festive Cashback");
    assert_eq!(attributes(&html, ".section__head a", "href"), ["/wallet/GOLD"]);
}

#[actix_web::test]
async fn all_activity_is_listed_by_day_narrowed_and_paged() {
    let branch = Branch::with_cash("100").await;
    posted(&branch.bank.anna, &transfer("ben", "10")).await;
    branch.bank.top_up("anna", "PTS", "5").await;
    let html = branch.page("/transactions").await;
    assert_eq!(texts(&html, ".row__end"), ["+5 PTS", "−10.00 CASH", "+100.00 CASH"]);
    assert_eq!(texts(&html, ".row__title a"), ["Top-up", "To ben", "Top-up"]);
    assert_eq!(texts(&html, ".day"), ["Today"]);
    for (query, rows) in [("type=transfer", 1), ("asset_type=PTS", 1), ("asset_type=CASH", 2), ("to=2024-01-01", 0)] {
        let html = branch.page(&format!("/transactions?{query}")).await;
        assert_eq!(texts(&html, ".row__end").len(), rows, "{query}");
        assert_eq!(texts(&html, "a.chip").len(), 1, "{query}");
        assert_eq!(texts(&html, ".empty__title").len(), usize::from(rows == 0), "{query}");
    }
    for _ in 0..24 {
        branch.bank.top_up("anna", "PTS", "1").await;
    }
    let next = attributes(&branch.page("/transactions").await, ".pager [rel=next]", "href").remove(0);
    assert_eq!(texts(&branch.page(&next).await, ".row__end").len(), 3);
    let html = page(&branch.bank.web, &at_home(&branch.bank, "root").await, "/transactions").await;
    assert_eq!(texts(&html, ".empty__title"), ["No activity yet"], "an admin sees what is the admin's own");
}
