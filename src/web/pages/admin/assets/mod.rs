//! Credits in the hands of admins: the list, one credit and its life, and what can be done to one or
//! to many.

pub mod edit;
pub mod import;
pub mod list;
pub mod lives;
pub mod new;
pub mod show;
