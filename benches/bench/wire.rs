//! As much HTTP/1.1 as a measurement needs.

use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::Value;

/// A request with a JSON body.
pub fn post(path: &str, token: Option<&str>, body: &str) -> String {
    let authorization = token.map(|token| format!("Authorization: Bearer {token}\r\n")).unwrap_or_default();
    let length = body.len();
    format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\n{authorization}Content-Type: application/json\r\n\
         Content-Length: {length}\r\n\r\n{body}"
    )
}

/// A request without a body.
pub fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n")
}

/// Status and body of an answer, once it is whole.
pub fn answer(bytes: &[u8]) -> Option<(u16, &[u8])> {
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let mut head = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(head_end) = head.parse(bytes).unwrap() else { return None };
    let status = head.code.unwrap();
    let length = head
        .headers
        .iter()
        .find(|header| header.name.eq_ignore_ascii_case("content-length"))
        .map_or(0, |header| std::str::from_utf8(header.value).unwrap().parse().unwrap());
    bytes.get(head_end..head_end + length).map(|body| (status, body))
}

/// Sends one request on a connection of its own, which must be answered well; gives the body.
pub fn ask(address: &str, request: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("the server takes connections");
    stream.write_all(request.as_bytes()).unwrap();
    let (mut bytes, mut chunk) = (Vec::new(), [0_u8; 65536]);
    loop {
        let read = stream.read(&mut chunk).unwrap();
        assert!(read > 0, "the server hung up");
        bytes.extend_from_slice(&chunk[..read]);
        if let Some((status, body)) = answer(&bytes) {
            let body = String::from_utf8_lossy(body).into_owned();
            assert!((200..300).contains(&status), "{status} {body}\nto: {request:.200}");
            return body;
        }
    }
}

/// Posts a body as [`ask`] does; gives the JSON of the answer.
pub fn call(address: &str, path: &str, token: Option<&str>, body: &Value) -> Value {
    serde_json::from_str(&ask(address, &post(path, token, &body.to_string()))).unwrap()
}
