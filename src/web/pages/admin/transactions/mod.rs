//! Movements of value in the hands of admins: the list, one of them, and how they make and take back
//! some.

pub mod list;
pub mod new;
pub mod reverse;
pub mod show;

use serde::Serialize;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::domain::posting::Idempotency;
use crate::error::{Error, FieldError, Refusal, Result};

/// What makes a form one movement, however often it is sent. What it says belongs to the key, so that
/// whoever goes back and changes it makes another one.
fn idempotency(form_key: Uuid, content: &impl Serialize) -> Result<Idempotency> {
    let request_hash: [u8; 32] = Sha256::digest(serde_json::to_vec(content).map_err(Error::broken)?).into();
    let of_content: String = request_hash.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    Ok(Idempotency { key: format!("form-{form_key}-{of_content}"), item: 0, request_hash })
}

/// What is wrong with which field; what no field is to blame for stays an error.
fn faults(error: Error) -> Result<Vec<FieldError>> {
    match error {
        Error::Invalid(errors) => Ok(errors),
        Error::Refused(refusal) => {
            let field = match refusal {
                Refusal::UserNotFound | Refusal::WalletFrozen => "user",
                Refusal::AssetTypeNotFound(_) => {
                    return Ok(vec![FieldError::new("asset_type", "Choose an asset type.")]);
                }
                Refusal::InvalidAmount(_) | Refusal::InsufficientFunds { .. } | Refusal::BalanceLimit => "amount",
                other => return Err(other.into()),
            };
            Ok(vec![FieldError::new(field, refusal.to_string())])
        }
        error => Err(error),
    }
}
