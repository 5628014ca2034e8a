//! The book: all that the commands of one batch may touch, as it stands under the batch's locks.

use std::collections::{BTreeSet, HashMap};

use chrono::{DateTime, Utc};
use foldhash::HashMapExt;

use super::{
    Amount, AssetId, AssetStatus, AssetTypeCode, Balance, Campaign, CampaignId, Owner, Scale, TransactionId, UserId,
    UserStatus, WalletId,
};

/// A wallet by what it is: one owner's account in one asset type. The treasury's is the one of the
/// posting thread's own lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WalletKey {
    /// Whose.
    pub owner: Owner,
    /// In which unit.
    pub asset_type: AssetTypeCode,
}

/// What a wallet holds while its batch has it locked.
#[derive(Debug, Clone, PartialEq)]
pub struct WalletState {
    /// Its row; none before the first credit has opened it.
    pub id: Option<WalletId>,
    /// What it holds.
    pub balance: Balance,
    /// The sum of all that it ever gained, by which totals of any date range cost two look-ups.
    pub credit_total: Balance,
    /// The number of its entries.
    pub version: i64,
    /// The time of its last entry.
    pub last_posted_at: Option<DateTime<Utc>>,
}

impl WalletState {
    /// A wallet that nobody has opened yet.
    pub fn unopened() -> Self {
        Self { id: None, balance: Balance::zero(), credit_total: Balance::zero(), version: 0, last_posted_at: None }
    }
}

/// What of an asset type matters to a posting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AssetTypeRules {
    /// How many decimals amounts may have.
    pub scale: Scale,
    /// The least that a user's wallet may hold after a debit.
    pub minimum_balance: Balance,
    /// Whether users may give it to each other.
    pub transferable: bool,
}

/// What of an asset matters to a claim.
#[derive(Debug, Clone, PartialEq)]
pub struct AssetState {
    /// Where it is in its life.
    pub status: AssetStatus,
    /// From when on it can no longer be claimed.
    pub expires_at: Option<DateTime<Utc>>,
    /// The unit of its amount.
    pub asset_type: AssetTypeCode,
    /// What its owner gets.
    pub amount: Amount,
    /// What it is called.
    pub title: String,
    /// The campaign it was released with.
    pub campaign: Option<CampaignId>,
    /// Its owner and the transaction of the claim, if it is claimed.
    pub claimed: Option<(UserId, TransactionId)>,
}

/// A campaign, and those of its available assets that a batch may give to whoever asks for any.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CampaignOffer {
    /// The campaign.
    pub campaign: Campaign,
    /// What it offers.
    pub assets: BTreeSet<AssetId>,
    /// Whether another batch holds assets that this one might have offered, so that to be sold out is
    /// not final.
    pub contended: bool,
}

/// What an idempotency key has been used for.
#[derive(Debug, Clone, PartialEq)]
pub struct KeyUse {
    /// SHA-256 of the request.
    pub request_hash: [u8; 32],
    /// What its items led to before this batch; item 0 of a request that has others is no answer.
    pub stored: HashMap<i32, Option<Answer>>,
    /// What its items lead to in this batch.
    pub new: HashMap<i32, Answer>,
}

impl KeyUse {
    /// A key that nothing has been answered under.
    pub fn of(request_hash: [u8; 32]) -> Self {
        Self { request_hash, stored: HashMap::new(), new: HashMap::new() }
    }

    /// What an item of the request led to.
    pub fn answer(&self, item: i32) -> Option<&Answer> {
        self.stored.get(&item).and_then(Option::as_ref).or_else(|| self.new.get(&item))
    }
}

/// What a request led to.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The transaction that it made or, where the caller owned the asset already, found.
    pub transaction: TransactionId,
    /// What the caller held when it was found to own the asset already.
    pub owned_with: Option<Balance>,
}

/// What of an earlier transaction matters to its reversal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reversible {
    /// Who gave.
    pub debit: Owner,
    /// Who gained.
    pub credit: Owner,
    /// The unit.
    pub asset_type: AssetTypeCode,
    /// How much.
    pub amount: Amount,
    /// Whether it has been taken back.
    pub reversed: bool,
}

/// A map that is looked into many times for each movement. Its keys are ids, and codes that admins chose, of which
/// nobody makes up thousands that collide; what callers make up is kept in the standard one.
pub type FastMap<Key, Value> = foldhash::HashMap<Key, Value>;

/// All that the commands of one batch may touch, as it stands under the batch's locks.
#[derive(Debug, Clone)]
pub struct Book {
    /// The time of the batch.
    pub now: DateTime<Utc>,
    /// The users whose wallets are named.
    pub users: FastMap<UserId, UserStatus>,
    /// The asset types that are named.
    pub asset_types: FastMap<AssetTypeCode, AssetTypeRules>,
    /// The assets that are named.
    pub assets: FastMap<AssetId, AssetState>,
    /// The wallets that are named.
    pub wallets: FastMap<WalletKey, WalletState>,
    /// The transactions that are to be reversed.
    pub transactions: FastMap<TransactionId, Reversible>,
    /// The idempotency keys that have been used, by caller.
    pub keys: HashMap<(UserId, String), KeyUse>,
    /// The campaigns of the assets that are named, and those that any asset is asked of.
    pub campaigns: FastMap<CampaignId, CampaignOffer>,
    /// How many assets of a campaign a user has claimed.
    pub campaign_claims: FastMap<(CampaignId, UserId), i32>,
}

impl Book {
    /// A book that knows nothing, at `now`.
    pub fn empty(now: DateTime<Utc>) -> Self {
        Self {
            now,
            users: FastMap::new(),
            asset_types: FastMap::new(),
            assets: FastMap::new(),
            wallets: FastMap::new(),
            transactions: FastMap::new(),
            keys: HashMap::new(),
            campaigns: FastMap::new(),
            campaign_claims: FastMap::new(),
        }
    }
}
