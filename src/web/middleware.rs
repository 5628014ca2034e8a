//! What surrounds every request: its id, its log line, headers that protect, and errors in their
//! final looks.

use std::time::{Duration, Instant};

use actix_http::encoding::Encoder;
use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{self, AcceptEncoding, ContentEncoding, Encoding, HeaderMap, HeaderName, HeaderValue};
use actix_web::http::{ConnectionType, Method};
use actix_web::middleware::Next;
use actix_web::web::Data;
use actix_web::{FromRequest, HttpMessage, HttpRequest, HttpResponse};
use tracing::Instrument;

use super::api::openapi::OpenApiDocument;
use super::auth::{Admin, CurrentUser};
use super::extract::Door;
use super::problem::Code;
use super::{Access, Drain, Route, Site, auth, extract, gate, kept, pages, problem};
use crate::error::Error;
use crate::meters;

/// The longest request id that is taken over from the caller.
const LONGEST_REQUEST_ID: usize = 64;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What every response says about itself, unless it says something else.
static PROTECTION: [(HeaderName, HeaderValue); 6] = [
    (
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(
            "default-src 'self'; frame-ancestors 'none'; form-action 'self'; base-uri 'none'; object-src 'none'",
        ),
    ),
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::REFERRER_POLICY, HeaderValue::from_static("same-origin")),
    (header::PERMISSIONS_POLICY, HeaderValue::from_static("camera=(), geolocation=(), microphone=(), payment=()")),
    (HeaderName::from_static("cross-origin-opener-policy"), HeaderValue::from_static("same-origin")),
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
];

/// Added where browsers come by https only; a year, in seconds.
static TRANSPORT_SECURITY: (HeaderName, HeaderValue) =
    (header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000; includeSubDomains"));

/// The shortest body that is worth being compressed, in bytes: what is shorter is one packet in any case.
const SHORTEST_COMPRESSED: u64 = 1024;

static CODINGS: [Encoding; 4] = [Encoding::identity(), Encoding::brotli(), Encoding::gzip(), Encoding::deflate()];

/// The name of one request, in its response, its problem and all its log lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestId(pub String);

impl RequestId {
    /// The caller's, where it is a sane one, else a new one.
    fn of(headers: &HeaderMap) -> Self {
        let given = headers.get(REQUEST_ID).and_then(|value| value.to_str().ok()).filter(|text| is_sane(text));
        Self(given.map_or_else(|| uuid::Uuid::new_v4().to_string(), str::to_owned))
    }

    /// The id of a request that has passed [`observe`].
    pub fn current(req: &HttpRequest) -> String {
        req.extensions().get::<Self>().map(|id| id.0.clone()).unwrap_or_default()
    }
}

fn is_sane(id: &str) -> bool {
    (1..=LONGEST_REQUEST_ID).contains(&id.len())
        && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte))
}

/// Names the request, and when it is answered writes its one log line and the headers that
/// protect, and compresses the answer where that is wanted. The log never holds a query string or a
/// body, since either may hold a secret.
///
/// # Errors
/// Those of what lies within.
pub async fn observe(
    req: ServiceRequest,
    next: Next<BoxBody>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    let started = Instant::now();
    let id = RequestId::of(req.headers());
    let span = tracing::info_span!("request", request_id = id.0);
    req.extensions_mut().insert(id.clone());
    let mut res = next.call(req).instrument(span).await?;
    let took = started.elapsed();
    let req = res.request().clone();
    let route = gate::route_of(&req);
    let code = res.response().extensions().get::<Code>().map(|code| code.0);
    meters::request(req.method().as_str(), route, res.status().as_u16(), took);
    macro_rules! line {
        ($level:ident) => {
            tracing::$level!(
                target: "request",
                request_id = id.0,
                method = %req.method(),
                route,
                status = res.status().as_u16(),
                code,
                duration_ms = took.div_duration_f64(Duration::from_millis(1)),
                user = auth::known_visitor(&req).map(|current| current.user.external_id),
            )
        };
    }
    // Monitors look every other second, and what they see is no news.
    if gate::is_for_monitors(route) {
        line!(debug);
    } else {
        line!(info);
    }
    gate::tell(&req, res.headers_mut());
    if req.app_data::<Data<Drain>>().is_some_and(|drain| drain.has_begun()) {
        res.response_mut().head_mut().set_connection_type(ConnectionType::Close);
    }
    let https = req.app_data::<Data<Site>>().is_some_and(|site| site.is_https());
    protect(res.headers_mut(), &id, https);
    let coding = coding(&res);
    Ok(res.map_body(|head, body| Encoder::response(coding, head, body)))
}

/// How an answer is compressed: as its client likes best, unless it is short, or is so already.
fn coding(res: &ServiceResponse<BoxBody>) -> ContentEncoding {
    let kind = res.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let is_dense = (kind.starts_with("image/") && kind != "image/svg+xml") || kind.starts_with("font/");
    if is_dense || matches!(res.response().body().size(), BodySize::None | BodySize::Sized(..SHORTEST_COMPRESSED)) {
        return ContentEncoding::Identity;
    }
    let accepted = res.request().get_header::<AcceptEncoding>();
    match accepted.and_then(|accepted| accepted.negotiate(CODINGS.iter())) {
        Some(Encoding::Known(coding)) => coding,
        Some(Encoding::Unknown(_)) | None => ContentEncoding::Identity,
    }
}

fn protect(headers: &mut HeaderMap, id: &RequestId, https: bool) {
    if let Ok(value) = HeaderValue::from_str(&id.0) {
        headers.insert(REQUEST_ID, value);
    }
    for (name, value) in PROTECTION.iter().chain(https.then_some(&TRANSPORT_SECURITY)) {
        if !headers.contains_key(name) {
            headers.insert(name.clone(), value.clone());
        }
    }
}

/// Looks at what comes with a request before the route's handler does.
///
/// # Errors
/// Those of what lies within.
pub async fn look_over(
    route: &Route,
    req: ServiceRequest,
    next: Next<BoxBody>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let takes_none = |document: &Data<OpenApiDocument>| document.takes_no_query(route);
    if !req.query_string().is_empty() && req.app_data().is_some_and(takes_none) {
        return Ok(Box::pin(refuse_stray_query(route, req)).await);
    }
    let is_form = route.method == Method::POST && route.access != Access::Public && Door::of(route.path) == Door::Pages;
    if is_form && extract::has_content_type(req.request(), |kind| kind == "application/x-www-form-urlencoded") {
        return Box::pin(keep_form(req, next)).await;
    }
    next.call(req).await
}

/// Refuses a query where a route of the API takes none: a parameter that is passed over in silence
/// could be the one that the caller counts on.
async fn refuse_stray_query(route: &Route, req: ServiceRequest) -> ServiceResponse<BoxBody> {
    let (req, mut payload) = req.into_parts();
    let may_call = match route.access {
        Access::Public => Ok(()),
        Access::User => CurrentUser::from_request(&req, &mut payload).await.map(drop),
        Access::Admin => Admin::from_request(&req, &mut payload).await.map(drop),
    };
    let stray = || Error::Malformed("There are no parameters here: leave out what follows the question mark.".into());
    let response = HttpResponse::from_error(may_call.err().unwrap_or_else(stray));
    ServiceResponse::new(req, response)
}

/// Keeps what was filled into a form of a page that only users may send, where nobody is signed in
/// any more, for the sign-in to lead back to.
async fn keep_form(req: ServiceRequest, next: Next<BoxBody>) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    // Should the look-up fail, the handler's own says so.
    if auth::visitor(req.request()).await.map_or(true, |visitor| visitor.is_some()) {
        return next.call(req).await;
    }
    let (req, mut payload) = req.into_parts();
    match extract::body(&req, &mut payload).await {
        Ok(body) => kept::keep(&req, &body),
        Err(error) => tracing::debug!(%error, "a form was not kept"),
    }
    Ok(ServiceResponse::new(req, HttpResponse::from_error(Error::Unauthenticated)))
}

/// Gives errors the looks of the door they leave by: a problem document, a page, or the way to the
/// sign-in. Goes directly around the routes, within the cookie.
///
/// # Errors
/// Those of other middleware within.
pub async fn render(
    req: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let res = next.call(req).await?;
    if res.response().error().is_none() {
        return Ok(res.map_into_boxed_body());
    }
    let (req, plain) = res.into_parts();
    let foreign = plain.error().filter(|error| error.as_error::<Error>().is_none()).map(problem::from_actix);
    let own = plain.error().and_then(|error| error.as_error::<Error>());
    let mut response = match own.or(foreign.as_ref()) {
        Some(error) => {
            log(error, &req);
            match Door::of(req.path()) {
                Door::Api => problem::document(error, Some(&RequestId::current(&req))),
                Door::Pages => Box::pin(pages::error::page(&req, error)).await,
            }
        }
        None => HttpResponse::new(plain.status()),
    };
    if let Some(methods) = plain.headers().get(header::ALLOW) {
        response.headers_mut().insert(header::ALLOW, methods.clone());
    }
    Ok(ServiceResponse::new(req, response))
}

/// A defect's causes go to the log, and nowhere else.
fn log(error: &Error, req: &HttpRequest) {
    let ((status, code), route) = (problem::kind(error), gate::route_of(req));
    if let Error::Broken(source) = error {
        let causes: Vec<String> =
            std::iter::successors(Some(source.as_ref() as &dyn std::error::Error), |e| e.source())
                .map(ToString::to_string)
                .collect();
        tracing::error!(causes = causes.join(": "), route, "a request failed");
    } else {
        tracing::debug!(status = status.as_u16(), code, route, "a request was refused");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_sane_request_ids_are_taken_over() {
        assert!(is_sane("a") && is_sane("Az09_.-") && is_sane(&"x".repeat(64)));
        for bad in ["", "a b", "a\"b", "ä", "a\r\nb", &"x".repeat(65)] {
            assert!(!is_sane(bad), "{bad}");
        }
    }
}
