//! Registering and proving who one is: the same for pages and API.

use crate::domain::{ExternalId, Login, Role, User, UserId};
use crate::error::{Error, FieldError, Refusal, Result};
use crate::passwords::{self, Passwords};
use crate::repo::Db;
use crate::repo::users::{self, NewUser};

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

/// Registers an ordinary user.
///
/// # Errors
/// [`Error::Invalid`] with what is wrong in which field; [`Refusal::AlreadyRegistered`];
/// [`Error::Overloaded`].
pub async fn register(db: &Db, passwords: &Passwords, registration: &Registration<'_>) -> Result<User> {
    let (logins, external_id) = registration.parse()?;
    let password_hash = passwords.hash(registration.password.to_owned()).await?;
    let new = NewUser { external_id, logins, password_hash, role: Role::User };
    db.run(move |conn| users::register(conn, &new)).await
}

/// The user who has this login and this password. It takes as long whether the login exists or not.
///
/// # Errors
/// [`Refusal::InvalidCredentials`] in every case of no; [`Error::Overloaded`].
pub async fn check_credentials(db: &Db, passwords: &Passwords, login: &str, password: &str) -> Result<User> {
    let found = match Login::parse(login) {
        Ok(login) => db.run(move |conn| users::by_login(conn, &login)).await?,
        Err(_) => None,
    };
    let (user, hash) = found.unzip();
    let matches = passwords.verify(password.to_owned(), hash.clone()).await?;
    let user = user.filter(|_| matches).ok_or(Refusal::InvalidCredentials)?;
    if let Some(old) = hash.filter(|hash| passwords.is_outdated(hash))
        && let Err(error) = rehash(db, passwords, user.id, old, password).await
    {
        // The next sign-in tries again; this one is right all the same.
        tracing::warn!(%error, "a password was not hashed anew");
    }
    Ok(user)
}

async fn rehash(db: &Db, passwords: &Passwords, user: UserId, old: String, password: &str) -> Result<()> {
    let new = passwords.hash(password.to_owned()).await?;
    db.run(move |conn| users::rehash(conn, user, &old, &new)).await
}
