//! Any HTTPS source of JSON, by configuration alone: who is calling, what is known of an
//! account, and what an administrator asks.
//!
//! `template` is the only way to a request, `client` the way to the source, `signals` what
//! an answer means, `mapping` what a record means, `settings` how all that is configured.
//! README.md shows it by examples.

mod accounts;
mod check;
mod client;
mod login;
mod lookup;
mod mapping;
mod requests;
mod settings;
mod signals;
#[cfg(feature = "sim")]
pub mod sim;
#[cfg(feature = "sim")]
pub mod simulate;
mod template;

use crate::Vendor;
use client::Client;
use kit::{Capabilities, Connector, Error, Http, Manifest, Opening};
use login::Identity;
use std::sync::Arc;
use template::percent;

/// A source of one's own, as the list of vendors has it.
#[must_use]
pub fn vendor() -> Vendor {
    Vendor {
        connector: Connector { manifest: Manifest::parse(include_str!("manifest.toml")), open },
        #[cfg(feature = "sim")]
        simulate: simulate::start,
    }
}

/// Opens a connection; needs a running runtime, because a token may be minted behind.
fn open(opening: Opening) -> Result<Capabilities, Error> {
    let settings = &opening.settings;
    let may_be_plain = opening.network.allow_private_addresses;
    let base = settings::address("base_url", settings.required("base_url")?, may_be_plain)?;
    let ways = settings::ways(settings)?;
    let account = settings::account_way(settings)?;
    if ways.all().next().is_none() && account.is_none() {
        let reason = "is not set, nor by_email, by_record or by_account: nothing could be asked";
        return Err(settings::invalid("by_phone", reason));
    }
    let shape = match ways.all().next() {
        Some(_) => Some(settings::shape(settings, &ways)?),
        None => None,
    };
    let (errors, paging) = (settings::errors(settings)?, settings::paging(settings)?);
    let http = Http::new(opening.limits, opening.network.clone())?;
    let identity = settings::identity(&opening.name, settings, &http, may_be_plain)?;
    let tokens = match &identity {
        Identity::Tokens(tokens) => Some(Arc::clone(tokens)),
        _ => None,
    };
    let own_header = match &identity {
        Identity::Key { header, .. } => Some(header.clone()),
        _ => None,
    };
    let left_header = settings.text("requests_left_header").map(str::to_owned);
    let client =
        Arc::new(Client { http: http.clone(), base, identity, errors, left_header, paging });
    let directory = shape.map(|shape| {
        let (client, numbers) = (Arc::clone(&client), opening.numbers);
        Arc::new(lookup::Directory { client, shape, ways, numbers })
    });
    let ledger = match account {
        Some(way) => Some(Arc::new(settings::ledger(settings, &client, way)?)),
        None => None,
    };
    Ok(Capabilities {
        tokens,
        lookup: directory.clone().map(|directory| directory as Arc<dyn kit::Lookup>),
        accounts: ledger.clone().map(|ledger| ledger as Arc<dyn kit::Accounts>),
        requests: Some(Arc::new(requests::Door { client: Arc::clone(&client), own_header })),
        ..Capabilities::new(http, Arc::new(check::Access { client, directory, ledger }))
    })
}
