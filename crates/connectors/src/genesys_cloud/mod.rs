//! Genesys Cloud: the contact center whose calls are identified.
//!
//! It keeps contacts of its own, carries attributes on live conversations, and
//! says what it lacks. `platform` is what it does, `client` the way to it,
//! `mapping` its JSON both ways, `events` what it tells of calls, `history` what it
//! remembers of them, `destinations` what they can be sent to, `records` what whole contacts
//! and organizations are, `presence` what agents show and have at hand, `sign_in` whose token
//! an agent's page shows, `check` what it needs to be granted. Set-up and quirks are in README.md.

mod check;
mod client;
pub mod data_actions;
mod destinations;
mod events;
mod history;
mod mapping;
mod platform;
mod presence;
mod records;
mod requests;
pub mod setup;
mod sign_in;
#[cfg(feature = "sim")]
pub mod sim;
#[cfg(feature = "sim")]
pub mod simulate;

use crate::Vendor;
use client::Client;
use kit::oauth::ClientCredentials;
use kit::{Capabilities, Connector, Error, Http, Manifest, Opening, Settings, Tokens};
use mapping::Policy;
use platform::Platform;
use std::sync::Arc;
use tokio::sync::{Mutex, OnceCell};
use url::Url;

/// Genesys Cloud, as the list of vendors has it.
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
    open_in(opening, presence::Times::default())
}

fn open_in(opening: Opening, times: presence::Times) -> Result<Capabilities, Error> {
    let settings = &opening.settings;
    let (api, login) = addresses(settings)?;
    let apps = api.as_str().trim_end_matches('/').replacen("//api.", "//apps.", 1);
    let http = Http::new(opening.limits, opening.network)?;
    let pages = login.clone();
    let login = ClientCredentials {
        http: http.clone(),
        endpoint: login.join("/oauth/token").map_err(|_| invalid("login_url", "is no address"))?,
        id: settings.required("client_id")?.to_owned(),
        secret: settings.secret("client_secret")?.clone(),
        lifetime_untold: client::LIFETIME_UNTOLD,
    };
    let source_name = settings.required("external_source")?.trim().to_owned();
    let tokens = Tokens::start(&opening.name, Arc::new(login));
    let client = Arc::new(Client::new(http.clone(), Arc::clone(&tokens), api));
    let mut widgets = settings.texts("widget_client_id");
    widgets.retain(|id| !id.trim().is_empty());
    // Without it any application of the organization could sign its users in here.
    let agents = (!widgets.is_empty()).then(|| {
        let (client, organization) = (Arc::clone(&client), OnceCell::new());
        Arc::new(sign_in::Agents { client, widgets, login: pages, organization })
    });
    let platform = Arc::new(Platform {
        client,
        policy: Policy {
            division: settings.text("division").unwrap_or("*").to_owned(),
            promote: settings.flag("promote", true),
        },
        source_name,
        known_source: Mutex::new(None),
    });
    let records = Arc::new(records::Records::new(Arc::clone(&platform)));
    let desks = Arc::new(presence::Desks::new(Arc::clone(&platform.client), times));
    Ok(Capabilities {
        tokens: Some(tokens),
        contact_center: Some(Arc::clone(&platform) as Arc<dyn kit::ContactCenter>),
        changes: Some(Arc::clone(&records) as Arc<dyn kit::Changes>),
        writes: Some(Arc::clone(&records) as Arc<dyn kit::Writes>),
        forms: Some(records),
        calls: Some(Arc::new(events::Events { apps: apps.clone() })),
        history: Some(Arc::new(history::Past {
            platform: Arc::clone(&platform),
            events: events::Events { apps },
        })),
        destinations: Some(Arc::new(destinations::Places { client: Arc::clone(&platform.client) })),
        requests: Some(Arc::new(requests::Written { client: Arc::clone(&platform.client) })),
        presence: Some(Arc::clone(&desks) as Arc<dyn kit::Presence>),
        sign_in: agents.clone().map(|agents| agents as Arc<dyn kit::SignIn>),
        ..Capabilities::new(http, Arc::new(check::Access { platform, agents, desks }))
    })
}

/// The addresses of API and login.
fn addresses(settings: &Settings) -> Result<(Url, Url), Error> {
    let region = settings.text("region").unwrap_or("mypurecloud.com");
    let is_domain = region.contains('.')
        && region.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'.' || b == b'-');
    if !is_domain {
        return Err(invalid("region", "is a domain such as mypurecloud.ie"));
    }
    let own_api = settings.text("api_url");
    let api = own_api.map_or_else(|| format!("https://api.{region}"), str::to_owned);
    let login = match (settings.text("login_url"), own_api) {
        (Some(login), _) => login.to_owned(),
        (None, Some(api)) => api.replacen("//api.", "//login.", 1),
        (None, None) => format!("https://login.{region}"),
    };
    let url =
        |key: &'static str, text: &str| Url::parse(text).map_err(|_| invalid(key, "is no address"));
    Ok((url("api_url", &api)?, url("login_url", &login)?))
}

fn invalid(field: &str, reason: &str) -> Error {
    Error::Invalid { field: Some(field.to_owned()), reason: reason.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::addresses;
    use kit::Settings;

    #[test]
    fn the_region_says_where_login_and_api_are() {
        let check = |settings: &[(&str, &str)], api: &str, login: &str| {
            let plain = settings.iter().map(|(k, v)| ((*k).to_owned(), (*v).into())).collect();
            let settings = Settings { plain, ..Settings::default() };
            let (a, l) = addresses(&settings).expect("addresses");
            assert_eq!((a.as_str(), l.as_str()), (api, login));
        };
        check(&[], "https://api.mypurecloud.com/", "https://login.mypurecloud.com/");
        check(
            &[("region", "usw2.pure.cloud")],
            "https://api.usw2.pure.cloud/",
            "https://login.usw2.pure.cloud/",
        );
        check(
            &[("api_url", "https://api.example.com")],
            "https://api.example.com/",
            "https://login.example.com/",
        );
        check(&[("api_url", "http://127.0.0.1:9")], "http://127.0.0.1:9/", "http://127.0.0.1:9/");
        let settings = Settings {
            plain: [("region".to_owned(), "x/..".into())].into(),
            ..Settings::default()
        };
        assert!(addresses(&settings).is_err());
    }
}
