//! `$batch`: many requests in one, each answered in its own part.
//!
//! Operations are done in their order. The first that fails ends the batch and gives it its
//! status, unless `Prefer: odata.continue-on-error` was sent: then all are tried and the
//! batch is 200. A change set is done as a whole or not at all, and holds no reading.

use axum::http::request::Parts;
use axum::http::{Request, StatusCode};

use super::World;
use super::http::{Answer, Asked, Target, target};
use super::query::found;
use super::store::Row;

/// Operations of one batch.
const MOST: usize = 1_000;
/// Characters of an address within a batch.
const MOST_ADDRESS: usize = 65_536;

/// A part of a body: its type, and what stands below its headers.
struct Part {
    kind: String,
    id: Option<String>,
    text: String,
}

/// One request as a part holds it.
struct Inner {
    parts: Parts,
    body: String,
    id: Option<String>,
}

/// What was there before an operation: table, id, row.
type Before = (usize, String, Option<Row>);

/// A part's `Content-ID` and its answer.
type Told = (Option<String>, Answer);

impl World {
    pub(super) fn batch(&self, asked: &Asked<'_>) -> Result<Answer, Answer> {
        if asked.method != "POST" {
            return Err(Answer::empty(StatusCode::METHOD_NOT_ALLOWED));
        }
        let parts = parts(asked.header("content-type").unwrap_or_default(), asked.body)?;
        let goes_on = asked.preference("odata.continue-on-error").is_some_and(|own| own != "false");
        let mut told: Vec<String> = Vec::new();
        let mut status = StatusCode::OK;
        let mut count = 0;
        for part in parts {
            let is_set = part.kind.starts_with("multipart/mixed");
            let (answers, failed) = if is_set {
                let inner = self::parts(&part.kind, part.text.as_bytes())?;
                count += inner.len();
                self.change_set(inner)?
            } else {
                count += 1;
                let answer = self.operation(&read(part)?);
                let failed = Some(answer.status).filter(|status| !is_well(*status));
                (vec![(None, answer)], failed)
            };
            if count > MOST {
                return Err(Answer::bad("The batch request exceeds the limit of 1000 operations."));
            }
            told.push(written(&answers, is_set && failed.is_none()));
            if let Some(failed) = failed.filter(|_| !goes_on) {
                status = failed;
                break;
            }
        }
        let mark = format!("batchresponse_{}", super::write::random_id());
        let kind = format!("multipart/mixed; boundary={mark}");
        let mut answer = Answer::empty(status).with("content-type", kind);
        let parts = told.iter().map(|part| format!("--{mark}\r\n{part}\r\n"));
        answer.body = format!("{}--{mark}--\r\n", parts.collect::<String>()).into_bytes();
        Ok(answer)
    }

    fn operation(&self, inner: &Inner) -> Answer {
        let asked = Asked::new(&inner.parts, inner.body.as_bytes());
        if asked.path.ends_with("/$batch") {
            return Answer::bad("A batch request cannot contain another batch request.");
        }
        self.api(&asked).unwrap_or_else(|refused| refused)
    }

    /// All of the parts, or what the first that failed was answered.
    fn change_set(&self, parts: Vec<Part>) -> Result<(Vec<Told>, Option<StatusCode>), Answer> {
        let mut answers = Vec::new();
        let mut undo: Vec<Before> = Vec::new();
        for part in parts {
            let inner = read(part)?;
            if inner.parts.method == "GET" {
                return Err(Answer::bad("A change set cannot contain a GET request."));
            }
            if inner.id.is_none() {
                return Err(Answer::bad("An operation of a change set needs a Content-ID."));
            }
            let before = self.before(&inner);
            let answer = self.operation(&inner);
            if !is_well(answer.status) {
                let mut store = self.write();
                for (at, id, row) in undo.into_iter().rev() {
                    store.set_back(at, &id, row);
                }
                let status = answer.status;
                return Ok((vec![(None, answer)], Some(status)));
            }
            undo.extend(before.or_else(|| self.made(&answer)));
            answers.push((inner.id, answer));
        }
        Ok((answers, None))
    }

    /// What an operation is going to change, where it is there.
    fn before(&self, inner: &Inner) -> Option<Before> {
        let store = self.read();
        let step = inner.parts.uri.path().rsplit('/').next()?;
        let (at, id) = found(&store, &target(&store, step).ok()?).ok()?;
        let row = store.row(at, &id).cloned();
        Some((at, id, row))
    }

    /// What an operation has made.
    fn made(&self, answer: &Answer) -> Option<Before> {
        let place = answer.headers.iter().find(|(name, _)| *name == "odata-entityid")?;
        let store = self.read();
        match target(&store, place.1.rsplit('/').next()?).ok()? {
            Target::Id(at, id) => Some((at, id, None)),
            _ => None,
        }
    }
}

fn is_well(status: StatusCode) -> bool {
    status.is_success() || status == StatusCode::NOT_MODIFIED
}

/// The parts between the marks that a type names.
fn parts(kind: &str, body: &[u8]) -> Result<Vec<Part>, Answer> {
    let odd = |reason: &str| Answer::bad(&format!("The batch request is malformed: {reason}"));
    if !kind.starts_with("multipart/mixed") {
        let message = "The content type of a batch request is multipart/mixed.";
        return Err(Answer::error(StatusCode::UNSUPPORTED_MEDIA_TYPE, "0x80060888", message));
    }
    let mark = kind.split(';').find_map(|one| one.trim().strip_prefix("boundary="));
    let mark = mark.map(|mark| mark.trim_matches('"')).filter(|mark| !mark.is_empty());
    let mark = format!("--{}", mark.ok_or_else(|| odd("no boundary"))?);
    let text = std::str::from_utf8(body).map_err(|_| odd("no text"))?;
    let mut all: Vec<Vec<&str>> = Vec::new();
    let mut is_ended = false;
    for line in text.split("\r\n") {
        if is_ended {
            break;
        } else if line.trim_end() == mark {
            all.push(Vec::new());
        } else if line.trim_end() == format!("{mark}--") {
            is_ended = true;
        } else if let Some(part) = all.last_mut() {
            part.push(line);
        }
    }
    if !is_ended {
        return Err(odd("the last boundary is missing"));
    }
    let part = |lines: Vec<&str>| {
        let end = lines.iter().position(|line| line.is_empty());
        let end = end.ok_or_else(|| odd("a part without an empty line"))?;
        let header = |wanted: &str| {
            lines[..end].iter().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case(wanted).then(|| value.trim().to_owned())
            })
        };
        let kind = header("content-type").ok_or_else(|| odd("a part without a type"))?;
        let binary = header("content-transfer-encoding").is_some_and(|own| own == "binary");
        if kind == "application/http" && !binary {
            return Err(odd("a part is not transferred as binary"));
        }
        Ok(Part { kind, id: header("content-id"), text: lines[end + 1..].join("\r\n") })
    };
    all.into_iter().map(part).collect()
}

/// The request in a part.
fn read(part: Part) -> Result<Inner, Answer> {
    let odd = |reason: &str| Answer::bad(&format!("The batch request is malformed: {reason}"));
    if part.kind.split(';').next().map(str::trim) != Some("application/http") {
        return Err(odd("a part is no application/http"));
    }
    let (head, body) = part.text.split_once("\r\n\r\n").unwrap_or((&part.text, ""));
    let mut lines = head.split("\r\n");
    let words: Vec<&str> = lines.next().unwrap_or_default().split(' ').collect();
    let [method, address, "HTTP/1.1"] = words.as_slice() else {
        return Err(odd("a part begins with no request"));
    };
    if address.len() > MOST_ADDRESS {
        return Err(Answer::empty(StatusCode::URI_TOO_LONG));
    }
    let mut request = Request::builder().method(*method).uri(*address);
    for line in lines.filter(|line| !line.is_empty()) {
        let (name, value) = line.split_once(':').ok_or_else(|| odd("a header is none"))?;
        request = request.header(name.trim(), value.trim());
    }
    let request = request.body(()).map_err(|_| odd("a part is no request"))?;
    let (parts, ()) = request.into_parts();
    Ok(Inner { parts, body: body.trim().to_owned(), id: part.id })
}

/// Answers as one part: a change set's stand in a multipart of their own.
fn written(answers: &[Told], is_set: bool) -> String {
    let one = |(id, answer): &Told| {
        let id = id.as_ref().map(|id| format!("Content-ID: {id}\r\n")).unwrap_or_default();
        let reason = answer.status.canonical_reason().unwrap_or_default();
        let headers = answer.headers.iter().map(|(name, value)| format!("{name}: {value}\r\n"));
        format!(
            "Content-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n{id}\r\n\
             HTTP/1.1 {} {reason}\r\n{}\r\n{}",
            answer.status.as_u16(),
            headers.collect::<String>(),
            String::from_utf8_lossy(&answer.body),
        )
    };
    if !is_set {
        return answers.iter().map(one).collect();
    }
    let mark = format!("changesetresponse_{}", super::write::random_id());
    let parts = answers.iter().map(|answer| format!("--{mark}\r\n{}\r\n", one(answer)));
    let parts: String = parts.collect();
    format!("Content-Type: multipart/mixed; boundary={mark}\r\n\r\n{parts}--{mark}--\r\n")
}
