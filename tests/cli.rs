//! The program on the command line: what it says, what it makes, and what it refuses in one line.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::unwrap_used, reason = "a failing test fails loudly")]

mod support;

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, TimeDelta, Utc};
use coffer::config::VARIABLES;
use coffer::postgres::{Durability, Options, Server};
use diesel::connection::SimpleConnection;
use diesel::{Connection, PgConnection};
use reqwest::Client;
use rustix::process::{Signal, test_kill_process};
use serde_json::{Value, json};
use support::api::{Caller, count, text};
use support::cluster::cluster;
use support::program::{Installation, Said, eventually};
use support::web::send;

const PASSWORD: &str = "three quiet walruses";
const SECRET: &str = "a secret that is only good enough for tests";

/// The one line that a failed command says.
fn only_line(said: &Said) -> &str {
    assert_eq!((said.code, said.stdout.as_str()), (Some(1), ""), "{said:?}");
    let lines: Vec<&str> = said.stderr.lines().filter(|line| !line.trim().is_empty()).collect();
    let [line] = lines[..] else { panic!("not one line: {}", said.stderr) };
    line.strip_prefix("coffer: ").unwrap_or_else(|| panic!("{line}"))
}

#[test]
fn the_help_of_every_command_reads_well() {
    let installation = Installation::new();
    let commands: [&[&str]; 7] =
        [&[], &["serve"], &["migrate"], &["seed"], &["admin"], &["admin", "create"], &["verify"]];
    for command in commands {
        let said = installation.run(&[command, &["--help"]].concat());
        assert_eq!((said.code, said.stderr.as_str()), (Some(0), ""), "{command:?}");
        let usage = format!("Usage: {}", [&["coffer"], command].concat().join(" "));
        assert!(said.stdout.contains(&usage), "{}", said.stdout);
        assert!(
            said.stdout.lines().all(|line| line.chars().count() <= 100 && line.trim_end() == line),
            "{}",
            said.stdout
        );
        assert!(said.stdout.starts_with(|first: char| first.is_ascii_uppercase()), "{}", said.stdout);
    }
    let said = installation.run(&["--help"]);
    for command in ["serve", "migrate", "seed", "admin", "verify", "--no-demo", "environment variables"] {
        assert!(said.stdout.contains(command), "{command}: {}", said.stdout);
    }
    assert_eq!(installation.run(&["--version"]).stdout, "coffer 0.1.0\n");
    for wrong in
        [&["nonsense"][..], &["seed"], &["admin", "create"], &["admin", "create", "--username", "x"], &["--demo"]]
    {
        let said = installation.run(wrong);
        assert_eq!((said.code, said.stdout.as_str()), (Some(2), ""), "{wrong:?}");
        assert!(said.stderr.contains("--help"), "{}", said.stderr);
    }
    assert!(!installation.data().exists(), "asking for help makes nothing");
}

/// The names and passwords that a text shows.
fn shown_passwords(text: &str) -> Vec<(String, String)> {
    let pairs = text.lines().filter_map(|line| line.strip_prefix("  ")?.split_once(' '));
    pairs.map(|(name, password)| (name.to_owned(), password.trim().to_owned())).collect()
}

async fn sign_in(installation: &Installation, login: &str, password: &str) -> Caller {
    Caller::sign_in(&Client::new(), &installation.url(), login, password).await
}

/// How many rows every table has that demo data goes into.
fn rows(conn: &mut PgConnection) -> Vec<i64> {
    let tables =
        ["users", "asset_types", "assets", "wallets", "transactions", "entries", "audit_log", "claims", "campaigns"];
    tables.iter().map(|table| count(conn, table)).collect()
}

/// What the demo data must be, as its admin sees it.
async fn is_demo(installation: &Installation, passwords: &[(String, String)]) {
    let types: Value =
        send(Client::new().get(format!("{}/api/v1/asset-types", installation.url()))).await.json().await.unwrap();
    let described: Vec<_> = types["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|t| {
            (text(&t["code"]), text(&t["name"]), t["scale"].as_i64().unwrap(), t["transferable"].as_bool().unwrap())
        })
        .collect();
    let expected = [
        ("CASH", "Cashback", 2, true),
        ("DMND", "Diamonds", 0, false),
        ("GOLD", "Gold Coins", 2, false),
        ("PTS", "Loyalty Points", 0, false),
    ];
    assert_eq!(described, expected.map(|(code, name, scale, moves)| (code.to_owned(), name.to_owned(), scale, moves)));
    for (name, password) in passwords {
        let caller = sign_in(installation, name, password).await;
        assert_eq!(caller.name, *name);
        let me = caller.read("/me").await;
        assert_eq!(me["role"], if name == "admin" { "admin" } else { "user" });
        let balances = caller.read("/users/me/balances").await;
        let held: Vec<String> = balances["data"].as_array().unwrap().iter().map(|b| text(&b["balance"])).collect();
        let expected = match name.as_str() {
            "user_alice" => ["83.25", "50", "100.00", "500"],
            "user_bob" => ["20.00", "30", "80.00", "200"],
            _ => ["0.00", "0", "0.00", "0"],
        };
        assert_eq!(held, expected, "{name}");
    }
    let admin = sign_in(installation, &passwords[0].0, &passwords[0].1).await;
    let credits = admin.walk("/assets?").await;
    let (released, single): (Vec<_>, Vec<_>) = credits.iter().partition(|credit| credit["campaign_id"].is_i64());
    assert_eq!((released.len(), single.len()), (5, 12));
    for kind in ["signup", "referral", "promotional"] {
        assert!(single.iter().any(|credit| credit["kind"] == kind), "{kind}");
    }
    let campaigns = admin.walk("/campaigns?").await;
    let [campaign] = &campaigns[..] else { panic!("{campaigns:?}") };
    assert_eq!((&campaign["status"], &campaign["available"]), (&json!("running"), &json!(5)));
    for (type_of_movement, count) in [("top_up", 7), ("bonus", 2), ("spend", 2), ("transfer", 2)] {
        let found = admin.walk(&format!("/transactions?type={type_of_movement}&")).await;
        assert_eq!(found.len(), count, "{type_of_movement}");
    }
    for (title, kind, amount) in [
        ("Signup Bonus 100", "signup", "100.00"),
        ("Referral Reward 200", "referral", "200.00"),
        ("Festive Cashback 150", "promotional", "150.00"),
    ] {
        let credit = credits.iter().find(|credit| credit["title"] == title).unwrap();
        assert_eq!(
            (&credit["kind"], &credit["amount"], &credit["asset_type"], &credit["status"]),
            (&json!(kind), &json!(amount), &json!("CASH"), &json!("available"))
        );
    }
    let soon = Utc::now() + TimeDelta::hours(48);
    let expiring = single.iter().filter_map(|credit| credit["expires_at"].as_str()?.parse::<DateTime<Utc>>().ok());
    let (soon, later): (Vec<_>, Vec<_>) = expiring.partition(|expires_at| *expires_at < soon);
    assert!(soon.len() >= 2 && !later.is_empty() && soon.len() + later.len() < 12, "some soon, some later, some never");
}

#[actix_web::test]
async fn the_first_start_makes_demo_data_and_later_ones_change_nothing() {
    let installation = Installation::new();
    let running = installation.serve(&[]);
    let greeting = running.greeting();
    assert!(greeting.starts_with(&format!("Coffer is ready at {}\n", installation.url())), "{greeting}");
    let passwords = shown_passwords(&greeting);
    let names: Vec<&str> = passwords.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["admin", "user_alice", "user_bob"]);
    let distinct: BTreeSet<&str> = passwords.iter().map(|(_, password)| password.as_str()).collect();
    assert!(distinct.len() == 3 && distinct.iter().all(|password| password.len() >= 16), "{greeting}");
    is_demo(&installation, &passwords).await;
    assert!(distinct.iter().all(|password| !running.log().contains(password)), "never in the log");

    // Beside the running server, and as often as one likes.
    let before = rows(&mut installation.connect());
    let said = installation.run(&["seed", "--demo"]);
    assert_eq!((said.code, shown_passwords(&said.stdout)), (Some(0), vec![]), "{said:?}");
    let said = installation.run(&["verify"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    for word in ["CASH", "DMND", "GOLD", "PTS", "103.25", "180.00", "80", "700", "The books balance."] {
        assert!(said.stdout.contains(word), "{word}: {}", said.stdout);
    }
    let alice = sign_in(&installation, "user_alice", &passwords[1].1).await;
    let secret = fs::metadata(installation.data().join("secret.key")).unwrap();
    assert_eq!(secret.permissions().mode() & 0o777, 0o600);
    running.stop();

    let running = installation.serve(&["serve"]);
    let greeting = running.greeting();
    assert!(shown_passwords(&greeting).is_empty() && greeting.contains("Sign in with your account."), "{greeting}");
    assert_eq!(rows(&mut installation.connect()), before);
    is_demo(&installation, &passwords).await;
    assert_eq!(alice.read("/me").await["id"], "user_alice", "tokens outlive a restart");
}

#[actix_web::test]
async fn a_lost_password_is_given_anew_from_the_command_line() {
    let installation = Installation::new();
    let reset = |password: &str, login: &str| {
        installation.run_with_input(&["admin", "reset-password", "--login", login, "--password-stdin"], password)
    };
    let running = installation.serve(&["serve"]);
    let alice = shown_passwords(&running.greeting()).into_iter().find(|(name, _)| name == "user_alice").unwrap().1;
    let before = sign_in(&installation, "user_alice", &alice).await;
    assert!(only_line(&reset("four quiet walruses", "nobody")).contains("There is no such user."));
    assert!(only_line(&reset("short", "user_alice")).contains("characters"));
    assert_eq!(send(before.get("/me")).await.status(), 200, "what is refused changes nothing");
    let said = reset("four quiet walruses", "user_alice");
    assert_eq!((said.code, said.stdout.lines().count()), (Some(0), 1), "{said:?}");
    assert_eq!(send(before.get("/me")).await.status(), 401);
    let after = sign_in(&installation, "user_alice", "four quiet walruses").await;
    assert_eq!(after.read("/me").await["role"], "user");
    let logged = count(&mut installation.connect(), "audit_log where action = 'user.reset_password'");
    assert_eq!(logged, 1);
    running.stop();
}

#[actix_web::test]
async fn without_demo_data_the_first_admin_comes_from_the_command_line() {
    let installation = Installation::new();
    let create = |password: &str, name: &str| {
        installation.run_with_input(&["admin", "create", "--username", name, "--password-stdin"], password)
    };
    for (password, name) in
        [("short\n", "root"), ("Password123\n", "root"), ("root-root-1\n", "root-root-1"), ("", "root")]
    {
        let said = create(password, name);
        let line = only_line(&said);
        assert!(line.to_lowercase().contains("password") || line.contains("characters"), "{line}");
    }
    assert!(only_line(&create(PASSWORD, "not a name")).contains("letters"));
    assert!(!installation.data().exists(), "what is refused makes nothing");

    let running = installation.serve(&["--no-demo"]);
    assert!(running.greeting().contains("There is no admin yet"), "{}", running.greeting());
    assert_eq!(rows(&mut installation.connect()), [0; 9]);
    let said = create(&format!("{PASSWORD}\nanother line\n"), "root");
    assert_eq!((said.code, said.stdout.as_str()), (Some(0), "root is an admin now.\n"), "{said:?}");
    assert!(!said.stderr.contains("Password:"), "nobody is asked where nobody sits");
    assert_eq!(sign_in(&installation, "root", PASSWORD).await.read("/me").await["role"], "admin");
    running.stop();

    // Without a running server, and for a user who is there already.
    let said = create("four quiet walruses", "root");
    assert_eq!(said.code, Some(0), "{said:?}");
    assert_eq!(create(PASSWORD, "second").code, Some(0));
    assert_eq!(installation.postmaster(), None, "a command leaves no server behind");
    let running = installation.serve(&["serve", "--no-demo"]);
    assert!(running.greeting().contains("Sign in with your account."));
    for (name, password) in [("root", "four quiet walruses"), ("second", PASSWORD)] {
        assert_eq!(sign_in(&installation, name, password).await.read("/me").await["role"], "admin");
    }
    assert_eq!(count(&mut installation.connect(), "users"), 2);
    assert_eq!(count(&mut installation.connect(), "asset_types"), 0);
}

/// An installation on a database that is somebody else's.
fn external(host: &str, name: &str) -> Installation {
    let installation = Installation::new().with("DATABASE_HOST", host).with("DATABASE_USER", "coffer");
    installation.with("DATABASE_NAME", name).with("SECRET_KEY", SECRET)
}

/// The folder of the test server's socket.
fn socket() -> String {
    let database = cluster().new_database();
    database.url.split('\'').nth(1).unwrap().to_owned()
}

#[actix_web::test]
async fn on_a_database_of_ones_own_there_is_demo_data_only_where_it_is_asked_for() {
    let database = cluster().new_database();
    let url = format!("postgres://coffer@{}/{}", socket().replace('/', "%2F"), database.name());
    let installation = Installation::new().with("DATABASE_URL", url).with("SECRET_KEY", SECRET);
    let installation = installation.with("DEMO_PASSWORD", PASSWORD);
    let running = installation.serve(&[]);
    assert!(running.greeting().contains("There is no admin yet"));
    assert_eq!(rows(&mut database.connect()), [0; 9]);
    assert!(!installation.data().exists(), "nothing is made where nothing is needed");

    let said = installation.run(&["seed", "--demo"]);
    let passwords = shown_passwords(&said.stdout);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(passwords.len() == 3 && passwords.iter().all(|(_, password)| password == PASSWORD), "{said:?}");
    is_demo(&installation, &passwords).await;
    let before = rows(&mut database.connect());
    let said = installation.run(&["seed", "--demo"]);
    assert_eq!((said.code, shown_passwords(&said.stdout)), (Some(0), vec![]));
    assert_eq!(rows(&mut database.connect()), before);
    assert_eq!(installation.run(&["verify"]).code, Some(0));
    running.stop();
}

#[test]
fn migrate_says_what_it_ran() {
    let host = socket();
    let name = format!("empty_{}", &uuid::Uuid::new_v4().simple().to_string()[..8]);
    cluster().connect().batch_execute(&format!("create database {name}")).unwrap();
    let installation = external(&host, &name);
    let said = installation.run(&["migrate"]);
    let migrations = fs::read_dir("migrations").unwrap().count();
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.stdout.starts_with(&format!("Ran {migrations} migrations")), "{}", said.stdout);
    let said = installation.run(&["migrate"]);
    assert_eq!((said.code, said.stdout.as_str()), (Some(0), "The schema is up to date.\n"));
}

#[actix_web::test]
async fn a_second_coffer_on_the_same_folder_says_so_and_the_first_goes_on() {
    let installation = Installation::new();
    let running = installation.serve(&["--no-demo"]);
    let said = installation.run(&["serve"]);
    let line = only_line(&said);
    assert!(
        line.contains("another Coffer already runs") && line.contains(&installation.data().display().to_string()),
        "{line}"
    );
    assert!(line.contains(&running.pid().as_raw_nonzero().to_string()), "{line}");
    let live = send(Client::new().get(format!("{}/health/ready", installation.url()))).await;
    assert_eq!(live.status(), 200);
    running.stop();
}

#[test]
fn a_port_in_use_is_named_before_anything_is_made() {
    let installation = Installation::new();
    let _listener = TcpListener::bind(("127.0.0.1", installation.port())).unwrap();
    let said = installation.run(&[]);
    let line = only_line(&said);
    assert!(line.contains(&format!("127.0.0.1:{} is in use", installation.port())) && line.contains("BIND"), "{line}");
    assert!(!installation.data().join("postgres").exists());
    let elsewhere = Installation::new().with("BIND", "203.0.113.7:80");
    assert!(only_line(&elsewhere.run(&[])).contains("203.0.113.7:80"));
}

/// A server of its own whose role `app`, with a password, owns the database `app`.
struct Guarded {
    installation: Installation,
    _server: Server,
    host: String,
}

fn guarded() -> Guarded {
    let installation = Installation::new();
    let options = Options { durability: Durability::ThrowAway, max_connections: 20, libraries: "" };
    let server = Server::start(installation.data(), options).unwrap();
    let mut conn = installation.connect();
    conn.batch_execute("create role app login password 's3cret/walrus'").unwrap();
    conn.batch_execute("create database app owner app").unwrap();
    let rules = installation.data().join("postgres/pg_hba.conf");
    let old = fs::read_to_string(&rules).unwrap();
    fs::write(&rules, format!("local all app scram-sha-256\n{old}")).unwrap();
    conn.batch_execute("select pg_reload_conf()").unwrap();
    let host = installation.data().canonicalize().unwrap().join("socket").to_str().unwrap().to_owned();
    let open = format!("host='{host}' port=5432 user=app dbname=app password=wrong");
    eventually("passwords are asked for", || PgConnection::establish(&open).is_err());
    Guarded { installation, _server: server, host }
}

#[test]
fn a_database_that_cannot_be_used_is_said_in_one_line_and_soon() {
    let guarded = guarded();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = format!("postgres://app:s3cret@{}/app", silent.local_addr().unwrap());
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let host = guarded.host.replace('/', "%2F");
    for (url, word) in [
        (format!("postgres://app:s3cret-wrong@{host}/app"), "password authentication failed"),
        (format!("postgres://app:s3cret%2Fwalrus@{host}/nowhere"), "\"nowhere\" does not exist"),
        (format!("postgres://nobody@{host}/coffer"), "\"nobody\" does not exist"),
        ("postgres:///app?host=/nonexistent".to_owned(), "/nonexistent"),
        (format!("postgres://app:s3cret@{closed}/app"), "refused"),
        (silent, "timeout expired"),
        ("postgres://app:s3cret@no..host/app".to_owned(), "no..host"),
        ("postgres://app:s3cret@127.0.0.1:port/app".to_owned(), "port"),
        ("postgres://app:s3cret@[::1/app".to_owned(), "URI"),
        ("postgres://app:s3cret%walrus@127.0.0.1/app".to_owned(), "percent-encoded"),
        ("postgres://app:s3cret@127.0.0.1/app?colour=red".to_owned(), "query parameter"),
        ("mysql://app:s3cret@127.0.0.1/app".to_owned(), "DATABASE_URL"),
        ("nonsense".to_owned(), "DATABASE_URL"),
    ] {
        let installation = Installation::new().with("DATABASE_URL", &url).with("SECRET_KEY", SECRET);
        for command in [&[][..], &["verify"]] {
            let said = installation.run(command);
            let line = only_line(&said);
            assert!(line.contains(word), "{url}: {line}");
            assert!(!line.contains("s3cret"), "{url}: {line}");
            assert!(said.took < Duration::from_secs(10), "{url}: {:?}", said.took);
        }
    }
    // The right password, as a role that is no superuser.
    let url = format!("postgres://app:s3cret%2Fwalrus@{host}/app");
    let installation = Installation::new().with("DATABASE_URL", url).with("SECRET_KEY", SECRET);
    assert_eq!(installation.run(&["seed", "--demo"]).code, Some(0));
    assert_eq!(installation.run(&["verify"]).code, Some(0));
    drop(guarded.installation);
}

#[test]
fn a_bad_value_of_any_variable_is_named_in_one_line() {
    let long_secret = "x".repeat(31);
    let bad: &[(&str, &[&str])] = &[
        ("BIND", &["8080", "localhost:8080", "127.0.0.1", "127.0.0.1:99999", "nonsense"]),
        ("PORT", &["0", "65536", "-1", "http"]),
        ("PUBLIC_URL", &["wallet.example.org", "ftp://wallet.example.org", "https://", "http:///x"]),
        ("DATABASE_URL", &["mysql://localhost/x", "localhost:5432", "/var/run"]),
        ("DATABASE_PORT", &["0", "65536", "x"]),
        ("DATABASE_POOL_SIZE", &["0", "1", "65", "-3", "many", "8.5"]),
        ("DATABASE_POOL_WAIT", &["0s", "2"]),
        ("DATABASE_STATEMENT_TIMEOUT", &["0s", "5"]),
        ("DATABASE_LOCK_TIMEOUT", &["0s", "2"]),
        ("SECRET_KEY", &["short", &long_secret]),
        ("SECRET_KEY_PREVIOUS", &["short", &long_secret]),
        ("LOG_FORMAT", &["xml", "JSON"]),
        ("LOG_LEVEL", &["verbose", "coffer=loud", "info,loud", "warn,=", "3.5"]),
        ("BCRYPT_COST", &["3", "17", "x", "1e1"]),
        ("REDIS_URL", &["localhost:6379", "http://localhost:6379", "redis://", "redis://localhost:port"]),
        ("TRUSTED_PROXIES", &["proxy", "10.0.0.0/33", "10.0.0.1,", "10.0.0.0-10.0.0.9"]),
        ("RATE_LIMITS", &["yes", "ON", "0"]),
        ("RATE_LIMIT_SIGN_IN", &["60", "60/", "0/m", "60/0m", "60/day", "-1/m", "60 /m"]),
        ("RATE_LIMIT_REGISTER", &["x/m"]),
        ("RATE_LIMIT_PASSWORDS", &["x/m"]),
        ("RATE_LIMIT_CLAIMS", &["x/m"]),
        ("RATE_LIMIT_CODES", &["x/m"]),
        ("RATE_LIMIT_API_WRITES", &["x/m"]),
        ("RATE_LIMIT_API_READS", &["x/m"]),
        ("RATE_LIMIT_PAGES", &["x/m"]),
        ("METRICS_FROM", &["on", "everywhere", "10.0.0.0/33"]),
        ("METRICS_TOKEN", &["short"]),
        ("MAX_CONNECTIONS", &["15", "100001", "many"]),
        ("MAX_REQUESTS", &["0", "100001", "-1"]),
        ("HEAD_TIMEOUT", &["5", "0s", "3601s", "5m", "s"]),
        ("BODY_TIMEOUT", &["10"]),
        ("REQUEST_TIMEOUT", &["30"]),
        ("KEEP_ALIVE", &["75"]),
        ("DRAIN_TIME", &["5", "-1s"]),
        ("SHUTDOWN_TIMEOUT", &["30"]),
        ("POSTING_THREADS", &["0", "17", "-1", "x"]),
        ("POSTING_BATCH_MAX", &["0", "1001", "x"]),
    ];
    // Any text will do for these, as far as the program can know.
    let free = ["DATA_DIR", "DATABASE_HOST", "DATABASE_NAME", "DATABASE_USER", "DATABASE_PASSWORD", "DEMO_PASSWORD"];
    let known: BTreeSet<&str> = bad.iter().map(|(name, _)| *name).chain(free).collect();
    assert_eq!(known, VARIABLES.iter().copied().collect(), "a new variable needs its bad values here");
    for (name, values) in bad {
        for value in *values {
            let installation = Installation::new().without("BIND").with(name, value);
            let installation =
                if *name == "DATABASE_PORT" { installation.with("DATABASE_HOST", "127.0.0.1") } else { installation };
            let said = installation.run(&["migrate"]);
            let line = only_line(&said);
            assert!(line.contains(name), "{name}={value}: {line}");
            assert!(line.len() < 200, "{line}");
            assert!(!(name.starts_with("SECRET_KEY") || *name == "METRICS_TOKEN") || !line.contains(value), "{line}");
        }
    }
    for name in VARIABLES {
        let unreadable = OsString::from_vec(vec![b'x', 0xff]);
        let said = Installation::new().with(name, unreadable).run(&["migrate"]);
        assert!(only_line(&said).contains(name), "{name}: {said:?}");
    }
    let in_the_way = Installation::new().with("DATA_DIR", "/proc/nowhere");
    assert!(only_line(&in_the_way.run(&["migrate"])).contains("/proc/nowhere"));
}

#[test]
fn a_secret_key_is_needed_for_a_database_of_ones_own() {
    for name in ["DATABASE_URL", "DATABASE_HOST"] {
        let value = if name == "DATABASE_URL" { "postgres://127.0.0.1/x" } else { "127.0.0.1" };
        let said = Installation::new().with(name, value).run(&[]);
        assert!(only_line(&said).contains("SECRET_KEY"), "{said:?}");
    }
}

#[test]
fn a_build_that_cannot_encrypt_says_so_instead_of_going_on_in_the_clear() {
    let address = "postgres://127.0.0.1:1/x?sslmode=verify-full";
    let installation = Installation::new().with("DATABASE_URL", address).with("SECRET_KEY", "x".repeat(32));
    let said = installation.run(&["migrate"]);
    let line = only_line(&said);
    // With TLS in the build it is only that nobody listens there.
    assert!(
        line.contains(if cfg!(feature = "tls") { "cannot reach the database" } else { "--features tls" }),
        "{line}"
    );
}

#[test]
fn settings_are_read_from_the_env_file_and_the_environment_goes_before_it() {
    let installation = Installation::new().with("POSTING_THREADS", "2");
    let set = |text: &str| fs::write(installation.folder().join(".env"), text).unwrap();
    set("# ours\nPOSTING_THREADS=99\nexport LOG_LEVEL=\"warn\"\nPOSTING_BATCH_MAX='0'\n");
    let said = installation.run(&["migrate"]);
    assert!(only_line(&said).contains("POSTING_BATCH_MAX"), "{said:?}");
    set("POSTING_THREADS=99\nSECRET_KEY=\"tooth-walrus\n");
    let said = installation.run(&["migrate"]);
    let line = only_line(&said);
    assert!(line.contains(".env cannot be read") && !line.contains("tooth-walrus"), "{line}");
    assert!(!installation.data().exists());
}

#[test]
fn the_env_file_of_another_folder_does_not_count() {
    let installation = Installation::new();
    fs::write(installation.folder().join(".env"), "POSTING_BATCH_MAX=0\nDATABASE_URL=nonsense\n").unwrap();
    let below = installation.folder().join("running");
    // Refused for what comes behind the configuration.
    let mut command = installation.command(&["admin", "create", "--username", "not a name", "--password-stdin"]);
    let output = command.current_dir(below).stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("letters") && !said.contains("POSTING_BATCH_MAX"), "{said}");
}

#[test]
fn verify_finds_damage_and_says_which_promise_is_broken() {
    let installation = Installation::new().with("DEMO_PASSWORD", PASSWORD);
    assert_eq!(installation.run(&["seed", "--demo"]).code, Some(0));
    let said = installation.run(&["verify"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(
        said.stdout.lines().any(|line| line.starts_with("ok ")) && !said.stdout.contains("WRONG"),
        "{}",
        said.stdout
    );
    let running = installation.serve(&[]);
    let mut conn = installation.connect();
    // As nobody could who is bound by the triggers.
    conn.batch_execute("set session_replication_role = replica; update wallets set balance = balance + 1 where id = 1")
        .unwrap();
    let damaged = installation.run(&["verify"]);
    assert_eq!(damaged.code, Some(1), "{damaged:?}");
    let wrong: Vec<&str> = damaged.stdout.lines().filter(|line| line.starts_with("WRONG")).collect();
    assert!(
        wrong.iter().any(|line| line.contains("The balance of every wallet is the sum of its entries")),
        "{wrong:?}"
    );
    assert!(damaged.stdout.contains("The books are wrong."), "{}", damaged.stdout);
    conn.batch_execute("update wallets set balance = balance - 1 where id = 1").unwrap();
    assert_eq!(installation.run(&["verify"]).code, Some(0));
    running.stop();
}

/// The log's lines, each of which must be a JSON object.
fn json_lines(log: &str) -> Vec<Value> {
    let parse = |line: &str| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    let lines: Vec<Value> = log.lines().map(parse).collect();
    assert!(lines.iter().all(Value::is_object));
    lines
}

#[actix_web::test]
async fn the_log_has_a_line_per_request_and_never_a_secret() {
    let installation = Installation::new().with("LOG_FORMAT", "json").with("LOG_LEVEL", "trace");
    let running = installation.serve(&[]);
    let passwords = shown_passwords(&running.greeting());
    let base = installation.url();
    let (name, password) = &passwords[1];
    let browser = support::web::browser();
    let form = send(browser.get(format!("{base}/login"))).await.text().await.unwrap();
    let token = support::web::value(&form, "csrf_token").unwrap();
    let fields = [("login", name.as_str()), ("password", password), ("csrf_token", &token)];
    let answer = send(browser.post(format!("{base}/login")).form(&fields)).await;
    let cookie = answer.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
    assert_eq!(answer.status(), 303);
    send(browser.get(format!("{base}/?secret=in-the-query"))).await;

    let login = json!({"login": name, "password": password});
    let tokens: Value =
        send(Client::new().post(format!("{base}/api/v1/auth/login")).json(&login)).await.json().await.unwrap();
    let refresh = json!({"refresh_token": tokens["refresh_token"]});
    let renewed: Value =
        send(Client::new().post(format!("{base}/api/v1/auth/refresh")).json(&refresh)).await.json().await.unwrap();
    let wrong = json!({"login": name, "password": "a-wrong-password"});
    send(Client::new().post(format!("{base}/api/v1/auth/login")).json(&wrong)).await;
    let found = Client::new().get(format!("{base}/api/v1/assets?q=in-the-query")).header("x-request-id", "who-am-i");
    assert_eq!(send(found.bearer_auth(text(&renewed["access_token"]))).await.status(), 200);
    let api = |path: &str| format!("{base}/api/v1{path}");
    let make = Client::new().post(api("/me/api-keys")).bearer_auth(text(&renewed["access_token"]));
    let made: Value = send(make.json(&json!({"name": "log reader"}))).await.json().await.unwrap();
    let api_key = text(&made["secret"]);
    assert_eq!(send(Client::new().get(api("/me")).bearer_auth(&api_key)).await.status(), 200);
    let (most, last) = api_key.split_at(api_key.len() - 1);
    let forged = format!("{most}{}", if last == "A" { "Q" } else { "A" });
    send(Client::new().get(api("/me")).bearer_auth(&forged)).await;
    assert_eq!(send(Client::new().get(api("/me")).basic_auth(name, Some(password))).await.status(), 200);
    let basic = STANDARD.encode(format!("{name}:{password}"));
    let register = json!({"username": "log_reader", "password": "register-password"});
    assert_eq!(send(Client::new().post(format!("{base}/api/v1/auth/register")).json(&register)).await.status(), 201);
    assert_eq!(send(Client::new().get(format!("{base}/api/v1/nothing"))).await.status(), 404);
    let key = fs::read_to_string(installation.data().join("secret.key")).unwrap();
    let log = running.log();
    running.stop();

    let lines = json_lines(&log);
    let line = |id: &str| -> Vec<&Value> {
        lines.iter().filter(|line| line["request_id"] == id && line["target"] == "request").collect()
    };
    let [line] = line("who-am-i")[..] else { panic!("not one line: {log}") };
    assert_eq!(
        (&line["method"], &line["route"], &line["status"], &line["user"], &line["level"]),
        (&json!("GET"), &json!("/api/v1/assets"), &json!(200), &json!("user_alice"), &json!("INFO"))
    );
    assert!(line["duration_ms"].is_number() && line["timestamp"].is_string(), "{line}");
    let coded = lines.iter().filter(|line| line["target"] == "request" && line["code"].is_string());
    let codes: Vec<_> = coded.map(|line| (line["status"].as_u64().unwrap(), line["code"].as_str().unwrap())).collect();
    assert_eq!(codes, [(401, "invalid_credentials"), (401, "unauthenticated"), (404, "not_found")]);
    let requests = lines.iter().filter(|line| line["target"] == "request").count();
    assert_eq!(requests, 13, "one per request");
    let secrets = [
        password.as_str(),
        "a-wrong-password",
        "register-password",
        "in-the-query",
        key.trim(),
        api_key.rsplit('_').next().unwrap(),
        &forged,
        &basic,
        &cookie[7..],
        tokens["access_token"].as_str().unwrap(),
        tokens["refresh_token"].as_str().unwrap(),
        renewed["access_token"].as_str().unwrap(),
        renewed["refresh_token"].as_str().unwrap(),
        &token,
    ];
    for secret in secrets {
        assert!(secret.len() > 7, "{secret}");
        assert_eq!(log.lines().find(|line| line.contains(secret)), None);
    }
}

#[actix_web::test]
async fn a_folder_may_have_any_name_and_ctrl_c_leaves_nothing_behind() {
    let installation = Installation::named("the wallet's \"data\" für 金");
    let mut running = installation.serve(&[]);
    let alice = sign_in(&installation, "user_alice", &shown_passwords(&running.greeting())[1].1).await;
    assert_eq!(alice.balance("GOLD").await, "100.00");
    // A browser that keeps its connection open, and one that never says anything.
    let mut idle = TcpStream::connect(("127.0.0.1", installation.port())).unwrap();
    idle.write_all(b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    assert!(idle.read(&mut [0; 512]).unwrap() > 0);
    let _mute = TcpStream::connect(("127.0.0.1", installation.port())).unwrap();
    let server = installation.server_processes();
    assert!(!server.is_empty());
    running.signal(Signal::INT);
    assert_eq!(running.exit(Duration::from_secs(10)).code(), Some(0));
    assert!(server.iter().all(|pid| test_kill_process(*pid).is_err()), "no process of the server is left");
    assert!(!installation.data().join("postgres/postmaster.pid").exists());
    assert!(running.log().lines().all(|line| !line.contains(" ERROR ")), "{}", running.log());
}

#[test]
fn a_signal_in_the_middle_of_a_start_leaves_nothing_behind() {
    let installation = Installation::new();
    let mut running = installation.start(&[]);
    eventually("the server is being started", || installation.postmaster().is_some());
    let server = installation.postmaster().unwrap();
    running.signal(Signal::INT);
    assert_eq!(running.exit(Duration::from_secs(30)).code(), Some(0));
    assert!(test_kill_process(server).is_err(), "PostgreSQL runs on without Coffer");
}

#[actix_web::test]
async fn a_first_start_that_was_cut_off_is_made_up_for_by_the_next() {
    let installation = Installation::new();
    assert_eq!(installation.run(&["migrate"]).code, Some(0));
    // What a start leaves that is killed while it puts the demo data in: a user with a password
    // that nobody has seen.
    let cut_off =
        "insert into users (external_id, username, password_hash, role) values ('admin', 'admin', '', 'admin')";
    let program = installation.serve(&["serve", "--no-demo"]);
    installation.connect().batch_execute(cut_off).unwrap();
    program.kill();
    fs::remove_file(installation.data().join("first-start-is-over")).unwrap();

    let running = installation.serve(&[]);
    let passwords = shown_passwords(&running.greeting());
    is_demo(&installation, &passwords).await;
    running.stop();
    let running = installation.serve(&[]);
    assert!(shown_passwords(&running.greeting()).is_empty());
    running.stop();
}

#[test]
fn a_command_that_is_interrupted_takes_its_database_with_it() {
    let installation = Installation::new();
    let mut running = installation.start(&["migrate"]);
    eventually("the server is being started", || installation.postmaster().is_some());
    let server = installation.postmaster().unwrap();
    running.signal(Signal::INT);
    assert_eq!(running.exit(Duration::from_secs(30)).code(), Some(130));
    assert!(test_kill_process(server).is_err(), "PostgreSQL runs on without Coffer");
}

#[test]
fn the_readme_lists_every_variable() {
    let readme = fs::read_to_string("README.md").expect("README.md");
    let section = readme.split("\n## ").find(|section| section.starts_with("Configuration")).expect("## Configuration");
    let listed: Vec<&str> =
        section.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`')).map(|(name, _)| name).collect();
    assert_eq!(listed.iter().copied().collect::<BTreeSet<_>>(), VARIABLES.iter().copied().collect());
    assert_eq!(listed.len(), VARIABLES.len(), "none twice");
}

#[test]
fn verify_makes_no_database_where_there_is_none() {
    let installation = Installation::new();
    let said = installation.run(&["verify"]);
    assert_eq!(said.code, Some(1));
    assert!(said.stderr.contains("there is no database"), "{}", said.stderr);
    assert!(!installation.data().join("postgres").exists());
}
