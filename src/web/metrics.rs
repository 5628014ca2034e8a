//! What is measured, for those who collect it.

use actix_web::http::header;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use sha2::{Digest, Sha256};

use super::client;
use crate::config::Scrapers;
use crate::crowd::Crowd;
use crate::error::{Error, Result};
use crate::meters;
use crate::repo::Db;

/// The text format of Prometheus (exposition format 0.0.4).
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// `GET /metrics`
///
/// # Errors
/// [`Error::NotFound`] for whoever may not read it.
pub async fn show(
    req: HttpRequest,
    scrapers: Data<Scrapers>,
    db: Data<Db>,
    crowd: Data<Crowd>,
) -> Result<HttpResponse> {
    if !may_read(&req, &scrapers) {
        return Err(Error::NotFound);
    }
    let (connections, idle) = db.connections();
    meters::pool(connections, idle);
    meters::requests_in_flight(crowd.size());
    let text = meters::told().ok_or(Error::NotFound)?;
    Ok(HttpResponse::Ok().content_type(TEXT).body(text))
}

/// Whoever shows the token, and whoever asks from a network that may. A proxy that is not trusted
/// hides who asks, so whatever comes through it is not let in for where the proxy is.
fn may_read(req: &HttpRequest, scrapers: &Scrapers) -> bool {
    let shown = req.headers().get(header::AUTHORIZATION).and_then(|value| value.as_bytes().strip_prefix(b"Bearer "));
    // Compared by their hashes, so that the time that it takes tells nothing of the token.
    let is_token = |token: &String| shown.is_some_and(|shown| Sha256::digest(shown) == Sha256::digest(token));
    let peer = req.peer_addr().map(|peer| peer.ip().to_canonical());
    let address = client::address(req);
    let is_told = !client::is_forwarded(req) || address != peer;
    scrapers.token.as_ref().is_some_and(is_token)
        || (is_told && address.is_some_and(|address| scrapers.networks.contain(address)))
}
