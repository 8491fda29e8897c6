//! Files of pages that lie in the binary: zipped once, tagged, and served with a policy that
//! lets nothing run but files of ours.

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use flate2::Compression;
use flate2::write::GzEncoder;
use rust_embed::RustEmbed;
use std::collections::HashMap;
use std::io::Write as _;

/// A file as it is served.
pub struct File {
    pub plain: Bytes,
    pub zipped: Bytes,
    tag: String,
    kind: &'static str,
}

/// Files by their names, with `/` between folders.
pub struct Files(pub HashMap<String, File>);

impl Files {
    pub fn of<E: RustEmbed>() -> Self {
        let files = E::iter().filter_map(|name| {
            let file = E::get(&name)?;
            let plain = Bytes::from(file.data.into_owned());
            let mut zip = GzEncoder::new(Vec::new(), Compression::best());
            // Into memory: nothing can go wrong but memory.
            let zipped = zip.write_all(&plain).and_then(|()| zip.finish()).unwrap_or_default();
            let tag = format!("\"{}\"", state::hex(&file.metadata.sha256_hash()[..16]));
            let kind = kind(&name);
            Some((name.into_owned(), File { plain, zipped: zipped.into(), tag, kind }))
        });
        Self(files.collect())
    }

    /// The file, as the request wants it.
    pub fn serve(&self, name: &str, headers: &HeaderMap, policy: HeaderValue) -> Option<Response> {
        let file = self.0.get(name)?;
        let has = |name: header::HeaderName, word: &str| {
            let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
            values.flat_map(|value| value.split(',')).any(|one| one.trim() == word)
        };
        let about = [
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (header::REFERRER_POLICY, "no-referrer"),
            // Asked for each time, and mostly answered with "as it was".
            (header::CACHE_CONTROL, "no-cache"),
            (header::VARY, "accept-encoding"),
            (header::ETAG, file.tag.as_str()),
            (header::CONTENT_TYPE, file.kind),
        ];
        let mut response = if has(header::IF_NONE_MATCH, &file.tag) {
            (StatusCode::NOT_MODIFIED, about).into_response()
        } else if has(header::ACCEPT_ENCODING, "gzip") && !file.zipped.is_empty() {
            let zipped = [(header::CONTENT_ENCODING, "gzip")];
            (about, zipped, Body::from(file.zipped.clone())).into_response()
        } else {
            (about, Body::from(file.plain.clone())).into_response()
        };
        response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
        Some(response)
    }
}

fn kind(name: &str) -> &'static str {
    match name.rsplit('.').next() {
        Some("html") => "text/html; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("svg") => "image/svg+xml",
        _ => "application/octet-stream",
    }
}
