//! The pool of credits, and the claim of one.

use actix_session::Session;
use actix_web::HttpResponse;
use actix_web::web::Data;
use askama::Template;
use chrono::{DateTime, Utc};
use serde::Deserialize;

use super::list::{self, Address, Chip, Choice, Pager};
use super::parts::{Bars, CreditCard, kind_word, name_of};
use crate::domain::posting::{Action, Command};
use crate::domain::{AssetId, AssetKind, AssetStatus, AssetType, Transaction, User, UserStatus};
use crate::ephemeral::Throttles;
use crate::error::{Error, Refusal, Result};
use crate::ledger::{Ledger, Outcome};
use crate::repo::assets::{self, Alternatives, AssetFilter, Viewer};
use crate::repo::{Db, asset_types, campaigns};
use crate::web::api::claims::asset_of_code;
use crate::web::auth::{CsrfForm, CurrentUser};
use crate::web::extract::{Now, PathOf, QueryOf};
use crate::web::view::{self, Chrome, Field, Flash, Moment, grouped, local_path};

/// More similar credits than these are not counted out.
const COUNTED: i64 = 99;

#[derive(Template)]
#[template(path = "wallet/credits.html")]
struct CreditsPage {
    chrome: Chrome,
    /// The code of a voucher.
    code: Field,
    is_frozen: bool,
    filter: CreditsFilter,
    credits: Vec<CreditCard>,
    pager: Pager,
    /// Where a claim leads: to this list.
    back: String,
}

struct CreditsFilter {
    q: String,
    kinds: Vec<Choice>,
    asset_types: Vec<Choice>,
    chips: Vec<Chip>,
}

/// What the pool is narrowed to.
#[derive(Debug, Deserialize, Default)]
#[serde(default)]
pub struct CreditsQuery {
    q: String,
    kind: String,
    asset_type: String,
    cursor: String,
}

impl CreditsQuery {
    fn filter(&self) -> AssetFilter {
        AssetFilter {
            status: Some(AssetStatus::Available),
            kind: list::chosen(&self.kind),
            asset_type: list::chosen_asset_type(&self.asset_type),
            campaign_id: None,
            text: list::search(&self.q),
            ..AssetFilter::default()
        }
    }
}

fn address(filter: &AssetFilter, asset_types: &[AssetType]) -> Address {
    let quoted = filter.text.as_ref().map(|text| format!("“{text}”")).unwrap_or_default();
    let unit = filter.asset_type.as_ref().map(|code| name_of(code, asset_types)).unwrap_or_default();
    Address::new("/credits")
        .with("q", filter.text.as_ref(), quoted)
        .with("kind", filter.kind, filter.kind.map(kind_word).unwrap_or_default())
        .with("asset_type", filter.asset_type.as_ref(), unit)
}

impl CreditsPage {
    /// The pool, with the voucher's code as it was filled in.
    async fn of(
        user: User,
        query: CreditsQuery,
        code: Field,
        chrome: Chrome,
        now: DateTime<Utc>,
        db: &Db,
    ) -> Result<Self> {
        let (request, filter, viewer) = (list::request(&query.cursor)?, query.filter(), Viewer::User(user.id));
        let is_frozen = user.status == UserStatus::Frozen;
        let (filter, page, bars, asset_types) = db
            .run(move |conn| {
                let page = assets::page(conn, viewer, &filter, assets::USUAL, &request, now)?;
                let bars = Bars::of(&user, &page.items, |ids| campaigns::used_up_by(conn, user.id, ids))?;
                Ok((filter, page, bars, asset_types::all(conn)?))
            })
            .await?;
        let address = address(&filter, &asset_types);
        let kind = filter.kind.map(AssetKind::as_str).unwrap_or_default();
        let chosen = filter.asset_type.map(|code| code.to_string()).unwrap_or_default();
        let kinds = AssetKind::ALL.iter().map(|&kind| (kind, kind_word(kind).to_owned()));
        Ok(Self {
            chrome,
            code,
            is_frozen,
            filter: CreditsFilter {
                q: filter.text.unwrap_or_default(),
                kinds: list::choices("All kinds", kinds, kind),
                asset_types: list::asset_type_choices("All asset types", &asset_types, &chosen),
                chips: address.chips(),
            },
            pager: address.pager(&query.cursor, page.next_cursor.as_deref()),
            credits: page.items.into_iter().map(|view| CreditCard::new(view, &asset_types, &bars, now)).collect(),
            back: address.href(),
        })
    }
}

/// `GET /credits`
///
/// # Errors
/// [`Error::InvalidCursor`] and those of the database.
pub async fn list(
    current: CurrentUser,
    query: QueryOf<CreditsQuery>,
    chrome: Chrome,
    now: Now,
    db: Data<Db>,
) -> Result<HttpResponse> {
    view::page(&CreditsPage::of(current.user, query.0, Field::default(), chrome, now.0, &db).await?)
}

/// The form of a voucher.
#[derive(Debug, Deserialize, Default)]
#[serde(default)]
pub struct VoucherForm {
    code: String,
}

/// `POST /credits`
///
/// # Errors
/// [`Error::RateLimited`] for whoever guesses codes, and those of [`Ledger::submit`] but the
/// refusals: these bring the form back.
#[allow(clippy::too_many_arguments, reason = "each is an extractor")]
pub async fn redeem(
    current: CurrentUser,
    form: CsrfForm<VoucherForm>,
    chrome: Chrome,
    cookie: Session,
    now: Now,
    ledger: Data<Ledger>,
    throttles: Data<Throttles>,
    db: Data<Db>,
) -> Result<HttpResponse> {
    let (user, now, code) = (current.user.id, now.0, form.0.code);
    let outcome = match asset_of_code(user, &code, now, &db, &throttles).await {
        Ok(asset) => ledger.submit(Command::new(user, Action::Claim { user, asset })).await,
        Err(error) => Err(error),
    };
    let flash = match outcome {
        Ok(Outcome::Posted(transaction) | Outcome::Replayed(transaction)) => claimed(&transaction),
        Ok(Outcome::Again { transaction, .. }) => yours_already(&transaction),
        Err(Error::Refused(refusal)) => {
            let words = match refusal {
                Refusal::AssetNotFound => "No credit has this code. Compare it letter by letter.".to_owned(),
                Refusal::AlreadyClaimed => "Someone has used this code already.".to_owned(),
                other => other.to_string(),
            };
            let field = Field { value: code, error: Some(words) };
            let page = CreditsPage::of(current.user, CreditsQuery::default(), field, chrome, now, &db);
            return view::invalid(&page.await?);
        }
        Err(error) => return Err(error),
    };
    flash.leave(&cookie)?;
    Ok(view::see_other("/credits"))
}

/// The form of a claim.
#[derive(Debug, Deserialize, Default)]
#[serde(default)]
pub struct ClaimForm {
    /// The list that it was sent from.
    back: String,
}

/// `POST /credits/{id}/claim`
///
/// # Errors
/// Those of [`Ledger::submit`] but the refusals: these are told on the next page.
pub async fn claim(
    current: CurrentUser,
    id: PathOf<AssetId>,
    form: CsrfForm<ClaimForm>,
    cookie: Session,
    now: Now,
    ledger: Data<Ledger>,
    db: Data<Db>,
) -> Result<HttpResponse> {
    let (user, asset, now) = (current.user.id, id.0, now.0);
    let flash = match ledger.submit(Command::new(user, Action::Claim { user, asset })).await {
        Ok(Outcome::Posted(transaction) | Outcome::Replayed(transaction)) => claimed(&transaction),
        Ok(Outcome::Again { transaction, .. }) => yours_already(&transaction),
        Err(Error::Refused(refusal)) => missed(&db, &refusal, asset, now).await?,
        Err(error) => return Err(error),
    };
    flash.leave(&cookie)?;
    Ok(view::see_other(local_path(&form.0.back).unwrap_or("/credits")))
}

fn claimed(transaction: &Transaction) -> Flash {
    let amount = grouped(&transaction.amount.at_scale(transaction.scale.0));
    let (title, code) = (&transaction.description, &transaction.asset_type);
    Flash::good(format!("You claimed “{title}”: +{amount} {code}.")).link("/claims", "See my claims")
}

fn yours_already(transaction: &Transaction) -> Flash {
    let Moment { text: since, .. } = transaction.created_at.into();
    Flash::good(format!("“{}” is yours already: you claimed it on {since}.", transaction.description))
        .link("/claims", "See my claims")
}

/// Why a claim did not come about, in kind words, and what is left.
async fn missed(db: &Db, refusal: &Refusal, asset: AssetId, now: DateTime<Utc>) -> Result<Flash> {
    let reason = match refusal {
        Refusal::AlreadyClaimed => "Someone else was faster.",
        Refusal::AssetExpired => "This credit has expired.",
        Refusal::AssetNotFound => "This credit is not there any more.",
        Refusal::CampaignNotRunning => "The campaign of this credit is not running now.",
        Refusal::ClaimLimitReached => {
            let words = "You have as many credits of this campaign as one user may have. The others are for others.";
            return Ok(Flash::warn(words).link("/claims", "See my claims"));
        }
        Refusal::WalletFrozen => {
            return Ok(Flash::bad("Your wallet is frozen: it can receive, but not claim. Please ask an admin."));
        }
        other => return Ok(Flash::bad(other.to_string())),
    };
    let left = db.run(move |conn| assets::alternatives(conn, asset, now)).await?;
    Ok(consolation(reason, left.filter(|left| left.left > 0)))
}

fn consolation(reason: &str, left: Option<Alternatives>) -> Flash {
    let Some(Alternatives { asset_type, left }) = left else {
        return Flash::warn(format!("{reason} No similar credit is free right now."))
            .link("/credits", "See what else there is");
    };
    let number = if left > COUNTED { format!("More than {COUNTED}") } else { left.to_string() };
    let words = if left == 1 {
        "One similar credit is still free.".to_owned()
    } else {
        format!("{number} similar credits are still free.")
    };
    Flash::warn(format!("{reason} {words}")).link(format!("/credits?asset_type={asset_type}"), "Show them")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::AssetTypeCode;

    #[test]
    fn who_came_too_late_learns_what_is_left() {
        let words = |left| {
            let asset_type = AssetTypeCode::parse("CASH").ok()?;
            Some(consolation("Someone else was faster.", Some(Alternatives { asset_type, left })).text)
        };
        for (left, text) in [
            (1, "Someone else was faster. One similar credit is still free."),
            (2, "Someone else was faster. 2 similar credits are still free."),
            (100, "Someone else was faster. More than 99 similar credits are still free."),
        ] {
            assert_eq!(words(left).as_deref(), Some(text));
        }
        let none = consolation("This credit has expired.", None);
        assert_eq!(none.text, "This credit has expired. No similar credit is free right now.");
    }
}
