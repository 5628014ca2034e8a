//! Movements of value in the hands of admins: the list, one of them, and how they make and take back
//! some.

pub mod list;
pub mod new;
pub mod reverse;
pub mod show;

use crate::error::{Error, FieldError, Refusal, Result};

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
