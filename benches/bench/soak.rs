//! Ten minutes of a busy day: does it stay as fast, and as small?

use std::time::Duration;

use super::ours;
use super::record::{Case, Extent, Row, Value, measure};
use super::scene::Scene;
use super::server::{Place, Server};
use super::yardsticks::Hello;

/// How many runs there are, of a minute each.
const MINUTES: usize = 10;

/// The connections that claim, spend and transfer.
const CONNECTIONS: usize = 64;

/// How many credits there are per second; once they are claimed, there are more spends instead.
const CREDITS: f64 = 1_000.0;

/// How long "hello" is asked for behind every minute.
const CONTROL: Duration = Duration::from_secs(5);

/// A row per minute, one of "hello" behind it, which tells whether the machine has changed meanwhile, and the
/// memory at both ends.
pub fn rows_and_values(minute: Duration) -> (Vec<Row>, Vec<Value>) {
    let place = Place::new();
    drop(Server::start(&place, &[]));
    let server = Server::start(&place, &[]);
    let scene = Scene::set(&server);
    let hello = Hello::start();
    let extent = Extent { rounds: 1, lasting: minute };
    let control = Extent { rounds: 1, lasting: CONTROL.min(minute) };
    let cases = (1..=MINUTES).flat_map(|number| {
        let title = format!("minute {number}: claims, spends, transfers");
        let (scene, hello) = (&scene, &hello);
        let ours = Case::new(&format!("soak/{number}"), &title, "operations/s", move || {
            scene.stock((CREDITS * minute.as_secs_f64()) as usize);
            ours::mixed(scene, extent, CONNECTIONS)
        });
        let title = format!("behind minute {number}: hello by actix, {} s", control.lasting.as_secs());
        [ours, Case::new(&format!("machine/{number}"), &title, "answers/s", move || hello.run(control, CONNECTIONS))]
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
