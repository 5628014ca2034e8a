//! What the tests share.

pub mod books;
pub mod cluster;
pub mod histories;
pub mod web;
