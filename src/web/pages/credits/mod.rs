//! The pool: campaigns and single credits, and a box for a voucher's code.

pub mod claim;

use actix_session::Session;
use actix_web::HttpResponse;
use actix_web::web::Data;
use askama::Template;
use chrono::{DateTime, Utc};
use serde::Deserialize;

use super::cards::CreditCard;
use super::list::{self, Address, Chip, Choice, Pager};
use super::parts::{kind_word, name_of};
use crate::domain::posting::{Action, Command};
use crate::domain::{AssetKind, AssetStatus, AssetType, User, UserStatus};
use crate::ephemeral::Throttles;
use crate::error::{Error, Refusal, Result};
use crate::ledger::{Ledger, Outcome};
use crate::repo::assets::{self, AssetFilter, Viewer};
use crate::repo::campaigns::{self, CampaignFilter, Offer};
use crate::repo::{Db, Page, asset_types};
use crate::web::api::claims::asset_of_code;
use crate::web::auth::{CsrfForm, CurrentUser};
use crate::web::extract::{Now, QueryOf};
use crate::web::view::{self, Chrome, Field};
use claim::{claimed, yours_already};

#[derive(Template)]
#[template(path = "wallet/credits.html")]
struct CreditsPage {
    chrome: Chrome,
    /// The code of a voucher.
    code: Field,
    is_frozen: bool,
    filter: CreditsFilter,
    campaigns: Vec<CreditCard>,
    campaign_pager: Pager,
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
    /// The page of the single credits.
    cursor: String,
    /// The page of the campaigns.
    campaigns: String,
}

impl CreditsQuery {
    fn filter(&self) -> AssetFilter {
        AssetFilter {
            status: Some(AssetStatus::Available),
            kind: list::chosen(&self.kind),
            asset_type: list::chosen_asset_type(&self.asset_type),
            is_single: true,
            text: list::search(&self.q),
            ..AssetFilter::default()
        }
    }

    /// What narrows the credits narrows the campaigns, too.
    fn campaigns(&self) -> CampaignFilter {
        let AssetFilter { text, kind, asset_type, .. } = self.filter();
        CampaignFilter { text, kind, asset_type, status: None }
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
        let (filter, of_campaigns) = (query.filter(), query.campaigns());
        let (request, campaign_request) = (list::request(&query.cursor)?, list::request(&query.campaigns)?);
        // Whoever reads on in the one list has seen the beginning of the other.
        let (shows_campaigns, shows_credits) = (query.cursor.is_empty(), query.campaigns.is_empty());
        let is_frozen = user.status == UserStatus::Frozen;
        let (filter, offers, page, asset_types) = db
            .run(move |conn| {
                let offers = match shows_campaigns {
                    true => campaigns::offers(conn, &user, &of_campaigns, &campaign_request, now)?,
                    false => Page::empty(),
                };
                let page = match shows_credits {
                    true => assets::page(conn, Viewer::User(user.id), &filter, assets::USUAL, &request, now)?,
                    false => Page::empty(),
                };
                Ok((filter, offers, page, asset_types::all(conn)?))
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
            campaign_pager: address.pager_of("campaigns", &query.campaigns, offers.next_cursor.as_deref()),
            campaigns: campaign_cards(offers.items, &asset_types, is_frozen, now),
            pager: address.pager(&query.cursor, page.next_cursor.as_deref()),
            credits: page
                .items
                .into_iter()
                .map(|view| CreditCard::of_credit(view, &asset_types, is_frozen, now))
                .collect(),
            back: address.href(),
        })
    }
}

/// Those that the reader can claim from come first.
fn campaign_cards(
    offers: Vec<Offer>,
    asset_types: &[AssetType],
    is_frozen: bool,
    now: DateTime<Utc>,
) -> Vec<CreditCard> {
    let cards = offers.into_iter().map(|offer| CreditCard::of_campaign(offer, asset_types, is_frozen, now));
    let mut cards: Vec<_> = cards.collect();
    cards.sort_by_key(|card| card.barred.is_some());
    cards
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
