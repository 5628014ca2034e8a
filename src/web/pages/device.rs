//! Where somebody is signed in, and what people call a program, by the name that it gives itself.

use crate::domain::{SessionId, SessionKind};
use crate::repo::sessions::SessionView;
use crate::web::view::Moment;

/// Browsers, by the mark in their names. Most carry the marks of those that stand below them.
const BROWSERS: [(&str, &str); 13] = [
    ("Edg/", "Edge"),
    ("EdgA/", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Vivaldi/", "Vivaldi"),
    ("FxiOS/", "Firefox"),
    ("Firefox/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chromium/", "Chromium"),
    ("HeadlessChrome/", "Chromium"),
    ("Chrome/", "Chrome"),
    ("Version/", "Safari"),
    ("Safari/", "Safari"),
];

/// Systems, by the mark in a browser's name; the same holds.
const SYSTEMS: [(&str, &str); 8] = [
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("CrOS", "ChromeOS"),
    ("Windows", "Windows"),
    ("Macintosh", "Mac"),
    ("Linux", "Linux"),
    ("X11", "Unix"),
];

/// The most characters of a name that a program has made up.
const LONGEST: usize = 40;

/// A session, as its user and admins see it.
pub struct SessionRow {
    /// What ends it.
    pub id: SessionId,
    /// The program, in words.
    pub device: String,
    /// The program, as it names itself.
    pub user_agent: String,
    /// Which door it opens, in a word.
    pub door: &'static str,
    /// Where the sign-in came from.
    pub ip_address: String,
    /// When it was used last.
    pub last_used_at: Moment,
    /// When it was opened.
    pub created_at: Moment,
}

impl From<SessionView> for SessionRow {
    fn from(view: SessionView) -> Self {
        Self {
            id: view.id,
            device: words(&view.user_agent),
            user_agent: view.user_agent,
            door: match view.kind {
                SessionKind::Browser => "Browser",
                SessionKind::Api => "API",
            },
            ip_address: view.ip_address,
            last_used_at: view.last_used_at.into(),
            created_at: view.created_at.into(),
        }
    }
}

/// A program in words: `Firefox on Linux`; one that is no browser by the first word of its name.
fn words(user_agent: &str) -> String {
    let find = |names: &[(&str, &'static str)]| {
        names.iter().find(|(mark, _)| user_agent.contains(mark)).map(|(_, name)| *name)
    };
    // Every browser begins so, and hardly anything else does.
    let browser = find(&BROWSERS).filter(|_| user_agent.starts_with("Mozilla/"));
    match (browser, find(&SYSTEMS)) {
        (Some(browser), Some(system)) => format!("{browser} on {system}"),
        (Some(browser), None) => browser.to_owned(),
        (None, _) => match user_agent.split_whitespace().next() {
            Some(name) => name.chars().take(LONGEST).collect::<String>().replace('/', " "),
            None => "Unnamed program".to_owned(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_called_as_people_call_them() {
        let chrome = "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0";
        for (agent, name) in [
            (format!("Mozilla/5.0 (X11; Linux x86_64) {chrome} Safari/537.36"), "Chrome on Linux"),
            (format!("Mozilla/5.0 (X11; Linux x86_64) {} Safari/537.36", chrome.replace("Chrome", "HeadlessChrome")), "Chromium on Linux"),
            (format!("Mozilla/5.0 (Windows NT 10.0; Win64; x64) {chrome} Safari/537.36 Edg/141.0"), "Edge on Windows"),
            (format!("Mozilla/5.0 (Linux; Android 10; K) {chrome} Mobile Safari/537.36"), "Chrome on Android"),
            ("Mozilla/5.0 (X11; Linux x86_64; rv:144.0) Gecko/20100101 Firefox/144.0".to_owned(), "Firefox on Linux"),
            ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1".to_owned(), "Safari on iPhone"),
            ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Safari/605.1.15".to_owned(), "Safari on Mac"),
            ("curl/8.5.0".to_owned(), "curl 8.5.0"),
            ("python-requests/2.31 (Linux)".to_owned(), "python-requests 2.31"),
            (String::new(), "Unnamed program"),
            ("x".repeat(300), &"x".repeat(40)),
        ] {
            assert_eq!(words(&agent), name, "{agent}");
        }
    }
}
