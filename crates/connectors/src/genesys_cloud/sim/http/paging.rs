//! Writes the two kinds of listings: page numbers with `total`, and cursors.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::super::model::problem::Problem;
use super::platform::Ask;

/// How long a cursor holds: 24 hours.
const CURSOR_MS: i64 = 86_400_000;

/// A listing by page number of what `rows` holds in its pages.
pub(crate) fn numbered(
    path: &str,
    total: usize,
    size: usize,
    number: usize,
    entities: Vec<Value>,
) -> Value {
    let count = sim::paging::page_count(total, size);
    let uri = |number: usize| format!("{path}?pageSize={size}&pageNumber={number}");
    let mut body = json!({
        "entities": entities,
        "pageSize": size,
        "pageNumber": number,
        "total": total,
        "pageCount": count,
        "firstUri": uri(1),
        "lastUri": uri(count.max(1)),
        "selfUri": uri(number),
    });
    if number < count {
        body["nextUri"] = uri(number + 1).into();
    }
    if number > 1 {
        body["previousUri"] = uri(number - 1).into();
    }
    body
}

/// A listing by cursor: `limit` entities after the cursor, and the next one if more follow.
pub(crate) fn cursored(
    ask: &Ask,
    path: &str,
    rows: impl Iterator<Item = (u64, Value)>,
) -> Result<Value, Problem> {
    let limit = ask.number("limit", 100, 10..=200)?;
    let mut page: Vec<(u64, Value)> = rows.take(limit + 1).collect();
    let more = page.len() > limit;
    page.truncate(limit);
    let last = page.last().map(|(sequence, _)| *sequence);
    let entities: Vec<Value> = page.into_iter().map(|(_, row)| row).collect();
    let mut body = json!({ "entities": entities, "selfUri": format!("{path}?limit={limit}") });
    if let Some(sequence) = last.filter(|_| more) {
        let cursor = URL_SAFE_NO_PAD.encode(format!("{}.{sequence}", ask.now));
        body["nextUri"] = format!("{path}?limit={limit}&cursor={cursor}").into();
        body["cursors"] = json!({ "after": cursor });
    }
    Ok(body)
}

/// Where the cursor of a request points: rows after this sequence. 400 when it is
/// not ours or older than a day.
pub(crate) fn cursor(ask: &Ask) -> Result<u64, Problem> {
    let Some(text) = ask.text("cursor") else {
        return Ok(0);
    };
    let read = || {
        let decoded = String::from_utf8(URL_SAFE_NO_PAD.decode(text).ok()?).ok()?;
        let (issued, sequence) = decoded.split_once('.')?;
        let (issued, sequence): (i64, u64) = (issued.parse().ok()?, sequence.parse().ok()?);
        (ask.now - issued < CURSOR_MS).then_some(sequence)
    };
    read().ok_or_else(|| {
        Problem::bad_request("The cursor is not valid any more.").at("invalid.value", "cursor")
    })
}
