//! Lists as files of comma-separated values (RFC 4180), written page by page, so that the longest
//! needs no more memory than the shortest.

use actix_web::HttpResponse;
use actix_web::http::header;
use actix_web::web::Bytes;
use futures::stream;
use serde::Serialize;

use crate::error::{Error, Result};
use crate::repo::{Page, PageRequest};

/// A file with the names in its first line, which an empty list has, too, and with the rows of all
/// pages that `fetch` gives, from the first on.
///
/// # Errors
/// Those of the first page. Later ones break the file off.
pub async fn file<Line, Fetched>(
    name: &str,
    names: &'static [&'static str],
    fetch: impl Fn(PageRequest) -> Fetched + 'static,
) -> Result<HttpResponse>
where
    Line: Serialize + 'static,
    Fetched: Future<Output = Result<Page<Line>>> + 'static,
{
    let first = fetch(PageRequest::of_file(None)?).await?;
    let start = part(Some(names), first)?;
    let rest = stream::try_unfold(start.1, move |cursor| {
        let fetched = cursor.map(|cursor| PageRequest::of_file(Some(&cursor)).map(&fetch));
        async move {
            match fetched {
                None => Ok(None),
                Some(fetched) => part(None, fetched?.await?).map(Some),
            }
        }
    });
    let start = stream::once(std::future::ready(Ok::<_, Error>(start.0)));
    Ok(HttpResponse::Ok()
        .content_type("text/csv; charset=utf-8")
        .insert_header((header::CONTENT_DISPOSITION, format!("attachment; filename=\"{name}.csv\"")))
        .streaming(futures::StreamExt::chain(start, rest)))
}

/// The text of one page, and the cursor of the next.
fn part<Line: Serialize>(names: Option<&[&str]>, page: Page<Line>) -> Result<(Bytes, Option<String>)> {
    let mut writer =
        csv::WriterBuilder::new().has_headers(false).terminator(csv::Terminator::CRLF).from_writer(Vec::new());
    if let Some(names) = names {
        writer.write_record(names).map_err(Error::broken)?;
    }
    for line in page.items {
        writer.serialize(line).map_err(Error::broken)?;
    }
    let text = writer.into_inner().map_err(|error| Error::broken(error.to_string()))?;
    Ok((Bytes::from(text), page.next_cursor))
}

/// A text that no spreadsheet takes for a formula (OWASP, CSV injection).
pub fn harmless(text: String) -> String {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']) { format!("'{text}") } else { text }
}
