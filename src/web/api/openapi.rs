//! The OpenAPI document: what the handlers say about themselves, and what is common to them.
//!
//! A handler's `utoipa::path` names its method, path, parameters, body and successes, and the first
//! lines of its documentation say what it does. The codes in its section `# Errors` are its
//! refusals. All else follows from the routes table and from those: see [`common_codes`].

mod describe;
mod example;

use std::collections::BTreeSet;

use actix_web::HttpResponse;
use actix_web::http::header;
use actix_web::web::{Bytes, Data};
use serde_json::{Map, Value, json};
use utoipa::OpenApi;

use crate::error::{Error, Result};
use crate::web::problem::{ERRORS, ItemProblem, Problem, REFUSALS};
use crate::web::{Access, ApiDocuments, OwnDocuments, ROUTES, Route, SystemDocuments};

/// The code that marks an operation as one that takes an idempotency key.
const KEYED: &str = "idempotency_key_reused";

#[derive(OpenApi)]
#[openapi(components(schemas(Problem, ItemProblem)))]
struct Frame;

/// The OpenAPI document, written once.
pub struct OpenApiDocument {
    written: Bytes,
    /// The operations of the API without parameters in their query, by their ids.
    without_query: BTreeSet<String>,
}

impl OpenApiDocument {
    /// Writes the document.
    ///
    /// # Errors
    /// [`Error::Broken`] where it cannot be written as JSON.
    pub fn load() -> Result<Self> {
        let mut parts = Frame::openapi();
        for part in [ApiDocuments::openapi(), OwnDocuments::openapi(), SystemDocuments::openapi()] {
            parts.merge(part);
        }
        let mut document = serde_json::to_value(parts).map_err(Error::broken)?;
        describe::head(&mut document);
        let mut without_query = BTreeSet::new();
        for route in ROUTES {
            let method = route.method.as_str().to_ascii_lowercase();
            let operation = document.pointer_mut(&format!("/paths/{}/{method}", escaped(route.path)));
            if let Some(operation) = operation.and_then(Value::as_object_mut) {
                complete(operation, route);
                if is_of_api(route) && !parameters(operation).any(|parameter| parameter["in"] == "query") {
                    without_query.insert(operation_id(route));
                }
            }
        }
        take_keys_in_bodies(&mut document);
        example::give_all(&mut document);
        let written = serde_json::to_vec(&document).map_err(Error::broken)?.into();
        Ok(Self { written, without_query })
    }

    /// Whether a route is one of the API that has no parameters in its query.
    pub fn takes_no_query(&self, route: &Route) -> bool {
        is_of_api(route) && self.without_query.contains(&operation_id(route))
    }
}

fn is_of_api(route: &Route) -> bool {
    route.path.starts_with("/api/v1/")
}

/// What an operation takes beside its body.
fn parameters(operation: &Map<String, Value>) -> impl Iterator<Item = &Value> {
    operation.get("parameters").and_then(Value::as_array).into_iter().flatten()
}

/// Puts a value where a path of names leads, and makes the objects on the way.
fn put(target: &mut Value, path: &[&str], value: Value) {
    let Some((name, rest)) = path.split_first() else {
        *target = value;
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    if let Some(object) = target.as_object_mut() {
        put(object.entry(*name).or_insert_with(|| json!({})), rest, value);
    }
}

/// A JSON pointer's word for a path (RFC 6901).
fn escaped(path: &str) -> String {
    path.replace('~', "~0").replace('/', "~1")
}

/// Describes this API
///
/// This document, as OpenAPI 3.1.
///
/// # Errors
/// None of its own.
#[utoipa::path(
    get,
    path = "/api/openapi.json",
    responses((status = 200, description = "The OpenAPI document.", body = Object))
)]
pub async fn show(document: Data<OpenApiDocument>) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "no-cache"))
        .insert_header((header::CONTENT_TYPE, "application/json"))
        .body(document.written.clone())
}

/// Adds what follows from a route and from what the handler says.
fn complete(operation: &mut Map<String, Value>, route: &Route) {
    let named = take_codes(operation);
    let keyed = named.contains(KEYED);
    let codes: BTreeSet<&str> = named.iter().map(String::as_str).chain(common_codes(operation, route, keyed)).collect();
    operation.insert("operationId".to_owned(), operation_id(route).into());
    operation.insert("tags".to_owned(), json!([describe::tag(route.path)]));
    if route.access == Access::Public {
        operation.remove("security");
    } else {
        operation.insert("security".to_owned(), json!([{"access_token": []}, {"api_key": []}, {"basic": []}]));
    }
    if keyed {
        let parameters = operation.entry("parameters").or_insert_with(|| json!([]));
        parameters.as_array_mut().into_iter().for_each(|parameters| parameters.push(describe::key_parameter()));
    }
    for parameter in operation.get_mut("parameters").and_then(Value::as_array_mut).into_iter().flatten() {
        describe::parameter(parameter);
    }
    if let Some(body) = operation.get_mut("requestBody") {
        make_optional(body);
    }
    let Some(responses) = operation.get_mut("responses").and_then(Value::as_object_mut) else { return };
    for (status, response) in responses.iter_mut().filter(|_| keyed) {
        if status.starts_with('2') {
            put(response, &["headers", "Idempotent-Replayed"], describe::replayed_header());
        }
    }
    for code in codes {
        refuse(responses, code);
    }
    for response in responses.values_mut() {
        put(response, &["headers", "X-Request-Id"], describe::request_id_header());
    }
}

/// For example `post_assets_id_claim`.
fn operation_id(route: &Route) -> String {
    let path = route.path.trim_start_matches("/api/v1").trim_start_matches("/api");
    let words = path.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let method = route.method.as_str().to_ascii_lowercase();
    std::iter::once(method.as_str()).chain(words).collect::<Vec<_>>().join("_")
}

/// The codes in the section `# Errors` of a handler's documentation, which is for readers of the
/// source and goes.
fn take_codes(operation: &mut Map<String, Value>) -> BTreeSet<String> {
    let description = operation.remove("description").unwrap_or_default();
    let text = description.as_str().unwrap_or_default();
    let (shown, errors) = text.split_once("# Errors").unwrap_or((text, ""));
    if !shown.trim().is_empty() {
        operation.insert("description".to_owned(), shown.trim().into());
    }
    let is_code = |word: &&str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    errors.split('`').skip(1).step_by(2).filter(is_code).map(str::to_owned).collect()
}

/// The refusals that an operation has because of who may call it and what it reads.
fn common_codes(operation: &Map<String, Value>, route: &Route, keyed: bool) -> Vec<&'static str> {
    let mut codes = vec!["internal_error"];
    if is_of_api(route) {
        codes.extend(["database_unavailable", "malformed"]);
    }
    match route.access {
        Access::Public => {}
        // Everybody may come with a wrong password, after too many of them, or with an API key that
        // has not the scope.
        Access::User | Access::Admin => {
            codes.extend(["unauthenticated", "invalid_credentials", "rate_limited", "forbidden", "overloaded"]);
        }
    }
    if route.path.contains('{') {
        codes.push("not_found");
    }
    if operation.contains_key("requestBody") {
        codes.extend(["invalid", "too_slow", "too_large", "unsupported_media_type"]);
    }
    if keyed {
        codes.extend(["overloaded", "commit_unknown"]);
    }
    for parameter in parameters(operation) {
        match (parameter["in"].as_str(), parameter["name"].as_str()) {
            (Some("query"), Some("cursor")) => codes.extend(["invalid", "invalid_cursor"]),
            (Some("query"), _) => codes.push("invalid"),
            _ => {}
        }
    }
    codes
}

/// Adds a code to the response of its status.
fn refuse(responses: &mut Map<String, Value>, code: &str) {
    let known = ERRORS.iter().chain(REFUSALS).find(|(_, known)| *known == code);
    let status = known.map_or_else(|| "default".to_owned(), |(status, _)| status.as_str().to_owned());
    let response = responses.entry(status).or_insert_with(|| json!({"description": ""}));
    let separator = if response["description"] == "" { "" } else { ", " };
    let description = format!("{}{separator}`{code}`", response["description"].as_str().unwrap_or_default());
    put(response, &["description"], description.into());
    if response.pointer("/content/application~1problem+json").is_none() {
        let schema = json!({
            "allOf": [{"$ref": "#/components/schemas/Problem"}, {"properties": {"code": {"enum": []}}}],
        });
        put(response, &["content", "application/problem+json", "schema"], schema);
    }
    let codes = response.pointer_mut("/content/application~1problem+json/schema/allOf/1/properties/code/enum");
    if let Some(codes) = codes.and_then(Value::as_array_mut) {
        codes.push(code.into());
    }
    if let Some(known) = known
        && let Some((name, header)) = describe::refusal_header(known.0)
    {
        put(response, &["headers", name], header);
    }
}

/// A body of `Option<T>` may be left out, and is no `null`.
fn make_optional(body: &mut Value) {
    let Some(schema) = body.pointer_mut("/content/application~1json/schema") else { return };
    let choices = schema.get("oneOf").and_then(Value::as_array);
    let some = choices.and_then(|choices| choices.iter().find(|choice| choice["type"] != "null").cloned());
    let required = some.is_none();
    if let Some(some) = some {
        *schema = some;
    }
    body["required"] = required.into();
}

/// Lets the bodies of all operations that take an idempotency key have it as a field, too.
fn take_keys_in_bodies(document: &mut Value) {
    let operations = document["paths"].as_object().into_iter().flat_map(Map::values).filter_map(Value::as_object);
    let keyed = operations.flat_map(Map::values).filter(|operation| {
        let parameters = operation["parameters"].as_array();
        parameters.is_some_and(|parameters| parameters.iter().any(describe::is_key_parameter))
    });
    let bodies: BTreeSet<String> = keyed
        .filter_map(|operation| {
            let schema = operation.pointer("/requestBody/content/application~1json/schema/$ref")?;
            schema.as_str().map(|reference| reference.trim_start_matches('#').to_owned())
        })
        .collect();
    for body in bodies {
        if let Some(schema) = document.pointer_mut(&body) {
            put(schema, &["properties", "idempotency_key"], describe::key_field());
        }
    }
}
