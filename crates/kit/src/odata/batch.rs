//! Many requests in one, as OData batches them: `multipart/mixed`, an operation a part.
//!
//! [`batch`] writes the body of a `POST …/$batch` whose operations stand each for themselves
//! (no change sets), [`answers`] takes the answer apart: one [`Reply`] for each operation that
//! was tried, in their order. No value can end a part: JSON has no line of its own that
//! begins with the mark between parts, and neither have addresses and headers.
//!
//! Source: OData 4.0, part 1, "Batch Requests".

use crate::http::HeaderMap;
use crate::{Error, Reply};
use serde_json::Value;

/// Lines that head an answer, or a part of one.
const HEADERS_MAX: usize = 64;

/// One request among many.
pub struct Operation<'a> {
    pub method: &'static str,
    /// The address from its path on, percent-encoded.
    pub target: &'a str,
    pub headers: Vec<(&'static str, &'a str)>,
    pub body: Option<&'a Value>,
}

/// The body of a batch, with `mark` between its parts.
///
/// # Errors
/// `Invalid` when an address or a header would break its line.
pub fn batch(mark: &str, operations: &[Operation<'_>]) -> Result<Vec<u8>, Error> {
    let breaks = |text: &str| text.contains(|c: char| c.is_control());
    let mut out = String::new();
    for operation in operations {
        let mut headers = operation.headers.iter();
        if breaks(operation.target) || headers.any(|(_, value)| breaks(value)) {
            let reason = "has a line of its own, which no request can carry".to_owned();
            return Err(Error::Invalid { field: None, reason });
        }
        out.push_str(&format!(
            "--{mark}\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n\
             \r\n{} {} HTTP/1.1\r\n",
            operation.method, operation.target
        ));
        for (name, value) in &operation.headers {
            out.push_str(&format!("{name}: {value}\r\n"));
        }
        match operation.body {
            Some(body) => {
                out.push_str(&format!("Content-Type: application/json\r\n\r\n{body}\r\n"));
            }
            None => out.push_str("\r\n\r\n"),
        }
    }
    out.push_str(&format!("--{mark}--\r\n"));
    Ok(out.into_bytes())
}

/// What the operations were answered, in their order.
///
/// # Errors
/// `Protocol` when the answer is no batch of whole answers.
pub fn answers(reply: &Reply) -> Result<Vec<Reply>, Error> {
    let odd = || Error::protocol("an answer to a batch that is none");
    let kind = reply.header("content-type").ok_or_else(odd)?;
    let (kind, rest) = kind.split_once(';').ok_or_else(odd)?;
    let mut settings = rest.split(';').map(str::trim);
    let mark = settings.find_map(|one| one.strip_prefix("boundary=")).ok_or_else(odd)?;
    let mark = mark.trim_matches('"');
    if !kind.trim().eq_ignore_ascii_case("multipart/mixed") || mark.is_empty() {
        return Err(odd());
    }
    let text = std::str::from_utf8(&reply.body).map_err(|_| odd())?;
    // The line end before a mark belongs to the mark.
    let mark = format!("\n--{mark}");
    let text = format!("\n{text}");
    let mut parts = text.split(mark.as_str());
    parts.next();
    let mut all = Vec::new();
    for part in parts {
        if part.starts_with("--") {
            return Ok(all);
        }
        let part = part.strip_prefix("\r\n").or_else(|| part.strip_prefix('\n'));
        all.push(answer(part.ok_or_else(odd)?).ok_or_else(odd)?);
    }
    // The last mark is missing: the answer was cut, and of the last part nobody knows.
    Err(odd())
}

/// One part: its own headers, then an answer as HTTP/1.1 has it.
fn answer(part: &str) -> Option<Reply> {
    let (_, rest) = headed(part)?;
    let (status, rest) = rest.split_once('\n')?;
    let status = status.trim().strip_prefix("HTTP/1.1 ")?;
    let status = status.split(' ').next()?.parse().ok()?;
    let (headers, body) = headed(rest)?;
    Some(Reply { status, headers, body: body.trim().as_bytes().to_vec() })
}

/// Headers up to the empty line, of which only those are kept that say what an answer
/// means, and what follows.
fn headed(text: &str) -> Option<(HeaderMap, &str)> {
    let mut headers = HeaderMap::new();
    let mut rest = text;
    for _ in 0..HEADERS_MAX {
        let (line, after) = rest.split_once('\n')?;
        rest = after;
        let line = line.trim_end_matches('\r');
        if line.is_empty() {
            return Some((headers, rest));
        }
        let (name, value) = line.split_once(':')?;
        let known = ["content-type", "retry-after", "odata-entityid", "etag", "location"];
        let name = known.into_iter().find(|known| name.trim().eq_ignore_ascii_case(known));
        if let (Some(name), Ok(value)) = (name, value.trim().parse()) {
            headers.insert(name, value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::{Operation, answers, batch};
    use crate::Reply;
    use crate::http::HeaderMap;
    use proptest::prelude::*;
    use serde_json::json;

    fn reply(kind: &str, body: &str) -> Reply {
        let mut headers = HeaderMap::new();
        headers.insert("content-type", kind.parse().expect("a header"));
        Reply { status: 200, headers, body: body.as_bytes().to_vec() }
    }

    fn told(body: &str) -> Option<Vec<(u16, String)>> {
        let all = answers(&reply("multipart/mixed; boundary=\"b_1\"", body)).ok()?;
        let text = |one: Reply| (one.status, String::from_utf8(one.body).expect("text"));
        Some(all.into_iter().map(text).collect())
    }

    #[test]
    fn an_answer_is_taken_apart_and_one_that_was_cut_is_none() {
        let body = "--b_1\r\nContent-Type: application/http\r\n\r\nHTTP/1.1 204 No Content\r\n\
                    OData-Version: 4.0\r\n\r\n\r\n--b_1\r\nContent-Type: application/http\r\n\r\n\
                    HTTP/1.1 412 Precondition Failed\r\nRetry-After: 7\r\n\r\n{\"error\":{}}\r\n\
                    --b_1--\r\n";
        let expected = vec![(204, String::new()), (412, "{\"error\":{}}".to_owned())];
        assert_eq!(told(body), Some(expected));
        let all = answers(&reply("multipart/mixed;boundary=b_1", body)).expect("two");
        assert_eq!(all[1].header("retry-after"), Some("7"));
        assert_eq!(told("--b_1--"), Some(vec![]));
        for at in 0..body.len() - 4 {
            assert_eq!(told(&body[..at]), None, "cut at {at}");
        }
        assert!(answers(&reply("application/json", body)).is_err());
        assert!(answers(&reply("multipart/mixed", body)).is_err());
    }

    proptest! {
        #[test]
        fn no_value_ends_its_part(values in prop::collection::vec(any::<String>(), 1..4)) {
            let bodies: Vec<_> = values.iter().map(|value| json!({ "a": value })).collect();
            let operation = |body| Operation {
                method: "PATCH", target: "/a(1)", headers: vec![("If-Match", "*")], body: Some(body),
            };
            let operations: Vec<_> = bodies.iter().map(operation).collect();
            let body = String::from_utf8(batch("m", &operations).expect("a body")).expect("text");
            let parts: Vec<&str> = body.split("--m\r\n").collect();
            let marks = body.lines().filter(|line| line.starts_with("--m")).count();
            prop_assert_eq!(marks, values.len() + 1);
            for (part, body) in parts[1..].iter().zip(&bodies) {
                let sent = part.split("\r\n\r\n").nth(2).expect("a body").lines().next();
                prop_assert_eq!(serde_json::from_str::<serde_json::Value>(sent.expect("a line")).expect("JSON"), body.clone());
            }
        }

        #[test]
        fn whatever_comes_back_is_read_or_refused(body in any::<String>()) {
            let _ = told(&body);
            let _ = told(&format!("--b_1\r\n{body}\r\n--b_1--"));
        }
    }

    #[test]
    fn what_would_break_a_line_is_not_sent() {
        let operation = |target, value| Operation {
            method: "DELETE",
            target,
            headers: vec![("If-Match", value)],
            body: None,
        };
        assert!(batch("m", &[operation("/a(1)", "*")]).is_ok());
        assert!(batch("m", &[operation("/a(1)\r\nX: y", "*")]).is_err());
        assert!(batch("m", &[operation("/a(1)", "*\r\n")]).is_err());
    }
}
