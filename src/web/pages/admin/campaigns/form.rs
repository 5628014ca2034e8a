//! The form of a campaign: a new one, or a change, which notices when somebody else was faster.

use actix_session::Session;
use actix_web::HttpResponse;
use actix_web::web::Data;
use askama::Template;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::domain::{Amount, AssetKind, AssetType, AssetTypeCode, CampaignId};
use crate::error::{Error, FieldError, Refusal, Result};
use crate::repo::audit::{self, LineFilter};
use crate::repo::campaigns::{self, CampaignChange, CampaignView, NewCampaign};
use crate::repo::{Db, PageRequest, asset_types};
use crate::web::auth::{Admin, By, CsrfForm, Keys};
use crate::web::extract::{Now, PathOf};
use crate::web::kept::KeptForm;
use crate::web::pages::admin::assets::new::{time, written};
use crate::web::pages::list::{self, SelectField};
use crate::web::pages::parts::{counted, kind_word};
use crate::web::view::{self, Chrome, Field, Flash};

/// The fields in the order of the page, which is the order of the messages above it.
const FIELDS: [&str; 9] =
    ["title", "description", "kind", "asset_type", "amount", "quantity", "per_user_limit", "starts_at", "ends_at"];

#[derive(Template)]
#[template(path = "admin/campaign_form.html")]
struct FormPage {
    chrome: Chrome,
    /// The campaign that is changed, and what it is called; none where it is a new one.
    changed: Option<(i64, String)>,
    /// What somebody else has made of it since the form was opened.
    conflict: Option<Conflict>,
    errors: Vec<FieldError>,
    idempotency_key: Uuid,
    version: i64,
    title: Field,
    description: Field,
    kind: SelectField,
    asset_type: SelectField,
    amount: Field,
    quantity: Field,
    quantity_shown: String,
    per_user_limit: Field,
    starts_at: Field,
    ends_at: Field,
}

struct Conflict {
    by: String,
    /// Name of the field, what it is now, and what this form says.
    fields: Vec<(&'static str, String, String)>,
}

/// The form, as it was filled in.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct CampaignForm {
    /// Made with the form, so that sending it twice creates once.
    idempotency_key: Uuid,
    version: i64,
    title: String,
    description: String,
    kind: String,
    asset_type: String,
    amount: String,
    quantity: String,
    /// How many there were when the form was opened.
    quantity_shown: String,
    per_user_limit: String,
    starts_at: String,
    ends_at: String,
}

/// What can be read of the fields, each by itself.
struct Read {
    kind: AssetKind,
    asset_type: AssetTypeCode,
    amount: Amount,
    starts_at: Option<DateTime<Utc>>,
    ends_at: Option<DateTime<Utc>>,
}

impl CampaignForm {
    fn blank() -> Self {
        let one = || "1".to_owned();
        Self { idempotency_key: Uuid::new_v4(), quantity: "100".to_owned(), per_user_limit: one(), ..Self::default() }
    }

    fn of(found: &CampaignView) -> Self {
        let campaign = &found.campaign;
        let counts = &found.counts;
        let quantity = (counts.available + counts.claimed + counts.expired).to_string();
        Self {
            idempotency_key: Uuid::nil(),
            version: campaign.version,
            title: campaign.title.clone(),
            description: campaign.description.clone(),
            kind: campaign.kind.to_string(),
            asset_type: campaign.asset_type.to_string(),
            amount: campaign.amount.at_scale(found.scale.0),
            quantity: quantity.clone(),
            quantity_shown: quantity,
            per_user_limit: campaign.per_user_limit.to_string(),
            starts_at: written(campaign.starts_at),
            ends_at: written(campaign.ends_at),
        }
    }

    fn read(&self) -> std::result::Result<Read, Vec<FieldError>> {
        let mut errors = Vec::new();
        let mut note = |field: &'static str, words: String| errors.push(FieldError::new(field, words));
        let kind = self.kind.parse::<AssetKind>().map_err(|_| note("kind", "Choose a kind.".to_owned()));
        let asset_type =
            AssetTypeCode::parse(&self.asset_type).map_err(|_| note("asset_type", "Choose an asset type.".to_owned()));
        let amount = Amount::parse(self.amount.trim()).map_err(|refusal| note("amount", refusal.to_string()));
        let mut moment = |field: &'static str, text: &str| {
            time(text).map_err(|()| note(field, "Write a day and a time, such as 2026-12-31T23:59.".to_owned()))
        };
        let (starts_at, ends_at) = (moment("starts_at", &self.starts_at), moment("ends_at", &self.ends_at));
        match (kind, asset_type, amount, starts_at, ends_at) {
            (Ok(kind), Ok(asset_type), Ok(amount), Ok(starts_at), Ok(ends_at)) => {
                Ok(Read { kind, asset_type, amount, starts_at, ends_at })
            }
            _ => Err(errors),
        }
    }

    /// The campaign that is asked for, or everything that is wrong with it. What is no number is out
    /// of range.
    fn new_campaign(&self, now: DateTime<Utc>) -> std::result::Result<NewCampaign, Vec<FieldError>> {
        let quantity = self.quantity.trim().parse().unwrap_or_default();
        let per_user_limit = self.per_user_limit.trim().parse().unwrap_or_default();
        let read = self.read();
        let times = read.as_ref().map_or((None, None), |read| (read.starts_at, read.ends_at));
        let faults = NewCampaign::faults(&self.title, &self.description, quantity, times, per_user_limit, now);
        match read {
            Ok(Read { kind, asset_type, amount, starts_at, ends_at }) if faults.is_empty() => Ok(NewCampaign {
                title: self.title.clone(),
                description: self.description.clone(),
                kind,
                asset_type,
                amount,
                quantity,
                starts_at,
                ends_at,
                per_user_limit,
            }),
            read => Err(read.err().unwrap_or_default().into_iter().chain(faults).collect()),
        }
    }

    /// The change that is asked for. A time that the form shows to the second is the campaign's own as
    /// long as nobody changes it.
    fn change(&self, found: &CampaignView) -> std::result::Result<CampaignChange, Vec<FieldError>> {
        let read = self.read()?;
        let campaign = &found.campaign;
        // Others may have added or deleted credits since the form was opened: only a number that was
        // written into it is wanted.
        let is_wanted = self.quantity.trim() != self.quantity_shown;
        let Ok(quantity) = self.quantity.trim().parse() else {
            return Err(vec![FieldError::new("quantity", "Write a whole number.")]);
        };
        Ok(CampaignChange {
            title: Some(self.title.clone()),
            description: Some(self.description.clone()),
            kind: Some(read.kind),
            asset_type: Some(read.asset_type),
            amount: Some(read.amount),
            starts_at: (written(campaign.starts_at) != self.starts_at).then_some(read.starts_at),
            ends_at: (written(campaign.ends_at) != self.ends_at).then_some(read.ends_at),
            per_user_limit: Some(self.per_user_limit.trim().parse().unwrap_or_default()),
            paused: None,
            quantity: is_wanted.then_some(quantity),
        })
    }

    /// The fields, with their names, in the order of the page.
    fn shown(&self) -> [(&'static str, &str); 9] {
        [
            ("Title", &self.title),
            ("Description", &self.description),
            ("Kind", &self.kind),
            ("Asset type", &self.asset_type),
            ("Amount", &self.amount),
            ("Credits", &self.quantity),
            ("Most for one user", &self.per_user_limit),
            ("Starts", &self.starts_at),
            ("Ends", &self.ends_at),
        ]
    }
}

impl FormPage {
    fn new(chrome: Chrome, form: &CampaignForm, known: &[AssetType], mut errors: Vec<FieldError>) -> Self {
        errors.sort_by_key(|error| FIELDS.iter().position(|field| *field == error.field));
        let field = |name: &str, value: &str| Field::new(name, value, &errors);
        let kinds = AssetKind::ALL.iter().map(|&kind| (kind, kind_word(kind).to_owned()));
        Self {
            chrome,
            changed: None,
            conflict: None,
            idempotency_key: form.idempotency_key,
            version: form.version,
            title: field("title", &form.title),
            description: field("description", &form.description),
            kind: SelectField {
                choices: list::choices("Choose a kind", kinds, &form.kind),
                error: field("kind", "").error,
            },
            asset_type: SelectField {
                choices: list::asset_type_choices("Choose an asset type", known, &form.asset_type),
                error: field("asset_type", "").error,
            },
            amount: field("amount", &form.amount),
            quantity: field("quantity", &form.quantity),
            quantity_shown: form.quantity_shown.clone(),
            per_user_limit: field("per_user_limit", &form.per_user_limit),
            starts_at: field("starts_at", &form.starts_at),
            ends_at: field("ends_at", &form.ends_at),
            errors,
        }
    }

    fn changing(self, found: &CampaignView) -> Self {
        Self { changed: Some((found.campaign.id.0, found.campaign.title.clone())), ..self }
    }
}

/// What is wrong with which field, where that is why nothing was written.
fn errors(error: Error) -> Result<Vec<FieldError>> {
    match error {
        Error::Invalid(errors) => Ok(errors),
        Error::Refused(Refusal::InvalidAmount(words)) => Ok(vec![FieldError::new("amount", words)]),
        Error::Refused(Refusal::AssetTypeNotFound(_)) => {
            Ok(vec![FieldError::new("asset_type", "Choose an asset type.")])
        }
        Error::Refused(refusal @ Refusal::CampaignImmutable) => {
            Ok(vec![FieldError::new("asset_type", refusal.to_string())])
        }
        error => Err(error),
    }
}

/// `GET /admin/campaigns/new`
///
/// # Errors
/// Those of the database.
pub async fn blank(_: Admin, kept: KeptForm<CampaignForm>, chrome: Chrome, db: Data<Db>) -> Result<HttpResponse> {
    let known = db.run(asset_types::all).await?;
    let kept = kept.0.map(|form| CampaignForm { idempotency_key: Uuid::new_v4(), ..form });
    view::page(&FormPage::new(chrome, &kept.unwrap_or_else(CampaignForm::blank), &known, Vec::new()))
}

/// `POST /admin/campaigns/new`
///
/// # Errors
/// Those of the database; what is wrong with the fields brings the form back.
#[allow(clippy::too_many_arguments, reason = "each is an extractor")]
pub async fn create(
    _: Admin,
    by: By,
    form: CsrfForm<CampaignForm>,
    chrome: Chrome,
    cookie: Session,
    now: Now,
    keys: Data<Keys>,
    db: Data<Db>,
) -> Result<HttpResponse> {
    let form = form.0;
    let request = serde_json::to_vec(&(by.0.user, &form)).map_err(Error::broken)?;
    let first = keys.voucher_code(&request, 0)?;
    let outcome = match form.new_campaign(now.0) {
        Ok(new) => {
            let codes = move |number| keys.voucher_code(&request, number);
            let create = db.run(move |conn| campaigns::create_coded(conn, &by.0, &new, codes, now.0));
            create.await.map(|view| Some(view.campaign.id))
        }
        Err(errors) => Err(Error::Invalid(errors)),
    };
    let outcome = match outcome {
        // Sent twice, created once, answered alike.
        Err(Error::Refused(Refusal::AlreadyCreated)) => db.run(move |conn| campaigns::of_code(conn, &first)).await,
        outcome => outcome,
    };
    match outcome {
        Ok(id) => {
            let quantity = form.quantity.trim().parse().unwrap_or_default();
            let credits = counted(quantity, "credit", "credits");
            Flash::good(format!("Created “{}” with {credits}.", form.title.trim())).leave(&cookie)?;
            let page = id.map_or_else(|| "/admin/campaigns".to_owned(), |id| format!("/admin/campaigns/{id}"));
            Ok(view::see_other(&page))
        }
        Err(error) => {
            let (errors, known) = (errors(error)?, db.run(asset_types::all).await?);
            view::invalid(&FormPage::new(chrome, &form, &known, errors))
        }
    }
}

async fn look(db: &Db, admin: Admin, id: CampaignId, now: Now) -> Result<(CampaignView, Vec<AssetType>)> {
    db.run(move |conn| Ok((campaigns::one(conn, &admin.0.user, id, now.0)?, asset_types::all(conn)?))).await
}

/// `GET /admin/campaigns/{id}/edit`
///
/// # Errors
/// [`Error::NotFound`] and those of the database.
pub async fn edit(
    admin: Admin,
    id: PathOf<CampaignId>,
    kept: KeptForm<CampaignForm>,
    chrome: Chrome,
    now: Now,
    db: Data<Db>,
) -> Result<HttpResponse> {
    let (found, known) = look(&db, admin, id.0, now).await?;
    let form = kept.0.unwrap_or_else(|| CampaignForm::of(&found));
    view::page(&FormPage::new(chrome, &form, &known, Vec::new()).changing(&found))
}

/// `POST /admin/campaigns/{id}/edit`
///
/// # Errors
/// [`Error::NotFound`] and those of the database; what is wrong with the fields, and a change that
/// somebody else made meanwhile, brings the form back.
#[allow(clippy::too_many_arguments, reason = "each is an extractor")]
pub async fn save(
    admin: Admin,
    by: By,
    id: PathOf<CampaignId>,
    form: CsrfForm<CampaignForm>,
    chrome: Chrome,
    cookie: Session,
    now: Now,
    db: Data<Db>,
) -> Result<HttpResponse> {
    let (id, form) = (id.0, form.0);
    let (found, known) = look(&db, admin.clone(), id, now).await?;
    let outcome = match form.change(&found) {
        Ok(change) => {
            let version = Some(form.version);
            db.run(move |conn| campaigns::edit(conn, &by.0, id, version, &change, now.0)).await
        }
        Err(errors) => Err(Error::Invalid(errors)),
    };
    match outcome {
        Ok(view) => {
            Flash::good(format!("“{}” is saved.", view.campaign.title)).leave(&cookie)?;
            Ok(view::see_other(&format!("/admin/campaigns/{id}")))
        }
        Err(Error::Refused(Refusal::Changed)) => stale(chrome, &form, &db, admin, id, now).await,
        Err(error) => view::invalid(&FormPage::new(chrome, &form, &known, errors(error)?).changing(&found)),
    }
}

/// The form again, with what somebody else has made of the campaign. Sent once more, it overwrites
/// that knowingly.
async fn stale(
    chrome: Chrome,
    form: &CampaignForm,
    db: &Db,
    admin: Admin,
    id: CampaignId,
    now: Now,
) -> Result<HttpResponse> {
    let (found, known) = look(db, admin, id, now).await?;
    let of_it = LineFilter { target: Some(format!("campaign:{id}")), ..LineFilter::default() };
    let lines = db.run(move |conn| audit::page(conn, &of_it, &PageRequest::first(1))).await?.items;
    let by = lines.into_iter().next().and_then(|line| line.actor).unwrap_or_else(|| "Coffer".to_owned());
    let theirs = CampaignForm::of(&found);
    let mut form = CampaignForm { version: theirs.version, ..form.clone() };
    if form.quantity.trim() == form.quantity_shown {
        form.quantity.clone_from(&theirs.quantity);
        form.quantity_shown.clone_from(&theirs.quantity);
    }
    let differing = theirs.shown().into_iter().zip(form.shown()).filter(|((_, now), (_, mine))| now != mine);
    let or_nothing = |text: &str| if text.is_empty() { "–".to_owned() } else { text.to_owned() };
    let fields = differing.map(|((name, now), (_, mine))| (name, or_nothing(now), or_nothing(mine))).collect();
    let page = FormPage::new(chrome, &form, &known, Vec::new()).changing(&found);
    view::invalid(&FormPage { conflict: Some(Conflict { by, fields }), ..page })
}
