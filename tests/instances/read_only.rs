//! A database that takes no writes for a while, as when the way to it leads to a standby.

use std::time::{Duration, Instant};

use coffer::domain::Role;
use diesel::connection::SimpleConnection;
use reqwest::Client;
use serde_json::json;

use super::Pair;
use super::support::api::Caller;
use super::support::cluster::cluster;
use super::support::web::{PASSWORD, is, problem, send};

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_takes_no_writes_is_none_and_is_used_as_soon_as_it_takes_them() {
    let pair = Pair::new(&[]);
    pair.have_user("root", Role::Admin);
    pair.have_asset_type("GOLD");
    let running = pair.installations[0].serve(&["serve", "--no-demo"]);
    let ready = || send(Client::new().get(pair.url(0, "/health/ready")));
    let admin = Caller::sign_in(&Client::new(), &pair.url(0, ""), "root", PASSWORD).await;
    let post = |key: &str| {
        let bonus = json!({"type": "bonus", "user": "root", "asset_type": "GOLD", "amount": "1"});
        send(admin.post("/transactions").header("idempotency-key", key).json(&bonus))
    };
    assert_eq!(post("before").await.status(), 201);
    let name = pair.database.name();
    let sql = |sql: &str| cluster().connect().batch_execute(&sql.replace("{name}", name)).unwrap();
    sql("alter database {name} set default_transaction_read_only = on");
    sql("select pg_terminate_backend(pid) from pg_stat_activity where datname = '{name}'");
    assert_eq!(problem(post("meanwhile").await).await, is(503, "database_unavailable"));
    assert_eq!(problem(ready().await).await, is(503, "database_unavailable"));
    sql("alter database {name} reset default_transaction_read_only");
    let deadline = Instant::now() + Duration::from_secs(30);
    while ready().await.status() != 200 {
        assert!(Instant::now() < deadline, "it is never ready again");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    for key in ["before", "meanwhile"] {
        assert_eq!(post(key).await.status(), 201, "{key}");
    }
    assert_eq!(admin.balance("GOLD").await, "2");
    running.stop();
}
