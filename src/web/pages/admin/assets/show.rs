//! One credit and its life.

use actix_web::HttpResponse;
use actix_web::web::Data;
use askama::Template;
use chrono::{DateTime, Utc};

use crate::domain::{AssetId, AssetStatus};
use crate::error::Result;
use crate::repo::Db;
use crate::repo::assets::{self, Ownership};
use crate::web::auth::Admin;
use crate::web::extract::{Now, PathOf};
use crate::web::pages::admin::deeds::Deed;
use crate::web::pages::parts::{Coin, kind_word, status_tone, status_word};
use crate::web::view::{self, Chrome, Moment, grouped};

#[derive(Template)]
#[template(path = "admin/asset.html")]
struct AssetPage {
    chrome: Chrome,
    id: i64,
    title: String,
    description: String,
    status: &'static str,
    status_tone: &'static str,
    amount: String,
    asset_type: String,
    initial: String,
    hue: u32,
    code: String,
    kind: &'static str,
    campaign: Option<i64>,
    expires_at: Option<Moment>,
    created_at: Moment,
    version: i64,
    recreated_from: Option<i64>,
    recreated_as: Option<i64>,
    owner: Option<Owner>,
    can: Can,
    life: Vec<Deed>,
}

struct Owner {
    user: String,
    claimed_at: Moment,
    transaction: String,
}

/// What can be done to it now.
struct Can {
    be_edited: bool,
    expire: bool,
    be_deleted: bool,
    be_recreated: bool,
}

/// Its life, newest first: what admins did, and what happened to it.
fn life(ownership: &Ownership, successor: Option<&Ownership>, now: DateTime<Utc>) -> Vec<Deed> {
    let asset = &ownership.view.asset;
    let event = |text: String, (icon, tone), actor: &str, at| Deed {
        text,
        href: None,
        icon,
        tone,
        actor: actor.to_owned(),
        at: Moment::from(at),
        reason: String::new(),
        changes: Vec::new(),
    };
    let mut life: Vec<(DateTime<Utc>, Deed)> = ownership
        .actions
        .iter()
        .map(|line| (line.created_at, Deed { href: None, ..Deed::from(line.clone()) }))
        .collect();
    // What it was created as stands beside it, but for what was edited since, which says so itself.
    for (_, deed) in &mut life {
        deed.changes.retain(|change| change.before.is_some());
    }
    if let Some(claim) = &ownership.view.claim {
        let claimed = event("Claimed".to_owned(), ("user", "good"), &claim.user, claim.claimed_at);
        life.push((claim.claimed_at, Deed { href: Some(format!("/admin/users/{}", claim.user)), ..claimed }));
    }
    if let Some(successor) = successor {
        let (id, at) = (successor.view.asset.id, successor.view.asset.created_at);
        let line = successor.actions.iter().find(|line| line.action == "asset.recreate");
        let actor = line.and_then(|line| line.actor.as_deref()).unwrap_or("Coffer");
        let recreated = event(format!("Recreated as credit {id}"), ("refresh-cw", "accent"), actor, at);
        let reason = line.map(|line| line.reason.clone()).unwrap_or_default();
        life.push((at, Deed { href: Some(format!("/admin/assets/{id}")), reason, ..recreated }));
    }
    let was_expired = ownership.actions.iter().any(|line| line.action == "asset.expire");
    if let Some(at) = asset.expires_at.filter(|at| asset.status == AssetStatus::Expired && *at <= now && !was_expired) {
        life.push((at, event("Ran out".to_owned(), ("timer-off", "warn"), "Coffer", at)));
    }
    if !ownership.actions.iter().any(|line| matches!(line.action.as_str(), "asset.create" | "asset.recreate")) {
        let at = asset.created_at;
        life.push((at, event("Created".to_owned(), ("circle-plus", "accent"), "Coffer", at)));
    }
    life.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
    life.into_iter().map(|(_, deed)| deed).collect()
}

/// `GET /admin/assets/{id}`
///
/// # Errors
/// [`crate::error::Refusal::AssetNotFound`] and those of the database.
pub async fn show(_: Admin, id: PathOf<AssetId>, chrome: Chrome, now: Now, db: Data<Db>) -> Result<HttpResponse> {
    let (ownership, successor) = db
        .run(move |conn| {
            let ownership = assets::ownership(conn, id.0, now.0)?;
            let successor = ownership.recreated_as.map(|id| assets::ownership(conn, id, now.0)).transpose()?;
            Ok((ownership, successor))
        })
        .await?;
    let life = life(&ownership, successor.as_ref(), now.0);
    let Ownership { view, recreated_as, .. } = ownership;
    let (asset, claim) = (view.asset, view.claim);
    let Coin { initial, hue } = Coin::of(&asset.asset_type);
    let is_free = recreated_as.is_none();
    view::page(&AssetPage {
        chrome,
        can: Can {
            be_edited: asset.status != AssetStatus::Claimed,
            expire: asset.status == AssetStatus::Available,
            be_deleted: asset.status != AssetStatus::Claimed && is_free,
            be_recreated: asset.status == AssetStatus::Expired && is_free,
        },
        id: asset.id.0,
        status: status_word(asset.status),
        status_tone: status_tone(asset.status),
        amount: grouped(&asset.amount.at_scale(view.scale.0)),
        asset_type: asset.asset_type.to_string(),
        initial,
        hue,
        title: asset.title,
        description: asset.description,
        code: asset.code,
        kind: kind_word(asset.kind),
        campaign: asset.campaign_id.map(|id| id.0),
        expires_at: asset.expires_at.map(Moment::from),
        created_at: asset.created_at.into(),
        version: asset.version,
        recreated_from: asset.recreated_from.map(|id| id.0),
        recreated_as: recreated_as.map(|id| id.0),
        owner: claim.map(|claim| Owner {
            user: claim.user,
            claimed_at: claim.claimed_at.into(),
            transaction: claim.transaction.to_string(),
        }),
        life,
    })
}
