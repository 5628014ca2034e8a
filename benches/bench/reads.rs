//! How long people wait for what they look at.

use std::time::Instant;

use chrono::{NaiveDate, TimeDelta, Utc};
use serde_json::json;

use super::record::Value;
use super::server::PASSWORD;
use super::wire;

/// Each page is looked at so often.
const LOOKS: usize = 31;

/// The days of the short and of the long range of a statement.
pub const RANGES: [i64; 2] = [7, 90];

/// What a user looks at, with the statement of an asset type.
pub fn of_a_user(asset_type: &str) -> Vec<(String, String)> {
    let wallet = format!("/wallet/{asset_type}");
    let mut pages = pages(&["/wallet", "/credits", "/claims", "/transactions", &wallet]);
    // Kept apart by name, since the dates change from day to day.
    pages[4].0 = "/wallet/{code}".to_owned();
    pages.extend(RANGES.map(|days| (format!("/wallet/{{code}}, {days} days"), format!("{wallet}?{}", range(days)))));
    pages
}

/// The last days as a query.
fn range(days: i64) -> String {
    let today = Utc::now().date_naive();
    let since: NaiveDate = today - TimeDelta::days(days - 1);
    format!("start_date={since}&end_date={today}")
}

/// What an admin looks at.
pub fn of_an_admin() -> Vec<(String, String)> {
    pages(&[
        "/admin",
        "/admin/assets",
        "/admin/assets?status=available",
        "/admin/assets?status=expired",
        "/admin/campaigns",
        "/admin/asset-types",
        "/admin/audit-log",
        "/admin/claims",
        "/admin/transactions",
        "/admin/entries",
        "/admin/ledger",
    ])
}

fn pages(paths: &[&str]) -> Vec<(String, String)> {
    paths.iter().map(|path| ((*path).to_owned(), (*path).to_owned())).collect()
}

/// How long scripts wait for the totals of both ranges, which take turns, with one row of each, since pages tell as
/// many rows as there are: milliseconds.
pub fn totals(address: &str, login: &str, asset_type: &str) -> Vec<Value> {
    let body = json!({"login": login, "password": PASSWORD});
    let signed_in = wire::call(address, "/api/v1/auth/login", None, &body);
    let token = signed_in["access_token"].as_str().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let client = reqwest::Client::new();
        let get = async |path: &str| -> serde_json::Value {
            let answer = client.get(format!("http://{address}/api/v1{path}")).bearer_auth(token).send().await.unwrap();
            answer.json().await.unwrap()
        };
        let wallets = get("/wallets").await;
        let wallet = wallets["data"].as_array().unwrap().iter().find(|wallet| wallet["asset_type"] == asset_type);
        let wallet = wallet.unwrap()["id"].as_i64().unwrap();
        let mut times = RANGES.map(|_| Vec::with_capacity(LOOKS));
        for _ in 0..LOOKS {
            for (days, times) in RANGES.iter().zip(&mut times) {
                let path = format!("/wallets/{wallet}/transactions?limit=1&{}", range(*days));
                let began = Instant::now();
                let told = get(&path).await;
                times.push(began.elapsed().as_secs_f64() * 1000.0);
                assert!(told["totals"]["credit"].is_string(), "{told}");
            }
        }
        let of_range = |(days, times): (i64, _)| Value::new(&totals_of(days), &totals_of(days), "ms", times);
        RANGES.into_iter().zip(times).map(of_range).collect()
    })
}

/// What goals call the totals of so many days.
pub fn totals_of(days: i64) -> String {
    format!("totals of {days} days")
}

/// Signs in as a browser does, and looks at every page: milliseconds from the request to the last
/// byte, at whoever asks. Goals call each by its name.
pub fn look(address: &str, login: &str, pages: &[(String, String)]) -> Vec<Value> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let client = reqwest::Client::builder().cookie_store(true).build().unwrap();
        let form = client.get(format!("http://{address}/login")).send().await.unwrap().text().await.unwrap();
        let token = form.split("name=\"csrf_token\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
        let fields = [("login", login), ("password", PASSWORD), ("csrf_token", &token)];
        client.post(format!("http://{address}/login")).form(&fields).send().await.unwrap();
        let mut values = Vec::new();
        for (name, path) in pages {
            let mut times = Vec::with_capacity(LOOKS);
            for _ in 0..LOOKS {
                let began = Instant::now();
                let answer = client.get(format!("http://{address}{path}")).send().await.unwrap();
                assert_eq!((answer.status().as_u16(), answer.url().path()), (200, path.split('?').next().unwrap()));
                answer.bytes().await.unwrap();
                times.push(began.elapsed().as_secs_f64() * 1000.0);
            }
            values.push(Value::new(name, name, "ms", times));
        }
        values
    })
}
