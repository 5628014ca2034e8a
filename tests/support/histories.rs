//! Random histories of commands, for the pure core and for the database alike.

#![allow(dead_code, reason = "each test binary uses a part of it")]
#![allow(clippy::indexing_slicing, reason = "indexes are taken modulo the length")]

use coffer::domain::posting::{Action, Command, Decision, Direction, Movement};
use coffer::domain::{Amount, AssetId, AssetTypeCode, Balance, CampaignId, TransactionId, UserId};
use coffer::error::{Error, Refusal};
use coffer::ledger::Outcome;
use proptest::prelude::*;

use super::books::{Answer, amount, keyed, unit};

/// Who and what a history is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct World {
    /// Asks for what only admins may ask for.
    pub admin: UserId,
    /// Three who may do all, a frozen one, and one who does not exist.
    pub users: Vec<UserId>,
    /// Available ones, expired ones, and one that does not exist.
    pub assets: Vec<AssetId>,
    /// Two of which some of the assets are, and one that does not exist.
    pub campaigns: Vec<CampaignId>,
}

/// One command, as far as it can be planned without a world.
#[derive(Debug, Clone)]
pub enum Step {
    /// A new command, perhaps under one of a few keys.
    New { by: usize, key: Option<u8>, plan: Plan },
    /// An earlier command once more, with its key if it had one.
    Repeat(usize),
}

/// What a command does; numbers stand for a user, an asset or an earlier command.
#[derive(Debug, Clone)]
pub enum Plan {
    Claim(usize, usize),
    ClaimAny(usize, usize),
    TopUp(Value),
    Bonus(Value),
    Spend(Value, Option<&'static str>),
    Transfer(Value, usize, Option<&'static str>),
    Adjustment(Value, Direction),
    Reversal(usize),
    UnknownReversal,
}

/// A user's value.
#[derive(Debug, Clone)]
pub struct Value {
    user: usize,
    asset_type: &'static str,
    amount: &'static str,
}

fn value() -> impl Strategy<Value = Value> {
    let asset_type = prop_oneof![8 => Just("GOLD"), 8 => Just("CASH"), 8 => Just("PTS"), 1 => Just("NONE")];
    let amount = prop_oneof![
        20 => prop::sample::select(vec!["1", "2", "7", "10", "30", "100"]),
        6 => prop::sample::select(vec!["0.01", "2.50", "99.99", "1.0"]),
        2 => prop::sample::select(vec!["0.001", "3.1415"]),
        1 => Just("1000000000000"),
    ];
    (0_usize..40, asset_type, amount).prop_map(|(user, asset_type, amount)| Value { user, asset_type, amount })
}

fn floor() -> impl Strategy<Value = Option<&'static str>> {
    prop_oneof![4 => Just(None), 1 => Just(Some("1")), 1 => Just(Some("20.00"))]
}

fn plan() -> impl Strategy<Value = Plan> {
    prop_oneof![
        6 => (0_usize..40, 0_usize..40).prop_map(|(user, asset)| Plan::Claim(user, asset)),
        3 => (0_usize..40, 0_usize..40).prop_map(|(user, campaign)| Plan::ClaimAny(user, campaign)),
        3 => value().prop_map(Plan::TopUp),
        3 => value().prop_map(Plan::Bonus),
        5 => (value(), floor()).prop_map(|(value, floor)| Plan::Spend(value, floor)),
        6 => (value(), 0_usize..40, floor()).prop_map(|(value, receiver, floor)| Plan::Transfer(value, receiver, floor)),
        3 => (value(), any::<bool>()).prop_map(|(value, credit)| {
            Plan::Adjustment(value, if credit { Direction::Credit } else { Direction::Debit })
        }),
        4 => (0_usize..1_000).prop_map(Plan::Reversal),
        1 => Just(Plan::UnknownReversal),
    ]
}

/// One step.
pub fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        9 => (0_usize..40, prop::option::weighted(0.4, 0_u8..12), plan())
            .prop_map(|(by, key, plan)| Step::New { by, key, plan }),
        2 => (0_usize..1_000).prop_map(Step::Repeat),
    ]
}

/// A history.
pub fn history(steps: impl Into<prop::collection::SizeRange>) -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec(step(), steps)
}

impl World {
    /// Half of all choices are the first two, so that they meet often.
    fn user(&self, number: usize) -> UserId {
        let crowd = [0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 3, 4];
        self.users[crowd[number % crowd.len()] % self.users.len()]
    }

    fn movement(&self, value: &Value) -> Movement {
        Movement { user: self.user(value.user), asset_type: unit(value.asset_type), amount: amount(value.amount) }
    }

    /// The next command of a history that has had `earlier`.
    pub fn command(&self, step: &Step, earlier: &[Command]) -> Command {
        let (by, key, plan) = match step {
            Step::New { by, key, plan } => (by, key, plan),
            Step::Repeat(number) if earlier.is_empty() => {
                return self.command(&Step::New { by: *number, key: None, plan: Plan::Claim(*number, 0) }, earlier);
            }
            Step::Repeat(number) => {
                return Command { transaction: TransactionId::new(), ..earlier[number % earlier.len()].clone() };
            }
        };
        let floor = |text: &Option<&str>| text.map(|text| Balance::of_credit(&amount(text)));
        let (by, action) = match plan {
            Plan::Claim(user, asset) => {
                let user = self.user(*user);
                (user, Action::Claim { user, asset: self.assets[asset % self.assets.len()] })
            }
            Plan::ClaimAny(user, campaign) => {
                let user = self.user(*user);
                (user, Action::ClaimAny { user, campaign: self.campaigns[campaign % self.campaigns.len()] })
            }
            Plan::TopUp(value) => (self.admin, Action::TopUp(self.movement(value))),
            Plan::Bonus(value) => (self.admin, Action::Bonus(self.movement(value))),
            Plan::Spend(value, least) => {
                let movement = self.movement(value);
                (movement.user, Action::Spend { movement, floor: floor(least) })
            }
            Plan::Transfer(value, receiver, least) => {
                let movement = self.movement(value);
                let receiver = self.user(*receiver);
                (movement.user, Action::Transfer { movement, receiver, floor: floor(least) })
            }
            Plan::Adjustment(value, direction) => {
                (self.admin, Action::Adjustment { movement: self.movement(value), direction: *direction })
            }
            // Some are reversed that were refused, and so are unknown. Whoever asks exists.
            Plan::Reversal(number) if !earlier.is_empty() => (
                self.users[by % (self.users.len() - 1)],
                Action::Reversal { reverses: earlier[number % earlier.len()].transaction },
            ),
            Plan::Reversal(_) | Plan::UnknownReversal => {
                (self.admin, Action::Reversal { reverses: TransactionId::new() })
            }
        };
        let command = Command { description: format!("{plan:?}"), ..Command::new(by, action) };
        match key {
            Some(key) => keyed(command, &format!("key-{key}")),
            None => command,
        }
    }

    /// All commands of a history.
    pub fn commands(&self, steps: &[Step]) -> Vec<Command> {
        let mut commands = Vec::new();
        for step in steps {
            commands.push(self.command(step, &commands));
        }
        commands
    }
}

/// What became of a command, as far as it does not depend on rows and batches.
#[derive(Debug, Clone, PartialEq)]
pub enum Fate {
    Posted { id: TransactionId, unit: AssetTypeCode, amount: Amount, debit: [Balance; 2], credit: [Balance; 2] },
    Replayed(TransactionId),
    Again(TransactionId, Balance),
    Refused(Refusal),
    Failed(String),
}

impl From<Result<Decision, Refusal>> for Fate {
    fn from(decision: Result<Decision, Refusal>) -> Self {
        match decision {
            Ok(Decision::Post(posting)) => Self::Posted {
                id: posting.transaction,
                unit: posting.asset_type,
                amount: posting.amount,
                debit: [posting.debit.balance_before, posting.debit.balance_after],
                credit: [posting.credit.balance_before, posting.credit.balance_after],
            },
            Ok(Decision::Replay(answer) | Decision::Again(answer)) => match answer.owned_with {
                Some(balance) => Self::Again(answer.transaction, balance),
                None => Self::Replayed(answer.transaction),
            },
            Err(refusal) => Self::Refused(refusal),
        }
    }
}

impl From<Answer> for Fate {
    fn from(answer: Answer) -> Self {
        match answer {
            Ok(Outcome::Posted(transaction)) => Self::Posted {
                id: transaction.id,
                unit: transaction.asset_type,
                amount: transaction.amount,
                debit: [transaction.debit.balance_before, transaction.debit.balance_after],
                credit: [transaction.credit.balance_before, transaction.credit.balance_after],
            },
            Ok(Outcome::Replayed(transaction)) => Self::Replayed(transaction.id),
            Ok(Outcome::Again { transaction, balance, .. }) => Self::Again(transaction.id, balance),
            Err(Error::Refused(refusal)) => Self::Refused(refusal),
            Err(error) => Self::Failed(format!("{error:?}")),
        }
    }
}

impl Fate {
    /// The kind of fate, in a word.
    pub fn kind(&self) -> String {
        let text = match self {
            Self::Refused(refusal) => format!("{refusal:?}"),
            other => format!("{other:?}"),
        };
        text.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default().to_owned()
    }
}
