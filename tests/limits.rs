//! What keeps one caller from being too much: limits of how often, bounds of how many at once and how
//! slowly, and who may see what is measured.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::unwrap_used, reason = "a failing test fails loudly")]

mod support;

#[path = "limits/crowds.rs"]
mod crowds;
#[path = "limits/metrics.rs"]
mod metrics;
#[path = "limits/rates.rs"]
mod rates;
#[path = "limits/times.rs"]
mod times;
