//! Ten minutes of a busy day: does it stay as fast, and as small?

use std::time::Duration;

use super::ours;
use super::record::{Case, Extent, Row, Value, measure};
use super::scene::Scene;
use super::server::{Place, Server};

/// How many runs there are, of a minute each.
const MINUTES: usize = 10;

/// The connections that claim, spend and transfer.
const CONNECTIONS: usize = 64;

/// How many credits there are per second; once they are claimed, there are more spends instead.
const CREDITS: f64 = 1_000.0;

/// A row per minute, and the memory at both ends.
pub fn rows_and_values(minute: Duration) -> (Vec<Row>, Vec<Value>) {
    let place = Place::new();
    drop(Server::start(&place, &[]));
    let server = Server::start(&place, &[]);
    let scene = Scene::set(&server);
    let extent = Extent { rounds: 1, lasting: minute };
    let cases = (1..=MINUTES).map(|number| {
        let title = format!("minute {number}: claims, spends, transfers");
        let scene = &scene;
        Case::new(&format!("soak/{number}"), &title, "operations/s", move || {
            scene.stock((CREDITS * minute.as_secs_f64()) as usize);
            ours::mixed(scene, extent, CONNECTIONS)
        })
    });
    let before = server.watched().memory();
    let rows = measure(extent, cases.collect());
    let after = server.watched().memory();
    let values = vec![
        Value::new("memory-before", "memory before the first minute", "MB", [before]),
        Value::new("memory-first", "memory in the first minute, at most", "MB", [rows[0].memory.most]),
        Value::new("memory-after", "memory after the last minute", "MB", [after]),
    ];
    (rows, values)
}
