//! HubSpot: who is calling, by phone, e-mail or record id; companies; and what came of a call.
//!
//! `lookup` is the way of a question, `client` the way to the account (`paths` where things
//! are, `pace` how often the search may be asked, `login` that of a token), `signals` what
//! an answer means, `mapping` what a record means. `journal` keeps calls, `records` reads
//! and writes whole records, `requests` sends what an administrator wrote. Set-up and
//! quirks are in README.md.

mod accounts;
mod check;
mod client;
mod journal;
mod login;
mod lookup;
mod mapping;
mod pace;
mod paths;
mod records;
mod requests;
mod signals;
#[cfg(feature = "sim")]
pub mod sim;
#[cfg(feature = "sim")]
pub mod simulate;

use crate::Vendor;
use client::{Client, Identity};
use kit::{Capabilities, Connector, Error, Http, Manifest, Opening, Settings, Tokens};
use mapping::{CompanyShape, Page, Property, Shape};
use paths::Paths;
use std::sync::Arc;
use url::Url;

const API_URL: &str = "https://api.hubapi.com";
const APP_URL: &str = "https://app.hubspot.com";
/// Searches a second that HubSpot allows an account, all its apps together.
const SEARCHES: u64 = 5;

/// HubSpot, as the list of vendors has it.
#[must_use]
pub fn vendor() -> Vendor {
    Vendor {
        connector: Connector { manifest: Manifest::parse(include_str!("manifest.toml")), open },
        #[cfg(feature = "sim")]
        simulate: simulate::start,
    }
}

/// Opens a connection; needs a running runtime, because a token is minted behind.
fn open(opening: Opening) -> Result<Capabilities, Error> {
    let settings = &opening.settings;
    let paths = Paths::of(settings.text("api_version").unwrap_or("2026-09"))
        .ok_or_else(|| invalid("api_version", "is v3, or a date such as 2026-09"))?;
    let base = address("api_url", settings.text("api_url").unwrap_or(API_URL))?;
    let page = page(settings)?;
    let shape = shape(settings, &page)?;
    let companies = CompanyShape::new(named("account_data", settings)?, page);
    let property = |setting: &'static str, default| {
        let text = settings.text(setting).unwrap_or(default);
        Property::new(text).ok_or_else(|| invalid(setting, &format!("`{text}` is no property")))
    };
    let key = property("account_key", mapping::ID)?;
    let call_key = property("call_id_property", "tieline_call_id")?;
    let searches = settings.number("searches_per_second", SEARCHES);
    if !(2..=50).contains(&searches) {
        return Err(invalid("searches_per_second", "is from 2 to 50"));
    }
    let http = Http::new(opening.limits, opening.network)?;
    let identity = identity(settings, &http, &base, &paths, &opening.name)?;
    let tokens = match &identity {
        Identity::Tokens(tokens) => Some(Arc::clone(tokens)),
        Identity::Key(_) => None,
    };
    let client = Arc::new(Client {
        http: http.clone(),
        base,
        paths,
        identity,
        searches: pace::Pace::new(usize::try_from(searches).unwrap_or(2)),
        known: std::sync::Mutex::default(),
    });
    let access = check::Access {
        client: Arc::clone(&client),
        shape: shape.clone(),
        companies: companies.clone(),
        account_key: key.clone(),
        call_key: call_key.clone(),
    };
    let numbers = opening.numbers;
    Ok(Capabilities {
        tokens,
        lookup: Some(Arc::new(lookup::Directory { client: Arc::clone(&client), shape, numbers })),
        accounts: Some(Arc::new(accounts::Ledger {
            client: Arc::clone(&client),
            shape: companies,
            key,
        })),
        journal: Some(Arc::new(journal::Calls { client: Arc::clone(&client), key: call_key })),
        changes: Some(Arc::new(records::Changes { client: Arc::clone(&client) })),
        forms: Some(Arc::new(records::Names)),
        writes: Some(Arc::new(records::Writes { client: Arc::clone(&client) })),
        requests: Some(Arc::new(requests::Actions { client })),
        ..Capabilities::new(http, Arc::new(access))
    })
}

fn identity(
    settings: &Settings,
    http: &Http,
    base: &Url,
    paths: &Paths,
    name: &str,
) -> Result<Identity, Error> {
    if settings.text("auth") != Some("oauth") {
        return Ok(Identity::Key(settings.secret("service_key")?.clone()));
    }
    let login = login::Login {
        http: http.clone(),
        endpoint: base.join(&paths.token()).map_err(|_| invalid("api_url", "is no address"))?,
        id: settings.required("client_id")?.to_owned(),
        secret: settings.secret("client_secret")?.clone(),
        refresh_token: settings.secret("refresh_token")?.clone(),
    };
    Ok(Identity::Tokens(Tokens::start(name, Arc::new(login))))
}

fn shape(settings: &Settings, page: &Page) -> Result<Shape, Error> {
    let phones: Result<Vec<Property>, Error> = settings
        .texts("phone_fields")
        .iter()
        .map(|text| {
            Property::new(text)
                .ok_or_else(|| invalid("phone_fields", &format!("`{text}` is no property")))
        })
        .collect();
    let phones = phones?;
    if phones.len() > mapping::PHONES_MAX {
        return Err(invalid("phone_fields", "are three at most: a search has no room for more"));
    }
    Ok(Shape::new(phones, named("data", settings)?, page.clone()))
}

/// The pairs of a setting whose values are names of properties.
fn named(setting: &'static str, settings: &Settings) -> Result<Vec<(String, Property)>, Error> {
    let property = |(key, text): (String, String)| {
        let property = Property::new(&text);
        let property =
            property.ok_or_else(|| invalid(setting, &format!("`{text}` is no property")))?;
        Ok((key, property))
    };
    settings.pairs(setting).into_iter().map(property).collect()
}

/// Where people look at records: known with the account's number.
fn page(settings: &Settings) -> Result<Page, Error> {
    let Some(portal) = settings.text("portal_id") else { return Ok(Page(None)) };
    if portal.is_empty() || !portal.bytes().all(|b| b.is_ascii_digit()) {
        return Err(invalid("portal_id", "is a number, as the account menu shows it"));
    }
    let app = address("app_url", settings.text("app_url").unwrap_or(APP_URL))?;
    let app = app.origin().ascii_serialization();
    Ok(Page(Some(format!("{app}/contacts/{portal}/record"))))
}

fn address(key: &'static str, text: &str) -> Result<Url, Error> {
    Url::parse(text).map_err(|_| invalid(key, "is no address"))
}

fn invalid(field: &str, reason: &str) -> Error {
    Error::Invalid { field: Some(field.to_owned()), reason: reason.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::{page, shape, vendor};
    use kit::Settings;
    use std::collections::BTreeSet;

    fn with(plain: &[(&str, toml::Value)]) -> Settings {
        let plain = plain.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
        Settings { plain, ..Settings::default() }
    }

    #[test]
    fn every_property_that_is_read_is_in_the_manifest_and_no_other() {
        let settings = Settings::default();
        let shape = shape(&settings, &page(&settings).expect("a page")).expect("a shape");
        let read: BTreeSet<String> =
            shape.properties.iter().map(|property| property.as_str().to_owned()).collect();
        let told = vendor().connector.manifest.privacy.reads;
        assert_eq!(read, told.into_iter().collect(), "list every property under [privacy] reads");
    }

    #[test]
    fn a_records_page_needs_the_accounts_number() {
        let of = |plain: &[(&str, toml::Value)]| page(&with(plain)).map(|page| page.0);
        assert_eq!(of(&[]), Ok(None));
        let eu = [("portal_id", "123".into()), ("app_url", "https://app-eu1.hubspot.com/".into())];
        let expected = "https://app-eu1.hubspot.com/contacts/123/record".to_owned();
        assert_eq!(of(&eu), Ok(Some(expected)));
        assert!(of(&[("portal_id", "acme".into())]).is_err());
    }

    #[test]
    fn more_phone_fields_than_a_search_holds_are_refused() {
        let fields = |names: &[&str]| {
            let list: Vec<toml::Value> = names.iter().map(|name| (*name).into()).collect();
            shape(&with(&[("phone_fields", list.into())]), &super::Page(None))
        };
        assert!(fields(&["phone", "mobilephone", "tel_2"]).is_ok());
        assert!(fields(&["phone", "a", "b", "c"]).is_err());
        assert!(fields(&["Phone Number"]).is_err());
    }
}
