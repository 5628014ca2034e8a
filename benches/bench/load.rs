//! The load generator: keep-alive connections on one thread of this process, each with one request
//! on its way at a time, for as long as a run lasts.

use std::cell::Cell;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::process::{Cpu, Watched};
use super::wire;

/// The request of this number, from 0, that a connection sends next; none ends its part of the run.
pub type Next<'a> = &'a dyn Fn(usize) -> Option<String>;

/// A load.
pub struct Load<'a> {
    /// Host and port.
    pub address: &'a str,
    /// How many connections send requests at once.
    pub connections: usize,
    /// How long they go on.
    pub lasting: Duration,
    /// What each request counts as.
    pub operations_per_request: usize,
    /// The requests.
    pub next: Next<'a>,
    /// The statuses that are right answers. All others end the program.
    pub right: &'a [u16],
    /// Whose CPU time and memory are looked at.
    pub watched: Watched,
}

/// What came of a run.
#[derive(Debug, Clone, Copy)]
pub struct Run {
    /// Operations per second.
    pub rate: f64,
    /// The median latency of a request, in milliseconds.
    pub p50: f64,
    /// What 99 of 100 requests are answered within, in milliseconds.
    pub p99: Option<f64>,
    /// CPU time per operation, in microseconds (not seconds).
    pub cpu: Cpu,
    /// How many commands were posted together, on average.
    pub batch: Option<f64>,
    /// The most memory of the server that was seen, in MB.
    pub memory: f64,
}

impl Load<'_> {
    /// Runs it.
    pub fn run(&self) -> Run {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            // All are there before the first request goes out.
            let streams = (0..self.connections).map(|_| tokio::net::TcpStream::connect(self.address));
            let streams = futures::future::try_join_all(streams).await.expect("the server takes connections");
            let before = self.watched.cpu();
            let (started, count, open) = (Instant::now(), Cell::new(0), Cell::new(self.connections));
            let workers = streams.into_iter().map(|stream| {
                let latencies = self.worker(stream, started, &count);
                let open = &open;
                async move {
                    let latencies = latencies.await;
                    open.set(open.get() - 1);
                    latencies
                }
            });
            let (latencies, memory) = futures::join!(futures::future::join_all(workers), self.memory(&open));
            let seconds = started.elapsed().as_secs_f64();
            let cpu = self.watched.cpu().since(before);
            summary(latencies.concat(), seconds, self.operations_per_request, cpu, memory)
        })
    }

    /// Sends requests one after the other until the time is over; gives their latencies in
    /// microseconds.
    async fn worker(&self, mut stream: tokio::net::TcpStream, started: Instant, count: &Cell<usize>) -> Vec<u32> {
        stream.set_nodelay(true).unwrap();
        let (mut latencies, mut buffer) = (Vec::new(), Vec::with_capacity(4096));
        while started.elapsed() < self.lasting {
            let Some(request) = (self.next)(count.replace(count.get() + 1)) else { break };
            let sent = Instant::now();
            stream.write_all(request.as_bytes()).await.unwrap();
            buffer.clear();
            let status = loop {
                assert!(stream.read_buf(&mut buffer).await.unwrap() > 0, "the server hung up");
                if let Some((status, _)) = wire::answer(&buffer) {
                    break status;
                }
            };
            assert!(self.right.contains(&status), "{request}\n{}", String::from_utf8_lossy(&buffer));
            latencies.push(u32::try_from(sent.elapsed().as_micros()).unwrap_or(u32::MAX));
        }
        latencies
    }

    /// Looks at the server's memory until no connection is at work; gives the most that it saw.
    async fn memory(&self, open: &Cell<usize>) -> f64 {
        let mut most: f64 = 0.0;
        loop {
            most = most.max(self.watched.memory());
            if open.get() == 0 {
                return most;
            }
            tokio::time::sleep(Duration::from_millis(100).min(self.lasting / 4)).await;
        }
    }
}

fn summary(mut latencies: Vec<u32>, seconds: f64, operations_per_request: usize, cpu: Cpu, memory: f64) -> Run {
    assert!(!latencies.is_empty(), "not one request was answered");
    latencies.sort_unstable();
    let at = |share: f64| f64::from(latencies[(share * (latencies.len() - 1) as f64) as usize]) / 1000.0;
    let operations = (latencies.len() * operations_per_request) as f64;
    let each = |seconds: f64| seconds * 1e6 / operations;
    Run {
        rate: operations / seconds,
        p50: at(0.5),
        p99: Some(at(0.99)),
        cpu: Cpu { client: each(cpu.client), server: each(cpu.server), postgres: each(cpu.postgres) },
        batch: None,
        memory,
    }
}
