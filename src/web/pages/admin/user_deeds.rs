//! What admins do to a user, each with a page before it that says what will happen.

use std::str::FromStr;

use actix_session::Session;
use actix_web::HttpResponse;
use actix_web::web::Data;
use serde::Deserialize;

use super::review::Review;
use crate::domain::{Reason, Role, User, UserStatus};
use crate::error::{Error, FieldError, Refusal, Result};
use crate::repo::users::rights::{self, Change};
use crate::repo::{Db, users};
use crate::web::auth::{Admin, By, CsrfForm};
use crate::web::extract::{Now, PathOf};
use crate::web::kept::KeptForm;
use crate::web::pages::parts::{counted, role_word, user_status_word};
use crate::web::view::{self, Chrome, Flash};

/// What is done to a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Deed {
    Freeze,
    Unfreeze,
    MakeAdmin,
    MakeUser,
    SignOut,
}

impl FromStr for Deed {
    type Err = Error;

    fn from_str(word: &str) -> Result<Self> {
        match word {
            "freeze" => Ok(Self::Freeze),
            "unfreeze" => Ok(Self::Unfreeze),
            "make-admin" => Ok(Self::MakeAdmin),
            "make-user" => Ok(Self::MakeUser),
            "sign-out" => Ok(Self::SignOut),
            _ => Err(Error::NotFound),
        }
    }
}

/// The form.
#[derive(Debug, Deserialize, Default)]
#[serde(default)]
pub struct ReasonForm {
    reason: String,
}

impl Deed {
    /// The name of the page, the name on its button, and what will happen.
    fn words(self, user: &str) -> (String, &'static str, &'static str) {
        match self {
            Self::Freeze => (
                format!("Freeze {user}"),
                "Freeze",
                "From this moment the user can look and receive, but not claim, spend or transfer.",
            ),
            Self::Unfreeze => {
                (format!("Unfreeze {user}"), "Unfreeze", "The user can claim, spend and transfer again at once.")
            }
            Self::MakeAdmin => (
                format!("Make {user} an admin"),
                "Make admin",
                "An admin may do everything, for any user. API keys that the user has made are deleted.",
            ),
            Self::MakeUser => (
                format!("Make {user} a user"),
                "Make user",
                "The admin pages close for this user at once. Wallets and credits stay.",
            ),
            Self::SignOut => (
                format!("Sign {user} out everywhere"),
                "Sign out everywhere",
                "All sessions of this user end at once, in browsers and programs. API keys stay.",
            ),
        }
    }

    fn change(self) -> Option<Change> {
        match self {
            Self::Freeze => Some(Change { status: Some(UserStatus::Frozen), role: None }),
            Self::Unfreeze => Some(Change { status: Some(UserStatus::Active), role: None }),
            Self::MakeAdmin => Some(Change { status: None, role: Some(Role::Admin) }),
            Self::MakeUser => Some(Change { status: None, role: Some(Role::User) }),
            Self::SignOut => None,
        }
    }

    /// What there is to say where it is so already.
    fn is_done(self, user: &User) -> Option<&'static str> {
        match self {
            Self::Freeze if user.status == UserStatus::Frozen => Some("This user is frozen already."),
            Self::Unfreeze if user.status == UserStatus::Active => Some("This user is not frozen."),
            Self::MakeAdmin if user.role == Role::Admin => Some("This user is an admin already."),
            Self::MakeUser if user.role == Role::User => Some("This user is no admin."),
            _ => None,
        }
    }

    fn page(self, chrome: Chrome, user: &User, is_self: bool, reason: &str) -> Review {
        let (title, button, lead) = self.words(&user.external_id);
        let review = Review::new(chrome, (place(user), user.external_id.clone()), title, lead)
            .fact("User", &user.external_id)
            .fact("Role", role_word(user.role))
            .fact("Status", user_status_word(user.status));
        if let Some(words) = self.is_done(user) {
            return review.warning(words);
        }
        let review = match self {
            Self::Freeze | Self::MakeUser if is_self => review
                .warning("This is you. You cannot take it back yourself: only another admin can, who has to be there."),
            Self::SignOut if is_self => review.warning("This is you. You stay signed in here, and only here."),
            _ => review,
        };
        let review = review.reason(reason);
        match self {
            Self::Freeze | Self::MakeUser | Self::SignOut => review.dangerous_button(button),
            Self::Unfreeze | Self::MakeAdmin => review.button(button),
        }
    }
}

fn place(user: &User) -> String {
    format!("/admin/users/{}", user.external_id)
}

/// `GET /admin/users/{user}/{deed}`
///
/// # Errors
/// [`Error::NotFound`] for what cannot be done to users, [`Refusal::UserNotFound`], and those of the
/// database.
pub async fn review(
    admin: Admin,
    path: PathOf<(String, String)>,
    kept: KeptForm<ReasonForm>,
    chrome: Chrome,
    db: Data<Db>,
) -> Result<HttpResponse> {
    let (name, deed) = path.0;
    let deed: Deed = deed.parse()?;
    let me = admin.0.user.id;
    let user = db.run(move |conn| users::meant_by(conn, admin.0.user, &name)).await?;
    deed.page(chrome, &user, user.id == me, &kept.0.unwrap_or_default().reason).page()
}

/// `POST /admin/users/{user}/{deed}`
///
/// # Errors
/// As [`review`]; a missing reason and the refusal of the last admin bring the page back.
#[allow(clippy::too_many_arguments, reason = "each is an extractor")]
pub async fn act(
    admin: Admin,
    by: By,
    path: PathOf<(String, String)>,
    form: CsrfForm<ReasonForm>,
    chrome: Chrome,
    cookie: Session,
    now: Now,
    db: Data<Db>,
) -> Result<HttpResponse> {
    let (name, deed) = path.0;
    let deed: Deed = deed.parse()?;
    let Admin(me) = admin;
    let (id, own) = (me.user.id, me.proof.session());
    let user = db.run(move |conn| users::meant_by(conn, me.user, &name)).await?;
    let outcome = match Reason::parse(&form.0.reason) {
        Err(error) => Err(Error::Invalid(vec![error])),
        Ok(reason) => {
            let (name, but) = (user.external_id.clone(), own.filter(|_| user.id == id));
            db.run(move |conn| match deed.change() {
                Some(change) => rights::change(conn, &by.0, &name, change, &reason, now.0).map(|_| 0),
                None => rights::sign_out(conn, &by.0, &name, but, &reason, now.0),
            })
            .await
        }
    };
    match outcome {
        Ok(ended) => {
            told(deed, &user, ended).leave(&cookie)?;
            let is_out = user.id == id && matches!(deed, Deed::Freeze | Deed::MakeUser);
            let place = if is_out { "/wallet".to_owned() } else { place(&user) };
            Ok(view::see_other(&place))
        }
        Err(Error::Invalid(errors)) => deed.page(chrome, &user, user.id == id, &form.0.reason).invalid(errors),
        Err(Error::Refused(Refusal::LastAdmin)) => {
            let refused = FieldError::new("reason", Refusal::LastAdmin.to_string());
            deed.page(chrome, &user, user.id == id, &form.0.reason).invalid(vec![refused])
        }
        Err(error) => Err(error),
    }
}

fn told(deed: Deed, user: &User, ended: usize) -> Flash {
    let name = &user.external_id;
    if let Some(words) = deed.is_done(user) {
        return Flash::warn(words);
    }
    match deed {
        Deed::Freeze => Flash::good(format!("{name} is frozen.")),
        Deed::Unfreeze => Flash::good(format!("{name} can claim, spend and transfer again.")),
        Deed::MakeAdmin => Flash::good(format!("{name} is an admin now.")),
        Deed::MakeUser => Flash::good(format!("{name} is no admin any more.")),
        Deed::SignOut if ended == 0 => Flash::warn(format!("{name} was not signed in anywhere else.")),
        Deed::SignOut => {
            let sessions = counted(i64::try_from(ended).unwrap_or_default(), "session", "sessions");
            Flash::good(format!("{sessions} of {name} ended."))
        }
    }
}
