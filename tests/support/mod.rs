//! What the tests share.

pub mod api;
pub mod cluster;
pub mod program;
pub mod web;
