//! The heart: what a command does to the books. Pure, so that every rule can be tested with
//! thousands of random histories in a moment.
//!
//! [`decide`] looks at one [`Command`] and the [`Book`], the locked state that the command may
//! touch, and answers with a [`Decision`] or a [`Refusal`]. A posting changes the book, so that the
//! next command of the same batch sees it.

use chrono::{DateTime, Utc};

pub use super::book::{
    Answer, AssetState, AssetTypeRules, Book, CampaignOffer, FastMap, KeyUse, Reversible, WalletKey, WalletState,
};
pub use super::origin::Origin;
use super::{
    Amount, AssetId, AssetStatus, AssetTypeCode, Balance, CampaignId, CampaignStatus, Owner, Scale, TransactionId,
    TransactionType, UserId, UserStatus,
};
use crate::error::Refusal;

/// What somebody asks the ledger to do.
#[derive(Debug, Clone, PartialEq)]
pub struct Command {
    /// The id of the transaction that this may become.
    pub transaction: TransactionId,
    /// Who asks; idempotency keys are theirs.
    pub requested_by: UserId,
    /// Makes repetitions of the same request harmless.
    pub idempotency: Option<Idempotency>,
    /// What to do.
    pub action: Action,
    /// What it is for, in the words of whoever asks.
    pub description: String,
    /// What scripts attach, a JSON object.
    pub metadata: Option<serde_json::Value>,
    /// Why an admin does this.
    pub reason: Option<String>,
    /// By which request it came, for the audit log.
    pub origin: Origin,
}

impl Command {
    /// A command with a new transaction id and nothing but its action.
    pub fn new(requested_by: UserId, action: Action) -> Self {
        Self {
            transaction: TransactionId::new(),
            requested_by,
            idempotency: None,
            action,
            description: String::new(),
            metadata: None,
            reason: None,
            origin: Origin::default(),
        }
    }
}

/// An idempotency key and what it was sent with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Idempotency {
    /// 1 to 255 visible ASCII characters.
    pub key: String,
    /// Which part of the request this is: the items of a batch that has one key count from 1, every
    /// other request is 0.
    pub item: i32,
    /// SHA-256 of the request, by which another request under the same key is told apart.
    pub request_hash: [u8; 32],
}

/// The movements that exist.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// The user takes the asset.
    Claim {
        /// Who claims.
        user: UserId,
        /// What.
        asset: AssetId,
    },
    /// The user takes any available asset of the campaign.
    ClaimAny {
        /// Who claims.
        user: UserId,
        /// Of what.
        campaign: CampaignId,
    },
    /// Value that was paid for enters the user's wallet.
    TopUp(Movement),
    /// Value enters the user's wallet as a present.
    Bonus(Movement),
    /// The user gives value back to the treasury.
    Spend {
        /// Who spends what.
        movement: Movement,
        /// A floor stricter than the asset type's.
        floor: Option<Balance>,
    },
    /// The user gives value to another.
    Transfer {
        /// Who gives what.
        movement: Movement,
        /// Who gets it.
        receiver: UserId,
        /// A floor stricter than the asset type's.
        floor: Option<Balance>,
    },
    /// An admin corrects a user's balance.
    Adjustment {
        /// Whose balance, by how much.
        movement: Movement,
        /// Whether the user gains or gives.
        direction: Direction,
    },
    /// An admin takes an earlier transaction back.
    Reversal {
        /// The transaction to take back.
        reverses: TransactionId,
    },
}

/// Whose wallet, in which asset type, by how much.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Movement {
    /// Whose wallet.
    pub user: UserId,
    /// In which unit.
    pub asset_type: AssetTypeCode,
    /// How much.
    pub amount: Amount,
}

text_enum! {
    /// Which way an adjustment goes, seen from the user.
    pub enum Direction {
        /// The user gains.
        Credit = "credit",
        /// The user gives.
        Debit = "debit",
    }
}

/// One line of a posting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryLine {
    /// On which wallet.
    pub wallet: WalletKey,
    /// The wallet's version after it.
    pub version: i64,
    /// What the wallet held before.
    pub balance_before: Balance,
    /// What it holds after.
    pub balance_after: Balance,
    /// The sum of all it ever gained, after it.
    pub credit_total: Balance,
}

/// What to write for one command. Both lines come from the one amount, so that an unbalanced
/// posting cannot be written down.
#[derive(Debug, Clone, PartialEq)]
pub struct Posting {
    /// The id of the new transaction.
    pub transaction: TransactionId,
    /// Why value moves.
    pub transaction_type: TransactionType,
    /// The unit.
    pub asset_type: AssetTypeCode,
    /// The decimals of the unit.
    pub scale: Scale,
    /// How much.
    pub amount: Amount,
    /// The line of the wallet that gives.
    pub debit: EntryLine,
    /// The line of the wallet that gains.
    pub credit: EntryLine,
    /// The asset that is claimed by this.
    pub asset: Option<AssetId>,
    /// The asset's campaign, and the number of this claim among those of its owner there.
    pub campaign: Option<(CampaignId, i32)>,
    /// The transaction that is taken back by this.
    pub reverses: Option<TransactionId>,
    /// What it is for.
    pub description: String,
    /// When: never before the last entry of either wallet.
    pub created_at: DateTime<Utc>,
}

/// What becomes of a command that is not refused.
#[derive(Debug, Clone, PartialEq)]
pub enum Decision {
    /// A new transaction is to be written.
    Post(Box<Posting>),
    /// The same request, under the same key, was answered so before.
    Replay(Answer),
    /// The caller owns the asset already, as the answer tells.
    Again(Answer),
}

/// A movement that is allowed as far as its own rules go, before wallets are looked at.
struct Intent {
    transaction_type: TransactionType,
    debit: Owner,
    credit: Owner,
    asset_type: AssetTypeCode,
    amount: Amount,
    floor: Option<Balance>,
    asset: Option<AssetId>,
    campaign: Option<(CampaignId, i32)>,
    reverses: Option<TransactionId>,
    description: String,
}

/// Decides one command against the book, and enters what it posts.
///
/// # Errors
/// The [`Refusal`], after which the book is as it was.
pub fn decide(book: &mut Book, command: &Command) -> Result<Decision, Refusal> {
    if let Some(idempotency) = &command.idempotency
        && let Some(used) = book.keys.get(&(command.requested_by, idempotency.key.clone()))
    {
        if used.request_hash != idempotency.request_hash {
            return Err(Refusal::IdempotencyKeyReused);
        }
        if let Some(answer) = used.answer(idempotency.item) {
            return Ok(Decision::Replay(answer.clone()));
        }
    }
    if let Action::Claim { user, asset } = &command.action
        && let Some(earlier) = own_claim(book, *user, *asset)
    {
        remember(book, command, earlier.clone());
        return Ok(Decision::Again(earlier));
    }
    let intent = intent(book, command)?;
    let posting = post(book, command.transaction, intent)?;
    enter(book, &posting);
    remember(book, command, Answer { transaction: posting.transaction, owned_with: None });
    Ok(Decision::Post(Box::new(posting)))
}

/// The caller's own earlier claim of the asset, if there is one.
fn own_claim(book: &Book, user: UserId, asset: AssetId) -> Option<Answer> {
    let state = book.assets.get(&asset)?;
    let (owner, transaction) = state.claimed?;
    if owner != user {
        return None;
    }
    let key = WalletKey { owner: Owner::User(user), asset_type: state.asset_type };
    let balance = book.wallets.get(&key).map_or_else(Balance::zero, |wallet| wallet.balance.clone());
    Some(Answer { transaction, owned_with: Some(balance) })
}

/// The rules of each kind of command.
fn intent(book: &Book, command: &Command) -> Result<Intent, Refusal> {
    let plain = |transaction_type, movement: &Movement, debit, credit| Intent {
        transaction_type,
        debit,
        credit,
        asset_type: movement.asset_type,
        amount: movement.amount.clone(),
        floor: None,
        asset: None,
        campaign: None,
        reverses: None,
        description: command.description.clone(),
    };
    let intent = match &command.action {
        Action::Claim { user, asset } => claim(book, *user, *asset)?,
        Action::ClaimAny { user, campaign } => {
            let asset = any_of(book, *user, *campaign)?;
            claim(book, *user, asset)?
        }
        Action::TopUp(movement) => plain(TransactionType::TopUp, movement, Owner::Treasury, Owner::User(movement.user)),
        Action::Bonus(movement) => plain(TransactionType::Bonus, movement, Owner::Treasury, Owner::User(movement.user)),
        Action::Spend { movement, floor } => {
            not_frozen(book, movement.user)?;
            Intent {
                floor: floor.clone(),
                ..plain(TransactionType::Spend, movement, Owner::User(movement.user), Owner::Treasury)
            }
        }
        Action::Transfer { movement, receiver, floor } => {
            transferable(book, movement, *receiver)?;
            Intent {
                floor: floor.clone(),
                ..plain(TransactionType::Transfer, movement, Owner::User(movement.user), Owner::User(*receiver))
            }
        }
        Action::Adjustment { movement, direction: Direction::Credit } => {
            plain(TransactionType::Adjustment, movement, Owner::Treasury, Owner::User(movement.user))
        }
        Action::Adjustment { movement, direction: Direction::Debit } => {
            plain(TransactionType::Adjustment, movement, Owner::User(movement.user), Owner::Treasury)
        }
        Action::Reversal { reverses } => reversal(book, *reverses, command)?,
    };
    Ok(intent)
}

fn claim(book: &Book, user: UserId, asset: AssetId) -> Result<Intent, Refusal> {
    let state = book.assets.get(&asset).ok_or(Refusal::AssetNotFound)?;
    match state.status {
        AssetStatus::Claimed => return Err(Refusal::AlreadyClaimed),
        AssetStatus::Expired => return Err(Refusal::AssetExpired),
        AssetStatus::Available => {}
    }
    if state.expires_at.is_some_and(|expires_at| expires_at <= book.now) {
        return Err(Refusal::AssetExpired);
    }
    not_frozen(book, user)?;
    let campaign = state.campaign.map(|campaign| Ok((campaign, claim_number(book, user, campaign)?))).transpose()?;
    Ok(Intent {
        transaction_type: TransactionType::Claim,
        debit: Owner::Treasury,
        credit: Owner::User(user),
        asset_type: state.asset_type,
        amount: state.amount.clone(),
        floor: None,
        asset: Some(asset),
        campaign,
        reverses: None,
        description: state.title.clone(),
    })
}

/// The number that the user's next claim in the campaign would have.
fn claim_number(book: &Book, user: UserId, campaign: CampaignId) -> Result<i32, Refusal> {
    let CampaignOffer { campaign: terms, .. } = book.campaigns.get(&campaign).ok_or(Refusal::CampaignNotFound)?;
    if terms.status(book.now) != CampaignStatus::Running {
        return Err(Refusal::CampaignNotRunning);
    }
    let number = book.campaign_claims.get(&(campaign, user)).map_or(1, |claims| claims.saturating_add(1));
    if number > terms.per_user_limit {
        return Err(Refusal::ClaimLimitReached);
    }
    Ok(number)
}

/// The first asset on offer in the campaign that nobody in the batch has taken.
fn any_of(book: &Book, user: UserId, campaign: CampaignId) -> Result<AssetId, Refusal> {
    let offer = book.campaigns.get(&campaign).ok_or(Refusal::CampaignNotFound)?;
    // Whoever may claim none should not be told that there are none.
    not_frozen(book, user)?;
    claim_number(book, user, campaign)?;
    let free = |asset: &&AssetId| {
        book.assets.get(asset).is_some_and(|state| {
            state.status == AssetStatus::Available && state.expires_at.is_none_or(|expires_at| book.now < expires_at)
        })
    };
    offer.assets.iter().find(free).copied().ok_or(Refusal::SoldOut)
}

fn transferable(book: &Book, movement: &Movement, receiver: UserId) -> Result<(), Refusal> {
    if movement.user == receiver {
        return Err(Refusal::SelfTransfer);
    }
    let rules = rules(book, &movement.asset_type)?;
    if !rules.transferable {
        return Err(Refusal::NotTransferable(movement.asset_type));
    }
    not_frozen(book, movement.user)
}

fn reversal(book: &Book, reverses: TransactionId, command: &Command) -> Result<Intent, Refusal> {
    let original = book.transactions.get(&reverses).ok_or(Refusal::TransactionNotFound)?;
    if original.reversed {
        return Err(Refusal::AlreadyReversed);
    }
    Ok(Intent {
        transaction_type: TransactionType::Reversal,
        debit: original.credit,
        credit: original.debit,
        asset_type: original.asset_type,
        amount: original.amount.clone(),
        floor: None,
        asset: None,
        campaign: None,
        reverses: Some(reverses),
        description: command.description.clone(),
    })
}

fn not_frozen(book: &Book, user: UserId) -> Result<(), Refusal> {
    match book.users.get(&user) {
        None => Err(Refusal::UserNotFound),
        Some(UserStatus::Frozen) => Err(Refusal::WalletFrozen),
        Some(UserStatus::Active) => Ok(()),
    }
}

fn rules<'b>(book: &'b Book, asset_type: &AssetTypeCode) -> Result<&'b AssetTypeRules, Refusal> {
    book.asset_types.get(asset_type).ok_or_else(|| Refusal::AssetTypeNotFound(asset_type.to_string()))
}

fn wallet(book: &Book, key: &WalletKey) -> Result<WalletState, Refusal> {
    if let Owner::User(user) = key.owner
        && !book.users.contains_key(&user)
    {
        return Err(Refusal::UserNotFound);
    }
    Ok(book.wallets.get(key).cloned().unwrap_or_else(WalletState::unopened))
}

/// Checks floor and limit of the two wallets and works out both lines.
fn post(book: &Book, transaction: TransactionId, intent: Intent) -> Result<Posting, Refusal> {
    let rules = rules(book, &intent.asset_type)?;
    intent.amount.check_scale(rules.scale.0)?;
    let amount = &intent.amount;
    let debit_key = WalletKey { owner: intent.debit, asset_type: intent.asset_type };
    let credit_key = WalletKey { owner: intent.credit, asset_type: intent.asset_type };
    let debit = wallet(book, &debit_key)?;
    let credit = wallet(book, &credit_key)?;

    if let Some(floor) = intent.floor.as_ref().filter(|floor| !floor.fits(rules.scale.0)) {
        return Err(Refusal::too_fine(floor, rules.scale.0));
    }
    let debit_after = debit.balance.debited(amount);
    let credit_after = credit.balance.credited(amount);
    if intent.debit != Owner::Treasury {
        let floor = intent.floor.as_ref().map_or(&rules.minimum_balance, |floor| floor.max(&rules.minimum_balance));
        if debit_after < *floor || debit_after.is_negative() {
            let available = debit.balance.above(floor).rescaled(rules.scale.0);
            return Err(Refusal::insufficient(available, intent.asset_type));
        }
    }
    if intent.credit != Owner::Treasury && credit_after > Balance::limit() {
        return Err(Refusal::BalanceLimit);
    }
    let created_at = [debit.last_posted_at, credit.last_posted_at].into_iter().flatten().fold(book.now, Ord::max);
    Ok(Posting {
        transaction,
        transaction_type: intent.transaction_type,
        scale: rules.scale,
        debit: EntryLine {
            wallet: debit_key,
            version: debit.version + 1,
            balance_before: debit.balance,
            balance_after: debit_after,
            credit_total: debit.credit_total,
        },
        credit: EntryLine {
            wallet: credit_key,
            version: credit.version + 1,
            balance_before: credit.balance,
            balance_after: credit_after,
            credit_total: credit.credit_total.credited(amount),
        },
        asset_type: intent.asset_type,
        amount: intent.amount,
        asset: intent.asset,
        campaign: intent.campaign,
        reverses: intent.reverses,
        description: intent.description,
        created_at,
    })
}

/// Enters a posting into the book, for the commands behind it.
fn enter(book: &mut Book, posting: &Posting) {
    for line in [&posting.debit, &posting.credit] {
        let wallet = book.wallets.entry(line.wallet).or_insert_with(WalletState::unopened);
        wallet.balance = line.balance_after.clone();
        wallet.credit_total = line.credit_total.clone();
        wallet.version = line.version;
        wallet.last_posted_at = Some(posting.created_at);
    }
    if let (Some(asset), Owner::User(user)) = (posting.asset, posting.credit.wallet.owner)
        && let Some(state) = book.assets.get_mut(&asset)
    {
        state.status = AssetStatus::Claimed;
        state.claimed = Some((user, posting.transaction));
        if let Some((campaign, number)) = posting.campaign {
            book.campaign_claims.insert((campaign, user), number);
            if let Some(offer) = book.campaigns.get_mut(&campaign) {
                offer.assets.remove(&asset);
            }
        }
    }
    if let Some(original) = posting.reverses.and_then(|id| book.transactions.get_mut(&id)) {
        original.reversed = true;
    }
    // Within the same batch, too, a transaction can be taken back once it is posted.
    book.transactions.insert(
        posting.transaction,
        Reversible {
            debit: posting.debit.wallet.owner,
            credit: posting.credit.wallet.owner,
            asset_type: posting.asset_type,
            amount: posting.amount.clone(),
            reversed: false,
        },
    );
}

/// Remembers what the request led to, for its repetitions.
fn remember(book: &mut Book, command: &Command, answer: Answer) {
    if let Some(Idempotency { key, item, request_hash }) = &command.idempotency {
        let used = book.keys.entry((command.requested_by, key.clone()));
        used.or_insert_with(|| KeyUse::of(*request_hash)).new.insert(*item, answer);
    }
}
