//! ServiceNow: who is calling, by phone, e-mail or record id; what changed; what came of it.
//!
//! `lookup` is the way of a question, `client` the way to the instance, `query` the only
//! way to write a query, `signals` what an answer means, `mapping` what a row means; records
//! are written one by one (`writes`) or many in a `batch`.
//! Set-up and quirks are in README.md.

mod accounts;
mod batch;
mod changes;
mod check;
mod client;
mod columns;
mod dictionary;
mod forms;
mod journal;
mod keyless;
mod login;
mod lookup;
mod mapping;
mod query;
mod requests;
mod signals;
#[cfg(feature = "sim")]
pub mod sim;
#[cfg(feature = "sim")]
pub mod simulate;
mod writes;

use crate::Vendor;
use client::{Client, Identity};
use dictionary::Dictionary;
use kit::{Capabilities, Connector, Error, Http, Manifest, Opening, Settings, Tokens};
use login::Login;
use mapping::{Data, Shape};
use query::Name;
use std::sync::{Arc, Mutex};
use url::Url;

/// ServiceNow, as the list of vendors has it.
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
    let shapes = shapes(settings)?;
    let instance = instance(settings)?;
    let http = Http::new(opening.limits, opening.network)?;
    let identity = identity(&opening.name, settings, &http, &instance)?;
    let tokens = match &identity {
        Identity::Tokens(tokens) => Some(Arc::clone(tokens)),
        Identity::User { .. } => None,
    };
    let client = Arc::new(Client {
        http: http.clone(),
        instance,
        identity,
        batch_refused: Mutex::default(),
    });
    let dictionary = Arc::new(Dictionary::new(Arc::clone(&client)));
    let ledger = Arc::new(ledger(settings, &client)?);
    let keyless = Arc::new(keyless::Keyless::default());
    let records = || writes::Records {
        client: Arc::clone(&client),
        dictionary: Arc::clone(&dictionary),
        keyless: Arc::clone(&keyless),
    };
    let journal = Arc::new(journal::Interactions {
        client: Arc::clone(&client),
        dictionary: Arc::clone(&dictionary),
        records: records(),
        places: places(settings)?,
        people: shapes.iter().map(|shape| shape.table.clone()).collect(),
    });
    let with_deletions = settings.flag("deletions", false);
    let feed = changes::Feed { client: Arc::clone(&client), records: records(), with_deletions };
    Ok(Capabilities {
        tokens,
        lookup: Some(Arc::new(lookup::Directory {
            client: Arc::clone(&client),
            shapes: shapes.clone(),
            numbers: opening.numbers,
        })),
        accounts: Some(Arc::clone(&ledger) as Arc<dyn kit::Accounts>),
        journal: Some(Arc::clone(&journal) as Arc<dyn kit::Journal>),
        changes: Some(Arc::new(feed)),
        forms: Some(Arc::new(forms::Names { dictionary: Arc::clone(&dictionary) })),
        writes: Some(Arc::new(records())),
        requests: Some(Arc::new(requests::Door { client: Arc::clone(&client) })),
        ..Capabilities::new(
            http,
            Arc::new(check::Access { client, dictionary, shapes, ledger, journal, with_deletions }),
        )
    })
}

fn ledger(settings: &Settings, client: &Arc<Client>) -> Result<accounts::Ledger, Error> {
    let table = settings.text("account_table").unwrap_or("customer_account");
    let key = settings.text("account_key").unwrap_or("number");
    Ok(accounts::Ledger {
        client: Arc::clone(client),
        table: Name::table(table)
            .ok_or_else(|| invalid("account_table", "is no name of a table"))?,
        key: column("account_key", key)?,
        data: Data {
            plain: columns(settings, "account_data")?,
            display: columns(settings, "account_data_display")?,
        },
    })
}

fn places(settings: &Settings) -> Result<journal::Places, Error> {
    let table = settings.text("journal_table").unwrap_or("interaction");
    let of = |key: &'static str, usual| column(key, settings.text(key).unwrap_or(usual));
    let wrap_up = settings.text("journal_wrap_up");
    Ok(journal::Places {
        table: Name::table(table)
            .ok_or_else(|| invalid("journal_table", "is no name of a table"))?,
        key: of("journal_key", "client_session_id")?,
        notes: of("journal_notes", "work_notes")?,
        wrap_up: wrap_up.map(|text| column("journal_wrap_up", text)).transpose()?,
    })
}

/// The instance's address alone, with a slash at the end.
fn instance(settings: &Settings) -> Result<Url, Error> {
    let mut url = Url::parse(settings.required("instance_url")?)
        .map_err(|_| invalid("instance_url", "is no address"))?;
    if !matches!(url.path(), "" | "/") {
        return Err(invalid(
            "instance_url",
            "is the instance alone, such as https://acme.service-now.com",
        ));
    }
    url.set_query(None);
    url.set_fragment(None);
    Ok(url)
}

fn identity(
    connection: &str,
    settings: &Settings,
    http: &Http,
    instance: &Url,
) -> Result<Identity, Error> {
    let auth = settings.text("auth").unwrap_or("client_credentials");
    let user = || -> Result<_, Error> {
        Ok((settings.required("username")?.to_owned(), settings.secret("password")?.clone()))
    };
    if auth == "basic" {
        let (name, password) = user()?;
        return Ok(Identity::User { name, password });
    }
    let endpoint =
        instance.join("oauth_token.do").map_err(|_| invalid("instance_url", "is no address"))?;
    let login = Login {
        http: http.clone(),
        endpoint,
        client_id: settings.required("client_id")?.to_owned(),
        client_secret: settings.secret("client_secret")?.clone(),
        user: if auth == "password" { Some(user()?) } else { None },
    };
    Ok(Identity::Tokens(Tokens::start(connection, Arc::new(login))))
}

fn shapes(settings: &Settings) -> Result<Vec<Shape>, Error> {
    let mut tables = settings.texts("tables");
    if tables.is_empty() {
        tables.push("customer_contact".to_owned());
    }
    let phones = settings.texts("phone_fields");
    let phones: Result<Vec<Name>, Error> =
        phones.iter().map(|text| column("phone_fields", text)).collect();
    let phones = phones?;
    let email = settings.text("email_field").map(|text| column("email_field", text)).transpose()?;
    let data =
        Data { plain: columns(settings, "data")?, display: columns(settings, "data_display")? };
    let mut shapes: Vec<Shape> = Vec::new();
    for table in &tables {
        let table = Name::table(table)
            .ok_or_else(|| invalid("tables", &format!("`{table}` is no name of a table")))?;
        if !shapes.iter().any(|shape| shape.table == table) {
            shapes.push(Shape::new(table, &phones, email.clone(), data.clone()));
        }
    }
    Ok(shapes)
}

fn columns(settings: &Settings, key: &'static str) -> Result<Vec<(String, Name)>, Error> {
    settings.pairs(key).into_iter().map(|(name, text)| Ok((name, column(key, &text)?))).collect()
}

fn column(key: &'static str, text: &str) -> Result<Name, Error> {
    Name::new(text).ok_or_else(|| {
        invalid(key, &format!("`{text}` is no name of a field, such as email or account.name"))
    })
}

fn invalid(field: &str, reason: &str) -> Error {
    Error::Invalid { field: Some(field.to_owned()), reason: reason.to_owned() }
}
