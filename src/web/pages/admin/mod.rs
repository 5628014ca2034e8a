//! The pages of admins.

pub mod assets;
mod deeds;
pub mod jobs;
pub mod ledger;
pub mod new_assets;
pub mod overview;
mod review;
