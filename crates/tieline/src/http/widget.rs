//! The agent's widget: a page that a contact center or a CRM shows in a frame.
//!
//! It has no cookie, so that no other page can act through it: it holds an agent's token of a
//! quarter of an hour, which it gets from whoever shows it, or for what the vendor's own page
//! has in hand ([`super::access::sign_in`]). Only pages of `widget.hosts` may show it. Besides
//! ourselves it speaks with the vendors' sign-ins alone. Its files are in `crates/tieline/widget`.

use super::error;
use super::files::Files;
use super::{ApiError, App};
use axum::Json;
use axum::extract::{Form, Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use kit::Door;
use rust_embed::RustEmbed;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::sync::LazyLock;

#[derive(RustEmbed)]
#[folder = "widget"]
struct Embedded;

static FILES: LazyLock<Files> = LazyLock::new(Files::of::<Embedded>);

/// Where the page says what it was posted.
const PLACE: &str = "<meta name=\"signed-request\" content=\"\">";
/// Bytes of a signed request.
const SIGNED_MAX: usize = 32 * 1024;

/// What the page has to know before anybody is signed in. Nothing in it is a secret.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Frame {
    /// Origins whose pages may hand it a token, as `widget.hosts` has them.
    hosts: Vec<String>,
    /// Connections at whose vendor the page signs in by itself.
    doors: Vec<DoorBody>,
    /// Connections at whose vendor agents can be signed in with what its page posts.
    connections: Vec<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct DoorBody {
    connection: String,
    client_id: String,
    authorize: String,
    token: String,
}

/// What a canvas of a CRM posts where it opens the page.
#[derive(Deserialize)]
pub struct Posted {
    #[serde(default)]
    signed_request: String,
}

fn doors(app: &App) -> Vec<(String, Option<Door>)> {
    let all = app.engine.connections.all();
    let all = all.filter_map(|one| {
        let sign_in = one.capabilities.sign_in.as_ref()?;
        Some((one.name.clone(), sign_in.door()))
    });
    all.collect()
}

/// Who may show the page, and with whom it may speak.
fn policy(app: &App) -> HeaderValue {
    let hosts = app.widget.hosts.join(" ");
    let hosts = if hosts.is_empty() { "'none'" } else { &hosts };
    let doors = doors(app).into_iter().filter_map(|(_, door)| door);
    let vendors: BTreeSet<String> =
        doors.map(|door| door.token.origin().ascii_serialization()).collect();
    let vendors: String = vendors.iter().map(|origin| format!(" {origin}")).collect();
    let policy = format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
         connect-src 'self'{vendors}; form-action 'none'; base-uri 'none'; frame-ancestors {hosts}"
    );
    // Origins are ASCII: where one is not, nobody may show the page.
    let none = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");
    HeaderValue::from_str(&policy).unwrap_or(none)
}

pub async fn index(State(app): State<App>, headers: HeaderMap) -> Response {
    serve(&app, "index.html", &headers)
}

pub async fn file(
    State(app): State<App>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Response {
    match FILES.0.contains_key(&name) {
        true => serve(&app, &name, &headers),
        false => error::no_route().await.into_response(),
    }
}

fn serve(app: &App, name: &str, headers: &HeaderMap) -> Response {
    let served = FILES.serve(name, headers, policy(app));
    served.unwrap_or_else(|| StatusCode::NOT_FOUND.into_response())
}

/// The page, with what a CRM's canvas has posted; what it is worth, the vendor is asked.
pub async fn posted(
    State(app): State<App>,
    Form(posted): Form<Posted>,
) -> Result<Response, ApiError> {
    let signed = posted.signed_request;
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"+/=-_.".contains(&b);
    if signed.is_empty() || signed.len() > SIGNED_MAX || !signed.bytes().all(is_plain) {
        let message = "signed_request is no signed request.";
        let fix = "Let the canvas post it unchanged: two parts in base64 with a point between.";
        return Err(ApiError::field("signed_request", message, fix));
    }
    let page = FILES.0.get("index.html").map(|file| String::from_utf8_lossy(&file.plain));
    let page = page.unwrap_or_default();
    let meta = format!("<meta name=\"signed-request\" content=\"{signed}\">");
    let page = page.replacen(PLACE, &meta, 1);
    let about = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (header::CONTENT_SECURITY_POLICY, policy(&app)),
    ];
    Ok((about, page).into_response())
}

/// What the page has to know.
pub async fn frame(State(app): State<App>) -> Response {
    let all = doors(&app);
    let connections = all.iter().filter(|(_, door)| door.is_none()).map(|(name, _)| name.clone());
    let connections = connections.collect();
    let doors = all.into_iter().filter_map(|(connection, door)| {
        let Door { client_id, authorize, token } = door?;
        let (authorize, token) = (authorize.to_string(), token.to_string());
        Some(DoorBody { connection, client_id, authorize, token })
    });
    let frame = Frame { hosts: app.widget.hosts.clone(), doors: doors.collect(), connections };
    ([(header::CACHE_CONTROL, "no-cache")], Json(frame)).into_response()
}

#[cfg(test)]
mod tests {
    use super::{FILES, PLACE};

    #[test]
    fn the_page_has_a_place_for_what_is_posted_and_names_no_other_host() {
        let page = String::from_utf8_lossy(&FILES.0["index.html"].plain);
        assert_eq!(page.matches(PLACE).count(), 1);
        for (name, file) in &FILES.0 {
            let text = String::from_utf8_lossy(&file.plain).replace("http://www.w3.org/", "");
            assert!(!text.contains("http://") && !text.contains("https://"), "{name}");
        }
        let bytes: usize = FILES.0.values().map(|file| file.zipped.len()).sum();
        assert!(bytes < 30_000, "{bytes} bytes compressed");
    }
}
