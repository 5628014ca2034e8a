//! What Coffer is measured against, in the same run: pgbench on the same database server, and the
//! least that actix can do.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use coffer::postgres::Binaries;
use diesel::RunQueryDsl;
use diesel::connection::SimpleConnection;
use diesel::sql_types::BigInt;

use super::load::{Load, Run};
use super::process::{Cpu, Watched};
use super::record::{Case, Extent};
use super::scene::Scene;
use super::wire;

/// The most claims by pgbench that a second may bring, for the credits that are made beforehand.
const MOST_CLAIMS_PER_SECOND: f64 = 8_000.0;

/// The size of TPC-B's database: more branches than clients, as pgbench's documentation asks for.
const TPC_B_SCALE: u32 = 40;

const CLIENTS: usize = 32;

/// All yardsticks.
pub fn cases<'a>(scene: &'a Scene<'a>, hello: &'a Hello, extent: Extent) -> Vec<Case<'a>> {
    prepare(scene);
    let mut cases = Vec::new();
    for (key, what, script) in
        [("naive", "claims by nine statements", "naive_claim.sql"), ("one-call", "claims by one call", "one_call.sql")]
    {
        for clients in [1, CLIENTS] {
            let (key, title) = (format!("{key}/{clients}"), format!("{what}, pgbench, {}", counted(clients)));
            cases.push(Case::new(&key, &title, "claims/s", move || claims(scene, extent, clients, script)));
        }
    }
    let title = format!("TPC-B, pgbench, {}", counted(CLIENTS));
    cases.push(Case::new("tpc-b/32", &title, "transactions/s", move || {
        pgbench(scene, extent, CLIENTS, "tpc_b", &["-b", "tpcb-like"])
    }));
    for connections in [64, 256] {
        let (key, title) = (format!("hello/{connections}"), format!("hello by actix, {connections} connections"));
        cases.push(Case::new(&key, &title, "answers/s", move || hello.run(extent, connections)));
    }
    cases
}

fn counted(clients: usize) -> String {
    format!("{clients} client{}", if clients == 1 { "" } else { "s" })
}

fn prepare(scene: &Scene<'_>) {
    let mut conn = scene.server.connect();
    conn.batch_execute(include_str!("claim_in_one_call.sql")).unwrap();
    // The one treasury wallet that all claims by pgbench share.
    conn.batch_execute("insert into wallets (lane, asset_type) values (0, 'CASH') on conflict do nothing").unwrap();
    conn.batch_execute("create database tpc_b").unwrap();
    let scale = TPC_B_SCALE.to_string();
    let output = command(scene).args(["-i", "-q", "-s", &scale, "tpc_b"]).output().expect("pgbench runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    // What that has left to be written is not to disturb the first round.
    conn.batch_execute("checkpoint").unwrap();
}

/// Claims by a script of pgbench, each of the next credit.
fn claims(scene: &Scene<'_>, extent: Extent, clients: usize, script: &str) -> Run {
    let credits = scene.create_credits((MOST_CLAIMS_PER_SECOND * extent.lasting.as_secs_f64()) as usize);
    let (first, last) = (credits[0], credits[credits.len() - 1]);
    assert_eq!(credits.len() as i64, last - first + 1, "the credits follow each other");
    let mut conn = scene.server.connect();
    conn.batch_execute(&format!(
        "drop sequence if exists bench_credit;
         create sequence bench_credit start {first} maxvalue {last}; analyze assets"
    ))
    .unwrap();
    let mut number = |query: &str| diesel::dsl::sql::<BigInt>(query).get_result::<i64>(&mut conn).unwrap();
    let of_users = "from users where username like 'bench%'";
    let (least, most) = (number(&format!("select min(id) {of_users}")), number(&format!("select max(id) {of_users}")));
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/bench").join(script);
    let (least, most) = (format!("first_user={least}"), format!("last_user={most}"));
    let arguments = ["-f", script.to_str().unwrap(), "-D", &least, "-D", &most];
    let run = pgbench(scene, extent, clients, "coffer", &arguments);
    let used = number("select last_value from bench_credit");
    scene.put_back(used + 1..=last);
    run
}

/// Runs pgbench; its latency is the mean.
fn pgbench(scene: &Scene<'_>, extent: Extent, clients: usize, database: &str, arguments: &[&str]) -> Run {
    // It counts in whole seconds.
    let seconds = extent.lasting.as_secs().max(1).to_string();
    let mut command = command(scene);
    command.args(["-n", "-M", "prepared", "-T", &seconds, "-c", &clients.to_string()]);
    command.args(["-j", if clients == 1 { "1" } else { "2" }]).args(arguments).arg(database);
    let watched = Watched { server: None, ..scene.server.watched() };
    let before = watched.cpu();
    let output = command.output().expect("pgbench runs");
    let cpu = watched.cpu().since(before);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    let figure = |name: &str| -> f64 {
        let line = text.lines().find_map(|line| line.strip_prefix(name)).expect(name);
        line.trim().split([' ', '/']).next().unwrap().parse().unwrap()
    };
    let done = figure("number of transactions actually processed:");
    let each = |seconds: f64| seconds * 1e6 / done;
    Run {
        rate: figure("tps = "),
        p50: figure("latency average = "),
        p99: None,
        cpu: Cpu { client: each(cpu.client), server: 0.0, postgres: each(cpu.postgres) },
        batch: None,
        memory: 0.0,
    }
}

/// pgbench, which stands beside the server, or else where the shell finds it.
fn command(scene: &Scene<'_>) -> Command {
    let postgres = Binaries::find(None).unwrap().path("postgres").canonicalize().unwrap();
    let beside: PathBuf = postgres.with_file_name("pgbench");
    let mut command = Command::new(if beside.exists() { beside } else { "pgbench".into() });
    command.args(["-U", "coffer", "-h"]).arg(scene.server.socket()).env_remove("PGPORT");
    command
}

/// This program's own argument for [`serve_hello`].
pub const HELLO: &str = "--hello";

/// A server that does nothing but answer, in a process of its own.
pub struct Hello {
    child: Child,
    address: String,
}

impl Hello {
    /// Starts it.
    pub fn start() -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        let mut child = command.arg(HELLO).stdout(Stdio::piped()).spawn().unwrap();
        let mut address = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut address).unwrap();
        Self { child, address: address.trim().to_owned() }
    }

    /// Asks it for as long as is wanted.
    pub fn run(&self, extent: Extent, connections: usize) -> Run {
        let request = wire::get("/");
        let load = Load {
            address: &self.address,
            connections,
            lasting: extent.lasting,
            operations_per_request: 1,
            next: &|_| Some(request.clone()),
            right: &[200],
            watched: Watched { server: Some(self.child.id()), postmaster: None },
        };
        load.run()
    }
}

impl Drop for Hello {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Serves "hello" until the process is killed, with as many workers as Coffer has.
pub fn serve_hello() -> std::io::Result<()> {
    let workers = std::thread::available_parallelism().map_or(2, usize::from);
    actix_web::rt::System::new().block_on(async move {
        let hello = || async { actix_web::HttpResponse::Ok().content_type("text/plain").body("hello") };
        let app = move || actix_web::App::new().route("/", actix_web::web::get().to(hello));
        let server = actix_web::HttpServer::new(app).workers(workers).tcp_nodelay(true).bind("127.0.0.1:0")?;
        println!("{}", server.addrs()[0]);
        server.run().await
    })
}
