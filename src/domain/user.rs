//! Who uses Coffer, and by which names.

use std::borrow::Cow;

use chrono::{DateTime, Utc};

use super::UserId;
use crate::error::FieldError;

text_enum! {
    /// What a user may do.
    pub enum Role {
        /// Acts on its own wallets.
        User = "user",
        /// May do everything, for any user; only admins create value.
        Admin = "admin",
    }
}

text_enum! {
    /// Whether a user may move value.
    pub enum UserStatus {
        /// May do all that its role allows.
        Active = "active",
        /// May receive and look, but not claim, spend or transfer.
        Frozen = "frozen",
    }
}

/// A registered person or script.
#[derive(Debug, Clone, PartialEq, Eq, diesel::Queryable, diesel::Selectable)]
#[diesel(table_name = crate::schema::users)]
pub struct User {
    /// The row; never shown.
    pub id: UserId,
    /// The public name.
    pub external_id: String,
    /// A login of letters and digits.
    pub username: Option<String>,
    /// A login that is an e-mail address, in lower case.
    pub email: Option<String>,
    /// A login that is a phone number in E.164 form.
    pub phone_number: Option<String>,
    /// What the user may do.
    pub role: Role,
    /// Whether the user may move value.
    pub status: UserStatus,
    /// When the user registered.
    pub created_at: DateTime<Utc>,
    /// The name of the zone in which the user reads times, where one was chosen.
    pub time_zone: Option<String>,
}

impl User {
    /// Whether the user may act as an admin now: a frozen one may not.
    pub fn is_acting_admin(&self) -> bool {
        self.acting_role() == Role::Admin
    }

    /// The role that counts: a frozen admin has that of a user.
    pub fn acting_role(&self) -> Role {
        match self.status {
            UserStatus::Active => self.role,
            UserStatus::Frozen => Role::User,
        }
    }
}

/// One of the three names by which a user signs in. Their shapes do not overlap, so the text alone
/// says which one it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Login {
    /// 3 to 32 letters, digits, `_`, `.` or `-`, in lower case.
    Username(String),
    /// An e-mail address, in lower case.
    Email(String),
    /// `+` and 8 to 15 digits (ITU-T E.164).
    PhoneNumber(String),
}

impl Login {
    /// Reads a login of any kind, as a sign-in form takes it.
    ///
    /// # Errors
    /// A field error for `login` where the text has none of the three shapes.
    pub fn parse(text: &str) -> Result<Self, FieldError> {
        let text = text.trim();
        let login = if text.starts_with('+') {
            Self::phone_number(text)
        } else if text.contains('@') {
            Self::email(text)
        } else {
            Self::username(text)
        };
        login.map_err(|_| FieldError::new("login", "Enter a username, an e-mail address or a phone number."))
    }

    /// Reads a username.
    ///
    /// # Errors
    /// A field error for `username`.
    pub fn username(text: &str) -> Result<Self, FieldError> {
        let name = text.trim().to_lowercase();
        let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_.-".contains(&byte);
        if !(3..=32).contains(&name.len()) || !name.bytes().all(allowed) {
            return Err(FieldError::new("username", "Use 3 to 32 letters, digits, dots, dashes or underscores."));
        }
        Ok(Self::Username(name))
    }

    /// Reads an e-mail address: something before and a dotted name behind one `@`. Whether it can
    /// be delivered only a message could tell.
    ///
    /// # Errors
    /// A field error for `email`.
    pub fn email(text: &str) -> Result<Self, FieldError> {
        let address = text.trim().to_lowercase();
        let valid = address.len() <= 254
            && !address.chars().any(|c| c.is_whitespace() || c.is_control())
            && address.split_once('@').is_some_and(|(local, host)| {
                !local.is_empty()
                    && local.len() <= 64
                    && !host.contains('@')
                    && host.contains('.')
                    && host.split('.').all(|label| !label.is_empty())
            });
        if !valid {
            return Err(FieldError::new("email", "Enter an e-mail address such as name@example.org."));
        }
        Ok(Self::Email(address))
    }

    /// Reads a phone number; blanks, dashes and brackets between the digits are dropped.
    ///
    /// # Errors
    /// A field error for `phone_number`.
    pub fn phone_number(text: &str) -> Result<Self, FieldError> {
        let number: String = text.chars().filter(|c| !" -()".contains(*c)).collect();
        let valid = number.strip_prefix('+').is_some_and(|digits| {
            (8..=15).contains(&digits.len())
                && !digits.starts_with('0')
                && digits.bytes().all(|byte| byte.is_ascii_digit())
        });
        if !valid {
            return Err(FieldError::new(
                "phone_number",
                "Enter the number with its country code, for example +4915112345678.",
            ));
        }
        Ok(Self::PhoneNumber(number))
    }

    /// The login as it is stored.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Username(text) | Self::Email(text) | Self::PhoneNumber(text) => text,
        }
    }
}

/// A user's public name in paths and bodies, for example `user_alice`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ExternalId(Cow<'static, str>);

impl ExternalId {
    /// Names that would pass for somebody else; `me`, which stands for the caller, is too short.
    const RESERVED: [&str; 5] = ["treasury", "coffer", "system", "support", "nobody"];

    /// Reads an external id: 3 to 64 letters, digits, `_`, `.` or `-`, in lower case, among them a
    /// letter or digit.
    ///
    /// # Errors
    /// A field error for `external_id`.
    pub fn parse(text: &str) -> Result<Self, FieldError> {
        let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_.-".contains(&byte);
        let named = text.bytes().any(|byte| byte.is_ascii_alphanumeric()) && !Self::RESERVED.contains(&text);
        if !(3..=64).contains(&text.len()) || !text.bytes().all(allowed) || !named {
            return Err(FieldError::new(
                "external_id",
                "Choose another name of 3 to 64 lower-case letters, digits, dots, dashes or underscores.",
            ));
        }
        Ok(Self(Cow::Owned(text.to_owned())))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
