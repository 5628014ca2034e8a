//! Spending and sending: the look before, and that it happens once.

use futures::future::join_all;
use serde_json::json;

use crate::support::api::count_in;
use crate::support::web::{PASSWORD, page, post, send, texts};
use crate::{Branch, KEY, at_home, attributes, fact, place, shown, transfer};

#[actix_web::test]
async fn a_transfer_is_looked_at_and_then_made() {
    let branch = Branch::with_cash("100").await;
    let form = branch.page("/transfer?asset_type=CASH").await;
    assert_eq!(texts(&form, "main option[selected]"), ["Cashback: 100.00 CASH"]);
    let before = branch.bank.written();
    let review = branch.transfer(" Ben ", "12.5").await;
    assert_eq!(texts(&review, "h1"), ["You keep 87.50 CASH"]);
    assert_eq!((fact(&review, "To"), fact(&review, "What it is for")), ("ben".to_owned(), "Dinner".to_owned()));
    assert_eq!(
        (fact(&review, "You have now"), fact(&review, "You keep")),
        ("100.00 CASH".to_owned(), "87.50 CASH".to_owned())
    );
    assert_eq!(texts(&review, "main button"), ["Send 12.50 CASH"]);
    assert_eq!(branch.bank.written(), before, "a look writes nothing");
    let answer = branch.confirm("/transfer", &review).await;
    let path = place(&answer);
    assert!(path.starts_with("/transactions/"), "{path}");
    let html = branch.page(&path).await;
    assert_eq!(texts(&html, ".flash__text"), ["You sent 12.50 CASH to ben. You keep 87.50 CASH."]);
    assert_eq!(branch.bank.cash().await, ["87.50", "12.50"]);
    let to_ben = at_home(&branch.bank, "ben").await;
    assert_eq!(texts(&page(&branch.bank.web, &to_ben, "/wallet").await, ".row__title a"), ["From anna"]);
}

#[actix_web::test]
async fn spending_leads_over_the_same_way() {
    let branch = Branch::with_cash("100").await;
    let fields = [("idempotency_key", KEY), ("asset_type", "CASH"), ("amount", "30"), ("description", "")];
    let review = branch.review("/spend", &fields).await;
    assert_eq!(texts(&review, "h1"), ["You keep 70.00 CASH"]);
    assert_eq!(texts(&review, "main button"), ["Spend 30.00 CASH"]);
    let path = place(&branch.confirm("/spend", &review).await);
    let html = branch.page(&path).await;
    assert_eq!(texts(&html, ".flash__text"), ["You spent 30.00 CASH. You keep 70.00 CASH."]);
    assert_eq!((fact(&html, "From"), fact(&html, "To")), ("You".to_owned(), "Coffer".to_owned()));
    assert_eq!(branch.bank.cash().await[0], "70.00");
}

#[actix_web::test]
async fn of_many_simultaneous_confirmations_of_one_form_one_moves_value() {
    let branch = Branch::with_cash("100").await;
    let review = branch.transfer("ben", "10").await;
    let answers = join_all((0..24).map(|_| branch.confirm("/transfer", &review))).await;
    let mut places: Vec<String> = answers.iter().map(place).collect();
    places.dedup();
    assert_eq!(places.len(), 1, "{places:?}");
    assert_eq!(branch.bank.cash().await, ["90.00", "10.00"]);
    assert_eq!(count_in(&branch.bank.web, "transactions where type = 'transfer'"), 1);
}

#[actix_web::test]
async fn going_back_and_confirming_again_leads_to_the_same_movement_and_a_change_makes_another() {
    let branch = Branch::with_cash("100").await;
    let review = branch.transfer("ben", "10").await;
    let first = place(&branch.confirm("/transfer", &review).await);
    assert_eq!(place(&branch.confirm("/transfer", &review).await), first);
    let again = branch.transfer("ben", "10").await;
    assert_eq!(place(&branch.confirm("/transfer", &again).await), first);
    let other = branch.transfer("ben", "11").await;
    assert_ne!(place(&branch.confirm("/transfer", &other).await), first);
    assert_eq!(branch.bank.cash().await, ["79.00", "21.00"]);
}

#[actix_web::test]
async fn a_review_can_be_changed_and_nothing_is_lost() {
    let branch = Branch::with_cash("100").await;
    let review = branch.transfer("ben", "10").await;
    let change = attributes(&review, "main form a", "href").remove(0);
    let form = branch.page(&change).await;
    assert_eq!(attributes(&form, "main input.input", "value"), ["ben", "10", "Dinner"]);
    assert_eq!(attributes(&form, "main [name=idempotency_key]", "value"), [KEY]);
    assert_eq!(texts(&form, ".summary"), [""; 0]);
}

#[actix_web::test]
async fn a_look_has_an_address_that_leads_on_once_it_is_done_and_is_nobody_elses() {
    let branch = Branch::with_cash("100").await;
    let there = async |path: &str| place(&send(branch.anna.get(branch.bank.web.url(path))).await);
    assert_eq!(there("/transfer/review").await, "/transfer");
    let review = branch.transfer("ben", "10").await;
    assert_eq!(there("/spend/review").await, "/spend");
    let movement = place(&branch.confirm("/transfer", &review).await);
    assert_eq!(there("/transfer/review").await, movement);
    let form = branch.page("/transfer?change=yes").await;
    assert_eq!(attributes(&form, "main input.input", "value"), ["", "", ""], "what is done is not changed");
    branch.transfer("ben", "11").await;
    branch.submit("/logout", &[]).await;
    branch.submit("/login", &[("login", "ben"), ("password", PASSWORD)]).await;
    assert_eq!(there("/transfer/review").await, "/transfer");
}

#[actix_web::test]
async fn a_receiver_is_found_by_each_exact_name_and_by_nothing_less() {
    let branch = Branch::with_cash("100").await;
    let body = json!({
        "password": PASSWORD, "external_id": "cleo-4711", "username": "cleo", "email": "Cleo@example.org",
        "phone_number": "+4915112345678",
    });
    assert_eq!(post(&branch.bank.web, "/api/v1/auth/register", body).await.status(), 201);
    for name in ["cleo-4711", "CLEO", " cleo ", "cleo@example.org", "+49 151 12345678"] {
        let review = branch.transfer(name, "1").await;
        assert_eq!(fact(&review, "To"), "cleo-4711", "{name}");
    }
    for name in ["cle", "cleo@example", "cleo%", "4711", "treasury", "me", "*", "cleo\0", "+4915112345679"] {
        let html = branch.refused("/transfer", &transfer(name, "1")).await;
        assert_eq!(
            texts(&html, "#receiver-error"),
            ["We found nobody with this name. Check how it is spelled."],
            "{name}"
        );
        assert!(!html.contains("cleo-4711"), "{name}");
    }
}

#[actix_web::test]
async fn a_name_that_could_mean_two_people_sends_nothing() {
    let branch = Branch::with_cash("100").await;
    for body in [
        json!({"password": PASSWORD, "external_id": "casey", "username": "someone"}),
        json!({"password": PASSWORD, "external_id": "casey-2", "username": "casey"}),
    ] {
        assert_eq!(post(&branch.bank.web, "/api/v1/auth/register", body).await.status(), 201);
    }
    let html = branch.refused("/transfer", &transfer("casey", "1")).await;
    assert!(texts(&html, "#receiver-error")[0].starts_with("More than one person goes by this name."));
    assert_eq!(fact(&branch.transfer("casey-2", "1").await, "To"), "casey-2");
}

#[actix_web::test]
async fn whoever_tries_many_names_has_to_wait() {
    let branch = Branch::with_cash("100").await;
    let mut tries = 0;
    let answer = loop {
        let answer = branch.submit("/transfer", &transfer(&format!("somebody{tries}"), "1")).await;
        if answer.status() != 422 {
            break answer;
        }
        tries += 1;
    };
    assert!((30..60).contains(&tries), "{tries}");
    assert!(answer.headers().contains_key("retry-after"));
    assert_eq!(texts(&shown(answer, 429).await, "h1"), ["That was a lot in a short time"]);
    let confirmed = [&transfer("somebody", "1")[..], &[("step", "confirm")]].concat();
    assert_eq!(branch.submit("/transfer", &confirmed).await.status(), 429);
}

#[actix_web::test]
async fn whatever_is_looked_at_fits_into_the_cookie_and_what_does_not_is_refused_before_anything_moves() {
    let branch = Branch::with_cash("100").await;
    for (path, receiver, description) in [
        ("/transfer", "ben", "🦀".repeat(500)),
        ("/transfer", "ben", "\"".repeat(500)),
        ("/transfer", "ben", format!("a{}b", "\u{1}".repeat(498))),
        ("/transfer", "ben", format!("{}a", " ".repeat(6_000))),
        ("/spend", &"x".repeat(6_000), "Dinner".to_owned()),
    ] {
        for step in ["", "confirm"] {
            let [key, receiver, unit, amount, _] = transfer(receiver, "1");
            let fields = [key, receiver, unit, amount, ("description", &description), ("step", step)];
            let answer = branch.submit(path, &fields).await;
            assert_eq!(answer.status(), 303, "{path} {step}");
            let cookies = answer.headers().get_all("set-cookie").iter().map(|cookie| cookie.to_str().unwrap());
            let longest = cookies.map(|cookie| cookie.split(';').next().unwrap().len()).max().unwrap();
            assert!(longest <= 4_096, "browsers keep no longer ones: {longest}");
        }
    }
    let before = branch.bank.written();
    for amount in [format!("{}1", "0".repeat(4_000)), "9".repeat(4_000), format!("1.{}", "0".repeat(4_000))] {
        branch.refused("/transfer", &[&transfer("ben", &amount)[..], &[("step", "confirm")]].concat()).await;
    }
    assert_eq!(branch.bank.written(), before);
}
