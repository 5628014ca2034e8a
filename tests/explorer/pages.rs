//! The pages, as a browser without scripts meets them.

use coffer::domain::Role;
use reqwest::{Client, Response};

use crate::support::api::text;
use crate::support::bank::{Bank, posted, transfer};
use crate::support::web::{PASSWORD, browser, page, send, submit, texts, value};

const NEW: &str = "/admin/transactions/new";

/// A bank and the browser of an admin.
async fn desk() -> (Bank, Client) {
    let bank = Bank::with_cash("100").await;
    let browser = browser();
    submit(&bank.web, &browser, "/login", &[("login", "root"), ("password", PASSWORD)]).await;
    (bank, browser)
}

fn location(answer: &Response) -> String {
    assert_eq!(answer.status(), 303);
    answer.headers()["location"].to_str().unwrap().to_owned()
}

const ADJUSTMENT: [(&str, &str); 5] = [
    ("type", "adjustment_down"),
    ("user", "anna"),
    ("asset_type", "CASH"),
    ("amount", "25"),
    ("reason", "Counted wrongly"),
];

#[actix_web::test]
async fn a_movement_is_looked_at_first_and_made_once() {
    let (bank, root) = desk().await;
    let key = value(&page(&bank.web, &root, NEW).await, "idempotency_key").unwrap();
    let mut fields = ADJUSTMENT.to_vec();
    fields.push(("idempotency_key", &key));
    let answer = submit(&bank.web, &root, NEW, &fields).await;
    assert_eq!(answer.status(), 200);
    let review = answer.text().await.unwrap();
    assert_eq!(texts(&review, ".head__lead"), ["anna will hold 75.00 CASH, now 100.00."]);
    assert_eq!(bank.cash().await[0], "100.00");
    fields.push(("confirmed", "yes"));
    let place = location(&submit(&bank.web, &root, NEW, &fields).await);
    assert_eq!(location(&submit(&bank.web, &root, NEW, &fields).await), place);
    assert_eq!(bank.cash().await[0], "75.00");
    let html = page(&bank.web, &root, &place).await;
    assert_eq!(texts(&html, ".flash__text"), ["Done. anna holds 75.00 CASH now."]);
    assert_eq!(
        texts(&html, "tbody td"),
        ["100.00 CASH", "−25.00 CASH", "75.00 CASH", "−100.00 CASH", "25.00 CASH", "−75.00 CASH"]
    );
}

#[actix_web::test]
async fn a_form_that_cannot_be_comes_back_filled_in() {
    let (bank, root) = desk().await;
    let key = value(&page(&bank.web, &root, NEW).await, "idempotency_key").unwrap();
    for (field, given, message) in [
        ("type", "", "Choose what is to happen."),
        ("user", "", "Name the user."),
        ("user", "nobody", "There is no such user."),
        ("asset_type", "", "Choose an asset type."),
        ("amount", "1000", "There is not enough in the wallet: 100.00 CASH can be used."),
        ("reason", " ", "Say why, in 1 to 500 characters."),
    ] {
        let mut fields: Vec<_> = ADJUSTMENT.iter().filter(|(name, _)| *name != field).copied().collect();
        fields.extend([(field, given), ("idempotency_key", &key)]);
        for confirmed in ["", "yes"] {
            fields.push(("confirmed", confirmed));
            let answer = submit(&bank.web, &root, NEW, &fields).await;
            fields.pop();
            assert_eq!(answer.status(), 422, "{field}={given}");
            let html = answer.text().await.unwrap();
            assert_eq!(texts(&html, ".field__error"), [message], "{field}={given}");
            assert_eq!(value(&html, "user").unwrap(), if field == "user" { given } else { "anna" });
        }
    }
    assert_eq!(bank.cash().await[0], "100.00");
}

#[actix_web::test]
async fn a_character_that_cannot_be_kept_is_refused_beside_its_field() {
    let (bank, root) = desk().await;
    let key = value(&page(&bank.web, &root, NEW).await, "idempotency_key").unwrap();
    for confirmed in ["yes", ""] {
        let mut fields = ADJUSTMENT.to_vec();
        fields.extend([("idempotency_key", key.as_str()), ("description", "a\0b"), ("confirmed", confirmed)]);
        let answer = submit(&bank.web, &root, NEW, &fields).await;
        assert_eq!(answer.status(), 422, "{confirmed:?}");
        assert_eq!(texts(&answer.text().await.unwrap(), ".field__error"), ["Leave out the character U+0000."]);
    }
    assert_eq!(bank.cash().await[0], "100.00");
}

#[actix_web::test]
async fn a_reversal_is_looked_at_first_and_made_once() {
    let (bank, root) = desk().await;
    let lunch = posted(&bank.anna, &transfer("ben", "30")).await;
    let path = format!("/admin/transactions/{}/reverse", text(&lunch["id"]));
    let html = page(&bank.web, &root, &path).await;
    let facts = texts(&html, ".facts dd").join("|");
    assert!(facts.ends_with("0.00 CASH, now 30.00|100.00 CASH, now 70.00"), "{facts}");
    let key = value(&html, "idempotency_key").unwrap();
    let fields = [("idempotency_key", key.as_str()), ("reason", "Booked twice")];
    let answer = submit(&bank.web, &root, &path, &[fields[0], ("reason", "")]).await;
    assert_eq!(answer.status(), 422);
    let place = location(&submit(&bank.web, &root, &path, &fields).await);
    assert_eq!(bank.cash().await, ["100.00", "0.00"]);
    let html = page(&bank.web, &root, &path).await;
    assert!(html.contains("This transaction has been reversed already."));
    let html = page(&bank.web, &root, &place).await;
    assert_eq!(texts(&html, "h1"), ["Reversal of 30.00 CASH Posted"]);
    let html = page(&bank.web, &root, path.trim_end_matches("/reverse")).await;
    assert_eq!(texts(&html, "h1"), ["Transfer of 30.00 CASH Reversed"]);
}

#[actix_web::test]
async fn a_file_has_the_rows_of_its_list() {
    let (bank, root) = desk().await;
    posted(&bank.anna, &transfer("ben", "30")).await;
    for (path, lines) in [
        ("/admin/transactions?format=csv", 3),
        ("/admin/transactions?user=ben&format=csv", 2),
        ("/admin/transactions?user=nobody&format=csv", 1),
        ("/admin/entries?format=csv", 5),
        ("/admin/entries?user=anna&type=transfer&format=csv", 2),
    ] {
        assert_eq!(page(&bank.web, &root, path).await.lines().count(), lines, "{path}");
    }
    let html = page(&bank.web, &root, "/admin/entries?user=nobody").await;
    assert_eq!(texts(&html, ".empty__title"), ["No entry matches"]);
    let html = page(&bank.web, &root, "/admin/transactions?type=transfer").await;
    assert_eq!(texts(&html, "tbody th"), ["Transfer"]);
    assert_eq!(texts(&html, ".chip").len(), 1);
}

#[actix_web::test]
async fn users_are_turned_away() {
    let (bank, _) = desk().await;
    bank.web.have_user("carl", Role::User);
    let carl = browser();
    submit(&bank.web, &carl, "/login", &[("login", "carl"), ("password", PASSWORD)]).await;
    for path in ["/admin/transactions", "/admin/entries", NEW] {
        assert_eq!(send(carl.get(bank.web.url(path))).await.status(), 403, "{path}");
    }
}
