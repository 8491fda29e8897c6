//! SAP S/4HANA: business partners by number, phone or e-mail, and accounts that a CRM links to.
//!
//! It can look up, tell what it knows of an account, tell what changed, write, and say what
//! it lacks. `lookup` is the way of a question, `changes` and `writes` (over `records`) those
//! of whole records, `client` the way to the system, `odata` the only way to
//! write a request, `mapping` what an answer means. Set-up and quirks are in README.md.

mod accounts;
mod changes;
mod check;
mod client;
mod forms;
mod lookup;
mod mapping;
mod odata;
mod records;
mod requests;
mod session;
mod signals;
#[cfg(feature = "sim")]
pub mod sim;
#[cfg(feature = "sim")]
pub mod simulate;
mod writes;

pub use client::{Client, Updated};
pub use odata::{Entity, Name};

use crate::Vendor;
use accounts::Link;
use client::Identity;
use kit::oauth::ClientCredentials;
use kit::{Capabilities, Connector, Error, Http, Manifest, Opening, Settings, Tokens};
use mapping::Shape;
use session::Session;
use std::sync::Arc;
use url::Url;

/// Where SAP keeps the service, unless an administrator says otherwise.
const SERVICE_PATH: &str = "/sap/opu/odata/sap/API_BUSINESS_PARTNER";
const TOKEN_PATH: &str = "/sap/bc/sec/oauth2/token";

/// SAP S/4HANA, as the list of vendors has it.
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
    let shape = shape(&opening.settings)?;
    let link = opening.settings.text("account_key").unwrap_or("BusinessPartner");
    let link = Link::parse(link).ok_or_else(|| invalid("account_key", "names no such property"))?;
    let numbers = opening.numbers;
    let client = client(opening)?;
    let tokens = match &client.identity {
        Identity::Tokens(tokens) => Some(Arc::clone(tokens)),
        Identity::User { .. } => None,
    };
    Ok(Capabilities {
        tokens,
        lookup: Some(Arc::new(lookup::Directory {
            client: Arc::clone(&client),
            shape: shape.clone(),
            numbers,
        })),
        changes: Some(Arc::new(changes::Feed { client: Arc::clone(&client) })),
        forms: Some(Arc::new(forms::Names)),
        writes: Some(Arc::new(writes::Partners { client: Arc::clone(&client) })),
        accounts: Some(Arc::new(accounts::Ledger {
            client: Arc::clone(&client),
            shape: shape.clone(),
            link,
        })),
        requests: Some(Arc::new(requests::Written { client: Arc::clone(&client) })),
        ..Capabilities::new(client.http.clone(), Arc::new(check::Access { client, shape }))
    })
}

/// The way to one system alone, without what a connection does with it.
///
/// # Errors
/// `Invalid` naming the setting that cannot be.
pub fn client(opening: Opening) -> Result<Arc<Client>, Error> {
    let settings = &opening.settings;
    let base = address("base_url", settings.required("base_url")?)?;
    let service = settings.text("service_path").unwrap_or(SERVICE_PATH);
    let fits = service.starts_with("/sap/") && !service.contains(['?', '#', ' ', '%']);
    if !fits || service.contains("..") {
        return Err(invalid(
            "service_path",
            "is a path such as /sap/opu/odata/sap/API_BUSINESS_PARTNER",
        ));
    }
    let http = Http::new(opening.limits, opening.network)?;
    let identity = if settings.text("auth") == Some("basic") {
        Identity::User {
            name: settings.required("username")?.to_owned(),
            password: settings.secret("password")?.clone(),
        }
    } else {
        let endpoint = match settings.text("token_url") {
            Some(url) => address("token_url", url)?,
            None => odata::below(&base, TOKEN_PATH.trim_start_matches('/')),
        };
        let login = ClientCredentials {
            http: http.clone(),
            endpoint,
            id: settings.required("client_id")?.to_owned(),
            secret: settings.secret("client_secret")?.clone(),
            lifetime_untold: client::TOKEN_LIFE,
        };
        Identity::Tokens(Tokens::start(&opening.name, Arc::new(login)))
    };
    Ok(Arc::new(Client {
        http,
        service: odata::below(&base, service.trim_matches('/')),
        sap_client: sap_client(settings)?,
        identity,
        session: Session::default(),
    }))
}

fn address(key: &'static str, text: &str) -> Result<Url, Error> {
    Url::parse(text).map_err(|_| invalid(key, "is no address"))
}

fn sap_client(settings: &Settings) -> Result<Option<String>, Error> {
    let Some(client) = settings.text("sap_client") else { return Ok(None) };
    let fits = client.len() == 3 && client.bytes().all(|b| b.is_ascii_digit());
    if !fits {
        return Err(invalid("sap_client", "is three digits, such as 100"));
    }
    Ok(Some(client.to_owned()))
}

fn shape(settings: &Settings) -> Result<Shape, Error> {
    let path = |(name, text): (String, String)| {
        let path = Name::new(&text);
        let path = path.ok_or_else(|| invalid("data", &format!("`{text}` is no property")))?;
        Ok((name, path))
    };
    let data: Result<Vec<(String, Name)>, Error> =
        settings.pairs("data").into_iter().map(path).collect();
    let page = settings.text("record_url").map(str::to_owned);
    if page.as_ref().is_some_and(|page| !page.contains("{record}")) {
        return Err(invalid("record_url", "has no {record} in it"));
    }
    Shape::new(data?, page).map_err(|path| {
        invalid("data", &format!("`{path}` is no property of the partner or of to_Customer"))
    })
}

fn invalid(field: &str, reason: &str) -> Error {
    Error::Invalid { field: Some(field.to_owned()), reason: reason.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::mapping::Shape;
    use super::vendor;
    use std::collections::BTreeSet;

    #[test]
    fn every_property_that_is_read_is_in_the_manifest_and_no_other() {
        let (select, _) = Shape::new(Vec::new(), None).expect("a shape").of_partner();
        let read: BTreeSet<String> = select.iter().map(|name| name.as_str().to_owned()).collect();
        let told = vendor().connector.manifest.privacy.reads;
        assert_eq!(read, told.into_iter().collect(), "list every property under [privacy] reads");
    }
}
