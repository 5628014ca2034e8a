//! The pages of admins.

pub mod asset_types;
pub mod assets;
pub mod audit_log;
pub mod campaigns;
pub mod claims;
mod deeds;
pub mod entries;
pub mod jobs;
pub mod ledger;
pub mod overview;
mod review;
pub mod transactions;
pub mod user;
pub mod user_deeds;
pub mod users;
