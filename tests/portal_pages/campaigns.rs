//! Campaigns in the pool and on the wallet's page: one card for each, one claim for each press.

use chrono::{TimeDelta, Utc};
use coffer::repo::campaigns::{self, CampaignFilter};
use coffer::repo::{PageRequest, users};
use futures::future::join;
use reqwest::Response;
use serde_json::{Value, json};

use crate::support::api::{Caller, count_in, id};
use crate::support::bank::with;
use crate::support::browser::Screen::{Desk, Phone};
use crate::support::browser::Scripts::{Off, On};
use crate::support::browser::{Browser, Screen, Scripts};
use crate::support::web::{queries, send, texts};
use crate::{Branch, KEY, attributes, place};

/// A campaign that hands out coffees, with other or more fields.
async fn campaign(admin: &Caller, changes: Value) -> i64 {
    let coffee = json!({"title": "Coffee", "description": "For the early ones.", "kind": "promotional",
        "asset_type": "CASH", "amount": "3.5", "quantity": 2, "per_user_limit": 1});
    let answer = send(admin.post("/admin/campaigns").json(&with(&coffee, &changes))).await;
    assert_eq!(answer.status(), 201, "{changes}");
    id(&answer.json().await.unwrap())
}

/// What the form of a card sends, with a key.
async fn claim(branch: &Branch, campaign: i64, key: &str) -> Response {
    let fields = [("back", "/credits"), ("idempotency_key", key)];
    branch.submit(&format!("/campaigns/{campaign}/claim"), &fields).await
}

/// What the next page says of a claim.
async fn told(branch: &Branch, answer: Response) -> String {
    let html = branch.page(&place(&answer)).await;
    texts(&html, ".flash__text").remove(0).split_whitespace().collect::<Vec<_>>().join(" ")
}

fn key(number: usize) -> String {
    format!("00000000-0000-4000-8000-{number:012}")
}

/// What stands on each card: its notes, and what its foot says.
fn cards(html: &str) -> Vec<(String, String)> {
    let words = |text: &String| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let notes = texts(html, ".credit__body .row__note").iter().map(words).collect::<Vec<_>>();
    notes.into_iter().zip(texts(html, ".credit__foot").iter().map(words)).collect()
}

#[actix_web::test]
async fn a_campaign_is_one_card_that_says_what_is_left_and_what_one_has() {
    let branch = Branch::open().await;
    let ends_at = Utc::now() + TimeDelta::minutes(150);
    let of = campaign(&branch.bank.admin, json!({"quantity": 120, "per_user_limit": 2, "ends_at": ends_at})).await;
    branch.bank.admin.issue(1, "GOLD", "1").await;
    let html = branch.page("/credits").await;
    assert_eq!(texts(&html, "main h2"), ["Campaigns", "Single credits"]);
    assert_eq!(texts(&html, ".credit__title").len(), 2);
    let foot = "Ends in 2 hours Claim Coffee, 3.50 CASH".to_owned();
    assert_eq!(cards(&html)[0], ("More than 99 left Up to 2 per person".to_owned(), foot));
    let forms = attributes(&html, ".credit form", "action");
    assert_eq!(forms[0], format!("/campaigns/{of}/claim"));
    assert!(told(&branch, claim(&branch, of, &key(1)).await).await.starts_with("You claimed “Coffee”: +3.50 CASH."));
    let html = branch.page("/credits").await;
    assert_eq!(cards(&html)[0].0, "More than 99 left Up to 2 per person You have 1");
    told(&branch, claim(&branch, of, &key(2)).await).await;
    let html = branch.page("/credits").await;
    assert_eq!(cards(&html)[0].1, "Ends in 2 hours You have had yours");
    assert_eq!(attributes(&html, ".credit form", "action").len(), 1, "the single one");
    assert_eq!(branch.bank.cash().await, ["7.00", "0.00"]);
}

#[actix_web::test]
async fn one_form_claims_once_however_often_it_is_sent() {
    let branch = Branch::open().await;
    let of = campaign(&branch.bank.admin, json!({"per_user_limit": 2})).await;
    for _ in 0..3 {
        let words = told(&branch, claim(&branch, of, KEY).await).await;
        assert!(words.starts_with("You claimed “Coffee”: +3.50 CASH."), "{words}");
    }
    assert_eq!(count_in(&branch.bank.web, "claims"), 1);
    let keys = attributes(&branch.page("/credits").await, "[name=idempotency_key]", "value");
    let later = attributes(&branch.page("/credits").await, "[name=idempotency_key]", "value");
    assert!(keys.len() == 1 && keys != later && !keys.contains(&KEY.to_owned()));
}

#[actix_web::test]
async fn a_claim_from_a_campaign_that_cannot_be_is_refused_in_kind_words() {
    let branch = Branch::open().await;
    let admin = &branch.bank.admin;
    let of = campaign(admin, json!({"quantity": 1})).await;
    let other = campaign(admin, json!({"title": "Tea"})).await;
    let endless = campaign(admin, json!({"title": "Water"})).await;
    let ends_at = Utc::now() + TimeDelta::hours(1);
    let brief = campaign(admin, json!({"title": "Lunch", "ends_at": ends_at})).await;
    assert_eq!(send(branch.bank.ben.post("/claims").json(&json!({"campaign_id": of}))).await.status(), 201);
    let words = told(&branch, claim(&branch, of, &key(1)).await).await;
    let six = "6 similar credits are still free. Show them";
    assert_eq!(words, format!("Others were faster: all credits of this campaign are taken. {six}"));
    assert_eq!(cards(&branch.page("/credits").await).pop().unwrap().1, "No end All taken", "behind the others");
    told(&branch, claim(&branch, other, &key(2)).await).await;
    let words = told(&branch, claim(&branch, other, &key(3)).await).await;
    assert!(words.starts_with("You have as many credits of this campaign as one user may have."), "{words}");
    branch.bank.web.wait_seconds(3601);
    let words = told(&branch, claim(&branch, brief, &key(4)).await).await;
    assert_eq!(
        words, "This campaign is not running now. 2 similar credits are still free. Show them",
        "and none of Tea"
    );
    let words = told(&branch, claim(&branch, 999, &key(5)).await).await;
    assert!(words.starts_with("This campaign is not there any more."), "{words}");
    let refused = branch.submit("/campaigns/no/claim", &[]).await;
    assert_eq!(refused.status(), 404);
    branch.bank.freeze("anna");
    let words = told(&branch, claim(&branch, endless, &key(6)).await).await;
    assert_eq!(words, "Your wallet is frozen: it can receive, but not claim. Please ask an admin.");
    let html = branch.page("/credits").await;
    assert!(cards(&html).iter().all(|(_, foot)| foot.ends_with("Frozen")), "{:?}", cards(&html));
    assert_eq!(count_in(&branch.bank.web, "claims"), 2);
}

#[actix_web::test]
async fn what_narrows_the_credits_narrows_the_campaigns_and_each_list_has_its_own_pages() {
    let branch = Branch::open().await;
    let admin = &branch.bank.admin;
    for number in 0..25 {
        let title = format!("Coffee {number}");
        campaign(admin, json!({"title": title, "quantity": 1, "ends_at": Utc::now() + TimeDelta::days(30 - number)}))
            .await;
    }
    campaign(admin, json!({"title": "Points", "asset_type": "PTS", "amount": "5", "kind": "signup"})).await;
    admin.issue(30, "GOLD", "1").await;
    let titles = async |path: &str| texts(&branch.page(path).await, ".credit__title");
    assert_eq!(titles("/credits?q=coffee+7").await, ["Coffee 7"]);
    assert_eq!(titles("/credits?kind=signup").await, ["Points"]);
    assert_eq!(titles("/credits?asset_type=GOLD").await.len(), 24);
    let html = branch.page("/credits").await;
    let first = texts(&html, ".credit__title");
    assert_eq!((first.len(), first[0].as_str()), (48, "Coffee 24"), "those that end first");
    let more = attributes(&html, ".pager [rel=next]", "href");
    assert_eq!(attributes(&html, ".pager", "aria-label"), ["Pages of campaigns", "Pages of credits"]);
    assert_eq!(titles(&more[0]).await, ["Coffee 0", "Points"]);
    assert_eq!(titles(&more[1]).await.len(), 6);
    assert_eq!(branch.anna.get(branch.bank.web.url("/credits?campaigns=no")).send().await.unwrap().status(), 400);
}

#[actix_web::test]
async fn the_wallet_offers_what_one_can_claim_those_that_end_first() {
    let branch = Branch::open().await;
    let admin = &branch.bank.admin;
    let in_hours = |hours| json!(Utc::now() + TimeDelta::hours(hours));
    for (title, hours) in [("Later", 90), ("Soon", 3)] {
        campaign(admin, json!({"title": title, "ends_at": in_hours(hours)})).await;
    }
    let endless = campaign(admin, json!({"title": "Endless"})).await;
    admin.create(&json!({"title": "Single", "kind": "signup", "asset_type": "CASH", "amount": "1", "expires_at": in_hours(50)})).await;
    admin.issue(1, "GOLD", "1").await;
    let titles = async || texts(&branch.page("/wallet").await, ".credit__title");
    assert_eq!(titles().await, ["Soon", "Single", "Later"]);
    branch.bank.web.wait_seconds(60 * 3600);
    assert_eq!(titles().await[..2], ["Later", "Endless"]);
    told(&branch, claim(&branch, endless, KEY).await).await;
    assert_eq!(titles().await.len(), 2, "what is had is not offered");
    let form = attributes(&branch.page("/wallet").await, ".credit [name=back]", "value");
    assert_eq!(form, ["/wallet"; 2]);
}

#[actix_web::test]
async fn a_campaign_is_always_among_what_the_wallet_offers() {
    let branch = Branch::open().await;
    campaign(&branch.bank.admin, json!({})).await;
    for hours in [1, 2, 3] {
        let brief = json!({"title": "Brief", "kind": "signup", "asset_type": "CASH", "amount": "1",
            "expires_at": Utc::now() + TimeDelta::hours(hours)});
        branch.bank.admin.create(&brief).await;
    }
    assert_eq!(texts(&branch.page("/wallet").await, ".credit__title"), ["Brief", "Brief", "Coffee"]);
}

#[actix_web::test]
async fn twenty_campaigns_take_as_many_queries_as_one() {
    let branch = Branch::open().await;
    let look = || {
        queries(&branch.bank.web, |conn| {
            let anna = users::by_external_id(conn, "anna")?.unwrap();
            let (filter, first) = (CampaignFilter::default(), PageRequest::first(24));
            let urgent = campaigns::claimable_first(conn, &anna, Utc::now())?;
            Ok((campaigns::offers(conn, &anna, &filter, &first, Utc::now())?.items.len(), urgent.len()))
        })
    };
    campaign(&branch.bank.admin, json!({})).await;
    let (found, sent) = look();
    assert_eq!(found, (1, 1));
    for _ in 0..19 {
        campaign(&branch.bank.admin, json!({})).await;
    }
    assert_eq!(look(), ((20, 3), sent));
}

/// One person claims what one may, and reads so.
async fn claim_all_one_may(screen: Screen, scripts: Scripts) {
    let branch = Branch::open().await;
    campaign(&branch.bank.admin, json!({"per_user_limit": 2, "quantity": 5})).await;
    let browser = Browser::signed_in(&branch.bank.web, "anna", "/wallet", screen, scripts).await;
    browser.assert_sound().await;
    browser.press_twice("Claim Coffee").await;
    browser.see(".flash", "You claimed “Coffee”: +3.50 CASH.").await;
    browser.arrive("/wallet").await;
    assert_eq!(count_in(&branch.bank.web, "claims"), 1);
    browser.open("/credits").await;
    browser.see(".credit .row__note", "You have 1").await;
    browser.assert_sound().await;
    browser.press("Claim Coffee").await;
    browser.see(".credit .badge:not(.credit__top *)", "You have had yours").await;
    browser.arrive("/credits").await;
    browser.assert_sound().await;
    assert_eq!(branch.bank.cash().await, ["7.00", "0.00"]);
}

#[actix_web::test]
async fn a_campaign_is_claimed_from_at_a_desk() {
    claim_all_one_may(Desk, On).await;
}

#[actix_web::test]
async fn a_campaign_is_claimed_from_on_a_phone_without_scripts() {
    claim_all_one_may(Phone, Off).await;
}

/// Two people see the last one of a campaign, and press its button at the same time.
async fn race(scripts: Scripts) {
    let branch = Branch::open().await;
    campaign(&branch.bank.admin, json!({"quantity": 1})).await;
    let anna = Browser::signed_in(&branch.bank.web, "anna", "/credits", Desk, scripts).await;
    let ben = Browser::signed_in(&branch.bank.web, "ben", "/credits", Phone, scripts).await;
    join(anna.press("Claim Coffee"), ben.press("Claim Coffee")).await;
    join(anna.see(".flash", "."), ben.see(".flash", ".")).await;
    let mut told = [anna.texts(".flash__text").await, ben.texts(".flash__text").await].concat();
    told.sort();
    assert!(told[0].starts_with("Others were faster: all credits of this campaign are taken."), "{told:?}");
    assert!(told[1].starts_with("You claimed “Coffee”"), "{told:?}");
    let feet = [anna.texts(".credit__foot .badge").await, ben.texts(".credit__foot .badge").await].concat();
    assert_eq!(feet.iter().filter(|foot| *foot == "All taken").count(), 1, "{feet:?}");
    assert_eq!(count_in(&branch.bank.web, "claims"), 1);
    anna.assert_sound().await;
    ben.assert_sound().await;
}

#[actix_web::test]
async fn of_two_who_race_for_the_last_of_a_campaign_one_wins_and_the_other_is_told_kindly() {
    race(On).await;
}

#[actix_web::test]
async fn the_race_for_the_last_of_a_campaign_is_as_fair_without_scripts() {
    race(Off).await;
}

#[actix_web::test]
async fn whoever_comes_too_late_is_told_only_of_what_one_may_have() {
    let branch = Branch::open().await;
    let gone = branch.bank.admin.issue(1, "CASH", "1").await[0];
    assert_eq!(send(branch.bank.ben.claim(gone)).await.status(), 201);
    let of = campaign(&branch.bank.admin, json!({"quantity": 4})).await;
    let late = async || {
        let answer = branch.submit(&format!("/credits/{gone}/claim"), &[("back", "/credits")]).await;
        told(&branch, answer).await
    };
    assert!(late().await.contains("4 similar credits are still free."));
    told(&branch, claim(&branch, of, &key(1)).await).await;
    assert!(late().await.contains("No similar credit is free right now."), "the others are for others");
}
