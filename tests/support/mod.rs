//! What the tests share.

pub mod api;
pub mod bank;
pub mod books;
pub mod browser;
pub mod cluster;
pub mod gallery;
pub mod histories;
pub mod program;
pub mod proxy;
pub mod redis;
pub mod schemathesis;
pub mod sights;
pub mod till;
pub mod web;
