//! The console's files: in the binary, for anybody; what they show needs a session.
//!
//! Nothing is loaded from another host, and nothing runs that is not a file of ours: the
//! policy on every page says so to the browser. The pages are in `crates/tieline/console`.

use super::error;
use axum::body::{Body, Bytes};
use axum::extract::Path;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use flate2::Compression;
use flate2::write::GzEncoder;
use rust_embed::RustEmbed;
use std::collections::HashMap;
use std::io::Write as _;
use std::sync::LazyLock;

#[derive(RustEmbed)]
#[folder = "console"]
struct Files;

/// A file as it is served.
struct Served {
    plain: Bytes,
    zipped: Bytes,
    tag: String,
    kind: &'static str,
}

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
    connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

static SERVED: LazyLock<HashMap<String, Served>> = LazyLock::new(|| {
    let files = Files::iter().filter_map(|name| {
        let file = Files::get(&name)?;
        let plain = Bytes::from(file.data.into_owned());
        let mut zip = GzEncoder::new(Vec::new(), Compression::best());
        // Into memory: nothing can go wrong but memory.
        let zipped = zip.write_all(&plain).and_then(|()| zip.finish()).unwrap_or_default();
        let tag = format!("\"{}\"", state::hex(&file.metadata.sha256_hash()[..16]));
        let served = Served { plain, zipped: zipped.into(), tag, kind: kind(&name) };
        Some((name.into_owned(), served))
    });
    files.collect()
});

fn kind(name: &str) -> &'static str {
    match name.rsplit('.').next() {
        Some("html") => "text/html; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("svg") => "image/svg+xml",
        _ => "application/octet-stream",
    }
}

/// Whoever types the server's address wants to see something.
pub async fn home() -> Redirect {
    Redirect::temporary("/console/")
}

pub async fn index(headers: HeaderMap) -> Response {
    serve("index.html", &headers).unwrap_or_else(|| StatusCode::NOT_FOUND.into_response())
}

pub async fn file(Path(name): Path<String>, headers: HeaderMap) -> Response {
    match serve(&name, &headers) {
        Some(response) => response,
        None => error::no_route().await.into_response(),
    }
}

fn serve(name: &str, headers: &HeaderMap) -> Option<Response> {
    let served = SERVED.get(name)?;
    let has = |name: header::HeaderName, word: &str| {
        let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
        values.flat_map(|value| value.split(',')).any(|one| one.trim() == word)
    };
    let about = [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        // Asked for each time, and mostly answered with "as it was".
        (header::CACHE_CONTROL, "no-cache"),
        (header::VARY, "accept-encoding"),
        (header::ETAG, served.tag.as_str()),
        (header::CONTENT_TYPE, served.kind),
    ];
    if has(header::IF_NONE_MATCH, &served.tag) {
        return Some((StatusCode::NOT_MODIFIED, about).into_response());
    }
    if has(header::ACCEPT_ENCODING, "gzip") && !served.zipped.is_empty() {
        let zipped = [(header::CONTENT_ENCODING, "gzip")];
        return Some((about, zipped, Body::from(served.zipped.clone())).into_response());
    }
    Some((about, Body::from(served.plain.clone())).into_response())
}

#[cfg(test)]
mod tests {
    use super::SERVED;

    #[test]
    fn the_whole_console_is_small_and_asks_no_other_host() {
        let bytes: usize = SERVED.values().map(|served| served.zipped.len()).sum();
        assert!(SERVED.contains_key("index.html"));
        assert!((1_000..200_000).contains(&bytes), "{bytes} bytes compressed");
        for (name, served) in &*SERVED {
            let text = String::from_utf8_lossy(&served.plain);
            // A name of a namespace is no address.
            let text = text.replace("http://www.w3.org/", "");
            let names =
                text.contains("http://") || text.contains("https://") || text.contains("src=\"//");
            assert!(!names, "{name} names another host");
        }
    }
}
