//! The JSON API: handlers and their DTOs, one file per noun.

pub mod accounts;
pub mod amount;
pub mod system;
