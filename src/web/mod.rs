//! The only place that knows HTTP: pages for people, a JSON API for scripts.
//!
//! [`ROUTES`] is every URL on one screen. Who may call one is said by its handler's extractors; the
//! table repeats it, and a test compares the two.

pub mod api;
pub mod auth;
mod client;
mod csv;
mod docs;
mod etag;
pub mod extract;
mod files;
mod gate;
mod json;
mod kept;
mod metrics;
pub mod middleware;
pub mod pages;
pub mod problem;
mod server;
mod statements;
mod static_files;
pub mod view;

pub use server::{Drain, Parts, Site, serve};

use std::collections::HashSet;
use std::sync::LazyLock;

use actix_session::SessionMiddleware;
use actix_session::config::PersistentSession;
use actix_session::storage::CookieSessionStore;
use actix_web::cookie::{self, SameSite};
use actix_web::dev::ResourceDef;
use actix_web::guard::{self, Guard};
use actix_web::http::{Method, header};
use actix_web::middleware::from_fn;
use actix_web::web::{self, PayloadConfig, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};

use crate::error::Error;
use crate::repo::sessions;
use auth::Keys;

/// The largest body of a request, in bytes.
const LARGEST_BODY: usize = 64 * 1024;

/// The largest body of a request that brings many things at once, in bytes.
const LARGEST_IMPORT: usize = 1024 * 1024;

/// The largest form with such a file in it, in bytes.
const LARGEST_UPLOAD: usize = LARGEST_IMPORT + 4 * 1024;

/// Who may call a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Everybody, signed in or not.
    Public,
    /// Every signed-in user.
    User,
    /// Admins only.
    Admin,
}

/// One URL.
#[derive(Debug, Clone)]
pub struct Route {
    /// GET routes answer HEAD too.
    pub method: Method,
    /// The whole path, with variable parts in braces.
    pub path: &'static str,
    /// Who may call it.
    pub access: Access,
}

/// What is at none of the routes: a page without a path.
const UNROUTED: &Route = &Route { method: Method::GET, path: "", access: Access::Public };

/// Writes the table and, from the same lines, what puts the handlers behind it and, for a scope
/// that has a name for it, what gathers the handlers' documentation. A route may end with the
/// largest body that it takes.
macro_rules! routes {
    ($($scope:ident $prefix:literal $(as $documents:ident)? {
        $($method:ident $path:literal $access:ident $($handler:ident)::+ $(, $largest_body:ident)?;)*
    })*) => {
        /// Every URL of Coffer.
        pub const ROUTES: &[Route] = &[$($(
            Route { method: Method::$method, path: concat!($prefix, $path), access: Access::$access },
        )*)*];

        $(fn $scope(config: &mut ServiceConfig) {
            $({
                const ROUTE: &Route = &Route {
                    method: Method::$method,
                    path: concat!($prefix, $path),
                    access: Access::$access,
                };
                config.service(
                    web::resource($path)
                        .guard(answers(Method::$method, concat!($prefix, $path)))
                        $(.app_data(PayloadConfig::new($largest_body)))?
                        .wrap(from_fn(|req, next| gate::pass(ROUTE, req, next)))
                        .route(web::route().to($($handler)::+)),
                );
            })*
        })*

        $(documents! { $($documents)?; $($($handler)::+),* })*
    };
}

/// Defines the documents of a scope. A handler without `utoipa::path` does not compile.
macro_rules! documents {
    (; $($handlers:tt)*) => {};
    ($name:ident; $($handlers:tt)*) => {
        #[derive(utoipa::OpenApi)]
        #[openapi(paths($($handlers)*))]
        struct $name;
    };
}

// Within a scope the first that fits is taken, so what is asked for most stands first; then they go by
// what they are about.
routes! {
    api_routes "/api/v1" as ApiDocuments {
        POST   "/assets/{id}/claim"             User    api::claims::claim;
        POST   "/transactions"                  User    api::movements::post;
        POST   "/claims"                        User    api::claims::redeem;
        POST   "/auth/register"                 Public  api::accounts::register;
        POST   "/auth/login"                    Public  api::accounts::login;
        POST   "/auth/refresh"                  Public  api::accounts::refresh;
        POST   "/auth/logout"                   User    api::accounts::logout;
        GET    "/me"                            User    api::accounts::me;
        POST   "/me/password"                   User    api::accounts::change_password;
        GET    "/me/sessions"                   User    api::sessions::list;
        DELETE "/me/sessions/{id}"              User    api::sessions::end;
        GET    "/me/api-keys"                   User    api::api_keys::list;
        POST   "/me/api-keys"                   User    api::api_keys::create;
        DELETE "/me/api-keys/{id}"              User    api::api_keys::revoke;
        GET    "/assets"                        User    api::assets::list;
        GET    "/assets/{id}"                   User    api::assets::show;
        GET    "/claims"                        User    api::claims::list;
        POST   "/admin/assets"                  Admin   api::assets::create;
        POST   "/admin/assets/bulk"             Admin   api::lives::bulk, LARGEST_IMPORT;
        POST   "/admin/assets/import"           Admin   api::asset_files::import, LARGEST_IMPORT;
        GET    "/admin/assets/export"           Admin   api::asset_files::export;
        PATCH  "/admin/assets/{id}"             Admin   api::lives::edit;
        DELETE "/admin/assets/{id}"             Admin   api::lives::delete;
        POST   "/admin/assets/{id}/expire"      Admin   api::lives::expire;
        POST   "/admin/assets/{id}/recreate"    Admin   api::lives::recreate;
        GET    "/admin/assets/{id}/ownership"   Admin   api::ownership::show;
        GET    "/campaigns"                     User    api::campaigns::list;
        GET    "/campaigns/{id}"                User    api::campaigns::show;
        POST   "/admin/campaigns"               Admin   api::campaigns::create;
        PATCH  "/admin/campaigns/{id}"          Admin   api::campaigns::edit;
        DELETE "/admin/campaigns/{id}"          Admin   api::campaigns::delete;
        GET    "/admin/ledger/transactions"     Admin   api::ledger::transactions;
        GET    "/admin/ledger/entries"          Admin   api::ledger::entries;
        GET    "/admin/ledger/trial-balance"    Admin   api::trial_balance::show;
        POST   "/admin/asset-types"             Admin   api::asset_types::create;
        PATCH  "/admin/asset-types/{code}"      Admin   api::asset_types::edit;
        GET    "/admin/users"                   Admin   api::users::list;
        PATCH  "/admin/users/{user}"            Admin   api::users::change;
        GET    "/admin/claims"                  Admin   api::claims::ownership;
        GET    "/admin/audit-log"               Admin   api::audit_log::list;
        GET    "/asset-types"                   Public  api::asset_types::list;
        POST   "/wallets"                       User    api::wallets::open;
        GET    "/wallets"                       User    api::wallets::list;
        GET    "/wallets/{id}"                  User    api::wallets::show;
        GET    "/wallets/{id}/transactions"     User    api::history::show;
        GET    "/wallets/{id}/statement"        User    api::statement::show;
        GET    "/transactions"                  User    api::transactions::list;
        GET    "/transactions/{id}"             User    api::transactions::show;
        POST   "/transactions/batch"            Admin   api::batches::post, LARGEST_IMPORT;
        POST   "/transactions/{id}/reverse"     Admin   api::movements::reverse;
        GET    "/transactions/{id}/receipt"     User    api::receipts::show;
        GET    "/users/{user}/balances"         User    api::wallets::balances;
        GET    "/users/{user}/balances/{code}"  User    api::wallets::balance;
    }
    document_routes "/api" as OwnDocuments {
        GET "/openapi.json"  Public  api::openapi::show;
    }
    system_routes "/health" as SystemDocuments {
        GET ""        Public  api::system::health;
        GET "/live"   Public  api::system::live;
        GET "/ready"  Public  api::system::ready;
    }
    metrics_routes "/metrics" {
        GET ""  Public  metrics::show;
    }
    docs_routes "/docs" {
        GET ""         Public  docs::page;
        GET "/{file}"  Public  docs::file;
    }
    static_routes "/static" {
        GET "/{hash}/{path:.*}"  Public  static_files::file;
    }
    page_routes "" {
        GET  "/"                                 Public  pages::landing::show;
        GET  "/login"                            Public  pages::session::login;
        POST "/login"                            Public  pages::session::sign_in;
        GET  "/register"                         Public  pages::session::register;
        POST "/register"                         Public  pages::session::sign_up;
        POST "/logout"                           Public  pages::session::sign_out;
        POST "/theme"                            Public  pages::session::theme;
        GET  "/verify"                           Public  pages::verify::form;
        GET  "/verify/{code}"                    Public  pages::verify::show;
        GET  "/wallet"                           User    pages::wallet::show;
        GET  "/wallet/{code}/statement"          User    pages::statement::file;
        GET  "/wallet/{code}"                    User    pages::statement::show;
        GET  "/credits"                          User    pages::credits::list;
        POST "/credits"                          User    pages::credits::redeem;
        POST "/credits/{id}/claim"               User    pages::credits::claim::credit;
        POST "/campaigns/{id}/claim"             User    pages::credits::claim::of_campaign;
        GET  "/claims"                           User    pages::claims::list;
        GET  "/transactions/{id}/receipt"        User    pages::receipt::show;
        GET  "/transactions"                     User    pages::activity::list;
        GET  "/transactions/{id}"                User    pages::transaction::show;
        GET  "/spend"                            User    pages::movements::form;
        POST "/spend"                            User    pages::movements::send;
        GET  "/spend/review"                     User    pages::movements::review;
        GET  "/transfer"                         User    pages::movements::form;
        POST "/transfer"                         User    pages::movements::send;
        GET  "/transfer/review"                  User    pages::movements::review;
        GET  "/settings"                         User    pages::settings::show;
        POST "/settings/time-zone"               User    pages::settings::set_time_zone;
        GET  "/settings/password"                User    pages::settings::password::form;
        POST "/settings/password"                User    pages::settings::password::change;
        POST "/settings/sessions/end-others"     User    pages::settings::sessions::end_others;
        POST "/settings/sessions/end-all"        User    pages::settings::sessions::end_all;
        POST "/settings/sessions/{id}/end"       User    pages::settings::sessions::end;
        GET  "/settings/api-keys/new"            User    pages::settings::api_keys::form;
        POST "/settings/api-keys/new"            User    pages::settings::api_keys::create;
        GET  "/settings/api-keys/{id}/revoke"    User    pages::settings::api_keys::review;
        POST "/settings/api-keys/{id}/revoke"    User    pages::settings::api_keys::revoke;
        GET  "/admin"                            Admin   pages::admin::overview::show;
        GET  "/admin/campaigns"                  Admin   pages::admin::campaigns::list::show;
        GET  "/admin/campaigns/new"              Admin   pages::admin::campaigns::form::blank;
        POST "/admin/campaigns/new"              Admin   pages::admin::campaigns::form::create;
        GET  "/admin/campaigns/{id}"             Admin   pages::admin::campaigns::show::show;
        GET  "/admin/campaigns/{id}/edit"        Admin   pages::admin::campaigns::form::edit;
        POST "/admin/campaigns/{id}/edit"        Admin   pages::admin::campaigns::form::save;
        GET  "/admin/campaigns/{id}/pause"       Admin   pages::admin::campaigns::lives::ask;
        POST "/admin/campaigns/{id}/pause"       Admin   pages::admin::campaigns::lives::act;
        GET  "/admin/campaigns/{id}/resume"      Admin   pages::admin::campaigns::lives::ask;
        POST "/admin/campaigns/{id}/resume"      Admin   pages::admin::campaigns::lives::act;
        GET  "/admin/campaigns/{id}/add"         Admin   pages::admin::campaigns::lives::ask;
        POST "/admin/campaigns/{id}/add"         Admin   pages::admin::campaigns::lives::act;
        GET  "/admin/campaigns/{id}/delete"      Admin   pages::admin::campaigns::lives::ask;
        POST "/admin/campaigns/{id}/delete"      Admin   pages::admin::campaigns::lives::act;
        GET  "/admin/assets"                     Admin   pages::admin::assets::list::show;
        GET  "/admin/assets/new"                 Admin   pages::admin::assets::new::form;
        POST "/admin/assets/new"                 Admin   pages::admin::assets::new::create;
        POST "/admin/assets/bulk"                Admin   pages::admin::assets::lives::bulk;
        GET  "/admin/assets/import"              Admin   pages::admin::assets::import::form;
        POST "/admin/assets/import"              Admin   pages::admin::assets::import::upload, LARGEST_UPLOAD;
        GET  "/admin/assets/import/{id}"         Admin   pages::admin::assets::import::preview;
        POST "/admin/assets/import/{id}"         Admin   pages::admin::assets::import::create;
        GET  "/admin/assets/{id}"                Admin   pages::admin::assets::show::show;
        GET  "/admin/assets/{id}/edit"           Admin   pages::admin::assets::edit::form;
        POST "/admin/assets/{id}/edit"           Admin   pages::admin::assets::edit::save;
        GET  "/admin/assets/{id}/expire"         Admin   pages::admin::assets::lives::review;
        POST "/admin/assets/{id}/expire"         Admin   pages::admin::assets::lives::act;
        GET  "/admin/assets/{id}/delete"         Admin   pages::admin::assets::lives::review;
        POST "/admin/assets/{id}/delete"         Admin   pages::admin::assets::lives::act;
        GET  "/admin/assets/{id}/recreate"       Admin   pages::admin::assets::lives::review;
        POST "/admin/assets/{id}/recreate"       Admin   pages::admin::assets::lives::act;
        GET  "/admin/transactions"               Admin   pages::admin::transactions::list::show;
        GET  "/admin/transactions/new"           Admin   pages::admin::transactions::new::form;
        POST "/admin/transactions/new"           Admin   pages::admin::transactions::new::create;
        GET  "/admin/transactions/{id}/reverse"  Admin   pages::admin::transactions::reverse::review;
        POST "/admin/transactions/{id}/reverse"  Admin   pages::admin::transactions::reverse::act;
        GET  "/admin/transactions/{id}"          Admin   pages::admin::transactions::show::show;
        GET  "/admin/entries"                    Admin   pages::admin::entries::show;
        GET  "/admin/ledger"                     Admin   pages::admin::ledger::show;
        POST "/admin/ledger/check"               Admin   pages::admin::ledger::check;
        GET  "/admin/jobs"                       Admin   pages::admin::jobs::show;
        POST "/admin/receipts/{code}/retry"      Admin   pages::admin::jobs::retry;
        GET  "/admin/asset-types"                Admin   pages::admin::asset_types::list;
        GET  "/admin/asset-types/new"            Admin   pages::admin::asset_types::new;
        POST "/admin/asset-types/new"            Admin   pages::admin::asset_types::create;
        GET  "/admin/asset-types/{code}/edit"    Admin   pages::admin::asset_types::edit;
        POST "/admin/asset-types/{code}/edit"    Admin   pages::admin::asset_types::save;
        GET  "/admin/claims"                     Admin   pages::admin::claims::list;
        GET  "/admin/users"                      Admin   pages::admin::users::list;
        GET  "/admin/users/{user}"               Admin   pages::admin::user::show;
        GET  "/admin/users/{user}/{deed}"        Admin   pages::admin::user_deeds::review;
        POST "/admin/users/{user}/{deed}"        Admin   pages::admin::user_deeds::act;
        GET  "/admin/audit-log"                  Admin   pages::admin::audit_log::list;
    }
}

/// Puts all routes into an application. The pages come last, since they take every path that is
/// left, and alone have the cookie.
fn routes(config: &mut ServiceConfig, keys: &Keys, https: bool) {
    let render = || from_fn(middleware::render);
    let rest = || web::route().to(unrouted).wrap(from_fn(|req, next| gate::pass(UNROUTED, req, next)));
    config
        .service(web::scope("/api/v1").configure(api_routes).default_service(rest()).wrap(render()))
        .service(
            web::scope("/api")
                .configure(document_routes)
                .default_service(rest())
                .wrap(render())
                .wrap(from_fn(etag::mark)),
        )
        .service(web::scope("/health").configure(system_routes).default_service(rest()).wrap(render()))
        .service(web::scope("/metrics").configure(metrics_routes).default_service(rest()).wrap(render()))
        .service(
            web::scope("/docs").configure(docs_routes).default_service(rest()).wrap(render()).wrap(from_fn(etag::mark)),
        )
        .service(web::scope("/static").configure(static_routes).default_service(rest()).wrap(render()))
        .service(
            web::scope("")
                .configure(page_routes)
                .default_service(rest())
                .wrap(render())
                .wrap(browser_cookie(keys, https)),
        );
}

/// The encrypted cookie that holds a session's id, a CSRF token and a message, and nothing else.
fn browser_cookie(keys: &Keys, https: bool) -> SessionMiddleware<CookieSessionStore> {
    let lifetime = cookie::time::Duration::days(sessions::LIFETIME_DAYS);
    // Browsers keep a cookie with this prefix to this host, and to https (RFC 6265bis).
    let name = if https { "__Host-coffer" } else { "coffer" };
    SessionMiddleware::builder(CookieSessionStore::default(), keys.cookie())
        .cookie_name(name.to_owned())
        .cookie_secure(https)
        .cookie_http_only(true)
        .cookie_same_site(SameSite::Lax)
        .session_lifecycle(PersistentSession::default().session_ttl(lifetime))
        .build()
}

/// Takes requests of one method, and HEAD where GET is taken. A route with variable parts leaves the
/// paths that others spell out to them.
fn answers(method: Method, path: &'static str) -> impl Guard {
    guard::fn_guard(move |context| {
        let head = context.head();
        let takes = head.method == method || (head.method == Method::HEAD && method == Method::GET);
        takes && !(path.contains('{') && is_spelled_out(head.uri.path()))
    })
}

/// Whether a path stands in the table word by word.
fn is_spelled_out(path: &str) -> bool {
    static PATHS: LazyLock<HashSet<&str>> = LazyLock::new(|| ROUTES.iter().map(|route| route.path).collect());
    PATHS.contains(path)
}

/// What is at none of the routes: 404, or 405 where the path is there for other methods.
async fn unrouted(req: HttpRequest) -> HttpResponse {
    let methods = methods_at(req.path());
    if methods.is_empty() {
        return HttpResponse::from_error(Error::NotFound);
    }
    let mut response = HttpResponse::from_error(Error::MethodNotAllowed);
    if let Ok(allowed) = header::HeaderValue::from_str(&methods.join(", ")) {
        response.headers_mut().insert(header::ALLOW, allowed);
    }
    response
}

/// The methods that a path takes, by the table.
fn methods_at(path: &str) -> Vec<&'static str> {
    static PATTERNS: LazyLock<Vec<(ResourceDef, &Route)>> =
        LazyLock::new(|| ROUTES.iter().map(|route| (ResourceDef::new(route.path), route)).collect());
    let is_at = |(pattern, route): &&(ResourceDef, &Route)| match is_spelled_out(path) {
        true => route.path == path,
        false => pattern.is_match(path),
    };
    let routes = PATTERNS.iter().filter(is_at);
    routes
        .flat_map(|(_, route)| match route.method {
            Method::GET => vec!["GET", "HEAD"],
            Method::POST => vec!["POST"],
            Method::PUT => vec!["PUT"],
            Method::PATCH => vec!["PATCH"],
            Method::DELETE => vec!["DELETE"],
            _ => Vec::new(),
        })
        .collect()
}
