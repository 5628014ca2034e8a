//! Every page, in both themes, at a desk and on a phone: that everybody can use it, and that it is
//! quick to come.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::unwrap_used, reason = "a failing test fails loudly")]

mod support;

#[path = "accessibility/axe.rs"]
mod axe;
#[path = "accessibility/rare.rs"]
mod rare;
#[path = "accessibility/speed.rs"]
mod speed;
