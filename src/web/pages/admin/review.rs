//! The page before something happens that matters: what will happen, what is still to be said, and
//! the one button.

use actix_web::HttpResponse;
use askama::Template;

use crate::error::{FieldError, Result};
use crate::web::view::{self, Chrome, Field};

/// What is about to happen. Shown by [`Review::page`], and again by [`Review::invalid`].
#[derive(Template)]
#[template(path = "admin/review.html")]
pub struct Review {
    chrome: Chrome,
    /// The place above: its address and name.
    parent: (String, String),
    title: String,
    lead: String,
    facts: Vec<(String, String)>,
    warnings: Vec<String>,
    fields: Vec<ReviewField>,
    hidden: Vec<(&'static str, String)>,
    /// The name on the button; none where nothing can be done.
    button: Option<String>,
    is_dangerous: bool,
    errors: Vec<FieldError>,
}

/// One thing that is asked for.
struct ReviewField {
    name: &'static str,
    label: &'static str,
    /// The input's type, or `textarea`.
    kind: &'static str,
    hint: &'static str,
    required: bool,
    field: Field,
}

impl Review {
    /// A review of what the page at `chrome.path` does when it is sent; `parent` is where one comes
    /// from and where the cancel link leads.
    pub fn new(
        chrome: Chrome,
        parent: (impl Into<String>, impl Into<String>),
        title: impl Into<String>,
        lead: impl Into<String>,
    ) -> Self {
        Self {
            chrome,
            parent: (parent.0.into(), parent.1.into()),
            title: title.into(),
            lead: lead.into(),
            facts: Vec::new(),
            warnings: Vec::new(),
            fields: Vec::new(),
            hidden: Vec::new(),
            button: None,
            is_dangerous: false,
            errors: Vec::new(),
        }
    }

    /// Something that it is about: a name and its value.
    #[must_use]
    pub fn fact(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.facts.push((name.into(), value.into()));
        self
    }

    /// Something to mind, a sentence.
    #[must_use]
    pub fn warning(mut self, text: impl Into<String>) -> Self {
        self.warnings.push(text.into());
        self
    }

    /// Something to fill in, with what stands in it; `kind` is an input's type, or `textarea`.
    #[must_use]
    pub fn input(
        mut self,
        (name, label): (&'static str, &'static str),
        kind: &'static str,
        hint: &'static str,
        value: &str,
    ) -> Self {
        let field = Field::new(name, value, &[]);
        self.fields.push(ReviewField { name, label, kind, hint, required: false, field });
        self
    }

    /// The last of these cannot be left empty.
    #[must_use]
    pub fn required(mut self) -> Self {
        if let Some(last) = self.fields.last_mut() {
            last.required = true;
        }
        self
    }

    /// The reason, which every action on value needs, with what stands in it.
    #[must_use]
    pub fn reason(mut self, value: &str) -> Self {
        self.fields.push(ReviewField {
            name: "reason",
            label: "Reason",
            kind: "textarea",
            hint: "Kept in the audit log, with your name.",
            required: true,
            field: Field::new("reason", value, &[]),
        });
        self
    }

    /// A value that comes back with the form.
    #[must_use]
    pub fn hidden(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.hidden.push((name, value.into()));
        self
    }

    /// The button that lets it happen; without one there is nothing to be done.
    #[must_use]
    pub fn button(self, text: impl Into<String>) -> Self {
        Self { button: Some(text.into()), ..self }
    }

    /// As [`button`](Self::button), for what cannot be undone.
    #[must_use]
    pub fn dangerous_button(self, text: impl Into<String>) -> Self {
        Self { is_dangerous: true, ..self.button(text) }
    }

    /// Shows it.
    ///
    /// # Errors
    /// [`crate::error::Error::Broken`] where the template fails.
    pub fn page(self) -> Result<HttpResponse> {
        view::page(&self)
    }

    /// Shows it again, with what is wrong: status 422.
    ///
    /// # Errors
    /// As [`page`](Self::page).
    pub fn invalid(mut self, errors: Vec<FieldError>) -> Result<HttpResponse> {
        for field in &mut self.fields {
            field.field = Field::new(field.name, &field.field.value, &errors);
        }
        view::invalid(&Self { errors, ..self })
    }
}
