//! Oracle NetSuite: people, accounts that a CRM links to, what changed, and what came of a call.
//!
//! `lookup` is the way of a question, `client` the way to the account, `suiteql` the only
//! way to write a query, `mapping` what an answer means, `signals` what a refusal does.
//! `accounts`, `changes`, `writes` and `requests` stand for what their names say; `journal`
//! keeps calls. Set-up and quirks are in README.md.

mod accounts;
mod changes;
mod check;
mod client;
mod forms;
mod journal;
mod lookup;
mod mapping;
mod requests;
mod signals;
#[cfg(feature = "sim")]
pub mod sim;
#[cfg(feature = "sim")]
pub mod simulate;
mod suiteql;
mod writes;

use crate::Vendor;
use accounts::{Invoices, Ledger};
use changes::Deletions;
use client::{Client, Login};
use kit::oauth::Signature;
use kit::{Capabilities, Connector, Error, Http, Manifest, Opening, Settings, Tokens};
use lookup::Forms;
use mapping::{Path, Shape, Table};
use std::sync::Arc;
use suiteql::Name;
use url::Url;

/// Oracle NetSuite, as the list of vendors has it.
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
    let account = account(settings)?;
    let api =
        address(settings, "base_url", &format!("https://{account}.suitetalk.api.netsuite.com"))?;
    let api = api.join("/services/rest").map_err(|_| invalid("base_url", "is no address"))?;
    let app = address(settings, "app_url", &format!("https://{account}.app.netsuite.com"))?;
    let app = app.as_str().trim_end_matches('/').to_owned();
    let http = Http::new(opening.limits, opening.network)?;
    let login = login(settings, &http, &api)?;
    let shapes = shapes(settings, &app)?;
    let is_thorough = settings.flag("phones_thorough", false);
    let forms = Forms { numbers: opening.numbers, is_thorough };
    let (key, shape, invoices) = linked(settings, &app)?;
    let deletions = deletions(settings)?;
    // A private key that is none is told now, not when the first call comes.
    login.request()?;
    let tokens = Tokens::start(&opening.name, Arc::new(login));
    let client = Arc::new(Client { http: http.clone(), tokens: Arc::clone(&tokens), api });
    let own = || Arc::clone(&client);
    let accounts = Arc::new(Ledger { client: own(), shape, key, invoices });
    let tables = shapes.iter().map(|shape| shape.table).collect();
    Ok(Capabilities {
        tokens: Some(tokens),
        lookup: Some(Arc::new(lookup::Directory { client: own(), shapes: shapes.clone(), forms })),
        accounts: Some(Arc::clone(&accounts) as Arc<dyn kit::Accounts>),
        journal: Some(Arc::new(journal::Calls { client: own(), tables })),
        changes: Some(Arc::new(changes::Journaled { client: own(), deletions: deletions.clone() })),
        forms: Some(Arc::new(forms::Names)),
        writes: Some(Arc::new(writes::Editor { client: own() })),
        requests: Some(Arc::new(requests::Sender { client: own() })),
        ..Capabilities::new(
            http,
            Arc::new(check::Access { client, shapes, accounts, deletions, forms }),
        )
    })
}

/// The account as its hosts have it: `1234567_SB1` is `1234567-sb1` there.
fn account(settings: &Settings) -> Result<String, Error> {
    let account = settings.required("account")?.trim().to_lowercase().replace('_', "-");
    let fits = account.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    if account.is_empty() || !fits || account.starts_with('-') {
        return Err(invalid("account", "is written like 1234567 or 1234567_SB1"));
    }
    Ok(account)
}

fn address(settings: &Settings, key: &'static str, usual: &str) -> Result<Url, Error> {
    let url = Url::parse(settings.text(key).unwrap_or(usual));
    let url = url.map_err(|_| invalid(key, "is no address"))?;
    if url.query().is_some() || url.fragment().is_some() || !url.username().is_empty() {
        return Err(invalid(key, "is the bare address of a host"));
    }
    Ok(url)
}

fn login(settings: &Settings, http: &Http, api: &Url) -> Result<Login, Error> {
    let signature = match settings.text("algorithm").unwrap_or("PS256") {
        "PS256" => Signature::Ps256,
        "ES256" => Signature::Es256,
        _ => return Err(invalid("algorithm", "is PS256 or ES256")),
    };
    let mut endpoint = api.clone();
    endpoint.set_path(&format!("{}/auth/oauth2/v1/token", api.path()));
    Ok(Login {
        http: http.clone(),
        endpoint,
        client_id: settings.required("client_id")?.trim().to_owned(),
        certificate_id: settings.required("certificate_id")?.trim().to_owned(),
        key: settings.secret("private_key")?.clone(),
        signature,
    })
}

fn data(settings: &Settings, key: &'static str) -> Result<Vec<(String, Path)>, Error> {
    let path = |(name, text): (String, String)| {
        let path = Path::parse(&text);
        let path = path.ok_or_else(|| invalid(key, &format!("`{text}` names no column")))?;
        Ok((name, path))
    };
    settings.pairs(key).into_iter().map(path).collect()
}

fn shapes(settings: &Settings, app: &str) -> Result<Vec<Shape>, Error> {
    let mut tables = settings.texts("tables");
    if tables.is_empty() {
        tables.extend(Table::ALL.map(|table| table.as_str().to_owned()));
    }
    tables.sort();
    tables.dedup();
    let column = |text: &String| {
        Name::new(text).ok_or_else(|| invalid("phone_fields", &format!("`{text}` is no column")))
    };
    let more: Result<Vec<Name>, Error> =
        settings.texts("phone_fields").iter().map(column).collect();
    let (more, data) = (more?, data(settings, "data")?);
    let shape = |text: &String| {
        let table = Table::parse(text);
        let told = || invalid("tables", &format!("`{text}` is neither contact nor customer"));
        Ok(Shape::new(table.ok_or_else(told)?, &more, &data, app.to_owned()))
    };
    tables.iter().map(shape).collect()
}

/// How accounts are known elsewhere, and what is told of them.
fn linked(settings: &Settings, app: &str) -> Result<(Name, Shape, Invoices), Error> {
    let key = Name::new(settings.text("account_key").unwrap_or("id"));
    let key = key.ok_or_else(|| invalid("account_key", "is no name of a column"))?;
    let shape = Shape::new(Table::Customer, &[], &data(settings, "account_data")?, app.to_owned());
    let mut invoices = Invoices::default();
    for (what, name) in settings.pairs("account_invoices") {
        match what.as_str() {
            "count" => invoices.count = Some(name),
            "due" => invoices.due = Some(name),
            _ => {
                return Err(invalid(
                    "account_invoices",
                    &format!("`{what}` is neither count nor due"),
                ));
            }
        }
    }
    Ok((key, shape, invoices))
}

fn deletions(settings: &Settings) -> Result<Deletions, Error> {
    let name = |key: &'static str, usual: &str| {
        let name = Name::new(settings.text(key).unwrap_or(usual));
        name.ok_or_else(|| invalid(key, "is no name of a column"))
    };
    Ok(Deletions {
        are_told: settings.flag("deletions", true),
        id: name("deleted_id", "recordid")?,
        kind: name("deleted_type", "recordtypeid")?,
    })
}

fn invalid(field: &str, reason: &str) -> Error {
    Error::Invalid { field: Some(field.to_owned()), reason: reason.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::mapping::{Shape, Table};
    use super::suiteql::Column;
    use super::{account, vendor};
    use kit::Settings;
    use std::collections::BTreeSet;

    #[test]
    fn every_column_that_is_read_is_in_the_manifest_and_no_other() {
        let shapes = Table::ALL.map(|table| Shape::new(table, &[], &[], String::new()));
        let read = shapes.iter().flat_map(Shape::of_person).map(|column| match column {
            Column::Plain(name) | Column::Moment(name) | Column::Label(name) => {
                name.as_str().to_owned()
            }
        });
        let told = vendor().connector.manifest.privacy.reads;
        let read: BTreeSet<String> = read.collect();
        assert_eq!(read, told.into_iter().collect(), "list every column under [privacy] reads");
    }

    #[test]
    fn an_account_is_written_as_its_hosts_have_it() {
        let of = |text: &str| {
            let plain = [("account".to_owned(), text.into())].into();
            account(&Settings { plain, ..Settings::default() })
        };
        assert_eq!(of("1234567_SB1").as_deref(), Ok("1234567-sb1"));
        for odd in ["", "a.b", "x/y", "x@y", "-x"] {
            assert!(of(odd).is_err(), "{odd}");
        }
    }
}
