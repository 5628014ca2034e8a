//! Who owns an asset, and how that came.

use actix_web::HttpResponse;
use actix_web::web::Data;
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use super::assets::AssetBody;
use super::transactions::TransactionBody;
use crate::domain::{AssetId, TransactionId};
use crate::error::Result;
use crate::repo::Db;
use crate::repo::assets::{self, Ownership, Viewer};
use crate::repo::audit;
use crate::web::auth::Admin;
use crate::web::extract::{Now, PathOf};

/// An asset's whole picture.
#[derive(Debug, Serialize, ToSchema)]
struct OwnershipBody {
    asset: AssetBody,
    /// Who owns it; null where nobody does.
    #[schema(required = true, examples("user_alice"))]
    owner: Option<String>,
    /// Its claim; null where there is none.
    #[schema(required = true)]
    claim: Option<OwnClaimBody>,
    /// The movement of its claim; null where there is none.
    #[schema(required = true)]
    transaction: Option<TransactionBody>,
    /// The asset that replaces it; null where there is none.
    #[schema(required = true)]
    recreated_as: Option<AssetId>,
    /// What admins did to it, newest first; the latest 200.
    actions: Vec<ActionBody>,
}

/// The claim of an asset.
#[derive(Debug, Serialize, ToSchema)]
struct OwnClaimBody {
    #[schema(examples("user_alice"))]
    user_id: String,
    claimed_at: DateTime<Utc>,
    transaction_id: TransactionId,
}

/// What an admin did.
#[derive(Debug, Serialize, ToSchema)]
struct ActionBody {
    id: i64,
    /// Who; null where Coffer itself or the command line did.
    #[schema(required = true, examples("root"))]
    actor: Option<String>,
    #[schema(examples("asset.edit"))]
    action: String,
    /// Why; empty where nobody said.
    #[schema(examples("Printed with a wrong date"))]
    reason: String,
    /// What it was before; null where it was not there.
    #[schema(value_type = Option<Object>, required = true)]
    before: Option<serde_json::Value>,
    /// What it was afterwards; null where it was gone.
    #[schema(value_type = Option<Object>, required = true)]
    after: Option<serde_json::Value>,
    request_id: String,
    created_at: DateTime<Utc>,
}

impl From<audit::Line> for ActionBody {
    fn from(line: audit::Line) -> Self {
        Self {
            id: line.id,
            actor: line.actor,
            action: line.action,
            reason: line.reason,
            before: line.before,
            after: line.after,
            request_id: line.request_id,
            created_at: line.created_at,
        }
    }
}

/// Shows who owns an asset
///
/// With its claim, the movement in the ledger, and every admin action on it.
///
/// # Errors
/// `not_found` where there is no such asset.
#[utoipa::path(
    get,
    path = "/api/v1/admin/assets/{id}/ownership",
    params(("id" = AssetId, Path)),
    responses((status = 200, description = "The asset's whole picture.", body = OwnershipBody))
)]
pub async fn show(_: Admin, id: PathOf<AssetId>, now: Now, db: Data<Db>) -> Result<HttpResponse> {
    let Ownership { view, transaction, recreated_as, actions } =
        db.run(move |conn| assets::ownership(conn, id.0, now.0)).await?;
    let claim = view.claim.as_ref().map(|claim| OwnClaimBody {
        user_id: claim.user.clone(),
        claimed_at: claim.claimed_at,
        transaction_id: claim.transaction,
    });
    Ok(HttpResponse::Ok().json(OwnershipBody {
        owner: view.claim.as_ref().map(|claim| claim.user.clone()),
        claim,
        asset: AssetBody::new(view, Viewer::Admin),
        transaction: transaction.map(|view| TransactionBody::new(view, Viewer::Admin)),
        recreated_as,
        actions: actions.into_iter().map(ActionBody::from).collect(),
    }))
}
