//! How a source is configured: each setting read once, and refused by name if it cannot be.

use super::accounts::Ledger;
use super::client::{Client, Next, Paging};
use super::login::{Identity, Login};
use super::lookup::{Way, Ways};
use super::mapping::{OfAsked, Shape, is_pointer};
use super::requests::OWN_HEADERS;
use super::signals::{Errors, Meaning};
use super::template::{Hole, Template};
use kit::{Error, Http, Settings, Tokens};
use std::sync::Arc;
use url::Url;

/// Pages of one answer, however many there are.
const PAGES_MAX: u64 = 20;

/// An address of the source: `https://`, unless the connection may ask its own network.
pub(super) fn address(key: &'static str, text: &str, may_be_plain: bool) -> Result<Url, Error> {
    let mut url = Url::parse(text).map_err(|_| invalid(key, "is no address"))?;
    let is_fit = url.scheme() == "https" || (may_be_plain && url.scheme() == "http");
    if !is_fit {
        let reason = "must begin with https://; http:// is only for a connection with allow_private_addresses = true";
        return Err(invalid(key, reason));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(invalid(key, "holds a user or password; set auth instead"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(invalid(key, "holds a ? or #; parameters belong to each request"));
    }
    let path = url.path().trim_end_matches('/').to_owned();
    url.set_path(&path);
    Ok(url)
}

/// How people are asked for.
pub(super) fn ways(settings: &Settings) -> Result<Ways, Error> {
    let list = settings.text("records_at").unwrap_or_default();
    let one = settings.text("record_at").unwrap_or(list);
    Ok(Ways {
        phone: way(settings, ("by_phone", "by_phone_body"), Hole::PHONE, ("records_at", list))?,
        email: way(settings, ("by_email", "by_email_body"), &[Hole::Email], ("records_at", list))?,
        record: way(
            settings,
            ("by_record", "by_record_body"),
            &[Hole::Record],
            ("record_at", one),
        )?,
    })
}

/// How an account is asked for.
pub(super) fn account_way(settings: &Settings) -> Result<Option<Way>, Error> {
    let at = settings.text("account_records_at").unwrap_or_default();
    way(settings, ("by_account", "by_account_body"), &[Hole::Account], ("account_records_at", at))
}

fn way(
    settings: &Settings,
    (key, body_key): (&'static str, &'static str),
    holes: &'static [Hole],
    (at_key, at): (&'static str, &str),
) -> Result<Option<Way>, Error> {
    let body = settings.text(body_key);
    let Some(target) = settings.text(key) else {
        return match body {
            None => Ok(None),
            Some(_) => Err(invalid(key, &format!("is missing beside {body_key}"))),
        };
    };
    is_pointer(at).map_err(|reason| invalid(at_key, &reason))?;
    let headers = headers(settings)?;
    let template = Template::parse(target, body, &headers, holes)
        .map_err(|reason| invalid(key, &format!("cannot be: {reason}")))?;
    Ok(Some(Way { setting: key, template, records: at.to_owned() }))
}

/// Headers of every request, of which none may replace what the connection itself sets.
fn headers(settings: &Settings) -> Result<Vec<(String, String)>, Error> {
    let own_key = settings.text("api_key_header").unwrap_or("x-api-key");
    let headers = settings.pairs("headers");
    for (name, _) in &headers {
        let is_token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
        if name.is_empty() || !name.bytes().all(is_token) {
            return Err(invalid("headers", &format!("`{name}` is no name of a header")));
        }
        let own = OWN_HEADERS.into_iter().chain([own_key]);
        if own.into_iter().any(|own| own.eq_ignore_ascii_case(name)) {
            let reason =
                format!("`{name}` is set by the connection itself: secrets belong to auth");
            return Err(invalid("headers", &reason));
        }
    }
    Ok(headers)
}

/// What a record holds, and that it can be compared with what was asked.
pub(super) fn shape(settings: &Settings, ways: &Ways) -> Result<Shape, Error> {
    let data = pointers(settings, "data")?;
    let page = settings.text("record_url").map(str::to_owned);
    if page.as_ref().is_some_and(|page| !page.contains("{record}")) {
        return Err(invalid("record_url", "has no {record} in it"));
    }
    let object = settings.text("object").unwrap_or("Record");
    let asked = match settings.flag("answers_for_asked", false) {
        true => Some(OfAsked { key: settings.secrets.get("record_key").cloned() }),
        false => None,
    };
    let is_asked = asked.is_some();
    let shape = Shape::new(settings.pairs("fields"), data, object, page)
        .and_then(|shape| shape.of_asked(asked))
        .map_err(|reason| invalid("fields", &reason))?;
    if is_asked {
        return Ok(shape);
    }
    // What comes back is compared with what was asked, and so must be told.
    if ways.phone.is_some() && !shape.has_phone() {
        return Err(invalid("fields", "names no phone, which by_phone needs"));
    }
    if ways.email.is_some() && !shape.has_email() {
        return Err(invalid("fields", "names no email, which by_email needs"));
    }
    Ok(shape)
}

pub(super) fn ledger(settings: &Settings, client: &Arc<Client>, way: Way) -> Result<Ledger, Error> {
    let id_at = pointer(settings, "account_id_at")?;
    if id_at.is_none() && !way.template.is_in_path() {
        let reason = "is needed where the path of by_account does not name the account: else nobody could tell whose the records are";
        return Err(invalid("account_id_at", reason));
    }
    Ok(Ledger {
        client: Arc::clone(client),
        way,
        id_at,
        name_at: pointer(settings, "account_name_at")?,
        whole: pointers(settings, "account_data")?,
        lists: pointers(settings, "account_lists")?,
        count: settings.text("account_count").map(str::to_owned),
    })
}

pub(super) fn errors(settings: &Settings) -> Result<Errors, Error> {
    let code = |(code, word): (String, String)| {
        let meaning = Meaning::parse(&word).ok_or_else(|| {
            let words = "unauthorized, forbidden, rate_limited, unavailable, not_found, invalid";
            invalid("error_codes", &format!("`{word}` is none of {words}"))
        })?;
        Ok((code, meaning))
    };
    let codes: Result<Vec<_>, Error> =
        settings.pairs("error_codes").into_iter().map(code).collect();
    let (at, codes) = (pointer(settings, "error_at")?, codes?);
    if at.is_none() && !codes.is_empty() {
        return Err(invalid("error_at", "is missing beside error_codes"));
    }
    Ok(Errors { at, codes })
}

pub(super) fn paging(settings: &Settings) -> Result<Paging, Error> {
    let at = || {
        pointer(settings, "next_at")?
            .ok_or_else(|| invalid("next_at", "is missing: where the next page stands"))
    };
    let parameter = || {
        let name = settings.text("page_parameter").filter(|name| !name.is_empty());
        name.map(str::to_owned)
            .ok_or_else(|| invalid("page_parameter", "is missing: what takes the next page"))
    };
    let size = || {
        let size = settings.number("page_size", 0);
        usize::try_from(size).ok().filter(|size| *size > 0).ok_or_else(|| {
            invalid("page_size", "is missing: a page with fewer records is the last")
        })
    };
    let next = match settings.text("paging").unwrap_or("none") {
        "none" => Next::Nowhere,
        "next_link" => Next::Link { at: at()? },
        "cursor" => Next::Cursor { at: at()?, parameter: parameter()? },
        "offset" => Next::Offset { parameter: parameter()?, size: size()? },
        "page" => Next::Page { parameter: parameter()?, size: size()? },
        _ => return Err(invalid("paging", "is none, next_link, cursor, offset or page")),
    };
    let pages_max = settings.number("pages_max", 5).clamp(1, PAGES_MAX);
    Ok(Paging { next, pages_max: usize::try_from(pages_max).unwrap_or(1) })
}

pub(super) fn identity(
    connection: &str,
    settings: &Settings,
    http: &Http,
    may_be_plain: bool,
) -> Result<Identity, Error> {
    Ok(match settings.text("auth").unwrap_or("none") {
        "none" => Identity::Nobody,
        "basic" => Identity::User {
            name: settings.required("username")?.to_owned(),
            password: settings.secret("password")?.clone(),
        },
        "bearer" => Identity::Bearer(settings.secret("token")?.clone()),
        "api_key" => Identity::Key {
            header: settings.text("api_key_header").unwrap_or("x-api-key").to_ascii_lowercase(),
            key: settings.secret("api_key")?.clone(),
        },
        "client_credentials" => {
            let endpoint = settings.required("token_url")?;
            let login = Login {
                http: http.clone(),
                endpoint: address("token_url", endpoint, may_be_plain)?,
                id: settings.required("client_id")?.to_owned(),
                secret: settings.secret("client_secret")?.clone(),
                scope: settings.text("scope").map(str::to_owned),
                in_form: settings.text("client_auth") == Some("form"),
            };
            Identity::Tokens(Tokens::start(connection, Arc::new(login)))
        }
        _ => {
            let words = "is none, basic, bearer, api_key or client_credentials";
            return Err(invalid("auth", words));
        }
    })
}

fn pointer(settings: &Settings, key: &'static str) -> Result<Option<String>, Error> {
    let Some(text) = settings.text(key) else { return Ok(None) };
    is_pointer(text).map_err(|reason| invalid(key, &reason))?;
    Ok(Some(text.to_owned()))
}

fn pointers(settings: &Settings, key: &'static str) -> Result<Vec<(String, String)>, Error> {
    let pairs = settings.pairs(key);
    for (_, pointer) in &pairs {
        is_pointer(pointer).map_err(|reason| invalid(key, &reason))?;
    }
    Ok(pairs)
}

pub(super) fn invalid(field: &str, reason: &str) -> Error {
    Error::Invalid { field: Some(field.to_owned()), reason: reason.to_owned() }
}
