//! Acme Crm: who is calling, by phone.
//!
//! It can look up, and say whether it was let in. `client` is the way to the
//! vendor, `mapping` what its answers mean. Set-up and quirks are in README.md.

mod client;
mod mapping;
#[cfg(feature = "sim")]
pub mod sim;
#[cfg(feature = "sim")]
mod simulate;

use crate::Vendor;
use client::Client;
use kit::{Capabilities, Connector, Error, Http, Manifest, Opening};
use std::sync::Arc;
use url::Url;

/// Acme Crm, as the list of vendors has it.
#[must_use]
pub fn vendor() -> Vendor {
    Vendor {
        connector: Connector { manifest: Manifest::parse(include_str!("manifest.toml")), open },
        #[cfg(feature = "sim")]
        simulate: simulate::start,
    }
}

/// Opens a connection without asking the vendor anything.
fn open(opening: Opening) -> Result<Capabilities, Error> {
    let settings = &opening.settings;
    let base = Url::parse(settings.required("base_url")?).map_err(|_| Error::Invalid {
        field: Some("base_url".to_owned()),
        reason: "is no address".to_owned(),
    })?;
    let http = Http::new(opening.limits, opening.network)?;
    let client = Arc::new(Client {
        http: http.clone(),
        base,
        key: settings.secret("api_key")?.clone(),
        numbers: opening.numbers,
    });
    Ok(Capabilities {
        lookup: Some(Arc::clone(&client) as Arc<dyn kit::Lookup>),
        ..Capabilities::new(http, client)
    })
}
