//! Style, scripts, fonts and pictures: part of the program, under addresses that change when any of
//! them does, so that browsers may keep them for ever.

use std::borrow::Cow;
use std::collections::HashMap;

use actix_web::HttpResponse;
use actix_web::http::header;
use actix_web::web::{Bytes, Data};
use rust_embed::RustEmbed;
use sha2::{Digest, Sha256};

use super::extract::PathOf;
use crate::error::{Error, Result};

#[derive(RustEmbed)]
#[folder = "static/"]
struct Files;

/// The parts of `app.css`, in their order.
const STYLES: &[&str] = &["css/tokens.css", "css/base.css", "css/components.css", "css/utilities.css"];

/// A year, and no question in between.
const FOR_EVER: &str = "public, max-age=31536000, immutable";

struct StaticFile {
    content: Bytes,
    content_type: String,
}

/// All static files by their path, and the hash over all of them.
pub struct StaticFiles {
    base: String,
    hash: String,
    files: HashMap<String, StaticFile>,
}

impl StaticFiles {
    /// Reads all files once, joins the styles into `app.css`, and hashes what there is.
    pub fn load() -> Self {
        let mut names: Vec<String> = Files::iter().map(Cow::into_owned).collect();
        names.sort_unstable();
        let read = |name: &str| {
            Files::get(name).map(|file| match file.data {
                // In the program itself, and so not once more in memory.
                Cow::Borrowed(content) => Bytes::from_static(content),
                Cow::Owned(content) => content.into(),
            })
        };
        let styles: Vec<u8> = STYLES.iter().filter_map(|name| read(name)).flatten().collect();
        let others = names.iter().filter(|name| !STYLES.contains(&name.as_str()));
        let contents = others.filter_map(|name| Some((name.clone(), read(name)?)));
        let mut hasher = Sha256::new();
        let mut files = HashMap::new();
        for (name, content) in contents.chain([("app.css".to_owned(), styles.into())]) {
            hasher.update(name.as_bytes());
            hasher.update(content.len().to_be_bytes());
            hasher.update(&content);
            let content_type = content_type(&name);
            files.insert(name, StaticFile { content, content_type });
        }
        let hash: String = hasher.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        Self { base: format!("/static/{hash}"), hash, files }
    }

    /// Where the files are, without a slash at the end.
    pub fn base(&self) -> &str {
        &self.base
    }
}

fn content_type(name: &str) -> String {
    let guess = mime_guess::from_path(name).first_or_octet_stream();
    if guess.type_() == "text" { format!("{}; charset=utf-8", guess.essence_str()) } else { guess.to_string() }
}

/// `GET /static/{hash}/{path}`
///
/// # Errors
/// [`Error::NotFound`] for what is not there or under another hash.
pub async fn file(path: PathOf<(String, String)>, files: Data<StaticFiles>) -> Result<HttpResponse> {
    let (hash, name) = path.0;
    let file = files.files.get(&name).filter(|_| hash == files.hash).ok_or(Error::NotFound)?;
    Ok(HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, FOR_EVER))
        .insert_header((header::CONTENT_TYPE, file.content_type.as_str()))
        .body(file.content.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_style_is_one_file_and_its_parts_are_not_served() {
        let files = StaticFiles::load();
        assert!(files.files.get("app.css").is_some_and(|file| file.content_type == "text/css; charset=utf-8"));
        assert!(!files.files.contains_key("css/tokens.css"));
        assert_eq!(files.base(), format!("/static/{}", files.hash));
        assert_eq!(files.hash.len(), 16);
    }
}
