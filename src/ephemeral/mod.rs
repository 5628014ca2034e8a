//! State that may be lost at any moment, and harms nobody when it is: who has failed how often, and
//! which passwords have been checked a moment ago.

mod proofs;
mod throttle;
mod turns;

pub use proofs::PasswordProofs;
pub use throttle::{Throttle, Throttles};
pub use turns::Turns;
