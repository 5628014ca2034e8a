//! The creation of credits.

use actix_session::Session;
use actix_web::HttpResponse;
use actix_web::web::Data;
use askama::Template;
use chrono::{DateTime, NaiveDateTime, Timelike, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::domain::{Amount, AssetKind, AssetType, AssetTypeCode, Campaign, CampaignId, VoucherCode};
use crate::error::{Error, FieldError, Refusal, Result};
use crate::repo::assets::{self, NewAssets};
use crate::repo::{Db, asset_types, campaigns};
use crate::web::auth::{Admin, By, CsrfForm, Keys};
use crate::web::extract::Now;
use crate::web::kept::KeptForm;
use crate::web::pages::list::{self, SelectField};
use crate::web::pages::parts::{counted, kind_word};
use crate::web::view::{self, Chrome, Field, Flash};

/// The fields in the order of the page, which is the order of the messages above it.
const FIELDS: [&str; 8] =
    ["title", "description", "kind", "asset_type", "amount", "quantity", "campaign_id", "expires_at"];

/// How browsers write a time, with and without seconds.
const TIMES: [&str; 2] = ["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"];

#[derive(Template)]
#[template(path = "admin/asset_new.html")]
struct NewAssetsPage {
    chrome: Chrome,
    errors: Vec<FieldError>,
    idempotency_key: Uuid,
    title: Field,
    description: Field,
    kind: SelectField,
    asset_type: SelectField,
    amount: Field,
    quantity: Field,
    campaign_id: SelectField,
    expires_at: Field,
}

/// The form, as it was filled in.
#[derive(Debug, Clone, Deserialize, Serialize)]
pub struct NewAssetsForm {
    /// Made with the form, so that sending it twice creates once.
    #[serde(default = "Uuid::new_v4")]
    idempotency_key: Uuid,
    #[serde(default)]
    title: String,
    #[serde(default)]
    description: String,
    #[serde(default)]
    kind: String,
    #[serde(default)]
    asset_type: String,
    #[serde(default)]
    amount: String,
    #[serde(default)]
    quantity: String,
    #[serde(default)]
    campaign_id: String,
    #[serde(default)]
    expires_at: String,
}

impl NewAssetsForm {
    fn blank() -> Self {
        Self {
            idempotency_key: Uuid::new_v4(),
            title: String::new(),
            description: String::new(),
            kind: String::new(),
            asset_type: String::new(),
            amount: String::new(),
            quantity: "1".to_owned(),
            campaign_id: String::new(),
            expires_at: String::new(),
        }
    }

    /// What is asked for, or everything that is wrong with it.
    fn parse(&self, now: DateTime<Utc>) -> std::result::Result<NewAssets, Vec<FieldError>> {
        let mut errors = Vec::new();
        let mut note = |error: FieldError| errors.push(error);
        let kind = self.kind.parse::<AssetKind>().map_err(|_| note(FieldError::new("kind", "Choose a kind.")));
        let asset_type = AssetTypeCode::parse(&self.asset_type)
            .map_err(|_| note(FieldError::new("asset_type", "Choose an asset type.")));
        let amount =
            Amount::parse(self.amount.trim()).map_err(|refusal| note(FieldError::new("amount", refusal.to_string())));
        let expires_at = time(&self.expires_at)
            .map_err(|()| note(FieldError::new("expires_at", "Write a day and a time, such as 2026-12-31T23:59.")));
        let campaign_id = campaign(&self.campaign_id).map_err(&mut note);
        // What is no number is out of range.
        let quantity = self.quantity.trim().parse().unwrap_or_default();
        let soonest = expires_at.ok().flatten();
        errors.extend(NewAssets::faults(&self.title, &self.description, quantity, soonest, now));
        match (kind, asset_type, amount, campaign_id) {
            (Ok(kind), Ok(asset_type), Ok(amount), Ok(campaign_id)) if errors.is_empty() => Ok(NewAssets {
                title: self.title.clone(),
                description: self.description.clone(),
                kind,
                asset_type,
                amount,
                expires_at: soonest,
                campaign_id,
                quantity,
            }),
            _ => Err(errors),
        }
    }

    /// The codes of the credits: made from the form and who sent it, so that the database, which
    /// takes no code twice, takes no form twice.
    fn codes(&self, by: &By, keys: Data<Keys>) -> Result<impl FnMut(usize) -> Result<VoucherCode> + Send + use<>> {
        let request = serde_json::to_vec(&(by.0.user, self)).map_err(Error::broken)?;
        Ok(move |number| keys.voucher_code(&request, number))
    }
}

/// A time in UTC as browsers write it; none where the field is empty.
///
/// # Errors
/// Where it is no time.
pub(in crate::web::pages::admin) fn time(text: &str) -> std::result::Result<Option<DateTime<Utc>>, ()> {
    if text.trim().is_empty() {
        return Ok(None);
    }
    let read = TIMES.iter().find_map(|form| NaiveDateTime::parse_from_str(text.trim(), form).ok());
    read.map(|time| Some(time.and_utc())).ok_or(())
}

/// A time as the browser's own field writes it, which leaves seconds out where there are none.
pub(in crate::web::pages::admin) fn written(time: Option<DateTime<Utc>>) -> String {
    let form = |time: &DateTime<Utc>| if time.second() == 0 { "%Y-%m-%dT%H:%M" } else { "%Y-%m-%dT%H:%M:%S" };
    time.map(|time| time.format(form(&time)).to_string()).unwrap_or_default()
}

/// The campaign that a select chooses; none where it chooses none.
///
/// # Errors
/// A field error for `campaign_id`.
pub(super) fn campaign(chosen: &str) -> std::result::Result<Option<CampaignId>, FieldError> {
    match chosen.trim() {
        "" => Ok(None),
        text => text.parse().map(Some).map_err(|_| FieldError::new("campaign_id", "Choose a campaign.")),
    }
}

/// What the forms of credits can choose.
pub(super) struct Choosable {
    /// Every unit.
    pub(super) asset_types: Vec<AssetType>,
    /// The campaigns that go on.
    pub(super) campaigns: Vec<Campaign>,
}

impl Choosable {
    /// All of it, at a time.
    ///
    /// # Errors
    /// Those of the database.
    pub(super) async fn now(db: &Db, now: Now) -> Result<Self> {
        db.run(move |conn| {
            let campaigns = campaigns::open(conn, list::CAMPAIGNS, now.0)?;
            Ok(Self { asset_types: asset_types::all(conn)?, campaigns })
        })
        .await
    }
}

impl NewAssetsPage {
    fn new(chrome: Chrome, form: &NewAssetsForm, known: &Choosable, mut errors: Vec<FieldError>) -> Self {
        errors.sort_by_key(|error| FIELDS.iter().position(|field| *field == error.field));
        let field = |name: &str, value: &str| Field::new(name, value, &errors);
        let kinds = AssetKind::ALL.iter().map(|&kind| (kind, kind_word(kind).to_owned()));
        Self {
            chrome,
            idempotency_key: form.idempotency_key,
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
            quantity: field("quantity", &form.quantity),
            campaign_id: SelectField {
                choices: list::campaign_choices("No campaign", &known.campaigns, &form.campaign_id),
                error: field("campaign_id", "").error,
            },
            expires_at: field("expires_at", &form.expires_at),
            errors,
        }
    }
}

/// `GET /admin/assets/new`
///
/// # Errors
/// Those of the database.
pub async fn form(
    _: Admin,
    kept: KeptForm<NewAssetsForm>,
    chrome: Chrome,
    now: Now,
    db: Data<Db>,
) -> Result<HttpResponse> {
    let known = Choosable::now(&db, now).await?;
    let kept = kept.0.map(|form| NewAssetsForm { idempotency_key: Uuid::new_v4(), ..form });
    let form = kept.unwrap_or_else(NewAssetsForm::blank);
    view::page(&NewAssetsPage::new(chrome, &form, &known, Vec::new()))
}

/// `POST /admin/assets/new`
///
/// # Errors
/// Those of the database; what is wrong with the fields brings the form back.
#[allow(clippy::too_many_arguments, reason = "each is an extractor")]
pub async fn create(
    _: Admin,
    by: By,
    form: CsrfForm<NewAssetsForm>,
    chrome: Chrome,
    cookie: Session,
    now: Now,
    keys: Data<Keys>,
    db: Data<Db>,
) -> Result<HttpResponse> {
    let form = form.0;
    let outcome = match form.parse(now.0) {
        Ok(new) => {
            let codes = form.codes(&by, keys)?;
            db.run(move |conn| assets::create_coded(conn, &by.0, &new, codes, now.0).map(|_| ())).await
        }
        Err(errors) => Err(Error::Invalid(errors)),
    };
    let errors = match outcome {
        // Sent twice, created once, answered alike.
        Ok(()) | Err(Error::Refused(Refusal::AlreadyCreated)) => {
            created(&form).leave(&cookie)?;
            return Ok(view::see_other("/admin/assets"));
        }
        Err(Error::Invalid(errors)) => errors,
        Err(Error::Refused(Refusal::InvalidAmount(words))) => vec![FieldError::new("amount", words)],
        Err(Error::Refused(Refusal::AssetTypeNotFound(_))) => {
            vec![FieldError::new("asset_type", "Choose an asset type.")]
        }
        Err(error) => return Err(error),
    };
    let known = Choosable::now(&db, now).await?;
    view::invalid(&NewAssetsPage::new(chrome, &form, &known, errors))
}

fn created(form: &NewAssetsForm) -> Flash {
    let quantity = form.quantity.trim().parse().unwrap_or_default();
    Flash::good(format!("Created {}: “{}”.", counted(quantity, "credit", "credits"), form.title.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_browsers_write_them() {
        let read = |text| time(text).map(|time| time.map(|time| time.to_rfc3339()));
        assert_eq!(read(""), Ok(None));
        assert_eq!(read("2026-12-31T23:59"), Ok(Some("2026-12-31T23:59:00+00:00".to_owned())));
        assert_eq!(read("2026-12-31T23:59:30"), Ok(Some("2026-12-31T23:59:30+00:00".to_owned())));
        for bad in ["2026-12-31", "31.12.2026 23:59", "2026-02-30T10:00", "soon"] {
            assert_eq!(read(bad), Err(()), "{bad}");
        }
    }

    #[test]
    fn all_that_is_wrong_is_said_at_once() {
        let form = NewAssetsForm {
            quantity: "1,000".to_owned(),
            campaign_id: "x".to_owned(),
            expires_at: "soon".to_owned(),
            ..NewAssetsForm::blank()
        };
        let errors = form.parse(DateTime::UNIX_EPOCH).err().unwrap_or_default();
        let mut fields: Vec<_> = errors.iter().map(|error| error.field.as_ref()).collect();
        fields.sort_by_key(|field| FIELDS.iter().position(|known| known == field));
        assert_eq!(fields, ["title", "kind", "asset_type", "amount", "quantity", "campaign_id", "expires_at"]);
    }
}
