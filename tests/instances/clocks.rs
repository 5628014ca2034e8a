//! A machine whose clock is wrong: what it posted would date all that comes after it.

use std::fs;
use std::path::PathBuf;

use reqwest::Client;
use serde_json::json;

use coffer::domain::Role;

use super::Pair;
use super::support::api::Caller;
use super::support::program::{Installation, eventually};
use super::support::web::{PASSWORD, send};

/// The library that tells a process another time.
fn faketime() -> PathBuf {
    let folders = fs::read_dir("/usr/lib").unwrap().flatten().map(|entry| entry.path());
    let library = |folder: PathBuf| folder.join("faketime/libfaketimeMT.so.1");
    folders.map(library).find(|path| path.exists()).expect("scripts/install-deps.sh test installs faketime")
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_whose_clock_goes_wrong_stops_and_does_not_start_before_it_is_right() {
    let mut pair = Pair::new(&[]);
    pair.have_user("root", Role::Admin);
    pair.have_asset_type("GOLD");
    let offset = pair.installations[0].folder().join("offset");
    let [one, other] = pair.installations;
    let one: Installation = one
        .with("LD_PRELOAD", faketime())
        .with("FAKETIME_TIMESTAMP_FILE", &offset)
        .with("FAKETIME_NO_CACHE", "1")
        .with("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    pair.installations = [one, other];
    let one = &pair.installations[0];
    fs::write(&offset, "+20s").unwrap();
    let mut running = one.serve(&["serve", "--no-demo"]);
    let admin = Caller::sign_in(&Client::new(), &pair.url(0, ""), "root", PASSWORD).await;
    let bonus = json!({"type": "bonus", "user": "root", "asset_type": "GOLD", "amount": "1"});
    assert_eq!(send(admin.post("/transactions").json(&bonus)).await.status(), 201, "some seconds are nothing");
    fs::write(&offset, "+26h").unwrap();
    eventually("it stops", || !running.is_alive());
    let said = running.log();
    assert!(said.contains("clock is 93600 s ahead of the database server's"), "{said}");
    for (offset_now, words) in [("+26h", "93600 s ahead of"), ("-2h", "7200 s behind")] {
        fs::write(&offset, offset_now).unwrap();
        let refused = one.run(&["serve", "--no-demo"]);
        assert!(refused.code == Some(1) && refused.stderr.contains(words), "{}", refused.stderr);
    }
    fs::write(&offset, "+0s").unwrap();
    one.serve(&["serve", "--no-demo"]).stop();
}
