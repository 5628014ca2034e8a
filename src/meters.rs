//! What is counted and timed while Coffer runs, for `/metrics`. Every name stands here once.

use std::cell::RefCell;
use std::sync::OnceLock;
use std::time::Duration;

use foldhash::HashMap;
use metrics::{
    Counter, Gauge, Histogram, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram,
};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use metrics_process::Collector;

const BUILD: &str = "coffer_build_info";
const REQUESTS: &str = "coffer_http_requests_total";
const REQUEST_TIME: &str = "coffer_http_request_duration_seconds";
const REQUESTS_IN_FLIGHT: &str = "coffer_http_requests_in_flight";
const REQUESTS_TURNED_AWAY: &str = "coffer_http_requests_turned_away_total";
const RATE_LIMITED: &str = "coffer_rate_limited_total";
const BATCH_SIZE: &str = "coffer_posting_batch_commands";
const BATCH_TIME: &str = "coffer_posting_batch_duration_seconds";
const QUEUE_WAIT: &str = "coffer_posting_queue_wait_seconds";
const QUEUE_DEPTH: &str = "coffer_posting_queue_depth";
const COMMITS: &str = "coffer_posting_commits_total";
const RETRIES: &str = "coffer_posting_retries_total";
const CLAIMS: &str = "coffer_claims_total";
const POOL: &str = "coffer_database_pool_connections";
const JOB_RUNS: &str = "coffer_job_runs_total";
const JOB_TIME: &str = "coffer_job_duration_seconds";
const JOB_LAST_RUN: &str = "coffer_job_last_run_timestamp_seconds";
const REDIS_UP: &str = "coffer_redis_up";
const REDIS_FALLBACKS: &str = "coffer_redis_fallbacks_total";
const REDIS_MISSES: &str = "coffer_redis_misses_total";

/// Bounds of buckets of times, in seconds.
const TIMES: [f64; 14] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// Bounds of buckets of how long jobs take, in seconds.
const LONG_TIMES: [f64; 8] = [0.01, 0.1, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0];

/// Bounds of buckets of how many commands a batch has.
const SIZES: [f64; 10] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 1000.0];

/// What has been measured in this process. Nothing is before [`install`], and nothing is lost then.
static MEASURED: OnceLock<Option<PrometheusHandle>> = OnceLock::new();

/// Begins to measure, once per process.
pub fn install() {
    MEASURED.get_or_init(|| {
        let built = PrometheusBuilder::new()
            .set_buckets(&TIMES)
            .and_then(|builder| builder.set_buckets_for_metric(Matcher::Full(JOB_TIME.to_owned()), &LONG_TIMES))
            .and_then(|builder| builder.set_buckets_for_metric(Matcher::Full(BATCH_SIZE.to_owned()), &SIZES));
        let handle = built.map_err(|error| error.to_string()).and_then(|builder| {
            let recorder = builder.build_recorder();
            let handle = recorder.handle();
            metrics::set_global_recorder(recorder).map(|()| handle).map_err(|error| error.to_string())
        });
        let handle = handle.inspect_err(|error| tracing::error!(error, "nothing is measured")).ok();
        describe();
        gauge!(BUILD, "version" => env!("CARGO_PKG_VERSION")).set(1.0);
        handle
    });
}

/// All that has been measured, as text for Prometheus (exposition format 0.0.4).
pub fn told() -> Option<String> {
    let handle = MEASURED.get()?.as_ref()?;
    Collector::default().collect();
    Some(handle.render())
}

/// Sums up what has been measured, so that it does not pile up where nobody asks for it.
pub fn sum_up() {
    if let Some(Some(handle)) = MEASURED.get() {
        handle.run_upkeep();
    }
}

fn describe() {
    describe_gauge!(BUILD, "The version that runs; always 1.");
    describe_counter!(REQUESTS, "Requests answered, by route and status.");
    describe_histogram!(REQUEST_TIME, "How long requests took, by route.");
    describe_gauge!(REQUESTS_IN_FLIGHT, "Requests that are being worked on.");
    describe_counter!(REQUESTS_TURNED_AWAY, "Requests that met too many others.");
    describe_counter!(RATE_LIMITED, "Requests over a limit, by the limit.");
    describe_histogram!(BATCH_SIZE, "How many commands were posted together.");
    describe_histogram!(BATCH_TIME, "How long a batch took, with all tries.");
    describe_histogram!(QUEUE_WAIT, "How long commands waited for their batch.");
    describe_gauge!(QUEUE_DEPTH, "Commands that wait for their batch.");
    describe_counter!(COMMITS, "Batches that wrote something.");
    describe_counter!(RETRIES, "Tries of a batch after the first.");
    describe_counter!(CLAIMS, "Claims, by what became of them.");
    describe_gauge!(POOL, "Connections of the pool, by whether they are in use.");
    describe_counter!(JOB_RUNS, "Runs of jobs, by how they ended.");
    describe_histogram!(JOB_TIME, "How long jobs took.");
    describe_gauge!(JOB_LAST_RUN, "When a job last ended well here; before that, when the process started.");
    describe_gauge!(REDIS_UP, "Whether Redis answers; there only where it is configured.");
    describe_counter!(REDIS_FALLBACKS, "How often Redis fell silent.");
    describe_counter!(
        REDIS_MISSES,
        "Questions that went without Redis's answer, since it came too late or not at all."
    );
    Collector::default().describe();
    // The first event of a counter that was not there before is no increase to Prometheus.
    for name in [REQUESTS_TURNED_AWAY, COMMITS, RETRIES] {
        counter!(name).absolute(0);
    }
}

/// The meters of one kind of answer.
struct Answers {
    method: &'static str,
    status: u16,
    count: Counter,
    time: Histogram,
}

thread_local! {
    /// Those of each route that this thread has served: to find them anew costs more than to use them.
    static ANSWERS: RefCell<HashMap<&'static str, Vec<Answers>>> = RefCell::default();
}

/// A request was answered. `route` is its pattern, not what stood in its place.
pub fn request(method: &str, route: &'static str, status: u16, took: Duration) {
    let method = known(method);
    ANSWERS.with_borrow_mut(|answers| {
        let of_route = answers.get(route).and_then(|all| all.iter().find(|a| a.method == method && a.status == status));
        if let Some(known) = of_route {
            known.count.increment(1);
            known.time.record(took);
            return;
        }
        let count = counter!(REQUESTS, "method" => method, "route" => route, "status" => status.to_string());
        let time = histogram!(REQUEST_TIME, "method" => method, "route" => route);
        count.increment(1);
        time.record(took);
        answers.entry(route).or_default().push(Answers { method, status, count, time });
    });
}

/// A method that can be in the table of routes: whoever asks may make up others.
fn known(method: &str) -> &'static str {
    ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"].into_iter().find(|known| *known == method).unwrap_or("other")
}

/// So many requests are being worked on.
pub fn requests_in_flight(requests: usize) {
    gauge!(REQUESTS_IN_FLIGHT).set(whole(requests));
}

/// A number of things, which are never so many that a float could not tell.
fn whole(number: usize) -> f64 {
    f64::from(u32::try_from(number).unwrap_or(u32::MAX))
}

/// A request met too many others.
pub fn turned_away() {
    counter!(REQUESTS_TURNED_AWAY).increment(1);
}

/// There is a limit that requests may be over.
pub fn has_limit(limit: &'static str) {
    counter!(RATE_LIMITED, "class" => limit).absolute(0);
}

/// A request was over a limit.
pub fn rate_limited(limit: &'static str) {
    counter!(RATE_LIMITED, "class" => limit).increment(1);
}

/// A batch was seen through.
pub fn batch(commands: usize, took: Duration) {
    histogram!(BATCH_SIZE).record(whole(commands));
    histogram!(BATCH_TIME).record(took);
}

/// What is measured of those who wait for a batch in one lane.
#[derive(Clone)]
pub struct Waiting {
    depth: Gauge,
    wait: Histogram,
}

impl Waiting {
    /// In this lane.
    pub fn in_lane(lane: i16) -> Self {
        Self { depth: gauge!(QUEUE_DEPTH, "lane" => lane.to_string()), wait: histogram!(QUEUE_WAIT) }
    }

    /// So many commands wait.
    pub fn depth(&self, commands: usize) {
        self.depth.set(whole(commands));
    }

    /// Commands waited for their batch.
    pub fn waited(&self, wait: Duration) {
        self.wait.record(wait);
    }
}

/// A batch was committed.
pub fn committed() {
    counter!(COMMITS).increment(1);
}

/// A batch is tried again.
pub fn retried() {
    counter!(RETRIES).increment(1);
}

/// The number of claims that were answered in one way.
pub fn claims(outcome: &'static str) -> Counter {
    counter!(CLAIMS, "outcome" => outcome)
}

/// How the pool is used.
pub fn pool(connections: u32, idle: u32) {
    gauge!(POOL, "state" => "idle").set(f64::from(idle));
    gauge!(POOL, "state" => "busy").set(f64::from(connections.saturating_sub(idle)));
}

/// There is a job that may end in one of these ways. It counts as late from `since` on, in seconds since
/// 1970, until it has ended well.
pub fn has_job(name: &'static str, statuses: &[&'static str], since: Option<u32>) {
    for status in statuses {
        counter!(JOB_RUNS, "task" => name, "status" => *status).absolute(0);
    }
    last_ended_well(name, since);
}

/// A job ended; `ended_well` is when, in seconds since 1970, where it did.
pub fn job(name: &'static str, status: &'static str, took: Duration, ended_well: Option<u32>) {
    counter!(JOB_RUNS, "task" => name, "status" => status).increment(1);
    histogram!(JOB_TIME, "task" => name).record(took);
    last_ended_well(name, ended_well);
}

fn last_ended_well(name: &'static str, time: Option<u32>) {
    if let Some(time) = time {
        gauge!(JOB_LAST_RUN, "task" => name).set(f64::from(time));
    }
}

/// Whether Redis answers.
pub fn redis_answers(answers: bool) {
    gauge!(REDIS_UP).set(f64::from(u8::from(answers)));
    counter!(REDIS_FALLBACKS).absolute(0);
    counter!(REDIS_MISSES).absolute(0);
}

/// A question went without Redis's answer.
pub fn redis_missed() {
    counter!(REDIS_MISSES).increment(1);
}

/// Redis stopped answering.
pub fn redis_fell_silent() {
    counter!(REDIS_FALLBACKS).increment(1);
}
