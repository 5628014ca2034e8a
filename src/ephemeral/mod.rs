//! State that may be lost at any moment, and harms nobody when it is: who has asked or failed how
//! often, which passwords have been checked a moment ago, and, where there is Redis, what instances
//! share of it.

mod limit;
mod proofs;
mod rate;
mod redis;
mod throttle;
mod throttles;
mod turns;

pub use proofs::PasswordProofs;
pub use rate::{Rate, Standing};
pub use redis::{Held, Lock, Redis, within_budget};
pub use throttle::Throttle;
pub use throttles::{Class, Rates, Throttles};
pub use turns::Turns;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

/// A key as all instances write it: what people type is not kept.
fn shared_key(key: &str) -> String {
    let hash = Sha256::digest(key.as_bytes());
    URL_SAFE_NO_PAD.encode(hash.get(..16).unwrap_or_default())
}
