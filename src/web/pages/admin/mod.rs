//! The pages of admins.

pub mod assets;
pub mod new_assets;
pub mod overview;
