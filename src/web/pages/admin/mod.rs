//! The pages of admins.

pub mod assets;
mod deeds;
pub mod jobs;
pub mod ledger;
pub mod overview;
mod review;
