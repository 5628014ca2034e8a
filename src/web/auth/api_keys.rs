//! Making a personal API key: the same for pages and API.

use actix_web::web::Data;
use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::CurrentUser;
use crate::domain::{ApiKeySecret, Role, Scope, Scopes};
use crate::error::{Error, FieldError, Result};
use crate::repo::Db;
use crate::repo::api_keys::{self, ApiKey, NewApiKey};

/// The most characters of a key's name.
const LONGEST_NAME: usize = 100;

/// A key that somebody asks for.
#[derive(Debug)]
pub struct ApiKeyWish<'a> {
    /// What to call it.
    pub name: &'a str,
    /// What it may do.
    pub scopes: &'a [Scope],
    /// From when on it opens nothing.
    pub expires_at: Option<DateTime<Utc>>,
    /// The form that asks, which makes one key however often it is sent.
    pub form: Option<Uuid>,
}

impl ApiKeyWish<'_> {
    /// Makes the key for a user; gives it and the whole key, secret and all, which is kept nowhere.
    ///
    /// # Errors
    /// [`Error::Invalid`] with what is wrong in which field; [`Error::Unauthenticated`] where the session
    /// has ended or the password has been changed meanwhile;
    /// [`crate::error::Refusal::TooManyApiKeys`]; [`crate::error::Refusal::AlreadyCreated`] where the
    /// form has made one.
    pub async fn grant(&self, current: &CurrentUser, now: DateTime<Utc>, db: &Data<Db>) -> Result<(ApiKey, String)> {
        let user = &current.user;
        let (name, scopes) = self.check(user.role, now)?;
        let mut random = [0; 32];
        getrandom::fill(&mut random).map_err(|error| Error::broken(error.to_string()))?;
        let secret = ApiKeySecret::from_random(random);
        let new = NewApiKey {
            user: user.id,
            session: current.proof.session(),
            password_hash: current.password_hash.clone(),
            name,
            scopes,
            secret_hash: secret.hash(),
            expires_at: self.expires_at,
            form: self.form,
        };
        let key = db.run(move |conn| api_keys::create(conn, &new, now)).await?;
        let whole = secret.key(key.id);
        Ok((key, whole))
    }

    /// The name and the scopes, if they are what they may be for a user of this role.
    fn check(&self, role: Role, now: DateTime<Utc>) -> Result<(String, Scopes)> {
        let mut errors = Vec::new();
        let mut refuse = |field: &'static str, message: &'static str| errors.push(FieldError::new(field, message));
        let name = self.name.trim();
        if name.is_empty() || name.chars().count() > LONGEST_NAME || name.chars().any(char::is_control) {
            refuse("name", "Use 1 to 100 characters.");
        }
        if self.scopes.is_empty() {
            refuse("scopes", "Choose at least one thing that the key may do.");
        }
        if self.scopes.contains(&Scope::Admin) && role != Role::Admin {
            refuse("scopes", "Only the key of an admin can have the scope admin.");
        }
        if self.expires_at.is_some_and(|at| at <= now) {
            refuse("expires_at", "Choose a time that is still to come.");
        }
        if errors.is_empty() { Ok((name.to_owned(), Scopes::of(self.scopes))) } else { Err(Error::Invalid(errors)) }
    }
}
