//! What a request says is taken exactly or not at all: amounts digit by digit, fields once, ids in
//! one way, and texts that can be kept.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::unwrap_used, reason = "a failing test fails loudly")]

mod support;

use coffer::domain::{Amount, Role};
use proptest::prelude::*;
use reqwest::{Client, Response};
use serde_json::Value;
use support::api::{Caller, caller, count_in, credit, id, sum, text, web_with_admin};
use support::web::{is, problem, send};

/// The amount in units of 10^-4, if the contract takes what is written at this scale: told from
/// the characters alone, and counted in whole numbers.
fn oracle(written: &str, scale: usize) -> Option<u128> {
    let mut units: u128 = 0;
    let mut decimals: Option<usize> = None;
    let characters: Vec<char> = written.chars().collect();
    for (place, character) in characters.iter().enumerate() {
        match character {
            '.' if decimals.is_none() && place > 0 && place + 1 < characters.len() => decimals = Some(0),
            '0'..='9' => {
                units = units.checked_mul(10)?.checked_add(u128::from(*character as u32 - '0' as u32))?;
                decimals = decimals.map(|count| count + 1);
            }
            _ => return None,
        }
    }
    let decimals = decimals.unwrap_or(0);
    if decimals > scale {
        return None;
    }
    let units = units.checked_mul(10_u128.pow(4 - decimals as u32))?;
    (units > 0 && units <= 10_u128.pow(16)).then_some(units)
}

/// How answers write so many units of 10^-4.
fn shown(units: u128, scale: usize) -> String {
    let digits = format!("{units:05}");
    let (whole, decimals) = digits.split_at(digits.len() - 4);
    if scale == 0 { whole.to_owned() } else { format!("{whole}.{}", &decimals[..scale]) }
}

/// What the program makes of it.
fn taken(written: &str, scale: u8) -> Option<String> {
    let amount = Amount::parse(written).ok()?;
    amount.check_scale(scale).ok()?;
    Some(amount.at_scale(scale))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_looks_like_an_amount_is_taken_as_the_contract_says(
        written in "[0-9]{1,14}(\\.[0-9]{0,6})?|0{0,20}[0-9]{1,13}(\\.[0-9]{1,4})?|0?\\.[0-9]{1,5}|100000000000[0-9](\\.0{0,3}[01])?",
        scale in 0_u8..=4,
    ) {
        let scale_of = usize::from(scale);
        prop_assert_eq!(taken(&written, scale), oracle(&written, scale_of).map(|units| shown(units, scale_of)));
    }

    #[test]
    fn what_an_amount_is_not_is_refused(
        written in "[-+0-9.,eE_' xNaIinfty٣३０\u{a0}\u{2009}\u{0}]{0,8}|-?[0-9]{1,3}[eE][-+]?[0-9]{1,3}|[0-9]{1,3}[,_' ][0-9]{3}|\\PC{0,6}",
        scale in 0_u8..=4,
    ) {
        let scale_of = usize::from(scale);
        prop_assert_eq!(taken(&written, scale), oracle(&written, scale_of).map(|units| shown(units, scale_of)));
    }

    #[test]
    fn no_digit_is_lost_between_a_request_and_its_answer(
        units in 1_u128..=10_000_000_000_000_000,
        scale in 0_usize..=4,
    ) {
        let step = 10_u128.pow(4 - scale as u32);
        let units = (units / step).max(1) * step;
        let written = shown(units, scale);
        prop_assert_eq!(taken(&written, scale as u8), Some(written));
    }
}

#[test]
fn the_list_of_the_contract_is_refused_to_the_letter() {
    let refused = [
        "",
        " ",
        "1 ",
        " 1",
        "1\n",
        "\u{a0}1",
        "+1",
        "-5",
        "-0",
        "-",
        "--1",
        "1-",
        "0",
        "0.00",
        "0000",
        "1e3",
        "1E3",
        "1e0",
        "1e-2",
        "0e1",
        "NaN",
        "nan",
        "Infinity",
        "-Infinity",
        "inf",
        "1,000",
        "1,5",
        "1_000",
        "1'000",
        "1 000",
        ".5",
        "5.",
        ".",
        "1.2.3",
        "1..2",
        "0x10",
        "٣",
        "३",
        "１",
        "1.٣",
        "½",
        "1/2",
        "1.00001",
        "1.00000",
        "0.00001",
        "1000000000000.0001",
        "1000000000001",
        "99999999999999999999999999999999999999999999",
        "\u{0}",
        "1\u{0}",
        "null",
        "true",
        "5%",
        "$5",
    ];
    for written in refused {
        assert_eq!((taken(written, 4), oracle(written, 4)), (None, None), "{written:?}");
    }
    for (written, scale) in [("1.000", 2), ("1.0", 0), ("0.10", 1), ("0.0001", 3), ("5.50", 1)] {
        assert_eq!(taken(written, scale), None, "{written} has more than {scale} decimals");
    }
    for (written, scale, answer) in [
        ("1", 0, "1"),
        ("1", 4, "1.0000"),
        ("007", 2, "7.00"),
        ("0.0001", 4, "0.0001"),
        ("000000000000000000000000000000001", 0, "1"),
        ("1000000000000", 0, "1000000000000"),
        ("1000000000000.0000", 4, "1000000000000.0000"),
        ("999999999999.9999", 4, "999999999999.9999"),
    ] {
        assert_eq!(taken(written, scale).as_deref(), Some(answer), "{written}");
    }
}

/// Posts a body to a path as it is.
async fn post(caller: &Caller, path: &str, body: impl Into<reqwest::Body>) -> Response {
    send(caller.post(path).header("content-type", "application/json").body(body)).await
}

/// The body of a creation with one more field.
fn body_with(asset_type: &str, field: &str) -> String {
    format!(r#"{{"title":"T","kind":"signup","asset_type":"{asset_type}",{field}}}"#)
}

#[actix_web::test]
async fn amounts_of_every_scale_come_out_as_they_went_in() {
    let (web, admin) = web_with_admin().await;
    let user = caller(&web, "anna", Role::User).await;
    let amounts = [
        "1",
        "3",
        "0.1",
        "0.2",
        "0.3",
        "0.29",
        "0.07",
        "1.005",
        "2.675",
        "0.0001",
        "8.8817",
        "4503599627370.4961",
        "90071992547.4099",
        "9007199254740993",
        "9007199254740.993",
        "999999999999.9999",
        "999999999999.99",
        "999999999999",
        "1000000000000",
        "1000000000000.0000",
        "1000000000000.0001",
        "1000000000001",
    ];
    for scale in 0..=4_usize {
        let code = format!("SCALE{scale}");
        web.have_asset_type(&code, "Of a scale", scale as u8);
        let mut held = Vec::new();
        for written in amounts {
            for json in [written.to_owned(), format!("\"{written}\"")] {
                let answer = post(&admin, "/admin/assets", body_with(&code, &format!(r#""amount":{json}"#))).await;
                let Some(units) = oracle(written, scale) else {
                    assert_eq!(problem(answer).await, is(422, "invalid_amount"), "{json} at {scale}");
                    continue;
                };
                assert_eq!(answer.status(), 201, "{json} at {scale}");
                let asset = answer.json::<Value>().await.unwrap()["data"][0].take();
                assert_eq!(asset["amount"], shown(units, scale), "{json}");
                let claim: Value = send(user.claim(id(&asset))).await.json().await.unwrap();
                assert_eq!(claim["claim"]["amount"], shown(units, scale));
                held.push(text(&claim["claim"]["amount"]));
                let total = sum(held.iter().map(String::as_str)).with_scale(scale as i64).to_plain_string();
                assert_eq!((text(&claim["balance"]), user.balance(&code).await), (total.clone(), total));
            }
        }
        assert!(held.len() >= 8, "{scale}");
    }
    support::api::audit(&web);
}

#[actix_web::test]
async fn an_amount_is_a_string_or_a_number_and_nothing_that_stands_for_one() {
    let (web, admin) = web_with_admin().await;
    for other in [
        r#"{"$serde_json::private::Number":"7"}"#,
        r#"{"$serde_json::private::RawValue":"7"}"#,
        "[7]",
        "true",
        "null",
        "{}",
        "NaN",
        "Infinity",
        "+7",
        "07",
        ".7",
        "7.",
        "0x7",
        r#""\ud800""#,
    ] {
        for path in ["/admin/assets", "/admin/campaigns"] {
            let answer = post(&admin, path, body_with("GOLD", &format!(r#""quantity":1,"amount":{other}"#))).await;
            assert_eq!(problem(answer).await, is(400, "malformed"), "{other}");
        }
    }
    let digits = "9".repeat(400);
    for number in ["1e2", "1E2", "1e400", "-1e400", "1e-400", "100e-2", &digits, &format!("0.{digits}"), r#""7\u00a0""#]
    {
        let answer = post(&admin, "/admin/assets", body_with("GOLD", &format!(r#""amount":{number}"#))).await;
        assert_eq!(problem(answer).await, is(422, "invalid_amount"), "{number}");
    }
    assert_eq!(count_in(&web, "assets"), 0);
    for seven in ["7", r#""7""#, r#""\u0037""#, " 7 ", "7.00"] {
        let answer = post(&admin, "/admin/assets", body_with("GOLD", &format!(r#""amount":{seven}"#))).await;
        assert_eq!(answer.json::<Value>().await.unwrap()["data"][0]["amount"], "7.00", "{seven}");
    }
}

#[actix_web::test]
async fn a_field_that_is_there_twice_is_refused() {
    let (web, admin) = web_with_admin().await;
    let credit = admin.issue(1, "GOLD", "1").await[0];
    let claim = format!("/assets/{credit}/claim");
    for (path, body) in [
        ("/admin/assets", body_with("GOLD", r#""amount":"1","amount":"1000""#)),
        ("/admin/assets", body_with("GOLD", r#""amount":"1","\u0061mount":"1000""#)),
        ("/auth/login", r#"{"login":"root","login":"root","password":"x"}"#.to_owned()),
        (&claim, r#"{"idempotency_key":"a","idempotency_key":"a"}"#.to_owned()),
        (&claim, r#"{"idempotency_key":"a","idempotency_key":null}"#.to_owned()),
    ] {
        let answer = post(&admin, path, body.clone()).await;
        assert_eq!(answer.status(), 400, "{body}");
        let found: Value = answer.json().await.unwrap();
        assert_eq!(found["code"], "malformed");
        assert!(text(&found["detail"]).contains("is there twice"), "{found}");
    }
    assert_eq!((count_in(&web, "assets"), count_in(&web, "claims")), (1, 0));
}

#[actix_web::test]
async fn what_the_database_cannot_keep_is_refused_at_the_door() {
    let (web, admin) = web_with_admin().await;
    for (path, body, field) in [
        ("/admin/assets", body_with("GOLD", r#""amount":"1","description":"a\u0000b""#), "description"),
        ("/admin/assets", body_with("GOLD", r#""amount":"1\u0000""#), "amount"),
        ("/admin/campaigns", body_with("GOLD", r#""amount":"1","quantity":1,"description":"\u0000""#), "description"),
        ("/auth/login", r#"{"login":"root\u0000","password":"x"}"#.to_owned(), "login"),
        ("/auth/register", r#"{"username":"ro\u0000ot","password":"three quiet walruses"}"#.to_owned(), "username"),
    ] {
        let answer = post(&admin, path, body.clone()).await;
        assert_eq!(answer.status(), 422, "{body}");
        let found: Value = answer.json().await.unwrap();
        assert_eq!((found["code"].as_str(), found["errors"][0]["field"].as_str()), (Some("invalid"), Some(field)));
    }
    let deep = format!(r#"{{"title":{}{}}}"#, "[".repeat(30_000), "]".repeat(30_000));
    for body in [
        b"{\"title\":\"\xff\xfe\"}".to_vec(),
        b"\xff{}".to_vec(),
        b"{\"title\":\"raw \x00 zero\"}".to_vec(),
        br#"{"title":"\ud83d"}"#.to_vec(),
        br#"{"title":"\udc00\ud800"}"#.to_vec(),
        br#"{"quantity":1e400}"#.to_vec(),
        format!(r#"{{"quantity":{}}}"#, "9".repeat(400)).into_bytes(),
        br#"[]"#.to_vec(),
        br#"{}{}"#.to_vec(),
        b"\xef\xbb\xbf{}".to_vec(),
        deep.into_bytes(),
    ] {
        for path in ["/admin/assets", "/admin/campaigns", "/auth/login", "/assets/1/claim"] {
            let answer = post(&admin, path, body.clone()).await;
            assert_eq!(problem(answer).await, is(400, "malformed"), "{path} {}", String::from_utf8_lossy(&body));
        }
    }
    for (query, status, code) in [
        ("q=%00", 200, ""),
        ("asset_type=%00", 422, "invalid"),
        ("cursor=%00", 400, "invalid_cursor"),
        ("q=%FF", 200, ""),
        ("campaign_id=9223372036854775808", 400, "malformed"),
    ] {
        let answer = send(admin.get(&format!("/assets?{query}"))).await;
        assert_eq!(answer.status(), status, "{query}");
        assert_eq!(support::api::code(answer).await, code, "{query}");
    }
    assert_eq!((count_in(&web, "assets"), count_in(&web, "campaigns"), count_in(&web, "users")), (0, 0, 1));
}

#[actix_web::test]
async fn an_id_has_one_address() {
    let (_web, admin) = web_with_admin().await;
    let credit = admin.create(&credit(1, "GOLD", "1")).await.remove(0);
    let number = id(&credit);
    assert_eq!(admin.read(&format!("/assets/{number}")).await["id"], number);
    for other in [
        format!("+{number}"),
        format!("%2B{number}"),
        format!("0{number}"),
        format!("-{number}"),
        format!("%20{number}"),
        format!("{number}%20"),
        format!("{number}.0"),
        format!("{number}%00"),
        "9223372036854775808".to_owned(),
        "%D9%A1".to_owned(),
    ] {
        for answer in [
            send(admin.get(&format!("/assets/{other}"))).await,
            send(admin.post(&format!("/assets/{other}/claim"))).await,
        ] {
            assert_eq!(problem(answer).await, is(404, "not_found"), "{other}");
        }
    }
}

#[actix_web::test]
async fn the_same_request_written_differently_is_the_same_under_its_key() {
    let (web, admin) = web_with_admin().await;
    let credits = admin.issue(2, "GOLD", "1").await;
    let claim = format!("/assets/{}/claim", credits[0]);
    let mut answers = Vec::new();
    for body in
        [r#"{"idempotency_key":"k"}"#, " {\n \"idempotency_key\" :\t\"k\" } ", r#"{"idempotency\u005fkey":"\u006b"}"#]
    {
        let answer = post(&admin, &claim, body).await;
        assert_eq!(answer.status(), 201);
        answers.push(answer.json::<Value>().await.unwrap());
    }
    assert!(answers.windows(2).all(|pair| pair[0] == pair[1]), "{answers:?}");
    let other = post(&admin, &format!("/assets/{}/claim", credits[1]), r#"{"idempotency_key":"k"}"#).await;
    assert_eq!(problem(other).await, is(422, "idempotency_key_reused"));
    let without = send(Client::new().post(web.url(&format!("/api/v1{claim}"))).body("{\"a\":1,\"a\":2}")).await;
    assert_eq!(problem(without).await, is(401, "unauthenticated"), "whoever may not call learns nothing else");
}
