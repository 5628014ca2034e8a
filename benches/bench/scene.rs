//! Who takes part: users with tokens, funds and credits to claim.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection;
use serde_json::json;

use super::server::{PASSWORD, Server};
use super::wire;

/// How many users take part.
pub const USERS: usize = 1_000;

/// Tokens are good for a quarter of an hour; nobody uses one that is older than this.
const TOKENS_LAST: Duration = Duration::from_secs(300);

/// Users who are signed in, on a server.
pub struct Scene<'a> {
    pub server: &'a Server,
    /// What they claim, spend and transfer.
    pub asset_type: &'static str,
    /// Their names.
    pub users: Vec<String>,
    admin: &'static str,
    tokens: RefCell<Tokens>,
    credits: RefCell<VecDeque<i64>>,
}

/// One of each user, and one of the admin.
struct Tokens {
    since: Instant,
    users: Vec<Rc<str>>,
    admin: Rc<str>,
}

impl Tokens {
    fn of(server: &Server, users: &[String], admin: &str) -> Self {
        let token = |login: &str| -> Rc<str> {
            let body = json!({"login": login, "password": PASSWORD});
            let answer = wire::call(&server.address, "/api/v1/auth/login", None, &body);
            answer["access_token"].as_str().unwrap().into()
        };
        let users = users.iter().map(|name| token(name)).collect();
        Self { since: Instant::now(), users, admin: token(admin) }
    }
}

impl<'a> Scene<'a> {
    /// A thousand users in a database with the demo data, each with enough to spend.
    pub fn set(server: &'a Server) -> Self {
        server
            .connect()
            .batch_execute(&format!(
                "insert into users (external_id, username, password_hash)
                 select 'bench_' || n, 'bench_' || n, (select password_hash from users where username = 'admin')
                 from generate_series(1, {USERS}) n;
                 analyze users"
            ))
            .unwrap();
        let names = (1..=USERS).map(|number| format!("bench_{number}"));
        let scene = Self::of(server, "CASH", "admin", names);
        let top_up = |name: &String| json!({"type": "top_up", "user": name, "asset_type": "CASH", "amount": "1000000"});
        let body = json!({"mode": "atomic", "transactions": scene.users.iter().map(top_up).collect::<Vec<_>>()});
        wire::call(&server.address, "/api/v1/transactions/batch", Some(&scene.admin()), &body);
        scene
    }

    /// Signs in users who are there.
    pub fn of(
        server: &'a Server,
        asset_type: &'static str,
        admin: &'static str,
        names: impl Iterator<Item = String>,
    ) -> Self {
        let users: Vec<String> = names.collect();
        let tokens = RefCell::new(Tokens::of(server, &users, admin));
        Self { server, asset_type, users, admin, tokens, credits: RefCell::default() }
    }

    /// Signs everybody in again, if that was long ago.
    pub fn keep_signed_in(&self) {
        if self.tokens.borrow().since.elapsed() > TOKENS_LAST {
            self.tokens.replace(Tokens::of(self.server, &self.users, self.admin));
        }
    }

    /// The admin's token.
    pub fn admin(&self) -> Rc<str> {
        Rc::clone(&self.tokens.borrow().admin)
    }

    /// The token of a user.
    pub fn token_of(&self, place: usize) -> Rc<str> {
        Rc::clone(&self.tokens.borrow().users[place])
    }

    /// The token of the user whose turn it is: all users take turns, whoever's connection it is.
    pub fn token(&self, turn: usize) -> Rc<str> {
        self.token_of(self.place(turn))
    }

    /// Whose turn it is.
    pub fn place(&self, turn: usize) -> usize {
        turn.wrapping_mul(7919) % self.users.len()
    }

    /// Creates credits, as an admin does, and names them, in their order.
    pub fn create_credits(&self, count: usize) -> Vec<i64> {
        self.keep_signed_in();
        let mut ids = Vec::with_capacity(count);
        while ids.len() < count {
            let body = json!({
                "title": "Measured", "kind": "promotional", "asset_type": self.asset_type, "amount": "1.00",
                "quantity": (count - ids.len()).min(10_000),
            });
            let created = wire::call(&self.server.address, "/api/v1/admin/assets", Some(&self.admin()), &body);
            ids.extend(created["data"].as_array().unwrap().iter().map(|asset| asset["id"].as_i64().unwrap()));
        }
        ids
    }

    /// Sees to it that so many credits are there to be claimed.
    pub fn stock(&self, count: usize) {
        let missing = count.saturating_sub(self.credits.borrow().len());
        let created = self.create_credits(missing);
        self.credits.borrow_mut().extend(created);
    }

    /// A credit that nobody has claimed; none where all are gone.
    pub fn next_credit(&self) -> Option<i64> {
        self.credits.borrow_mut().pop_front()
    }

    /// Takes back credits that nobody has claimed.
    pub fn put_back(&self, credits: impl IntoIterator<Item = i64>) {
        self.credits.borrow_mut().extend(credits);
    }
}
