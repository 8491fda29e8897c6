//! Microsoft Dynamics 365: people and accounts in Dataverse, what changed there, and what came of a call.
//!
//! `lookup` is the way of a question, `client` the way to the environment, `odata` the only
//! way to write a request, `mapping` what an answer means, `signals` what a refusal does.
//! `accounts`, `changes`, `writes` (one by one, or many in a `batch`) and `requests` stand for
//! what their names say, over what the environment tells of its `tables`, from which also the
//! `forms` of values come; `journal` keeps
//! calls. Set-up and quirks are in README.md.

mod accounts;
mod batch;
mod changes;
mod check;
mod client;
mod forms;
mod journal;
mod lookup;
mod mapping;
mod odata;
mod requests;
mod signals;
#[cfg(feature = "sim")]
pub mod sim;
#[cfg(feature = "sim")]
pub mod simulate;
mod tables;
mod writes;

use crate::Vendor;
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use client::{Client, Login, Proof};
use kit::{Capabilities, Connector, Error, Http, Manifest, Opening, Secret, Settings, Tokens};
use lookup::Forms;
use mapping::{Page, Path, Shape, Table};
use odata::{Guid, Name};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use url::Url;

/// Microsoft Dynamics 365, as the list of vendors has it.
#[must_use]
pub fn vendor() -> Vendor {
    Vendor {
        connector: Connector { manifest: Manifest::parse(include_str!("manifest.toml")), open },
        #[cfg(feature = "sim")]
        simulate: simulate::start,
    }
}

/// Opens a connection; needs a running runtime, because the token is minted behind.
fn open(opening: Opening) -> Result<Capabilities, Error> {
    let settings = &opening.settings;
    let base = address("base_url", settings.required("base_url")?)?;
    let http = Http::new(opening.limits, opening.network)?;
    let login = login(settings, &http, &base)?;
    let shapes = shapes(settings, &base)?;
    let is_thorough = settings.flag("phones_thorough", false);
    let forms = Forms { numbers: opening.numbers, is_thorough };
    let (key, account) = account(settings, &base)?;
    let version = api_version(settings)?;
    // A private key that is none is told now, not when the first call comes.
    login.request()?;
    let tokens = Tokens::start(&opening.name, Arc::new(login));
    let client = Arc::new(Client {
        http: http.clone(),
        tokens: Arc::clone(&tokens),
        api: odata::below(&base, &format!("api/data/v{version}")),
    });
    let tables = Arc::new(tables::Tables::new(Arc::clone(&client)));
    let own = || Arc::clone(&client);
    let accounts = Arc::new(accounts::Ledger { client: own(), shape: account, key });
    let people = shapes.iter().map(|shape| shape.table).collect();
    Ok(Capabilities {
        tokens: Some(tokens),
        lookup: Some(Arc::new(lookup::Directory { client: own(), shapes: shapes.clone(), forms })),
        accounts: Some(Arc::clone(&accounts) as Arc<dyn kit::Accounts>),
        journal: Some(Arc::new(journal::Calls { client: own(), tables: people })),
        changes: Some(Arc::new(changes::Tracking { client: own(), tables: Arc::clone(&tables) })),
        forms: Some(Arc::new(forms::Names { tables: Arc::clone(&tables) })),
        writes: Some(Arc::new(writes::Editor { client: own(), tables })),
        requests: Some(Arc::new(requests::Sender { client: own() })),
        ..Capabilities::new(http, Arc::new(check::Access { client, shapes, accounts }))
    })
}

fn address(key: &'static str, text: &str) -> Result<Url, Error> {
    let url = Url::parse(text).map_err(|_| invalid(key, "is no address"))?;
    if url.query().is_some() || url.fragment().is_some() || !url.username().is_empty() {
        return Err(invalid(key, "is the bare address of a host"));
    }
    Ok(url)
}

fn login(settings: &Settings, http: &Http, base: &Url) -> Result<Login, Error> {
    let authority = settings.text("login_url").unwrap_or("https://login.microsoftonline.com");
    let authority = address("login_url", authority)?;
    let tenant = settings.required("tenant")?.trim();
    let is_part = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'.';
    if tenant.is_empty() || !tenant.bytes().all(is_part) {
        return Err(invalid("tenant", "is a GUID, or a domain such as acme.onmicrosoft.com"));
    }
    let proof = if settings.text("auth") == Some("certificate") {
        let key = settings.secret("private_key")?.clone();
        Proof::Certificate { key, thumbprint: thumbprint(settings.secret("certificate")?)? }
    } else {
        Proof::Secret(settings.secret("client_secret")?.clone())
    };
    Ok(Login {
        http: http.clone(),
        endpoint: odata::below(&authority, &format!("{tenant}/oauth2/v2.0/token")),
        client_id: settings.required("client_id")?.trim().to_owned(),
        proof,
        scope: format!("{}/.default", base.as_str().trim_end_matches('/')),
        assertions: AtomicU64::new(0),
    })
}

/// The SHA-256 of the first certificate in PEM form, by which Entra knows it.
fn thumbprint(pem: &Secret) -> Result<String, Error> {
    let none = || invalid("certificate", "holds no certificate in PEM form");
    let body = pem.reveal().split_once("-----BEGIN CERTIFICATE-----").ok_or_else(none)?.1;
    let body = body.split_once("-----END CERTIFICATE-----").ok_or_else(none)?.0;
    let text: String = body.split_whitespace().collect();
    let der = STANDARD.decode(text).map_err(|_| none())?;
    if der.is_empty() {
        return Err(none());
    }
    Ok(URL_SAFE_NO_PAD.encode(digest(&SHA256, &der)))
}

fn api_version(settings: &Settings) -> Result<&str, Error> {
    let version = settings.text("api_version").unwrap_or("9.2");
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let parts = version.split_once('.');
    if !parts.is_some_and(|(major, minor)| is_number(major) && is_number(minor)) {
        return Err(invalid("api_version", "is written like 9.2"));
    }
    Ok(version)
}

fn page(settings: &Settings, base: &Url) -> Result<Page, Error> {
    let app = settings
        .text("app_id")
        .map(|app| Guid::new(app).ok_or_else(|| invalid("app_id", "is a GUID")));
    Ok(Page { base: base.as_str().trim_end_matches('/').to_owned(), app: app.transpose()? })
}

fn data(settings: &Settings, key: &'static str) -> Result<Vec<(String, Path)>, Error> {
    let path = |(name, text): (String, String)| {
        let path = Path::parse(&text);
        let path = path.ok_or_else(|| invalid(key, &format!("`{text}` names no column")))?;
        Ok((name, path))
    };
    settings.pairs(key).into_iter().map(path).collect()
}

fn shapes(settings: &Settings, base: &Url) -> Result<Vec<Shape>, Error> {
    let mut tables = settings.texts("tables");
    if tables.is_empty() {
        tables.push("contact".to_owned());
    }
    tables.sort();
    tables.dedup();
    let more = settings.texts("phone_fields");
    let column = |text: &String| {
        Name::new(text).ok_or_else(|| invalid("phone_fields", &format!("`{text}` is no column")))
    };
    let more: Result<Vec<Name>, Error> = more.iter().map(column).collect();
    let (more, data, page) = (more?, data(settings, "data")?, page(settings, base)?);
    let shape = |text: &String| {
        let table = Table::parse(text);
        let told = || invalid("tables", &format!("`{text}` is none of contact, lead and account"));
        Ok(Shape::new(table.ok_or_else(told)?, &more, &data, page.clone()))
    };
    tables.iter().map(shape).collect()
}

fn account(settings: &Settings, base: &Url) -> Result<(Name, Shape), Error> {
    let key = Name::new(settings.text("account_key").unwrap_or("accountnumber"));
    let key = key.ok_or_else(|| invalid("account_key", "is no name of a column"))?;
    let data = data(settings, "account_data")?;
    Ok((key, Shape::new(Table::Account, &[], &data, page(settings, base)?)))
}

fn invalid(field: &str, reason: &str) -> Error {
    Error::Invalid { field: Some(field.to_owned()), reason: reason.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::mapping::{Page, Shape, Table};
    use super::{thumbprint, vendor};
    use kit::Secret;
    use std::collections::BTreeSet;

    #[test]
    fn every_column_that_is_read_is_in_the_manifest_and_no_other() {
        let page = Page { base: String::new(), app: None };
        let shapes = Table::ALL.map(|table| Shape::new(table, &[], &[], page.clone()));
        let read = shapes.iter().flat_map(|shape| shape.of_person().0);
        let mut read: BTreeSet<String> = read.map(|name| name.as_str().to_owned()).collect();
        // Of a record that is gone, to find the one that it was merged into.
        read.extend(["merged".to_owned(), "_masterid_value".to_owned()]);
        let told = vendor().connector.manifest.privacy.reads;
        assert_eq!(read, told.into_iter().collect(), "list every column under [privacy] reads");
    }

    #[test]
    fn a_certificate_is_known_by_its_sha_256() {
        let pem = "-----BEGIN CERTIFICATE-----\naGVs\nbG8=\n-----END CERTIFICATE-----\n";
        let known = thumbprint(&Secret::new(pem.to_owned())).expect("a certificate");
        assert_eq!(known, "LPJNul-wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ");
        for odd in ["", "wrong", "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----"] {
            assert!(thumbprint(&Secret::new(odd.to_owned())).is_err(), "{odd}");
        }
    }
}
