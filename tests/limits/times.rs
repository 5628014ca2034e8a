//! What may take how long: each time-out that can be set, shown to hold. All are set so that one is a
//! second and those that could be mistaken for it are half a minute and more.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection;
use reqwest::{Client, Response};

use super::support::program::Installation;
use super::support::web::{is, problem, send};

/// Longer than the time-out that is meant, shorter than all others.
const SOON: Duration = Duration::from_secs(20);

/// An installation in which nothing but what a test sets ends before a minute.
fn patient() -> Installation {
    Installation::new()
        .with("REQUEST_TIMEOUT", "60s")
        .with("DATABASE_STATEMENT_TIMEOUT", "60s")
        .with("DATABASE_LOCK_TIMEOUT", "60s")
        .with("DATABASE_POOL_WAIT", "60s")
}

/// What a request is answered that needs a table which somebody holds, which must come soon.
async fn while_a_table_is_held(installation: &Installation) -> Response {
    let mut holder = installation.connect();
    holder.batch_execute("begin; lock table asset_types").unwrap();
    let started = Instant::now();
    let answer = send(Client::new().get(format!("{}/api/v1/asset-types", installation.url()))).await;
    assert!(started.elapsed() < SOON, "{:?}", started.elapsed());
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_and_a_wait_for_a_lock_end_in_their_time() {
    for name in ["DATABASE_STATEMENT_TIMEOUT", "DATABASE_LOCK_TIMEOUT"] {
        let installation = patient().with(name, "1s");
        let running = installation.serve(&["serve", "--no-demo"]);
        assert_eq!(problem(while_a_table_is_held(&installation).await).await, is(503, "overloaded"), "{name}");
        running.kill();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wait_for_a_connection_ends_in_its_time() {
    let installation = patient().with("DATABASE_POOL_SIZE", "4").with("DATABASE_POOL_WAIT", "1s");
    let running = installation.serve(&["serve", "--no-demo"]);
    let mut holder = installation.connect();
    holder.batch_execute("begin; lock table asset_types").unwrap();
    let ask = || send(Client::new().get(format!("{}/api/v1/asset-types", installation.url())));
    // Four have all connections; the fifth waits for one, and not for ever.
    let started = Instant::now();
    let (answer, _) = tokio::select! {
        biased;
        answer = async {
            let mut asking: Vec<_> = (0..5).map(|_| Box::pin(ask())).collect();
            futures::future::select_all(asking.drain(..)).await.0
        } => (answer, ()),
        () = tokio::time::sleep(SOON) => panic!("nobody was answered in {:?}", started.elapsed()),
    };
    assert_eq!(problem(answer).await, is(503, "database_unavailable"));
    running.kill();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_is_not_used_is_closed_in_its_time() {
    let installation = Installation::new().with("KEEP_ALIVE", "1s");
    let running = installation.serve(&["serve", "--no-demo"]);
    let address = installation.url().replace("http://", "");
    let said = tokio::task::spawn_blocking(move || {
        let mut client = TcpStream::connect(address).unwrap();
        client.set_read_timeout(Some(SOON)).unwrap();
        client.write_all(b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).expect("the server closes the connection");
        answer
    });
    assert!(said.await.unwrap().starts_with("HTTP/1.1 200"));
    running.stop();
}
