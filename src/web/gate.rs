//! The gate that a request passes before its handler: not too many at once, none too often, and none
//! for ever.

use std::cell::Cell;
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use actix_web::body::BoxBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use actix_web::middleware::Next;
use actix_web::web::Data;
use actix_web::{HttpMessage, HttpRequest, HttpResponse};

use super::client::Client;
use super::extract::Door;
use super::{Access, ROUTES, Route, UNROUTED, auth, extract, middleware};
use crate::config::Bounds;
use crate::crowd::Crowd;
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

/// The place of a request among those that are worked on, which it has or not. The request carries it.
struct Place {
    crowd: Data<Crowd>,
    most: usize,
    taken: Cell<bool>,
}

/// A request that is being worked on.
struct Inside(Rc<Place>);

impl Place {
    /// Takes it, unless too many are inside.
    fn take(&self) -> Result<()> {
        if self.crowd.enter(self.most) {
            self.taken.set(true);
            return Ok(());
        }
        meters::turned_away();
        Err(Error::Overloaded)
    }

    fn leave(&self) {
        if self.taken.replace(false) {
            self.crowd.leave();
        }
    }
}

impl Inside {
    /// Lets a request in, unless too many are inside.
    fn enter(req: &HttpRequest) -> Result<Self> {
        let (crowd, most) = (extract::data::<Crowd>(req)?, extract::data::<Bounds>(req)?.requests);
        let place = Rc::new(Place { crowd, most, taken: Cell::new(false) });
        place.take()?;
        req.extensions_mut().insert(Rc::clone(&place));
        Ok(Self(place))
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        self.0.leave();
    }
}

/// The route that a request has reached, for its log line and what is counted.
#[derive(Clone, Copy)]
struct Reached(&'static str);

/// The path of the route that a request has reached, with what is variable in braces, or of one that takes other
/// methods; `-` where there is none.
pub fn route_of(req: &HttpRequest) -> &'static str {
    let reached = req.extensions().get::<Reached>().map(|reached| reached.0);
    let with_other_methods = || {
        let path = req.match_pattern()?;
        ROUTES.iter().map(|route| route.path).find(|known| *known == path)
    };
    reached.filter(|path| *path != UNROUTED.path).or_else(with_other_methods).unwrap_or("-")
}

/// Waits for something that the caller is to send. Until it is there others have the place, so that
/// no number of slow callers keeps them out; it is the number of connections that bounds those.
///
/// # Errors
/// Those of what is waited for; [`Error::Overloaded`] where too many are inside when it is there.
pub async fn outside<T>(req: &HttpRequest, arriving: impl Future<Output = Result<T>>) -> Result<T> {
    let mut arriving = pin!(arriving);
    if let Poll::Ready(arrived) = poll_fn(|context| Poll::Ready(arriving.as_mut().poll(context))).await {
        return arrived;
    }
    let place = req.extensions().get::<Rc<Place>>().cloned();
    if let Some(place) = &place {
        place.leave();
    }
    let arrived = arriving.await?;
    place.map_or(Ok(()), |place| place.take())?;
    Ok(arrived)
}

/// Lets a request through to its handler, or not. Goes around all else of a route. Monitors pass in
/// any case.
///
/// # Errors
/// Those of what lies within.
pub async fn pass(
    route: &'static Route,
    req: ServiceRequest,
    next: Next<BoxBody>,
) -> std::result::Result<ServiceResponse<BoxBody>, actix_web::Error> {
    req.extensions_mut().insert(Reached(route.path));
    if is_for_monitors(route.path) {
        return next.call(req).await;
    }
    let bounds = extract::data::<Bounds>(req.request())?;
    let _inside = match Inside::enter(req.request()) {
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
            middleware::look_over(route, req, next).await
        }),
    );
    match answered.await {
        Ok(answer) => answer.map(|answer| known(route, answer)),
        Err(_) => Ok(ServiceResponse::new(request, HttpResponse::from_error(too_long(route)))),
    }
}

/// Whoever only reads has nothing to repeat with care: what is unknown is only what was wanted.
fn known(route: &Route, answer: ServiceResponse<BoxBody>) -> ServiceResponse<BoxBody> {
    let error = answer.response().error().and_then(|error| error.as_error::<Error>());
    if route.method != Method::GET || !matches!(error, Some(Error::CommitUnknown)) {
        return answer;
    }
    let (req, _) = answer.into_parts();
    ServiceResponse::new(req, HttpResponse::from_error(Error::DatabaseUnavailable))
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
/// that it comes from. It is enough to presume who that is.
async fn take(class: Class, access: Access, req: &ServiceRequest) -> Result<()> {
    let throttles = extract::data::<Throttles>(req.request())?;
    let user = match access {
        Access::Public => Ok(None),
        Access::User | Access::Admin => match auth::presumed(req.request()) {
            Some(presumed) => Ok(Some(presumed.current.user.id)),
            // Whoever cannot be told is told so here, since to ask again would count again.
            None => auth::visitor(req.request()).await.map(|visitor| visitor.map(|current| current.user.id)),
        },
    };
    let who = || match &user {
        Ok(Some(user)) => format!("user {}", user.0),
        _ => format!("network {}", Client::of(req.request()).network),
    };
    if let Some((rate, standing)) = throttles.take(class, who).await {
        if !standing.wait.is_zero() && auth::is_presumed(req.request()) {
            // Whoever may not come in any more learns that, and nothing of the user.
            auth::signed_in(req.request()).await?;
        }
        req.extensions_mut().insert(Told { rate, standing });
        if !standing.wait.is_zero() {
            return Err(Error::RateLimited { retry_after: standing.wait });
        }
    }
    user.map(drop)
}

/// Tells a caller where it stands with its limit.
pub fn tell(req: &HttpRequest, headers: &mut HeaderMap) {
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
