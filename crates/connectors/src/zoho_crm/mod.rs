//! Zoho CRM: who is calling, by phone, e-mail or record id; accounts; and what came of a call.
//!
//! `lookup` is the way of a question, `client` the way to the organization, `login` that of
//! a token, `coql` the only way to write a query, `signals` what an answer means, `mapping`
//! what a record means. `journal` keeps calls, `changes` and `writes` whole records,
//! `requests` sends what an administrator wrote. Set-up and quirks are in README.md.

mod accounts;
mod check;
mod client;
mod coql;
mod journal;
mod login;
mod lookup;
mod mapping;
mod records;
mod requests;
mod signals;
#[cfg(feature = "sim")]
pub mod sim;
#[cfg(feature = "sim")]
pub mod simulate;

use crate::Vendor;
use client::Client;
use coql::Name;
use kit::{Capabilities, Connector, Error, Http, Manifest, Opening, Settings, Tokens};
use login::{Grant, Login};
use mapping::{AccountShape, Module, Pages, Shape};
use std::sync::{Arc, Mutex};
use url::Url;

/// What a connection may do, where an administrator asks for less or more with client
/// credentials; with a refresh token this was said when it was made.
const SCOPE: &str = "ZohoCRM.modules.contacts.ALL,ZohoCRM.modules.leads.ALL,\
    ZohoCRM.modules.accounts.ALL,ZohoCRM.modules.calls.ALL,ZohoCRM.coql.READ,ZohoCRM.settings.fields.READ";
/// What starts in Zoho when a record is written, in its own words.
const TRIGGERS: [&str; 5] = ["workflow", "approval", "blueprint", "pathfinder", "orchestration"];

/// Zoho CRM, as the list of vendors has it.
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
    let accounts_url = address("accounts_url", settings.required("accounts_url")?)?;
    let pages = pages(settings, &accounts_url)?;
    let shapes = shapes(settings, &pages)?;
    let account_shape = AccountShape::new(named("account_data", settings)?, pages)?;
    let key = |setting: &'static str, default| {
        let text = settings.text(setting).unwrap_or(default);
        Name::new(text).ok_or_else(|| invalid(setting, &format!("`{text}` is no field name")))
    };
    let (account_key, call_key) =
        (key("account_key", "id")?, key("call_id_field", "Tieline_Call_Id")?);
    let triggers = triggers(settings)?;
    let http = Http::new(opening.limits, opening.network)?;
    let login = Login {
        http: http.clone(),
        endpoint: accounts_url
            .join("/oauth/v2/token")
            .map_err(|_| invalid("accounts_url", "is no address"))?,
        grant: grant(settings)?,
        id: settings.required("client_id")?.to_owned(),
        secret: settings.secret("client_secret")?.clone(),
        api_domain: settings
            .text("api_domain")
            .map(|text| address("api_domain", text))
            .transpose()?,
        pace: login::Pace::default(),
    };
    let tokens = Tokens::start(&opening.name, Arc::new(login));
    let client =
        Arc::new(Client { http: http.clone(), tokens: Arc::clone(&tokens), throttled: 0.into() });
    let access = check::Access {
        client: Arc::clone(&client),
        shapes: shapes.clone(),
        accounts: account_shape.clone(),
        call_key: call_key.clone(),
    };
    let numbers = opening.numbers;
    Ok(Capabilities {
        tokens: Some(tokens),
        lookup: Some(Arc::new(lookup::Directory { client: Arc::clone(&client), shapes, numbers })),
        accounts: Some(Arc::new(accounts::Ledger {
            client: Arc::clone(&client),
            shape: account_shape,
            key: account_key,
        })),
        journal: Some(Arc::new(journal::Calls {
            client: Arc::clone(&client),
            key: call_key,
            triggers: triggers.clone(),
        })),
        changes: Some(Arc::new(records::Changes { client: Arc::clone(&client) })),
        forms: Some(Arc::new(records::Names)),
        writes: Some(Arc::new(records::Writes {
            client: Arc::clone(&client),
            triggers,
            known: Mutex::default(),
        })),
        requests: Some(Arc::new(requests::Actions { client })),
        ..Capabilities::new(http, Arc::new(access))
    })
}

fn grant(settings: &Settings) -> Result<Grant, Error> {
    if settings.text("auth") != Some("client_credentials") {
        return Ok(Grant::RefreshToken(settings.secret("refresh_token")?.clone()));
    }
    let organization = settings.required("org_id")?;
    let is_id = !organization.is_empty() && organization.bytes().all(|b| b.is_ascii_digit());
    if !is_id {
        return Err(invalid("org_id", "is a number, as Setup, Company Details shows it"));
    }
    Ok(Grant::ClientCredentials {
        organization: format!("ZohoCRM.{organization}"),
        scope: settings.text("scope").unwrap_or(SCOPE).to_owned(),
    })
}

fn shapes(settings: &Settings, pages: &Pages) -> Result<Vec<Shape>, Error> {
    let mut modules = settings.texts("modules");
    if modules.is_empty() {
        modules = vec!["Contacts".to_owned(), "Leads".to_owned()];
    }
    modules.sort();
    modules.dedup();
    let phone_fields: Result<Vec<Name>, Error> = settings
        .texts("phone_fields")
        .iter()
        .map(|text| {
            let reason = || invalid("phone_fields", &format!("`{text}` is no field name"));
            Name::new(text).ok_or_else(reason)
        })
        .collect();
    let (phone_fields, data) = (phone_fields?, named("data", settings)?);
    let shape = |text: &String| {
        let module = Module::parse(text).ok_or_else(|| {
            invalid("modules", &format!("`{text}` is neither Contacts nor Leads"))
        })?;
        Shape::new(module, &phone_fields, data.clone(), pages.clone())
    };
    modules.iter().map(shape).collect()
}

/// The pairs of a setting whose values are names of fields.
fn named(setting: &'static str, settings: &Settings) -> Result<Vec<(String, Name)>, Error> {
    let path = |(key, text): (String, String)| {
        let path = Name::new(&text);
        let path = path.ok_or_else(|| invalid(setting, &format!("`{text}` is no field name")))?;
        Ok((key, path))
    };
    settings.pairs(setting).into_iter().map(path).collect()
}

/// The pages of records: as configured, or beside the accounts server of Zoho's own.
fn pages(settings: &Settings, accounts_url: &Url) -> Result<Pages, Error> {
    if let Some(page) = settings.text("record_url") {
        if !page.contains("{record}") {
            return Err(invalid("record_url", "has no {record} in it"));
        }
        return Ok(Pages(Some(page.to_owned())));
    }
    let host = accounts_url.host_str().and_then(|host| host.strip_prefix("accounts.zoho"));
    let page = |rest: &str| format!("https://crm.zoho{rest}/crm/tab/{{module}}/{{record}}");
    Ok(Pages(host.map(page)))
}

fn triggers(settings: &Settings) -> Result<serde_json::Value, Error> {
    let triggers = settings.texts("triggers");
    match triggers.iter().find(|word| !TRIGGERS.contains(&word.as_str())) {
        Some(word) => {
            Err(invalid("triggers", &format!("`{word}` is none of {}", TRIGGERS.join(", "))))
        }
        None => Ok(triggers.into()),
    }
}

fn address(key: &'static str, text: &str) -> Result<Url, Error> {
    Url::parse(text).map_err(|_| invalid(key, "is no address"))
}

fn invalid(field: &str, reason: &str) -> Error {
    Error::Invalid { field: Some(field.to_owned()), reason: reason.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::{pages, shapes, triggers, vendor};
    use kit::Settings;
    use std::collections::BTreeSet;
    use url::Url;

    fn with(plain: &[(&str, toml::Value)]) -> Settings {
        let plain = plain.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
        Settings { plain, ..Settings::default() }
    }

    #[test]
    fn every_field_that_is_read_is_in_the_manifest_and_no_other() {
        let settings = Settings::default();
        let accounts = Url::parse("https://accounts.zoho.com").expect("an address");
        let pages = pages(&settings, &accounts).expect("pages");
        let shapes = shapes(&settings, &pages).expect("shapes");
        let read: BTreeSet<String> =
            shapes.iter().flat_map(|s| &s.fields).map(|field| field.as_str().to_owned()).collect();
        let told = vendor().connector.manifest.privacy.reads;
        assert_eq!(read, told.into_iter().collect(), "list every field under [privacy] reads");
    }

    #[test]
    fn a_records_page_is_in_the_data_center_of_the_login() {
        let page =
            |url: &str| pages(&Settings::default(), &Url::parse(url).expect(url)).expect(url).0;
        let of = |rest: &str| Some(format!("https://crm.zoho{rest}/crm/tab/{{module}}/{{record}}"));
        assert_eq!(page("https://accounts.zoho.eu"), of(".eu"));
        assert_eq!(page("https://accounts.zohocloud.ca"), of("cloud.ca"));
        assert_eq!(page("http://127.0.0.1:8080"), None);
        let without = with(&[("record_url", "https://x.example".into())]);
        let url = Url::parse("https://accounts.zoho.eu").expect("an address");
        assert!(pages(&without, &url).is_err());
    }

    #[test]
    fn only_zohos_own_triggers_are_taken() {
        let list = |word: &str| with(&[("triggers", toml::Value::from(vec![word]))]);
        assert_eq!(triggers(&list("workflow")).expect("known"), serde_json::json!(["workflow"]));
        assert_eq!(triggers(&Settings::default()).expect("none"), serde_json::json!([]));
        assert!(triggers(&list("everything")).is_err());
    }
}
