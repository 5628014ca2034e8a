//! The change of one credit, which notices when somebody else was faster.

use actix_session::Session;
use actix_web::HttpResponse;
use actix_web::web::Data;
use askama::Template;
use serde::Deserialize;

use super::new::{Choosable, campaign, time, written};
use crate::domain::{Amount, Asset, AssetId, AssetKind, AssetStatus, AssetTypeCode, Scale};
use crate::error::{Error, FieldError, Refusal, Result};
use crate::repo::Db;
use crate::repo::assets::{self, AssetChange, Ownership};
use crate::web::auth::{Admin, By, CsrfForm};
use crate::web::extract::{Now, PathOf};
use crate::web::kept::KeptForm;
use crate::web::pages::list::{self, SelectField};
use crate::web::pages::parts::kind_word;
use crate::web::view::{self, Chrome, Field, Flash};

/// The fields in the order of the page, which is the order of the messages above it.
const FIELDS: [&str; 7] = ["title", "description", "kind", "asset_type", "amount", "campaign_id", "expires_at"];

#[derive(Template)]
#[template(path = "admin/asset_edit.html")]
struct EditPage {
    chrome: Chrome,
    id: i64,
    name: String,
    version: i64,
    errors: Vec<FieldError>,
    /// What somebody else has made of it since the form was opened.
    conflict: Option<Conflict>,
    title: Field,
    description: Field,
    kind: SelectField,
    asset_type: SelectField,
    amount: Field,
    campaign_id: SelectField,
    expires_at: Field,
}

struct Conflict {
    by: String,
    /// Name of the field, what it is now, and what this form says.
    fields: Vec<(&'static str, String, String)>,
}

/// The form, as it was filled in.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct EditForm {
    version: i64,
    title: String,
    description: String,
    kind: String,
    asset_type: String,
    amount: String,
    campaign_id: String,
    expires_at: String,
}

impl EditForm {
    fn of(asset: &Asset, scale: Scale) -> Self {
        Self {
            version: asset.version,
            title: asset.title.clone(),
            description: asset.description.clone(),
            kind: asset.kind.as_str().to_owned(),
            asset_type: asset.asset_type.to_string(),
            amount: asset.amount.at_scale(scale.0),
            campaign_id: asset.campaign_id.map(|id| id.to_string()).unwrap_or_default(),
            expires_at: written(asset.expires_at),
        }
    }

    /// What is asked for, or everything that is wrong with it. A time that the form shows to the
    /// second is the asset's own as long as nobody changes it.
    fn parse(&self, current: &Asset) -> std::result::Result<AssetChange, Vec<FieldError>> {
        let mut errors = Vec::new();
        let mut note = |field: &'static str, words: String| errors.push(FieldError::new(field, words));
        let kind = self.kind.parse::<AssetKind>().map_err(|_| note("kind", "Choose a kind.".to_owned()));
        let asset_type =
            AssetTypeCode::parse(&self.asset_type).map_err(|_| note("asset_type", "Choose an asset type.".to_owned()));
        let amount = Amount::parse(self.amount.trim()).map_err(|refusal| note("amount", refusal.to_string()));
        let expires_at = time(&self.expires_at)
            .map_err(|()| note("expires_at", "Write a day and a time, such as 2026-12-31T23:59.".to_owned()));
        let is_untouched = written(current.expires_at) == self.expires_at;
        let campaign_id = campaign(&self.campaign_id).map_err(|error| errors.push(error));
        match (kind, asset_type, amount, expires_at, campaign_id) {
            (Ok(kind), Ok(asset_type), Ok(amount), Ok(expires_at), Ok(campaign_id)) => Ok(AssetChange {
                title: Some(self.title.clone()),
                description: Some(self.description.clone()),
                kind: Some(kind),
                asset_type: Some(asset_type),
                amount: Some(amount),
                expires_at: (!is_untouched).then_some(expires_at),
                campaign_id: Some(campaign_id),
            }),
            _ => Err(errors),
        }
    }

    /// The fields, with their names, in the order of the page.
    fn shown(&self) -> [(&'static str, &str); 7] {
        [
            ("Title", &self.title),
            ("Description", &self.description),
            ("Kind", &self.kind),
            ("Asset type", &self.asset_type),
            ("Amount", &self.amount),
            ("Campaign", &self.campaign_id),
            ("Expires", &self.expires_at),
        ]
    }
}

impl EditPage {
    fn new(chrome: Chrome, asset: &Asset, form: &EditForm, known: &Choosable, mut errors: Vec<FieldError>) -> Self {
        errors.sort_by_key(|error| FIELDS.iter().position(|field| *field == error.field));
        let field = |name: &str, value: &str| Field::new(name, value, &errors);
        let kinds = AssetKind::ALL.iter().map(|&kind| (kind, kind_word(kind).to_owned()));
        Self {
            chrome,
            id: asset.id.0,
            name: asset.title.clone(),
            version: form.version,
            conflict: None,
            title: field("title", &form.title),
            description: field("description", &form.description),
            kind: SelectField {
                choices: list::choices("Choose a kind", kinds, &form.kind),
                error: field("kind", "").error,
            },
            asset_type: SelectField {
                choices: list::asset_type_choices("Choose an asset type", &known.asset_types, &form.asset_type),
                error: field("asset_type", "").error,
            },
            amount: field("amount", &form.amount),
            campaign_id: SelectField {
                choices: list::campaign_choices("No campaign", &known.campaigns, &form.campaign_id),
                error: field("campaign_id", "").error,
            },
            expires_at: field("expires_at", &form.expires_at),
            errors,
        }
    }
}

async fn look(db: &Db, id: AssetId, now: Now) -> Result<(Ownership, Choosable)> {
    let ownership = db.run(move |conn| assets::ownership(conn, id, now.0)).await?;
    Ok((ownership, Choosable::now(db, now).await?))
}

/// Who changed the credit last: an admin, or the job that lets it run out.
fn changed_by(ownership: &Ownership) -> String {
    let Asset { status, expires_at, .. } = ownership.view.asset;
    let line = ownership.actions.first();
    let ran_out = status == AssetStatus::Expired && line.is_none_or(|line| Some(line.created_at) < expires_at);
    line.filter(|_| !ran_out).and_then(|line| line.actor.clone()).unwrap_or_else(|| "Coffer".to_owned())
}

/// Back to the credit, since a claimed one stays as it is.
fn immutable(cookie: &Session, id: AssetId) -> Result<HttpResponse> {
    Flash::warn(Refusal::AssetImmutable.to_string()).leave(cookie)?;
    Ok(view::see_other(&format!("/admin/assets/{id}")))
}

/// `GET /admin/assets/{id}/edit`
///
/// # Errors
/// [`Refusal::AssetNotFound`] and those of the database.
pub async fn form(
    _: Admin,
    id: PathOf<AssetId>,
    kept: KeptForm<EditForm>,
    chrome: Chrome,
    cookie: Session,
    now: Now,
    db: Data<Db>,
) -> Result<HttpResponse> {
    let (ownership, known) = look(&db, id.0, now).await?;
    let asset = &ownership.view.asset;
    if asset.status == AssetStatus::Claimed {
        return immutable(&cookie, id.0);
    }
    let form = kept.0.unwrap_or_else(|| EditForm::of(asset, ownership.view.scale));
    view::page(&EditPage::new(chrome, asset, &form, &known, Vec::new()))
}

/// `POST /admin/assets/{id}/edit`
///
/// # Errors
/// [`Refusal::AssetNotFound`] and those of the database; what is wrong with the fields, and a change
/// that somebody else made meanwhile, brings the form back.
#[allow(clippy::too_many_arguments, reason = "each is an extractor")]
pub async fn save(
    _: Admin,
    by: By,
    id: PathOf<AssetId>,
    form: CsrfForm<EditForm>,
    chrome: Chrome,
    cookie: Session,
    now: Now,
    db: Data<Db>,
) -> Result<HttpResponse> {
    let (id, form) = (id.0, form.0);
    let (ownership, known) = look(&db, id, now).await?;
    let asset = &ownership.view.asset;
    let outcome = match form.parse(asset) {
        Ok(change) => {
            let version = form.version;
            db.run(move |conn| assets::edit(conn, &by.0, id, version, &change, now.0)).await
        }
        Err(errors) => Err(Error::Invalid(errors)),
    };
    let errors = match outcome {
        Ok(view) => {
            Flash::good(format!("“{}” is saved.", view.asset.title)).leave(&cookie)?;
            return Ok(view::see_other(&format!("/admin/assets/{id}")));
        }
        Err(Error::Refused(Refusal::AssetImmutable)) => return immutable(&cookie, id),
        Err(Error::Refused(Refusal::Changed)) => return stale(chrome, &form, &db, id, now).await,
        Err(Error::Invalid(errors)) => errors,
        Err(Error::Refused(Refusal::InvalidAmount(words))) => vec![FieldError::new("amount", words)],
        Err(Error::Refused(Refusal::AssetTypeNotFound(_))) => {
            vec![FieldError::new("asset_type", "Choose an asset type.")]
        }
        Err(error) => return Err(error),
    };
    view::invalid(&EditPage::new(chrome, asset, &form, &known, errors))
}

/// The form again, with what somebody else has made of the credit beside it. Sent once more, it
/// overwrites that knowingly.
async fn stale(chrome: Chrome, form: &EditForm, db: &Db, id: AssetId, now: Now) -> Result<HttpResponse> {
    let (ownership, known) = look(db, id, now).await?;
    let asset = &ownership.view.asset;
    let theirs = EditForm::of(asset, ownership.view.scale);
    let by = changed_by(&ownership);
    let differing = theirs.shown().into_iter().zip(form.shown()).filter(|((_, now), (_, mine))| now != mine);
    let or_nothing = |text: &str| if text.is_empty() { "–".to_owned() } else { text.to_owned() };
    let fields = differing.map(|((name, now), (_, mine))| (name, or_nothing(now), or_nothing(mine))).collect();
    let form = EditForm { version: theirs.version, ..form.clone() };
    let page = EditPage::new(chrome, asset, &form, &known, Vec::new());
    view::invalid(&EditPage { conflict: Some(Conflict { by, fields }), ..page })
}
