//! The HTML pages: handlers, each with its page's template struct beside it.

pub mod error;
pub mod landing;
pub mod session;
