//! HAProxy as a deployment has it, before two instances.

#![allow(dead_code, reason = "each test binary uses a part of it")]
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a failing test fails loudly")]

use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

use super::program::free_port;

/// The proxy of `deploy/haproxy.cfg`. Dropping it ends it.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    process: Child,
}

impl Proxy {
    /// The proxy before instances at these ports.
    pub fn before(instances: [u16; 2]) -> Self {
        let (port, admin) = (free_port(), free_port());
        let [one, other] = instances;
        // A shell that outlives the test ends it when the test's end of the pipe closes.
        let watched = r#"haproxy -db -f "$1" >/dev/null 2>&1 & read -r _; kill -KILL $!"#;
        let process = Command::new("sh")
            .args(["-c", watched, "haproxy", concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/haproxy.cfg")])
            .env("COFFER_LISTEN", format!("127.0.0.1:{port}"))
            .env("COFFER_1", format!("127.0.0.1:{one}"))
            .env("COFFER_2", format!("127.0.0.1:{other}"))
            .env("COFFER_ADMIN", format!("ipv4@127.0.0.1:{admin}"))
            .stdin(Stdio::piped())
            .process_group(0)
            .spawn()
            .expect("sh runs");
        Self { port, process }
    }

    /// Where clients come in.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}
