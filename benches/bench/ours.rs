//! Coffer under load, over HTTP.

use serde_json::json;

use super::load::{Load, Next, Run};
use super::record::{Case, Extent};
use super::scene::Scene;
use super::wire;

/// At how many connections claims, spends and transfers are measured.
pub const CONNECTIONS: [usize; 4] = [1, 16, 64, 256];

/// The most that a second may bring, for the credits that are made beforehand.
const MOST_CLAIMS_PER_SECOND: usize = 30_000;

/// How many movements a request of many has.
const MANY: usize = 1_000;

/// Claims, spends and transfers at all numbers of connections, and the cases for themselves.
pub fn cases<'a>(scene: &'a Scene<'a>, extent: Extent) -> Vec<Case<'a>> {
    // First, since it comes so right behind hello, which it is compared with: machines that others share change
    // within a minute.
    let stampede = Case::new("stampede/256", &titled("refusals, all on one credit", 256), "refusals/s", move || {
        stampede(scene, extent)
    });
    let mut cases = vec![stampede];
    for connections in CONNECTIONS {
        cases.push(claims(scene, extent, connections));
    }
    for connections in CONNECTIONS {
        let (key, title) = (format!("spends/{connections}"), titled("spends", connections));
        cases.push(Case::new(&key, &title, "spends/s", move || {
            run(scene, extent, connections, &|turn| Some(spend(&scene.token(turn), "")))
        }));
    }
    // 32 is what TigerBeetle was measured with.
    for connections in [1, 16, 32, 64, 256] {
        let (key, title) = (format!("transfers/{connections}"), titled("transfers", connections));
        cases.push(Case::new(&key, &title, "transfers/s", move || {
            run(scene, extent, connections, &|turn| Some(transfer(scene, turn)))
        }));
    }
    cases.push(Case::new("keyed/64", &titled("spends with an idempotency key", 64), "spends/s", move || {
        let run_id = uuid::Uuid::new_v4();
        run(scene, extent, 64, &|turn| {
            let key = format!(",\"idempotency_key\":\"{run_id}-{turn}\"");
            Some(spend(&scene.token(turn), &key))
        })
    }));
    cases.push(Case::new("hot-wallet/64", &titled("spends, all from one wallet", 64), "spends/s", move || {
        run(scene, extent, 64, &|_| Some(spend(&scene.token(0), "")))
    }));
    cases.push(Case::new("batch/1000", "movements, 1,000 per request, 4 connections", "movements/s", move || {
        many(scene, extent)
    }));
    cases
}

/// Claims at so many connections.
pub fn claims<'a>(scene: &'a Scene<'a>, extent: Extent, connections: usize) -> Case<'a> {
    let (key, title) = (format!("claims/{connections}"), titled("claims", connections));
    Case::new(&key, &title, "claims/s", move || {
        let most_per_second = if connections == 1 { MOST_CLAIMS_PER_SECOND / 4 } else { MOST_CLAIMS_PER_SECOND };
        scene.stock((most_per_second as f64 * extent.lasting.as_secs_f64()) as usize);
        run(scene, extent, connections, &|turn| Some(claim(scene.next_credit()?, &scene.token(turn))))
    })
}

/// One credit that everybody wants: one has just got it, and all others are told so for as long as it lasts.
fn stampede(scene: &Scene<'_>, extent: Extent) -> Run {
    let credit = scene.create_credits(1)[0];
    let winner = 0;
    wire::ask(&scene.server.address, &claim(credit, &scene.token_of(winner)));
    let next = |turn: usize| {
        let place = scene.place(turn);
        Some(claim(credit, &scene.token_of(if place == winner { winner + 1 } else { place })))
    };
    observed(scene, &Load { next: &next, right: &[409], ..load(scene, extent, 256) })
}

/// An admin's transfers between users, many at a time.
fn many(scene: &Scene<'_>, extent: Extent) -> Run {
    scene.keep_signed_in();
    let path = "/api/v1/transactions/batch";
    let bodies: Vec<String> = (0..8)
        .map(|body| {
            let transfers = (0..MANY).map(|item| {
                let place = scene.place(body * MANY + item);
                let (from, to) = (&scene.users[place], &scene.users[(place + 1) % scene.users.len()]);
                json!({"type": "transfer", "user": from, "receiver": to, "asset_type": "CASH", "amount": "0.01"})
            });
            let body = json!({"mode": "atomic", "transactions": transfers.collect::<Vec<_>>()});
            wire::post(path, Some(&scene.admin()), &body.to_string())
        })
        .collect();
    let next = |turn: usize| Some(bodies[turn % bodies.len()].clone());
    observed(scene, &Load { next: &next, operations_per_request: MANY, ..load(scene, extent, 4) })
}

fn run(scene: &Scene<'_>, extent: Extent, connections: usize, next: Next<'_>) -> Run {
    observed(scene, &Load { next, ..load(scene, extent, connections) })
}

fn load<'a>(scene: &'a Scene<'_>, extent: Extent, connections: usize) -> Load<'a> {
    Load {
        address: &scene.server.address,
        connections,
        lasting: extent.lasting,
        operations_per_request: 1,
        next: &|_| None,
        right: &[201],
        watched: scene.server.watched(),
    }
}

/// Runs a load, and looks at what the server says of its batches meanwhile.
fn observed(scene: &Scene<'_>, load: &Load<'_>) -> Run {
    let batches = || {
        let metric = |end: &str| scene.server.metric(&format!("coffer_posting_batch_commands_{end}"));
        (metric("sum"), metric("count"))
    };
    scene.keep_signed_in();
    let before = batches();
    let run = load.run();
    let after = batches();
    let (commands, count) = (after.0 - before.0, after.1 - before.1);
    Run { batch: (count > 0.0).then_some(commands / count), ..run }
}

fn claim(credit: i64, token: &str) -> String {
    wire::post(&format!("/api/v1/assets/{credit}/claim"), Some(token), "")
}

fn spend(token: &str, more: &str) -> String {
    let body = format!("{{\"type\":\"spend\",\"asset_type\":\"CASH\",\"amount\":\"0.01\"{more}}}");
    wire::post("/api/v1/transactions", Some(token), &body)
}

fn transfer(scene: &Scene<'_>, turn: usize) -> String {
    let from = scene.place(turn);
    // Far away, so that those on their way together rarely meet.
    let to = &scene.users[(from + scene.users.len() / 2) % scene.users.len()];
    let body = format!("{{\"type\":\"transfer\",\"receiver\":\"{to}\",\"asset_type\":\"CASH\",\"amount\":\"0.01\"}}");
    wire::post("/api/v1/transactions", Some(&scene.token_of(from)), &body)
}

fn titled(what: &str, connections: usize) -> String {
    format!("{what}, {connections} connection{}", if connections == 1 { "" } else { "s" })
}

/// What a busy day brings: claims, spends and transfers, a third each while there are credits.
pub fn mixed(scene: &Scene<'_>, extent: Extent, connections: usize) -> Run {
    run(scene, extent, connections, &|turn| {
        let token = scene.token(turn);
        Some(match turn % 3 {
            0 => scene.next_credit().map_or_else(|| spend(&token, ""), |credit| claim(credit, &token)),
            1 => spend(&token, ""),
            _ => transfer(scene, turn),
        })
    })
}
