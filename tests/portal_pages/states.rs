//! The wallet, the pool and the claims of those who have nothing, come too late, have had theirs or
//! are frozen.

use reqwest::Client;
use serde_json::{Value, json};

use crate::support::api::{id, text};
use crate::support::bank::{posted, transfer};
use crate::support::web::{page, send, submit, texts, value};
use crate::{Branch, at_home, attributes, place, shown};

#[actix_web::test]
async fn a_newcomer_finds_reasons_and_ways_on_instead_of_emptiness() {
    let branch = Branch::open().await;
    for (path, title, way) in [
        ("/transfer", "Nothing to send yet", "/credits"),
        ("/spend", "Nothing to spend yet", "/credits"),
        ("/transactions", "No activity yet", "/credits"),
        ("/claims", "No claims yet", "/credits"),
        ("/credits", "No credits to claim right now", "/claims"),
        ("/wallet/CASH", "No statement yet", "/credits?asset_type=CASH"),
    ] {
        let html = branch.page(path).await;
        assert_eq!(texts(&html, ".empty__title"), [title], "{path}");
        assert_eq!(attributes(&html, ".empty a", "href"), [way], "{path}");
    }
}

#[actix_web::test]
async fn each_balance_says_what_can_be_done_with_it() {
    let branch = Branch::with_cash("100").await;
    branch.bank.top_up("anna", "SAFE", "20").await;
    branch.bank.top_up("anna", "GOLD", "3").await;
    let html = branch.page("/wallet").await;
    let cards: Vec<String> =
        texts(&html, "li.balance").iter().map(|card| card.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    assert_eq!(
        cards,
        [
            "C Cashback 100.00 CASH Send Cashback Spend Cashback",
            "G Gold Coins 3.00 GOLD Spend Gold Coins",
            "P Loyalty Points 0 PTS",
            "S Deposit 20.00 SAFE 5.00 must stay Send Deposit Spend Deposit",
        ]
    );
    let names = ["CASH", "GOLD", "PTS", "SAFE"].map(|code| format!("/wallet/{code}"));
    assert_eq!(attributes(&html, ".balance__name a", "href"), names);
    let form = branch.page("/transfer?asset_type=SAFE").await;
    assert_eq!(texts(&form, "main option[selected]"), ["Deposit: 20.00 SAFE, of which 5.00 must stay"]);
    assert_eq!(texts(&form, "main option").len(), 3, "gold goes nowhere");
    assert_eq!(texts(&branch.page("/spend").await, "main option").len(), 4);
    assert_eq!(attributes(&html, ".row__title a", "href").len(), 3);
}

#[actix_web::test]
async fn whoever_has_had_their_share_of_a_campaign_reads_so_instead_of_a_button() {
    let branch = Branch::open().await;
    let body = json!({
        "title": "Autumn", "kind": "promotional", "asset_type": "GOLD", "amount": "2.5", "quantity": 3, "per_user_limit": 1,
    });
    let campaign: Value = send(branch.bank.admin.post("/admin/campaigns").json(&body)).await.json().await.unwrap();
    branch.bank.admin.issue(1, "GOLD", "1").await;
    assert_eq!(texts(&branch.page("/credits").await, ".credit button").len(), 2);
    let claim = branch.bank.anna.post("/claims").json(&json!({"campaign_id": id(&campaign)}));
    assert_eq!(send(claim).await.status(), 201);
    let html = branch.page("/credits").await;
    assert_eq!(texts(&html, ".credit__foot .badge"), ["You have had yours"]);
    assert_eq!(texts(&html, ".credit button").len(), 1);
    let html = branch.page("/wallet").await;
    assert_eq!(texts(&html, ".credit button").len(), 1);
    assert_eq!(texts(&html, ".credit").len(), 1, "the wallet offers what can be claimed");
    let ben = at_home(&branch.bank, "ben").await;
    assert_eq!(texts(&page(&branch.bank.web, &ben, "/credits").await, ".credit button").len(), 2);
}

#[actix_web::test]
async fn a_frozen_user_can_look_and_receive_and_is_told_so() {
    let branch = Branch::with_cash("100").await;
    branch.bank.admin.issue(1, "CASH", "1").await;
    branch.bank.top_up("ben", "CASH", "50").await;
    branch.bank.freeze("anna");
    for path in ["/wallet", "/credits", "/spend", "/transfer"] {
        let html = branch.page(path).await;
        assert_eq!(texts(&html, ".note strong"), ["Your wallet is frozen."], "{path}");
        assert_eq!(texts(&html, "main form[method=post] button"), [""; 0], "{path}");
    }
    assert_eq!(texts(&branch.page("/wallet").await, ".credit__foot .badge"), ["Frozen"]);
    posted(&branch.bank.ben, &transfer("anna", "5")).await;
    assert_eq!(texts(&branch.page("/wallet/CASH").await, "h1 + p .amount"), ["105.00 CASH"]);
}

#[actix_web::test]
async fn a_statement_offers_only_what_its_balance_can_do_and_says_why() {
    let branch = Branch::with_cash("100").await;
    branch.bank.top_up("anna", "GOLD", "3").await;
    branch.bank.top_up("anna", "SAFE", "5").await;
    let ways = async |path: &str| attributes(&branch.page(path).await, ".head__end .button:not([download])", "href");
    let note = async |path: &str| texts(&branch.page(path).await, "main .note").concat();
    assert_eq!(ways("/wallet/CASH").await[..2], ["/transfer?asset_type=CASH", "/spend?asset_type=CASH"]);
    assert_eq!(ways("/wallet/GOLD").await[..1], ["/spend?asset_type=GOLD"]);
    assert_eq!(ways("/wallet/SAFE").await[..1], ["/credits?asset_type=SAFE"]);
    assert_eq!(note("/wallet/CASH").await, "");
    assert_eq!(note("/wallet/SAFE").await, "There is nothing to send or spend here: what you have must stay.");
    posted(&branch.bank.anna, &json!({"type": "spend", "asset_type": "GOLD", "amount": "3"})).await;
    assert_eq!(ways("/wallet/GOLD").await[..1], ["/credits?asset_type=GOLD"]);
    assert_eq!(note("/wallet/GOLD").await, "There is nothing to spend here.");
    let offered = texts(&branch.page("/spend").await, "main option");
    assert_eq!(offered.len(), 2, "neither gold nor the deposit: {offered:?}");
    branch.bank.freeze("anna");
    for path in ["/wallet/CASH", "/wallet/GOLD", "/wallet/SAFE"] {
        assert!(ways(path).await.iter().all(|href| href.contains("/statement?")), "{path}");
        assert!(note(path).await.starts_with("Your wallet is frozen."), "{path}");
    }
}

/// What the voucher's form leads to.
async fn redeem(branch: &Branch, browser: &Client, code: &str) -> reqwest::Response {
    submit(&branch.bank.web, browser, "/credits", &[("code", code)]).await
}

#[actix_web::test]
async fn a_voucher_is_redeemed_by_its_code_once() {
    let branch = Branch::open().await;
    let body = json!({"title": "Coffee", "kind": "promotional", "asset_type": "CASH", "amount": "3.5"});
    let code = text(&branch.bank.admin.create(&body).await[0]["code"]);
    let html = shown(redeem(&branch, &branch.anna, "nonsense").await, 422).await;
    assert_eq!(texts(&html, "#code-error"), ["No credit has this code. Compare it letter by letter."]);
    assert_eq!(value(&html, "code").as_deref(), Some("nonsense"));
    assert_eq!(attributes(&html, "details:has(#code)", "open").len(), 1, "the field is in sight");
    for words in ["You claimed “Coffee”: +3.50 CASH.", "“Coffee” is yours already"] {
        assert_eq!(place(&redeem(&branch, &branch.anna, &code.to_lowercase()).await), "/credits");
        let flash = texts(&branch.page("/credits").await, ".flash__text").remove(0);
        assert!(flash.starts_with(words), "{flash}");
    }
    let ben = at_home(&branch.bank, "ben").await;
    let html = shown(redeem(&branch, &ben, &code).await, 422).await;
    assert_eq!(texts(&html, "#code-error"), ["Someone has used this code already."]);
    assert_eq!(branch.bank.cash().await, ["3.50", "0.00"]);
}

#[actix_web::test]
async fn what_ran_out_or_found_an_owner_meanwhile_is_told_with_what_is_left() {
    let branch = Branch::open().await;
    let credits = branch.bank.admin.issue(2, "CASH", "1").await;
    assert_eq!(send(branch.bank.ben.claim(credits[0])).await.status(), 201);
    let answer = branch.submit(&format!("/credits/{}/claim", credits[0]), &[("back", "/credits")]).await;
    assert_eq!(place(&answer), "/credits");
    let html = branch.page("/credits").await;
    assert_eq!(texts(&html, ".flash__text"), ["Someone else was faster. One similar credit is still free. Show them"]);
    assert_eq!(attributes(&html, ".flash", "role"), ["alert"]);
    let html = branch.page("/credits?q=nothing").await;
    assert_eq!(texts(&html, ".empty__title"), ["No credit matches"]);
}
