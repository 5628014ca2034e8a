//! The units of account in the hands of admins.

use actix_session::Session;
use actix_web::HttpResponse;
use actix_web::web::Data;
use askama::Template;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::domain::{AssetType, AssetTypeCode, Balance, Scale};
use crate::error::{Error, FieldError, Refusal, Result};
use crate::repo::asset_types::{self, AssetTypeChange, Circulation};
use crate::repo::audit::{self, LineFilter};
use crate::repo::{Db, PageRequest};
use crate::web::auth::{Admin, By, CsrfForm};
use crate::web::extract::{Now, PathOf};
use crate::web::kept::KeptForm;
use crate::web::pages::admin::deeds::Deed;
use crate::web::pages::parts::Coin;
use crate::web::view::{self, Chrome, Field, Flash, grouped};

/// The list.
const LIST: &str = "/admin/asset-types";

/// The fields in the order of the page, which is the order of the messages above it.
const FIELDS: [&str; 4] = ["code", "name", "scale", "minimum_balance"];

/// How many changes are shown.
const LATEST: i64 = 20;

#[derive(Template)]
#[template(path = "admin/asset_types.html")]
struct AssetTypesPage {
    chrome: Chrome,
    units: Vec<UnitRow>,
}

struct UnitRow {
    code: String,
    name: String,
    initial: String,
    hue: u32,
    scale: u8,
    minimum_balance: String,
    transferable: &'static str,
    outstanding: String,
}

#[derive(Template)]
#[template(path = "admin/asset_type_form.html")]
struct AssetTypePage {
    chrome: Chrome,
    /// Of the one that is changed.
    known: Option<String>,
    is_used: bool,
    errors: Vec<FieldError>,
    code: Field,
    name: Field,
    scale: Field,
    minimum_balance: Field,
    transferable: bool,
    shown: String,
    life: Vec<Deed>,
}

/// The form, as it was filled in.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct AssetTypeForm {
    code: String,
    name: String,
    scale: String,
    minimum_balance: String,
    transferable: String,
    /// What the form showed when it was opened, as JSON; empty for a new one.
    shown: String,
}

/// What a form says, apart from the code.
#[derive(Debug, PartialEq, Eq, Deserialize, Serialize)]
struct Shown {
    name: String,
    scale: String,
    minimum_balance: String,
    transferable: String,
}

impl From<Circulation> for UnitRow {
    fn from(circulation: Circulation) -> Self {
        let Circulation { asset_type, outstanding } = circulation;
        let Coin { initial, hue } = Coin::of(&asset_type.code);
        let scale = asset_type.scale.0;
        Self {
            code: asset_type.code.to_string(),
            name: asset_type.name,
            initial,
            hue,
            scale,
            minimum_balance: grouped(&asset_type.minimum_balance.at_scale(scale)),
            transferable: if asset_type.transferable { "Yes" } else { "No" },
            outstanding: grouped(&outstanding.at_scale(scale)),
        }
    }
}

impl AssetTypeForm {
    fn of(known: &AssetType) -> Self {
        let form = Self {
            code: known.code.to_string(),
            name: known.name.clone(),
            scale: known.scale.0.to_string(),
            minimum_balance: known.minimum_balance.at_scale(known.scale.0),
            transferable: if known.transferable { "yes".to_owned() } else { String::new() },
            shown: String::new(),
        };
        Self { shown: serde_json::to_string(&form.says()).unwrap_or_default(), ..form }
    }

    fn says(&self) -> Shown {
        Shown {
            name: self.name.clone(),
            scale: self.scale.clone(),
            minimum_balance: self.minimum_balance.clone(),
            transferable: self.transferable.clone(),
        }
    }

    /// What of it is to be written: what was changed in the form, so that nothing that somebody else
    /// changed meanwhile is undone.
    fn change(&self, wanted: AssetType) -> AssetTypeChange {
        let (says, shown) = (self.says(), serde_json::from_str::<Shown>(&self.shown).ok());
        let differs = |field: fn(&Shown) -> &String| shown.as_ref().is_none_or(|shown| field(shown) != field(&says));
        AssetTypeChange {
            name: differs(|form| &form.name).then_some(wanted.name),
            scale: differs(|form| &form.scale).then_some(wanted.scale.0),
            minimum_balance: differs(|form| &form.minimum_balance).then_some(wanted.minimum_balance),
            transferable: differs(|form| &form.transferable).then_some(wanted.transferable),
        }
    }

    /// What it says, or everything that is wrong with it.
    fn parse(&self, now: DateTime<Utc>) -> std::result::Result<AssetType, Vec<FieldError>> {
        // What is no number is out of range.
        let scale = Scale(self.scale.trim().parse().unwrap_or(u8::MAX));
        let least = match self.minimum_balance.trim() {
            "" => Ok(Balance::zero()),
            text => Balance::parse_minimum(text),
        };
        let (minimum_balance, unread) = match least {
            Ok(least) => (least, None),
            Err(refusal) => (Balance::zero(), Some(FieldError::new("minimum_balance", refusal.to_string()))),
        };
        let mut errors = asset_types::faults(&self.name, scale, &minimum_balance);
        errors.extend(unread);
        match AssetTypeCode::parse(self.code.trim()) {
            Ok(code) if errors.is_empty() => Ok(AssetType {
                code,
                name: self.name.clone(),
                scale,
                minimum_balance,
                transferable: self.transferable == "yes",
                created_at: now,
            }),
            Ok(_) => Err(errors),
            Err(_) => {
                let words = "Use a capital letter and 1 to 11 more capital letters or digits, such as GOLD.";
                errors.push(FieldError::new("code", words));
                Err(errors)
            }
        }
    }
}

impl AssetTypePage {
    fn new(chrome: Chrome, form: &AssetTypeForm, mut errors: Vec<FieldError>) -> Self {
        errors.sort_by_key(|error| FIELDS.iter().position(|field| *field == error.field));
        let field = |name: &str, value: &str| Field::new(name, value, &errors);
        Self {
            chrome,
            known: None,
            is_used: false,
            code: field("code", &form.code),
            name: field("name", &form.name),
            scale: field("scale", &form.scale),
            minimum_balance: field("minimum_balance", &form.minimum_balance),
            transferable: form.transferable == "yes",
            shown: form.shown.clone(),
            errors,
            life: Vec::new(),
        }
    }

    fn of(self, known: Known) -> Self {
        let life = known.life.into_iter().map(|line| Deed { href: None, ..Deed::from(line) }).collect();
        Self { known: Some(known.asset_type.code.to_string()), is_used: known.is_used, life, ..self }
    }
}

/// What the page of an asset type shows of it.
struct Known {
    asset_type: AssetType,
    is_used: bool,
    life: Vec<audit::Line>,
}

async fn known(db: &Db, code: &str) -> Result<Known> {
    let code = AssetTypeCode::parse(code)?;
    db.run(move |conn| {
        let asset_type = asset_types::one(conn, &code)?;
        let filter = LineFilter { target: Some(asset_types::target(&code)), ..LineFilter::default() };
        let life = audit::page(conn, &filter, &PageRequest::first(LATEST))?.items;
        Ok(Known { is_used: asset_types::is_used(conn, &code)?, asset_type, life })
    })
    .await
}

/// `GET /admin/asset-types`
///
/// # Errors
/// Those of the database.
pub async fn list(_: Admin, chrome: Chrome, db: Data<Db>) -> Result<HttpResponse> {
    let units = db.run(asset_types::circulations).await?;
    view::page(&AssetTypesPage { chrome, units: units.into_iter().map(UnitRow::from).collect() })
}

/// `GET /admin/asset-types/new`
///
/// # Errors
/// [`Error::Broken`] where the template fails.
pub async fn new(_: Admin, kept: KeptForm<AssetTypeForm>, chrome: Chrome) -> Result<HttpResponse> {
    let blank = || AssetTypeForm { scale: "2".to_owned(), ..AssetTypeForm::default() };
    view::page(&AssetTypePage::new(chrome, &kept.0.unwrap_or_else(blank), Vec::new()))
}

/// What is wrong, by field.
fn field_errors(error: Error) -> Result<Vec<FieldError>> {
    match error {
        Error::Invalid(errors) => Ok(errors),
        Error::Refused(Refusal::AssetTypeExists) => {
            Ok(vec![FieldError::new("code", Refusal::AssetTypeExists.to_string())])
        }
        Error::Refused(Refusal::ScaleFixed) => Ok(vec![FieldError::new("scale", Refusal::ScaleFixed.to_string())]),
        error => Err(error),
    }
}

/// `POST /admin/asset-types/new`
///
/// # Errors
/// Those of the database; what is wrong with the fields brings the form back.
pub async fn create(
    _: Admin,
    by: By,
    form: CsrfForm<AssetTypeForm>,
    chrome: Chrome,
    cookie: Session,
    now: Now,
    db: Data<Db>,
) -> Result<HttpResponse> {
    let form = form.0;
    let outcome = match form.parse(now.0) {
        Ok(new) => db.run(move |conn| asset_types::create(conn, &by.0, &new, now.0)).await,
        Err(errors) => Err(Error::Invalid(errors)),
    };
    match outcome {
        Ok(created) => {
            Flash::good(format!("Created the asset type {}.", created.code)).leave(&cookie)?;
            Ok(view::see_other(LIST))
        }
        Err(error) => view::invalid(&AssetTypePage::new(chrome, &form, field_errors(error)?)),
    }
}

/// `GET /admin/asset-types/{code}/edit`
///
/// # Errors
/// [`Refusal::AssetTypeNotFound`] and those of the database.
pub async fn edit(
    _: Admin,
    code: PathOf<String>,
    kept: KeptForm<AssetTypeForm>,
    chrome: Chrome,
    db: Data<Db>,
) -> Result<HttpResponse> {
    let known = known(&db, &code.0).await?;
    let form = kept.0.unwrap_or_else(|| AssetTypeForm::of(&known.asset_type));
    view::page(&AssetTypePage::new(chrome, &form, Vec::new()).of(known))
}

/// `POST /admin/asset-types/{code}/edit`
///
/// # Errors
/// As [`edit`]; what is wrong with the fields brings the form back.
#[allow(clippy::too_many_arguments, reason = "each is an extractor")]
pub async fn save(
    _: Admin,
    by: By,
    code: PathOf<String>,
    form: CsrfForm<AssetTypeForm>,
    chrome: Chrome,
    cookie: Session,
    now: Now,
    db: Data<Db>,
) -> Result<HttpResponse> {
    let known = known(&db, &code.0).await?;
    let form = AssetTypeForm { code: known.asset_type.code.to_string(), ..form.0 };
    // A fixed scale is not asked for.
    let scale = if known.is_used { known.asset_type.scale.0.to_string() } else { form.scale.clone() };
    let form = AssetTypeForm { scale, ..form };
    let outcome = match form.parse(now.0) {
        Ok(changed) => {
            let (code, change) = (changed.code, form.change(changed));
            db.run(move |conn| asset_types::edit(conn, &by.0, &code, &change, now.0)).await
        }
        Err(errors) => Err(Error::Invalid(errors)),
    };
    match outcome {
        Ok(saved) => {
            Flash::good(format!("{} is saved.", saved.code)).leave(&cookie)?;
            Ok(view::see_other(LIST))
        }
        Err(error) => view::invalid(&AssetTypePage::new(chrome, &form, field_errors(error)?).of(known)),
    }
}
