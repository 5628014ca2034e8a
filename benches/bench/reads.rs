//! How long people wait for what they look at.

use std::time::Instant;

use chrono::{TimeDelta, Utc};

use super::record::Value;
use super::server::PASSWORD;

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
    let today = Utc::now().date_naive();
    pages.extend(RANGES.map(|days| {
        let since = today - TimeDelta::days(days - 1);
        (format!("/wallet/{{code}}, {days} days"), format!("{wallet}?start_date={since}&end_date={today}"))
    }));
    pages
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
