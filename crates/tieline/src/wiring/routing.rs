//! What routing rules need besides the connections there are: where destinations are, and
//! what rules bring of their own.

use super::connection;
use crate::config::{Loaded, Mistake, RoutingSection};
use crate::exit::{self, Failure};
use domain::rules::Destination;
use engine::Connection;
use state::Store;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Where destinations are for a switch, by how they are written.
pub fn uris(section: &RoutingSection) -> Result<BTreeMap<String, String>, Failure> {
    let mut uris = BTreeMap::new();
    for (index, one) in section.uris.iter().enumerate() {
        let at = format!("routing.uris.{index}");
        let destination = Destination::parse(&one.destination).ok_or_else(|| {
            let fix = "write it as queue:NAME, ivr:NAME or recording:FILE";
            exit::input(format!("{at}.destination is no destination: {fix}"))
        })?;
        // It goes into a line of a switch's configuration or a header of SIP.
        if one.uri.is_empty() || !one.uri.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(exit::input(format!("{at}.uri is no address: no spaces, only ASCII")));
        }
        if uris.insert(destination.key(), one.uri.clone()).is_some() {
            return Err(exit::input(format!("{at}.destination stands twice")));
        }
    }
    Ok(uris)
}

/// What a rule has brought, opened: it looks people up and does nothing else. With the
/// connection whose account it asks by another login it shares bulkhead and budget
/// (invariant 12), and neither breaker nor tokens.
pub fn of_rule(
    loaded: &Loaded,
    name: &str,
    store: Option<&Store>,
    base: Option<&Connection>,
) -> Result<Connection, Mistake> {
    let open = || connection(loaded, name, store);
    let mut connection = match base {
        Some(base) => kit::turnstile::sharing(&base.capabilities.turnstile, open)?,
        None => open()?,
    };
    let all = &connection.capabilities;
    let (tokens, lookup) = (all.tokens.clone(), all.lookup.clone());
    connection.capabilities = kit::Capabilities {
        tokens,
        lookup,
        ..kit::Capabilities::new(all.turnstile.clone(), Arc::clone(&all.check))
    };
    Ok(connection.with_needs(Vec::new()))
}
