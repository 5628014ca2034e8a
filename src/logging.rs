//! Log lines: one JSON object each for machines, or readable for people, on standard error.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

use crate::config::LogFormat;
use crate::error::Fatal;

/// What nobody needs to read unless it is asked for: actix's words at its start, and its complaints
/// about what strangers send instead of HTTP, which anyone could fill the log with.
const QUIET: &str = "actix_server=warn,actix_http=off";

/// Starts writing log lines; `level` is in the syntax of tracing's `EnvFilter`. Once per process.
///
/// # Errors
/// Where the level cannot be read or log lines are being written already.
pub fn init(format: LogFormat, level: &str) -> Result<(), Fatal> {
    let filter: EnvFilter = format!("{QUIET},{level}")
        .parse()
        .map_err(|error| Fatal::new(format!("LOG_LEVEL must be error, warn, info, debug or trace: {error}")))?;
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match format {
        LogFormat::Json => lines.json().flatten_event(true).with_current_span(true).with_span_list(false).try_init(),
        LogFormat::Pretty => lines.with_ansi(std::io::stderr().is_terminal()).try_init(),
    }
    .map_err(|error| Fatal::new(format!("cannot write log lines: {error}")))
}
