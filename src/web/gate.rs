//! The gate that a request passes before its handler: not too many at once, none too often, and none
//! for ever.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use actix_web::body::BoxBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use actix_web::middleware::Next;
use actix_web::{HttpMessage, HttpResponse};

use super::client::Client;
use super::extract::Door;
use super::{Access, Route, auth, extract};
use crate::config::Bounds;
use crate::ephemeral::{Class, Rate, Standing, Throttles, within_budget};
use crate::error::{Error, Result};
use crate::meters;

/// Where a caller stands with its limit, as the response will tell it: the fields of
/// draft-ietf-httpapi-ratelimit-headers-07 and before, which clients know.
#[derive(Clone, Copy)]
struct Told {
    rate: Rate,
    standing: Standing,
}

const LIMIT: HeaderName = HeaderName::from_static("ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("ratelimit-remaining");
const RESET: HeaderName = HeaderName::from_static("ratelimit-reset");

/// How many requests are being worked on, of how many at most.
#[derive(Default)]
pub struct Crowd(AtomicUsize);

/// A request that is being worked on.
struct Inside<'a>(&'a Crowd);

impl Crowd {
    /// Lets a request in, unless too many are inside.
    fn enter(&self, most: usize) -> Result<Inside<'_>> {
        if self.0.fetch_add(1, Ordering::Relaxed) < most {
            meters::requests_in_flight(1.0);
            return Ok(Inside(self));
        }
        self.0.fetch_sub(1, Ordering::Relaxed);
        meters::turned_away();
        Err(Error::Overloaded)
    }
}

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
        meters::requests_in_flight(-1.0);
    }
}

/// Lets a request through to its handler, or not. Goes around all else of a route. Monitors pass in
/// any case.
///
/// # Errors
/// Those of what lies within.
pub async fn pass(
    route: &Route,
    req: ServiceRequest,
    next: Next<BoxBody>,
) -> std::result::Result<ServiceResponse<BoxBody>, actix_web::Error> {
    if is_for_monitors(route.path) {
        return next.call(req).await;
    }
    let (crowd, bounds) = (extract::data::<Crowd>(req.request())?, extract::data::<Bounds>(req.request())?);
    let _inside = match crowd.enter(bounds.requests) {
        Ok(inside) => inside,
        Err(error) => return Ok(refused(req, error)),
    };
    let request = req.request().clone();
    let answered = tokio::time::timeout(
        bounds.request,
        within_budget(async {
            if let Some(class) = class_of(route) {
                match take(class, route.access, &req).await {
                    Ok(()) => {}
                    Err(error) => return Ok(refused(req, error)),
                }
            }
            next.call(req).await
        }),
    );
    match answered.await {
        Ok(answer) => answer,
        Err(_) => Ok(ServiceResponse::new(request, HttpResponse::from_error(too_long(route)))),
    }
}

fn refused(req: ServiceRequest, error: Error) -> ServiceResponse<BoxBody> {
    let (req, _) = req.into_parts();
    ServiceResponse::new(req, HttpResponse::from_error(error))
}

/// What may have been done in the time that was too long for an answer.
fn too_long(route: &Route) -> Error {
    match route.method {
        Method::GET => Error::Overloaded,
        _ => Error::CommitUnknown,
    }
}

/// Whether nobody but monitors asks for a path.
pub fn is_for_monitors(path: &str) -> bool {
    path.starts_with("/health") || path == "/metrics"
}

/// What a route is, as far as limits go; none where it costs next to nothing.
fn class_of(route: &Route) -> Option<Class> {
    let is_read = route.method == Method::GET;
    match route.path {
        "/login" | "/api/v1/auth/login" | "/api/v1/auth/refresh" if !is_read => Some(Class::SignIn),
        "/register" | "/api/v1/auth/register" if !is_read => Some(Class::Register),
        "/api/v1/claims" | "/credits" if !is_read => Some(Class::Claims),
        path if path.ends_with("/claim") => Some(Class::Claims),
        path if path.starts_with("/static") || path.starts_with("/docs") || path == "/api/openapi.json" => None,
        path if Door::of(path) == Door::Pages => Some(Class::Pages),
        _ if is_read => Some(Class::ApiReads),
        _ => Some(Class::ApiWrites),
    }
}

/// Counts a request for whoever is signed in, where that matters to the handler, else for the network
/// that it comes from.
async fn take(class: Class, access: Access, req: &ServiceRequest) -> Result<()> {
    let throttles = extract::data::<Throttles>(req.request())?;
    let visitor = match access {
        Access::Public => Ok(None),
        // Whoever cannot be told is told so here, since to ask again would count again.
        Access::User | Access::Admin => auth::visitor(req.request()).await,
    };
    let who = match &visitor {
        Ok(Some(current)) => format!("user {}", current.user.id.0),
        _ => format!("network {}", Client::of(req.request()).network),
    };
    if let Some((rate, standing)) = throttles.take(class, &who).await {
        req.extensions_mut().insert(Told { rate, standing });
        if !standing.wait.is_zero() {
            return Err(Error::RateLimited { retry_after: standing.wait });
        }
    }
    visitor.map(drop)
}

/// Tells a caller where it stands with its limit.
pub fn tell(req: &actix_web::HttpRequest, headers: &mut HeaderMap) {
    let Some(Told { rate, standing }) = req.extensions().get::<Told>().copied() else { return };
    headers.insert(LIMIT, rate.at_once().into());
    headers.insert(REMAINING, rate.free(standing.debt).into());
    headers.insert(RESET, HeaderValue::from(whole_seconds(standing.debt)));
}

/// Seconds, a part of one as a whole, since early is too early.
pub fn whole_seconds(time: Duration) -> u64 {
    time.as_secs() + u64::from(time.subsec_nanos() > 0)
}

#[cfg(test)]
mod tests {
    use super::super::ROUTES;
    use super::*;

    #[test]
    fn every_route_that_costs_anything_has_a_limit() {
        let free: Vec<&str> = ROUTES.iter().filter(|route| class_of(route).is_none()).map(|route| route.path).collect();
        assert_eq!(free, ["/api/openapi.json", "/docs", "/docs/{file}", "/static/{hash}/{path:.*}"]);
        let claims = ROUTES.iter().filter(|route| class_of(route) == Some(Class::Claims));
        assert!(claims.clone().all(|route| route.method == Method::POST));
        assert!(claims.count() >= 4);
    }
}
