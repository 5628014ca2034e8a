//! Commands on their way to the posting thread, and back with what became of them.

use std::time::Instant;

use tokio::sync::oneshot;

use super::batch::Group;
use super::{Outcome, Outcomes};
use crate::domain::AccessState;
use crate::domain::posting::Command;
use crate::error::Result;

/// Commands on their way together, and where their answer is awaited.
pub(super) struct Request {
    pub(super) items: Vec<Item>,
    /// Whether all are to happen or none.
    atomic: bool,
    /// The state of access in which they are allowed, where that is not settled.
    allowed_in: Option<AccessState>,
    pub(super) since: Instant,
    pub(super) answer: oneshot::Sender<Answer>,
}

/// What became of a request; nothing where it is not allowed as things stand.
pub(super) type Answer = Result<Option<Outcomes>>;

/// One command, and what became of it where a lost commit has settled that.
pub(super) struct Item {
    pub(super) command: Command,
    pub(super) settled: Option<Outcome>,
}

impl Request {
    pub(super) fn new(
        commands: Vec<Command>,
        atomic: bool,
        allowed_in: Option<AccessState>,
        answer: oneshot::Sender<Answer>,
    ) -> Self {
        let items = commands.into_iter().map(|command| Item { command, settled: None }).collect();
        Self { items, atomic, allowed_in, since: Instant::now(), answer }
    }

    /// What is still to be posted. Where some of it is settled, all of it has happened that can.
    pub(super) fn group(&self) -> Group<'_> {
        let open = self.items.iter().filter(|item| item.settled.is_none());
        let commands: Vec<&Command> = open.map(|item| &item.command).collect();
        let atomic = self.atomic && commands.len() == self.items.len();
        Group { atomic, allowed_in: self.allowed_in, commands }
    }

    /// Answers with what was settled, and the outcomes of the rest.
    pub(super) fn answer(self, outcomes: Option<Outcomes>) {
        let all = match outcomes {
            Some(Outcomes::Each(each)) => {
                let mut each = each.into_iter();
                let items = self.items.into_iter();
                let all = items.filter_map(|item| item.settled.map(Ok).or_else(|| each.next()));
                Some(Outcomes::Each(all.collect()))
            }
            none => none,
        };
        // Nobody may wait any more; what is posted stays posted.
        let _ = self.answer.send(Ok(all));
    }
}
