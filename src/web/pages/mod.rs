//! The HTML pages: handlers, each with its page's template struct beside it.

pub mod activity;
pub mod admin;
mod cards;
mod charts;
pub mod claims;
pub mod credits;
mod device;
pub mod error;
pub mod landing;
mod list;
pub mod movements;
mod parts;
pub mod receipt;
pub mod session;
pub mod settings;
pub mod statement;
pub mod transaction;
pub mod verify;
pub mod wallet;
