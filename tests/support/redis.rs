//! A real Redis server that a test starts, freezes and stops.

#![allow(dead_code, reason = "each test binary uses a part of it")]
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a failing test fails loudly")]

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::program::{eventually, free_port};

/// A Redis server that keeps nothing. Dropping it ends it.
#[derive(Debug)]
pub struct RedisServer {
    port: u16,
    process: Option<Child>,
}

impl RedisServer {
    /// A server that answers.
    pub fn start() -> Self {
        let mut server = Self { port: free_port(), process: None };
        server.restart();
        server
    }

    /// Its address.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/0", self.port)
    }

    /// Starts it anew, empty, where it was before.
    pub fn restart(&mut self) {
        self.stop();
        // A shell that outlives the test ends it when the test's end of the pipe closes.
        let watched = r#"redis-server --port "$1" --bind 127.0.0.1 --save "" --appendonly no >/dev/null & read -r _; kill -KILL $!"#;
        let process = Command::new("sh")
            .args(["-c", watched, "redis"])
            .arg(self.port.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .process_group(0)
            .spawn()
            .expect("sh runs");
        self.process = Some(process);
        eventually("Redis answers", || self.ask("PING").is_some_and(|answer| answer == "+PONG"));
    }

    /// Ends it at once, as a crash does.
    pub fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            drop(process.stdin.take());
            process.wait().unwrap();
        }
    }

    /// Stops it in its tracks: its connections stay, and nothing answers.
    pub fn freeze(&self) {
        self.signal(Signal::STOP);
    }

    /// Lets it go on.
    pub fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        let shell = self.process.as_ref().expect("it runs").id();
        let children = std::fs::read_to_string(format!("/proc/{shell}/task/{shell}/children")).unwrap();
        let server = children.split_whitespace().next().and_then(|pid| pid.parse().ok()).and_then(Pid::from_raw);
        kill_process(server.expect("the server runs"), signal).unwrap();
    }

    /// The first line of its answer to an inline command.
    pub fn ask(&self, command: &str) -> Option<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
        write!(stream, "{command}\r\n").ok()?;
        let mut bytes = [0; 1024];
        let length = stream.read(&mut bytes).ok()?;
        let answer = String::from_utf8_lossy(bytes.get(..length)?).into_owned();
        // A text comes behind a line with its length.
        answer.lines().find(|line| !line.starts_with('$')).map(str::to_owned)
    }
}

/// A way to a Redis on which every answer takes a while.
#[derive(Debug)]
pub struct SlowWay {
    port: u16,
    delay_ms: Arc<AtomicU64>,
    connecting_ms: Arc<AtomicU64>,
}

impl SlowWay {
    /// A way that is as fast as any.
    pub fn to(server: &RedisServer) -> Self {
        let (listener, server) = (TcpListener::bind("127.0.0.1:0").unwrap(), server.port);
        let port = listener.local_addr().unwrap().port();
        let delay_ms = Arc::new(AtomicU64::new(0));
        let connecting_ms = Arc::new(AtomicU64::new(0));
        let (delay, connecting) = (Arc::clone(&delay_ms), Arc::clone(&connecting_ms));
        // It ends with the test's process.
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (delay, connecting) = (Arc::clone(&delay), Arc::clone(&connecting));
                std::thread::spawn(move || {
                    std::thread::sleep(Duration::from_millis(connecting.load(Ordering::Relaxed)));
                    let Ok(server) = TcpStream::connect(("127.0.0.1", server)) else { return };
                    let (from_client, to_server) = (client.try_clone().unwrap(), server.try_clone().unwrap());
                    std::thread::spawn(move || carry(from_client, to_server, &AtomicU64::new(0)));
                    carry(server, client, &delay);
                });
            }
        });
        Self { port, delay_ms, connecting_ms }
    }

    /// Its address.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/0", self.port)
    }

    /// Lets every answer take so long from now on.
    pub fn delay(&self, time: Duration) {
        self.delay_ms.store(u64::try_from(time.as_millis()).unwrap(), Ordering::Relaxed);
    }

    /// Lets the first answer on every new connection take so much longer from now on.
    pub fn delay_connecting(&self, time: Duration) {
        self.connecting_ms.store(u64::try_from(time.as_millis()).unwrap(), Ordering::Relaxed);
    }
}

/// Carries bytes one way, each piece after a while.
fn carry(mut from: TcpStream, mut to: TcpStream, delay_ms: &AtomicU64) {
    let mut bytes = [0; 4096];
    while let Ok(length @ 1..) = from.read(&mut bytes) {
        std::thread::sleep(Duration::from_millis(delay_ms.load(Ordering::Relaxed)));
        if to.write_all(bytes.get(..length).unwrap()).is_err() {
            return;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.stop();
    }
}
