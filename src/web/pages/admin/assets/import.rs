//! Credits from a file: first a look at what it says, then all of it or nothing.

use actix_session::Session;
use actix_web::HttpResponse;
use actix_web::http::header;
use actix_web::web::Data;
use askama::Template;
use serde::Deserialize;
use uuid::Uuid;

use super::list::credits;
use crate::domain::AssetType;
use crate::error::{Error, FieldError, Refusal, Result};
use crate::repo::assets::{self, COLUMNS, ImportPlan, Imported};
use crate::repo::{Db, asset_types};
use crate::web::auth::{Admin, By, CsrfForm, CsrfUpload};
use crate::web::extract::{Now, PathOf, QueryOf};
use crate::web::pages::parts::kind_word;
use crate::web::view::{self, Chrome, Field, Flash, Moment, grouped};

/// How many rows are shown.
const SHOWN: usize = 50;

/// The longest file, in bytes.
const LARGEST: usize = 1024 * 1024;

#[derive(Template)]
#[template(path = "admin/asset_import.html")]
struct ImportPage {
    chrome: Chrome,
    errors: Vec<FieldError>,
    file: Field,
    columns: String,
    example: String,
}

#[derive(Template)]
#[template(path = "admin/asset_import_preview.html")]
struct PreviewPage {
    chrome: Chrome,
    count: String,
    sums: Vec<(String, String)>,
    /// What is wrong, with the row where it is in one.
    errors: Vec<String>,
    rows: Vec<Row>,
    more: Option<String>,
    is_done: bool,
}

struct Row {
    title: String,
    kind: &'static str,
    quantity: String,
    amount: String,
    asset_type: String,
    expires_at: Option<Moment>,
    campaign: Option<i64>,
}

impl PreviewPage {
    fn new(chrome: Chrome, plan: ImportPlan, is_done: bool) -> Self {
        let sum = |sum: assets::Sum| {
            let worth = format!("{} {}", grouped(&sum.value.at_scale(sum.scale.0)), sum.asset_type);
            (sum.asset_type.to_string(), format!("{}, worth {worth}", credits(sum.assets)))
        };
        let (count, lines) = (plan.count(), plan.lines.len());
        Self {
            chrome,
            count: credits(count),
            sums: plan.sums().into_iter().map(sum).collect(),
            errors: plan.errors.iter().map(told).collect(),
            more: (lines > SHOWN).then(|| format!("The first {SHOWN} of {} rows.", grouped(&lines.to_string()))),
            rows: plan
                .lines
                .into_iter()
                .take(SHOWN)
                .map(|(new, scale)| Row {
                    title: new.title,
                    kind: kind_word(new.kind),
                    quantity: grouped(&new.quantity.to_string()),
                    amount: grouped(&new.amount.at_scale(scale.0)),
                    asset_type: new.asset_type.to_string(),
                    expires_at: new.expires_at.map(Moment::from),
                    campaign: new.campaign_id.map(|id| id.0),
                })
                .collect(),
            is_done,
        }
    }
}

/// An error with its place in the file.
fn told(error: &FieldError) -> String {
    match error.row {
        Some(row) => format!("Row {row}, {}: {}", error.field, error.message),
        None => error.message.to_string(),
    }
}

/// A file that could be imported here.
fn example(asset_types: &[AssetType]) -> String {
    let mut codes = asset_types.iter().map(|known| known.code.as_str()).cycle();
    let (one, other) = (codes.next().unwrap_or("GOLD"), codes.next().unwrap_or("GOLD"));
    format!(
        "title,kind,asset_type,amount,description,expires_at,quantity\n\
         Festive Cashback,promotional,{one},150,Only during the festival,2035-12-31T23:00:00Z,20\n\
         Welcome Bonus,signup,{other},250,,,1\n"
    )
}

async fn page(chrome: Chrome, db: &Db, errors: Vec<FieldError>) -> Result<ImportPage> {
    let example = example(&db.run(asset_types::all).await?);
    Ok(ImportPage { chrome, file: Field::new("file", "", &errors), errors, columns: COLUMNS.join(", "), example })
}

/// Whether the example is asked for, as a file to begin with.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct ImportQuery {
    format: String,
}

/// `GET /admin/assets/import`
///
/// # Errors
/// Those of the database.
pub async fn form(_: Admin, query: QueryOf<ImportQuery>, chrome: Chrome, db: Data<Db>) -> Result<HttpResponse> {
    let page = page(chrome, &db, Vec::new()).await?;
    if query.0.format != "csv" {
        return view::page(&page);
    }
    Ok(HttpResponse::Ok()
        .content_type("text/csv; charset=utf-8")
        .insert_header((header::CONTENT_DISPOSITION, "attachment; filename=\"new-credits.csv\""))
        .body(page.example))
}

/// `POST /admin/assets/import`: keeps the file, and leads to a look at it.
///
/// # Errors
/// Those of the database; a file that cannot be taken brings the form back.
pub async fn upload(
    admin: Admin,
    form: std::result::Result<CsrfUpload, Error>,
    chrome: Chrome,
    now: Now,
    db: Data<Db>,
) -> Result<HttpResponse> {
    let wrong = |words: &'static str| vec![FieldError::new("file", words)];
    let text = match form {
        Ok(CsrfUpload(text)) if text.trim().is_empty() => Err(wrong("Choose a file that is not empty.")),
        Ok(CsrfUpload(text)) if text.len() > LARGEST => Err(wrong("Choose a file of at most 1 MiB.")),
        Ok(CsrfUpload(text)) => Ok(text),
        Err(Error::TooLarge) => Err(wrong("Choose a file of at most 1 MiB.")),
        Err(Error::Invalid(errors)) => Err(errors),
        Err(error) => return Err(error),
    };
    let user = admin.0.user.id;
    match text {
        Ok(text) => {
            let id = db.run(move |conn| assets::keep(conn, user, &text, now.0)).await?;
            Ok(view::see_other(&format!("/admin/assets/import/{id}")))
        }
        Err(errors) => view::invalid(&page(chrome, &db, errors).await?),
    }
}

/// `GET /admin/assets/import/{id}`
///
/// # Errors
/// [`Error::NotFound`] where the admin has uploaded none under this id, or too long ago.
pub async fn preview(admin: Admin, id: PathOf<Uuid>, chrome: Chrome, now: Now, db: Data<Db>) -> Result<HttpResponse> {
    let user = admin.0.user.id;
    let (plan, is_done) = db.run(move |conn| assets::kept(conn, user, id.0, now.0)).await?;
    view::page(&PreviewPage::new(chrome, plan, is_done))
}

/// The form of an import.
#[derive(Debug, Deserialize)]
pub struct CreateForm {}

/// `POST /admin/assets/import/{id}`
///
/// # Errors
/// As [`preview`]; what is wrong with the file by now brings the look at it back.
#[allow(clippy::too_many_arguments, reason = "each is an extractor")]
pub async fn create(
    admin: Admin,
    by: By,
    id: PathOf<Uuid>,
    _: CsrfForm<CreateForm>,
    chrome: Chrome,
    cookie: Session,
    now: Now,
    db: Data<Db>,
) -> Result<HttpResponse> {
    let (user, id) = (admin.0.user.id, id.0);
    let flash = match db.run(move |conn| assets::import_kept(conn, &by.0, id, now.0)).await {
        Ok(Imported::Created(count)) => Flash::good(format!("Created {}.", credits(count))),
        Ok(Imported::Before) => Flash::good("The credits of this file are created, once."),
        Err(Error::Invalid(_) | Error::Refused(Refusal::Changed)) => {
            let (plan, is_done) = db.run(move |conn| assets::kept(conn, user, id, now.0)).await?;
            return view::invalid(&PreviewPage::new(chrome, plan, is_done));
        }
        Err(error) => return Err(error),
    };
    flash.leave(&cookie)?;
    Ok(view::see_other("/admin/assets"))
}
