//! The console's files: in the binary, for anybody; what they show needs a session.
//!
//! Nothing is loaded from another host, and nothing runs that is not a file of ours: the
//! policy on every page says so to the browser. The pages are in `crates/tieline/console`.

use super::error;
use super::files::Files;
use axum::extract::Path;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use rust_embed::RustEmbed;
use std::sync::LazyLock;

#[derive(RustEmbed)]
#[folder = "console"]
struct Embedded;

const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
    connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
);

static FILES: LazyLock<Files> = LazyLock::new(Files::of::<Embedded>);

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
    let mut response = FILES.serve(name, headers, POLICY)?;
    let opener = HeaderName::from_static("cross-origin-opener-policy");
    response.headers_mut().insert(opener, HeaderValue::from_static("same-origin"));
    Some(response)
}

#[cfg(test)]
mod tests {
    use super::FILES;

    #[test]
    fn the_whole_console_is_small_and_asks_no_other_host() {
        let bytes: usize = FILES.0.values().map(|file| file.zipped.len()).sum();
        assert!(FILES.0.contains_key("index.html"));
        assert!((1_000..200_000).contains(&bytes), "{bytes} bytes compressed");
        for (name, file) in &FILES.0 {
            let text = String::from_utf8_lossy(&file.plain);
            // A name of a namespace is no address.
            let text = text.replace("http://www.w3.org/", "");
            let names =
                text.contains("http://") || text.contains("https://") || text.contains("src=\"//");
            assert!(!names, "{name} names another host");
        }
    }
}
