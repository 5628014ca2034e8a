//! Registering, proving who one is, and changing the password: the same for pages and API.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::web::Data;
use actix_web::{FromRequest, HttpRequest};
use chrono::{DateTime, Utc};

use super::CurrentUser;
use crate::domain::{ExternalId, Login, Role, User, UserId};
use crate::ephemeral::{PasswordProofs, Throttle, Throttles};
use crate::error::{Error, FieldError, Refusal, Result};
use crate::passwords::{self, Passwords};
use crate::repo::Db;
use crate::repo::users::{self, NewUser};
use crate::web::client::Client;
use crate::web::extract;

/// What someone who registers has filled in. Empty texts count as left out.
#[derive(Default)]
pub struct Registration<'a> {
    /// Perhaps a username.
    pub username: &'a str,
    /// Perhaps an e-mail address.
    pub email: &'a str,
    /// Perhaps a phone number.
    pub phone_number: &'a str,
    /// Perhaps a public name.
    pub external_id: &'a str,
    /// The password.
    pub password: &'a str,
}

impl Registration<'_> {
    /// Reads the names, and checks the password against them.
    fn parse(&self) -> Result<(Vec<Login>, Option<ExternalId>)> {
        let mut errors = Vec::new();
        let mut read = |text: &str, parse: fn(&str) -> std::result::Result<Login, FieldError>| {
            let given = Some(text).filter(|text| !text.trim().is_empty());
            given.and_then(|text| parse(text).map_err(|error| errors.push(error)).ok())
        };
        let logins: Vec<Login> = [
            read(self.username, Login::username),
            read(self.email, Login::email),
            read(self.phone_number, Login::phone_number),
        ]
        .into_iter()
        .flatten()
        .collect();
        let external_id = match self.external_id {
            "" => None,
            text => ExternalId::parse(text).map_err(|error| errors.push(error)).ok(),
        };
        if logins.is_empty() && errors.is_empty() {
            errors.push(FieldError::new("username", "Give a username, an e-mail address or a phone number."));
        }
        let names: Vec<&str> =
            logins.iter().map(Login::as_str).chain(external_id.as_ref().map(ExternalId::as_str)).collect();
        errors.extend(passwords::check(self.password, &names).err());
        if errors.is_empty() { Ok((logins, external_id)) } else { Err(Error::Invalid(errors)) }
    }
}

/// A try to prove who one is by a password.
struct Attempt<'a> {
    /// None where the text cannot be a login.
    login: Option<&'a Login>,
    /// What tries of this login are counted under.
    name: &'a str,
    password: &'a str,
    proofs: Option<&'a PasswordProofs>,
}

/// What is known of a login before a password is hashed.
enum Known {
    /// The password was proved a moment ago.
    Proved(Proven),
    /// Who has the login, with the hash of the password.
    Unproved(Option<(User, String)>),
}

/// A user who has just proved by a password to be one.
#[derive(Debug)]
pub struct Proven {
    /// The user.
    pub user: User,
    /// The hash of the password, without which no session is opened: it may be another one by then.
    pub password_hash: String,
}

/// Where a request's sender registers and proves by a password who it is: what that takes, who is
/// calling from where, and when.
pub struct Reception {
    db: Data<Db>,
    passwords: Data<Passwords>,
    throttles: Data<Throttles>,
    client: Client,
    now: DateTime<Utc>,
}

impl FromRequest for Reception {
    type Error = Error;
    type Future = Ready<Result<Self>>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Self::of(req))
    }
}

impl Reception {
    /// The reception of a request.
    ///
    /// # Errors
    /// [`Error::Broken`] where the application lacks a part.
    pub fn of(req: &HttpRequest) -> Result<Self> {
        Ok(Self {
            db: extract::data(req)?,
            passwords: extract::data(req)?,
            throttles: extract::data(req)?,
            client: Client::of(req),
            now: extract::now(req)?,
        })
    }

    /// Registers an ordinary user.
    ///
    /// # Errors
    /// [`Error::Invalid`] with what is wrong in which field; [`Refusal::AlreadyRegistered`];
    /// [`Error::Overloaded`].
    pub async fn register(&self, registration: &Registration<'_>) -> Result<Proven> {
        let (logins, external_id) = registration.parse()?;
        let password_hash = self.passwords.hash(registration.password.to_owned()).await?;
        let new = NewUser { external_id, logins, password_hash: password_hash.clone(), role: Role::User };
        let user = self.db.run(move |conn| users::register(conn, &new)).await?;
        Ok(Proven { user, password_hash })
    }

    /// The user who has this login and this password. It takes as long whether the login exists or
    /// not.
    ///
    /// # Errors
    /// [`Error::RateLimited`] after too many wrong passwords, whether this one is right or not, or
    /// very many right ones; [`Refusal::InvalidCredentials`] in every other case of no;
    /// [`Error::Overloaded`].
    pub async fn check_credentials(&self, login: &str, password: &str) -> Result<Proven> {
        self.prove(login, password, None).await
    }

    /// As [`Reception::check_credentials`], but a password that is in `proofs` is not hashed again.
    ///
    /// # Errors
    /// As [`Reception::check_credentials`].
    pub async fn check_again(&self, login: &str, password: &str, proofs: &PasswordProofs) -> Result<Proven> {
        self.prove(login, password, Some(proofs)).await
    }

    async fn prove(&self, login: &str, password: &str, proofs: Option<&PasswordProofs>) -> Result<Proven> {
        let parsed = Login::parse(login).ok();
        let name = parsed.as_ref().map_or(login, Login::as_str);
        let attempt = Attempt { login: parsed.as_ref(), name, password, proofs };
        self.may_guess(&[name]).await?;
        if proofs.is_some()
            && let Known::Proved(proven) = self.look_up(&attempt).await?
        {
            return Ok(proven);
        }
        let _turn = self.throttles.password_turns.wait(&[name]).await?;
        // Once more, since those who had their turn before may have guessed wrong, or proved it.
        self.may_guess(&[name]).await?;
        let found = match self.look_up(&attempt).await? {
            Known::Proved(proven) => return Ok(proven),
            Known::Unproved(found) => found,
        };
        self.throttles.take_hash(name).await?;
        let hash = found.as_ref().map(|(_, hash)| hash.clone());
        let matches = self.passwords.verify(password.to_owned(), hash).await?;
        let Some((user, mut password_hash)) = found.filter(|_| matches) else {
            self.count_guess(&[name]).await;
            return Err(Refusal::InvalidCredentials.into());
        };
        if let Some(proofs) = proofs {
            proofs.remember(name, password, &password_hash)?;
        }
        if self.passwords.is_outdated(&password_hash) {
            match self.rehash(user.id, &password_hash, password).await {
                Ok(new) => password_hash = new,
                // The next sign-in tries again; this one is right all the same.
                Err(error) => tracing::warn!(%error, "a password was not hashed anew"),
            }
        }
        Ok(Proven { user, password_hash })
    }

    async fn look_up(&self, attempt: &Attempt<'_>) -> Result<Known> {
        let Some(login) = attempt.login.cloned() else { return Ok(Known::Unproved(None)) };
        let found = self.db.read(move |conn| users::by_login(conn, &login)).await?;
        if let (Some(proofs), Some((user, hash))) = (attempt.proofs, &found)
            && proofs.has(attempt.name, attempt.password, hash)?
        {
            return Ok(Known::Proved(Proven { user: user.clone(), password_hash: hash.clone() }));
        }
        Ok(Known::Unproved(found))
    }

    /// The hash that stands there afterwards.
    async fn rehash(&self, user: UserId, old: &str, password: &str) -> Result<String> {
        let (old, new) = (old.to_owned(), self.passwords.hash(password.to_owned()).await?);
        self.db.run(move |conn| Ok(if users::rehash(conn, user, &old, &new)? { new } else { old })).await
    }

    /// Gives a user another password. All sessions end but for the one that it is done in; API keys
    /// stay, since a password does not open them.
    ///
    /// # Errors
    /// [`Error::Invalid`] for `new_password` by the rules of a registration, and for
    /// `current_password` where it is another, or has been changed meanwhile;
    /// [`Error::RateLimited`] as for a sign-in; [`Error::Overloaded`].
    pub async fn change_password(&self, caller: &CurrentUser, current: String, new: String) -> Result<()> {
        let user = &caller.user;
        let logins = [&user.username, &user.email, &user.phone_number].into_iter().flatten();
        let logins: Vec<&str> = logins.map(String::as_str).collect();
        let names: Vec<&str> = logins.iter().copied().chain([user.external_id.as_str()]).collect();
        if let Err(error) = passwords::check(&new, &names) {
            return Err(Error::Invalid(vec![FieldError { field: "new_password".into(), ..error }]));
        }
        if new == current {
            return Err(Error::Invalid(vec![FieldError::new("new_password", "Choose another than the current one.")]));
        }
        self.may_guess(&logins).await?;
        let _turns = self.throttles.password_turns.wait(&logins).await?;
        self.may_guess(&logins).await?;
        for login in &logins {
            self.throttles.take_hash(login).await?;
        }
        let wrong = || Error::Invalid(vec![FieldError::new("current_password", "This is not your password.")]);
        let id = user.id;
        let old_hash = self.db.read(move |conn| users::password_hash(conn, id)).await?;
        if !self.passwords.verify(current, Some(old_hash.clone())).await? {
            self.count_guess(&logins).await;
            return Err(wrong());
        }
        let new_hash = self.passwords.hash(new).await?;
        let (session, now) = (caller.proof.session(), self.now);
        let change = move |conn: &mut _| users::change_password(conn, id, (&old_hash, &new_hash), session, now);
        if self.db.run(change).await? { Ok(()) } else { Err(wrong()) }
    }

    /// Passes whoever may try a password of one who has these logins: before anything is hashed or
    /// looked up, so that the answer does not tell whether a login exists.
    async fn may_guess(&self, logins: &[&str]) -> Result<()> {
        let keys = self.guess_keys(logins);
        self.throttles.check(&self.guesses(&keys), self.now).await
    }

    async fn count_guess(&self, logins: &[&str]) {
        let keys = self.guess_keys(logins);
        self.throttles.count(&self.guesses(&keys), self.now).await;
    }

    /// What a guess of each login is counted under: the login, and the login with the network.
    fn guess_keys(&self, logins: &[&str]) -> Vec<(String, String)> {
        let network = &self.client.network;
        logins.iter().map(|login| ((*login).to_owned(), format!("{network} {login}"))).collect()
    }

    fn guesses<'a>(&'a self, keys: &'a [(String, String)]) -> Vec<(&'a Throttle, &'a str)> {
        let Throttles { logins, logins_anywhere, networks, .. } = self.throttles.get_ref();
        let of_login = |(login, with_network): &'a (String, String)| {
            [(logins, with_network.as_str()), (logins_anywhere, login.as_str())]
        };
        keys.iter().flat_map(of_login).chain([(networks, self.client.network.as_str())]).collect()
    }
}
