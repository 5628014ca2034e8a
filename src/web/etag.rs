//! Validators of what is the same for everybody: a browser that has it is told so, and nothing more.
//! Pages with forms have none, since each carries a token of its own.

use actix_web::body::{MessageBody, to_bytes};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{self, HeaderValue};
use actix_web::middleware::Next;
use actix_web::{Error, HttpResponse};
use sha2::{Digest, Sha256};

/// Marks an answer with the hash of its content, and answers 304 to whoever has it already. Goes
/// within the compression: the same content packed in another way is weakly the same.
///
/// # Errors
/// Those of what lies within.
pub async fn mark(
    req: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let known = req.headers().get(header::IF_NONE_MATCH).and_then(|tags| tags.to_str().ok()).map(str::to_owned);
    let res = next.call(req).await?;
    if !res.status().is_success() {
        return Ok(res.map_into_boxed_body());
    }
    let (req, res) = res.into_parts();
    let (mut head, body) = res.into_parts();
    let body = to_bytes(body).await.map_err(|_| crate::error::Error::broken("a body cannot be read"))?;
    let hash: String = Sha256::digest(&body).iter().take(12).map(|byte| format!("{byte:02x}")).collect();
    let tag = format!("W/\"{hash}\"");
    let value = HeaderValue::from_str(&tag).map_err(crate::error::Error::broken)?;
    head.headers_mut().insert(header::ETAG, value);
    let has_it = known.is_some_and(|tags| tags.split(',').any(|known| known.trim() == tag || known.trim() == "*"));
    if has_it {
        let mut unchanged = HttpResponse::NotModified().finish();
        for name in [header::ETAG, header::CACHE_CONTROL, header::CONTENT_SECURITY_POLICY] {
            if let Some(value) = head.headers().get(&name) {
                unchanged.headers_mut().insert(name, value.clone());
            }
        }
        return Ok(ServiceResponse::new(req, unchanged).map_into_boxed_body());
    }
    Ok(ServiceResponse::new(req, head.set_body(body)).map_into_boxed_body())
}
