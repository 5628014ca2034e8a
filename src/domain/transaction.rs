//! A balanced movement and its two entries, as the ledger holds them.

use chrono::{DateTime, Utc};

use super::{Amount, AssetId, AssetTypeCode, Balance, Owner, Scale, TransactionId, UserId, WalletId};

text_enum! {
    /// Why value moved.
    pub enum TransactionType {
        /// A user took an asset.
        Claim = "claim",
        /// Value that was paid for enters a wallet.
        TopUp = "top_up",
        /// Value enters a wallet as a present.
        Bonus = "bonus",
        /// Value returns to the treasury for something bought.
        Spend = "spend",
        /// Value goes from one user to another.
        Transfer = "transfer",
        /// An admin corrects a balance, with a reason.
        Adjustment = "adjustment",
        /// The opposite of an earlier transaction, with a reason.
        Reversal = "reversal",
    }
}

impl TransactionType {
    /// What happened, as the owner of one of the two wallets reads it: whether that one gained, and
    /// the public name of the other user, if there is one.
    pub fn told(self, gained: bool, other: Option<&str>) -> String {
        let what = match self {
            Self::Claim => "Claimed credit",
            Self::TopUp => "Top-up",
            Self::Bonus => "Bonus",
            Self::Spend => "Purchase",
            Self::Transfer => "Transfer",
            Self::Adjustment => "Correction",
            Self::Reversal => "Reversal",
        };
        match (other, gained) {
            (None, _) => what.to_owned(),
            (Some(other), true) => format!("{what} from {other}"),
            (Some(other), false) => format!("{what} to {other}"),
        }
    }
}

/// One signed line of a transaction on one wallet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The wallet; none where the transaction is only looked at, and would open it.
    pub wallet_id: Option<WalletId>,
    /// Whose wallet it is.
    pub owner: Owner,
    /// The wallet's version after this entry: 1, 2, 3 … without gaps.
    pub version: i64,
    /// What the wallet gained, or gave where negative.
    pub amount: Balance,
    /// What it held before.
    pub balance_before: Balance,
    /// What it holds after.
    pub balance_after: Balance,
}

/// One balanced movement: what `debit` gives, `credit` gains.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transaction {
    /// Made by whoever asked, before the posting.
    pub id: TransactionId,
    /// Why value moved.
    pub transaction_type: TransactionType,
    /// The unit of the amount.
    pub asset_type: AssetTypeCode,
    /// How many decimals the amount has.
    pub scale: Scale,
    /// How much moved.
    pub amount: Amount,
    /// The entry of the wallet that gave.
    pub debit: Entry,
    /// The entry of the wallet that gained.
    pub credit: Entry,
    /// The asset, if this is its claim.
    pub asset: Option<AssetId>,
    /// The transaction that this one takes back.
    pub reverses: Option<TransactionId>,
    /// What it was for, in the words of whoever asked.
    pub description: String,
    /// What scripts attach, a JSON object.
    pub metadata: Option<serde_json::Value>,
    /// Why an admin did this.
    pub reason: Option<String>,
    /// Who asked for it.
    pub requested_by: UserId,
    /// When it was posted.
    pub created_at: DateTime<Utc>,
}

impl Transaction {
    /// The entry of the user whom the movement is about, then the entry of the other side. Of two
    /// users it is about the sender: of a transfer whoever gives, of its reversal whoever gave
    /// then.
    pub fn sides(&self) -> (&Entry, &Entry) {
        let about_debit = match (self.debit.owner, self.credit.owner) {
            (Owner::User(_), Owner::User(_)) => self.transaction_type != TransactionType::Reversal,
            (debit, _) => debit != Owner::Treasury,
        };
        if about_debit { (&self.debit, &self.credit) } else { (&self.credit, &self.debit) }
    }
}
