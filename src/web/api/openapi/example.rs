//! Examples of bodies, put together from those of their fields.

use actix_web::http::StatusCode;
use serde_json::{Map, Value, json};

use super::put;

/// How deep schemas may lie in each other.
const DEPTH: usize = 20;

/// Gives each body in JSON, of a request or a response, an example.
pub(super) fn give_all(document: &mut Value) {
    let schemas = document.pointer("/components/schemas").cloned().unwrap_or_default();
    let items = document["paths"].as_object_mut().into_iter().flat_map(Map::values_mut);
    for operation in items.filter_map(Value::as_object_mut).flat_map(Map::values_mut) {
        if let Some(content) = operation.pointer_mut("/requestBody/content") {
            give(content, &schemas, None);
        }
        for (status, response) in operation["responses"].as_object_mut().into_iter().flatten() {
            if let Some(content) = response.get_mut("content") {
                give(content, &schemas, status.parse().ok().filter(|status: &StatusCode| !status.is_success()));
            }
        }
    }
}

fn give(content: &mut Value, schemas: &Value, refused: Option<StatusCode>) {
    for media in content.as_object_mut().into_iter().flat_map(Map::values_mut) {
        if media.get("example").is_some() || media.get("examples").is_some() {
            continue;
        }
        let mut example = of(&media["schema"], schemas, DEPTH);
        if let Some(status) = refused.filter(|_| example.get("code").is_some()) {
            put(&mut example, &["title"], status.canonical_reason().into());
            put(&mut example, &["status"], status.as_u16().into());
        }
        put(media, &["example"], example);
    }
}

/// An example of a schema: its own, else one that follows from its type.
fn of(schema: &Value, schemas: &Value, depth: usize) -> Value {
    if depth == 0 {
        return Value::Null;
    }
    let inner = |schema: &Value| of(schema, schemas, depth.saturating_sub(1));
    let own = schema.get("example").or_else(|| schema.get("default")).or_else(|| schema.pointer("/examples/0"));
    if let Some(own) = own.or_else(|| schema.pointer("/enum/0")) {
        return own.clone();
    }
    if let Some(name) = schema["$ref"].as_str().and_then(|reference| reference.rsplit('/').next()) {
        return inner(&schemas[name]);
    }
    if let Some(parts) = schema["allOf"].as_array() {
        return parts.iter().map(inner).fold(json!({}), |mut whole, part| {
            if let (Some(whole), Value::Object(part)) = (whole.as_object_mut(), part) {
                whole.extend(part);
            }
            whole
        });
    }
    for choices in ["oneOf", "anyOf"] {
        let choice = schema[choices].as_array().and_then(|all| all.iter().find(|choice| choice["type"] != "null"));
        if let Some(choice) = choice {
            return inner(choice);
        }
    }
    if let Some(properties) = schema["properties"].as_object() {
        return properties.iter().map(|(name, property)| (name.clone(), inner(property))).collect::<Map<_, _>>().into();
    }
    let kind = match &schema["type"] {
        Value::Array(types) => types.iter().find(|one| *one != "null").and_then(Value::as_str),
        one => one.as_str(),
    };
    match (kind, schema["format"].as_str()) {
        (Some("array"), _) => json!([inner(&schema["items"])]),
        (Some("object"), _) => match schema.get("additionalProperties").filter(|values| values.is_object()) {
            Some(values) => json!({"name": inner(values)}),
            None => json!({}),
        },
        (Some("boolean"), _) => json!(true),
        (Some("integer" | "number"), _) => schema.get("minimum").cloned().unwrap_or_else(|| json!(1)),
        (Some("string"), Some("date-time")) => json!("2026-03-01T09:30:00Z"),
        (Some("string"), Some("date")) => json!("2026-03-01"),
        (Some("string"), Some("uuid")) => json!("01950f2e-7a40-7000-8000-000000000001"),
        (Some("string"), _) => json!("text"),
        _ => Value::Null,
    }
}
