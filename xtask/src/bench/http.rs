//! As much HTTP as the bench needs to prepare itself: one request, one answer, one connection.

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// An answer's status and body.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: String,
}

impl Answer {
    pub(super) fn json(&self) -> Result<Value> {
        serde_json::from_str(&self.body).with_context(|| format!("HTTP {}: no JSON", self.status))
    }
}

/// Asks `url` (`http://127.0.0.1:PORT`), at most `limit` for each step. HTTP/1.0, so that the
/// answer comes whole and the connection ends with it.
pub(super) fn ask(
    method: &str,
    url: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
    limit: Duration,
) -> Result<Answer> {
    exchange("1.0", &format!("{method} {path}"), url, headers, body, limit)
}

/// The same of a WebDriver, which speaks HTTP/1.1 alone and leaves its connections open.
pub(super) fn ask_driver(
    method: &str,
    url: &str,
    path: &str,
    body: &str,
    limit: Duration,
) -> Result<Answer> {
    let headers = [("Content-Type", "application/json"), ("Connection", "close")];
    exchange("1.1", &format!("{method} {path}"), url, &headers, body, limit)
}

fn exchange(
    version: &str,
    what: &str,
    url: &str,
    headers: &[(&str, &str)],
    body: &str,
    limit: Duration,
) -> Result<Answer> {
    let host = url.trim_start_matches("http://").trim_end_matches('/');
    let address: SocketAddr = host.parse().with_context(|| format!("'{url}' is no address"))?;
    let mut socket = TcpStream::connect_timeout(&address, limit)?;
    socket.set_read_timeout(Some(limit))?;
    let mut head =
        format!("{what} HTTP/{version}\r\nHost: {host}\r\nContent-Length: {}\r\n", body.len());
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    socket.write_all(format!("{head}\r\n{body}").as_bytes())?;
    let mut reader = BufReader::new(socket);
    let mut status = String::new();
    reader.read_line(&mut status)?;
    let status = status.split(' ').nth(1).and_then(|status| status.parse().ok());
    let mut length = None;
    loop {
        let mut line = String::new();
        ensure!(reader.read_line(&mut line)? > 0, "the answer has no end of its head");
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        if name.eq_ignore_ascii_case("content-length") {
            length = Some(value.trim().parse().context("a length that is no number")?);
        }
    }
    let mut body = String::new();
    reader.take(length.unwrap_or(u64::MAX)).read_to_string(&mut body)?;
    Ok(Answer { status: status.context("the answer has no status")?, body })
}

/// `text` as a part of a URL's query.
pub(super) fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len() * 2);
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{ask, ask_driver, encoded};
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::time::Duration;

    #[test]
    fn an_answer_is_read_whole() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("it is bound"));
        let server = std::thread::spawn(move || {
            let (mut socket, _) = listener.accept().expect("one caller");
            let mut seen = [0; 4096];
            let read = socket.read(&mut seen).expect("a request");
            socket.write_all(b"HTTP/1.0 201 Created\r\nA: b\r\n\r\n{\"a\":1}").expect("answered");
            String::from_utf8_lossy(&seen[..read]).into_owned()
        });
        let answer = ask("POST", &url, "/x", &[("K", "v")], "hi", Duration::from_secs(10))
            .expect("an answer");
        assert_eq!((answer.status, answer.body.as_str()), (201, "{\"a\":1}"));
        let request = server.join().expect("the server ends");
        assert!(
            request.starts_with("POST /x HTTP/1.0\r\n") && request.ends_with("K: v\r\n\r\nhi"),
            "{request}"
        );
    }

    #[test]
    fn a_driver_that_leaves_its_connection_open_is_not_waited_for() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("it is bound"));
        let server = std::thread::spawn(move || {
            let (mut socket, _) = listener.accept().expect("one caller");
            socket.write_all(b"HTTP/1.1 200 OK\r\nContent-Length:2\r\n\r\n{}").expect("answered");
            let mut seen = Vec::new();
            socket.read_to_end(&mut seen).expect("until the caller has gone");
            String::from_utf8_lossy(&seen).into_owned()
        });
        let answer = ask_driver("GET", &url, "/status", "", Duration::from_secs(10));
        let answer = answer.expect("an answer");
        assert_eq!((answer.status, answer.body.as_str()), (200, "{}"));
        assert!(server.join().expect("the server ends").starts_with("GET /status HTTP/1.1\r\n"));
    }

    #[test]
    fn a_query_is_encoded() {
        assert_eq!(encoded("a '+1'"), "a%20%27%2B1%27");
    }
}
