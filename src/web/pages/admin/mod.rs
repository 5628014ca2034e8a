//! The pages of admins.

pub mod assets;
mod deeds;
pub mod new_assets;
pub mod overview;
mod review;
