//! Too many at once, and too slow: what the real program takes on, and what it says beyond that.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection;
use reqwest::Client;
use rustix::process::Signal;
use serde_json::json;

use super::support::program::Installation;
use super::support::web::{is, problem, send};

fn address(installation: &Installation) -> String {
    installation.url().replace("http://", "")
}

/// Waits until as many requests are being worked on.
async fn until_in_flight(installation: &Installation, wanted: &str) {
    let line = format!("coffer_http_requests_in_flight {wanted}");
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let text = send(Client::new().get(format!("{}/metrics", installation.url()))).await.text().await.unwrap();
        if text.lines().any(|found| found == line) {
            return;
        }
        assert!(Instant::now() < deadline, "never {line}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn beyond_what_is_worked_on_at_once_requests_are_turned_away_and_monitors_are_not() {
    let installation = Installation::new().with("MAX_REQUESTS", "3");
    let running = installation.serve(&["serve", "--no-demo"]);
    let url = |path: &str| format!("{}{path}", installation.url());
    let mut blocker = installation.connect();
    blocker.batch_execute("begin; lock table asset_types").unwrap();
    let waiting: Vec<_> = (0..3).map(|_| tokio::spawn(send(Client::new().get(url("/api/v1/asset-types"))))).collect();
    until_in_flight(&installation, "3").await;
    let refused = send(Client::new().get(url("/api/v1/asset-types"))).await;
    assert_eq!(refused.headers()["retry-after"], "1");
    assert_eq!(problem(refused).await, is(503, "overloaded"));
    let page = send(Client::new().get(url("/login"))).await;
    assert_eq!((page.status().as_u16(), page.headers()["retry-after"].to_str().unwrap()), (503, "1"));
    assert!(page.text().await.unwrap().contains("<html"));
    for monitor in ["/health/live", "/health/ready", "/health", "/metrics"] {
        assert_eq!(send(Client::new().get(url(monitor))).await.status(), 200, "{monitor}");
    }
    blocker.batch_execute("rollback").unwrap();
    for answer in waiting {
        assert_eq!(answer.await.unwrap().status(), 200);
    }
    until_in_flight(&installation, "0").await;
    assert_eq!(send(Client::new().get(url("/api/v1/asset-types"))).await.status(), 200);
    running.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_takes_too_long_is_answered_all_the_same() {
    let installation = Installation::new().with("REQUEST_TIMEOUT", "1s");
    let running = installation.serve(&["serve", "--no-demo"]);
    let mut blocker = installation.connect();
    blocker.batch_execute("begin; lock table asset_types").unwrap();
    let answer = send(Client::new().get(format!("{}/api/v1/asset-types", installation.url()))).await;
    assert_eq!(problem(answer).await, is(503, "overloaded"));
    blocker.batch_execute("rollback").unwrap();
    until_in_flight(&installation, "0").await;
    running.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn five_hundred_slow_clients_leave_others_served_and_are_shown_the_door() {
    let installation = Installation::new().with("HEAD_TIMEOUT", "2s").with("BODY_TIMEOUT", "2s");
    let running = installation.serve(&["serve", "--no-demo"]);
    let beginnings = [
        "",
        "GET /wallet HTTP/1.1\r\nHost: localhost\r\nX-Slow",
        "POST /api/v1/auth/login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
         Content-Length: 60000\r\n\r\n{",
    ];
    let mut slow: Vec<TcpStream> = Vec::new();
    for number in 0..500 {
        let mut client = TcpStream::connect(address(&installation)).unwrap();
        client.write_all(beginnings[number % beginnings.len()].as_bytes()).unwrap();
        slow.push(client);
    }
    let client = Client::new();
    for _ in 0..20 {
        let answer = send(client.get(format!("{}/api/v1/asset-types", installation.url()))).await;
        assert_eq!(answer.status(), 200);
    }
    let said = tokio::task::spawn_blocking(move || {
        let to_the_end = |mut client: TcpStream| {
            client.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
            let mut answer = String::new();
            // A connection that is reset has ended, too.
            match client.read_to_string(&mut answer) {
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => panic!("it is still open"),
                _ => answer,
            }
        };
        slow.into_iter().map(to_the_end).collect::<Vec<_>>()
    });
    let said = said.await.unwrap();
    assert!(said.iter().skip(2).step_by(3).all(|answer| answer.starts_with("HTTP/1.1 408")), "{:?}", said.get(2));
    running.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn more_slow_bodies_than_are_worked_on_at_once_leave_others_served() {
    let installation = Installation::new().with("MAX_REQUESTS", "40").with("BODY_TIMEOUT", "60s");
    let running = installation.serve(&["serve", "--no-demo"]);
    let url = |path: &str| format!("{}{path}", installation.url());
    let beginning = "POST /api/v1/auth/login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
         Content-Length: 60000\r\n\r\n{";
    let slow = (0..120).map(|_| {
        let mut client = TcpStream::connect(address(&installation)).unwrap();
        client.write_all(beginning.as_bytes()).unwrap();
        client
    });
    let _slow: Vec<TcpStream> = slow.collect();
    let client = Client::new();
    for number in 0..20 {
        assert_eq!(send(client.get(url("/api/v1/asset-types"))).await.status(), 200);
        let nobody = json!({"login": format!("nobody_{number}"), "password": "a pass phrase of nobody"});
        let answer = send(client.post(url("/api/v1/auth/login")).json(&nobody)).await;
        assert_eq!(problem(answer).await, is(401, "invalid_credentials"));
    }
    // Those that wait for their bodies are not worked on.
    until_in_flight(&installation, "0").await;
    running.kill();
}

#[tokio::test(flavor = "multi_thread")]
async fn told_to_stop_twice_it_leaves_what_is_in_flight() {
    let installation = Installation::new()
        .with("SHUTDOWN_TIMEOUT", "60s")
        .with("DATABASE_STATEMENT_TIMEOUT", "60s")
        .with("DATABASE_LOCK_TIMEOUT", "60s")
        .with("REQUEST_TIMEOUT", "60s");
    let mut running = installation.serve(&["serve", "--no-demo"]);
    let mut blocker = installation.connect();
    blocker.batch_execute("begin; lock table asset_types").unwrap();
    let waiting = tokio::spawn(Client::new().get(format!("{}/api/v1/asset-types", installation.url())).send());
    until_in_flight(&installation, "1").await;
    running.signal(Signal::INT);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(running.is_alive(), "it finishes what is in flight");
    running.signal(Signal::INT);
    assert_eq!(running.exit(Duration::from_secs(15)).code(), Some(0));
    // Its own database may have said so before the process ended.
    assert!(waiting.await.unwrap().map_or(true, |answer| answer.status() == 503));
}

#[tokio::test(flavor = "multi_thread")]
async fn beyond_its_connections_it_serves_the_next_when_a_silent_one_is_shown_the_door() {
    let installation = Installation::new().with("MAX_CONNECTIONS", "16").with("HEAD_TIMEOUT", "1s");
    let running = installation.serve(&["serve", "--no-demo"]);
    let _silent: Vec<_> = (0..64).map(|_| TcpStream::connect(address(&installation)).unwrap()).collect();
    let answer = send(Client::new().get(format!("{}/health/live", installation.url()))).await;
    assert_eq!(answer.status(), 200);
    running.stop();
}
