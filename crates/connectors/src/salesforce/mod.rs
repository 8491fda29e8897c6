//! Salesforce: who is calling, by phone, e-mail or record id; and what came of it.
//!
//! It can look up, keep activities, tell what changed, write, and say what it lacks. `lookup` is
//! the way of a question, `journal` that of an activity, `presence` what agents show in Omni-Channel, `changes` and `writes` (over `records`)
//! those of whole records (many at once: `batch`; how their fields hold values: `forms`), `client` the way to the org, `soql` the only way to write a query, `mapping`
//! what an answer means, `sign_in` whose token an agent's page shows (`signed_request`
//! reads one form of it). Set-up and quirks are in README.md.

mod accounts;
mod batch;
mod changes;
mod check;
mod client;
mod forms;
mod journal;
mod login;
mod lookup;
mod mapping;
mod presence;
mod records;
mod requests;
mod sign_in;
mod signed_request;
#[cfg(feature = "sim")]
pub mod sim;
#[cfg(feature = "sim")]
pub mod simulate;
mod soql;
mod writes;

use crate::Vendor;
use client::Client;
use kit::{Capabilities, Connector, Error, Http, Manifest, Opening, Settings, Tokens};
use login::{Grant, Login};
use mapping::{Ledger, Object, Shape};
use soql::Name;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use url::Url;

/// Tokens are taken as old after this time at the latest: their real life is the
/// session's, two hours by default and fifteen minutes at the shortest.
const TOKEN_LIFETIME_MAX_S: u64 = 1_800;

/// Salesforce, as the list of vendors has it.
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
    let ledger = ledger(settings)?;
    let api_version = api_version(settings)?;
    let http = Http::new(opening.limits, opening.network)?;
    let org = Arc::new(OnceLock::new());
    let login = Login {
        org: Arc::clone(&org),
        http: http.clone(),
        endpoint: endpoint(settings)?,
        grant: grant(settings)?,
        lifetime: Duration::from_secs(
            settings
                .number("token_lifetime_s", TOKEN_LIFETIME_MAX_S)
                .clamp(1, TOKEN_LIFETIME_MAX_S),
        ),
    };
    // A private key that is none is told now, not when the first call comes.
    login.request()?;
    let tokens = Tokens::start(&opening.name, Arc::new(login));
    let client = Arc::new(Client::new(http.clone(), Arc::clone(&tokens), api_version));
    let (events, own_topics) = events(settings, &http, &client)?;
    let agents = agents(settings, &http, &client, org)?.map(Arc::new);
    Ok(Capabilities {
        tokens: Some(tokens),
        lookup: Some(Arc::new(lookup::Directory {
            client: Arc::clone(&client),
            shapes: shapes.clone(),
            numbers: opening.numbers,
        })),
        accounts: Some(Arc::new(accounts::Accounts { client: Arc::clone(&client), ledger })),
        journal: Some(Arc::new(journal::Tasks { client: Arc::clone(&client) })),
        changes: Some(Arc::new(changes::Feed { client: Arc::clone(&client) })),
        feed: Some(Arc::new(events)),
        presence: Some(Arc::new(presence::Omni::new(Arc::clone(&client), own_topics))),
        requests: Some(Arc::new(requests::Written { client: Arc::clone(&client) })),
        writes: Some(Arc::new(writes::Records::new(Arc::clone(&client)))),
        forms: Some(Arc::new(forms::Names)),
        sign_in: agents.clone().map(|agents| agents as Arc<dyn kit::SignIn>),
        ..Capabilities::new(http, Arc::new(check::Access { client, shapes, agents }))
    })
}

/// What the org tells by itself: for syncs over the channel that is set; for presence over each
/// object's own, because a channel does not say that it lacks an object.
fn events(
    settings: &Settings,
    http: &Http,
    client: &Arc<Client>,
) -> Result<(changes::feed::Events, changes::feed::Events), Error> {
    let endpoint = settings.text("pubsub_url").unwrap_or("https://api.pubsub.salesforce.com:7443");
    let endpoint = Url::parse(endpoint).map_err(|_| invalid("pubsub_url", "is no address"))?;
    let channel = settings.text("change_channel").map(str::trim).filter(|name| !name.is_empty());
    let is_channel = |name: &str| name.ends_with("__chn") && Name::new(name).is_some();
    if channel.is_some_and(|name| !is_channel(name)) {
        return Err(invalid("change_channel", "is a channel's name, such as Tieline__chn"));
    }
    let over = |channel: Option<&str>| {
        let channel = channel.map(str::to_owned);
        changes::feed::Events::new(client, http.clone(), endpoint.clone(), channel)
    };
    Ok((over(channel), over(None)))
}

/// The widget's app, where there is one.
fn agents(
    settings: &Settings,
    http: &Http,
    client: &Arc<Client>,
    org: Arc<OnceLock<String>>,
) -> Result<Option<sign_in::Agents>, Error> {
    let id = settings.text("widget_client_id").filter(|id| !id.trim().is_empty());
    let (widget_id, widget_secret) = match (id, settings.secrets.get("widget_client_secret")) {
        (None, None) => return Ok(None),
        (None, Some(_)) => {
            return Err(invalid("widget_client_id", "is missing beside widget_client_secret"));
        }
        (Some(_), None) => {
            return Err(invalid("widget_client_secret", "is missing beside widget_client_id"));
        }
        (Some(id), Some(secret)) => (id.trim().to_owned(), secret.clone()),
    };
    let endpoint = endpoint(settings)?;
    let endpoint =
        endpoint.join("introspect").map_err(|_| invalid("login_url", "is no address"))?;
    let (http, client) = (http.clone(), Arc::clone(client));
    Ok(Some(sign_in::Agents { http, client, endpoint, widget_id, widget_secret, org }))
}

fn endpoint(settings: &Settings) -> Result<Url, Error> {
    let login_url = Url::parse(settings.required("login_url")?)
        .map_err(|_| invalid("login_url", "is no address"))?;
    let is_shared =
        matches!(login_url.host_str(), Some("login.salesforce.com" | "test.salesforce.com"));
    if is_shared && auth(settings) == "client_credentials" {
        let reason =
            "must be the org's My Domain: Salesforce takes client credentials nowhere else";
        return Err(invalid("login_url", reason));
    }
    login_url.join("/services/oauth2/token").map_err(|_| invalid("login_url", "is no address"))
}

fn auth(settings: &Settings) -> &str {
    settings.text("auth").unwrap_or("client_credentials")
}

fn grant(settings: &Settings) -> Result<Grant, Error> {
    let id = settings.required("client_id")?.to_owned();
    if auth(settings) == "jwt_bearer" {
        let audience = settings.text("audience").unwrap_or("https://login.salesforce.com");
        return Ok(Grant::JwtBearer {
            id,
            username: settings.required("username")?.to_owned(),
            audience: audience.trim_end_matches('/').to_owned(),
            key: settings.secret("private_key")?.clone(),
        });
    }
    Ok(Grant::ClientCredentials { id, secret: settings.secret("client_secret")?.clone() })
}

fn api_version(settings: &Settings) -> Result<String, Error> {
    let version = settings.text("api_version").unwrap_or("67.0");
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let fits =
        version.split_once('.').is_some_and(|(major, minor)| is_number(major) && is_number(minor));
    if !fits {
        return Err(invalid("api_version", "is written like 67.0"));
    }
    Ok(version.to_owned())
}

fn ledger(settings: &Settings) -> Result<Ledger, Error> {
    let key = accounts::key(settings.text("account_key"))?;
    Ok(Ledger::new(key, fields(settings, "account_data")?))
}

/// The fields that a map of the settings names.
fn fields(settings: &Settings, key: &'static str) -> Result<Vec<(String, Name)>, Error> {
    let field = |(name, text): (String, String)| {
        let path = Name::new(&text);
        let path = path.ok_or_else(|| invalid(key, &format!("`{text}` is no field name")))?;
        Ok((name, path))
    };
    settings.pairs(key).into_iter().map(field).collect()
}

fn shapes(settings: &Settings) -> Result<Vec<Shape>, Error> {
    let mut objects = settings.texts("objects");
    if objects.is_empty() {
        objects.push("Contact".to_owned());
    }
    objects.sort();
    objects.dedup();
    let name = |text: &String| {
        let name = Name::new(text);
        name.ok_or_else(|| invalid("phone_fields", &format!("`{text}` is no field name")))
    };
    let phone_fields = settings.texts("phone_fields");
    let phone_fields = phone_fields.iter().map(name).collect::<Result<Vec<Name>, Error>>()?;
    let data = fields(settings, "data")?;
    let shape = |text: &String| {
        let object = Object::parse(text)
            .ok_or_else(|| invalid("objects", &format!("`{text}` is neither Contact nor Lead")))?;
        Ok(Shape::new(object, &phone_fields, data.clone()))
    };
    objects.iter().map(shape).collect()
}

fn invalid(field: &str, reason: &str) -> Error {
    Error::Invalid { field: Some(field.to_owned()), reason: reason.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::{presence, shapes, vendor};
    use kit::Settings;
    use std::collections::BTreeSet;

    #[test]
    fn every_field_that_is_read_is_in_the_manifest_and_no_other() {
        let objects = toml::Value::from(vec!["Contact", "Lead"]);
        let plain = [("objects".to_owned(), objects)].into();
        let shapes = shapes(&Settings { plain, ..Settings::default() }).expect("shapes");
        let searched = shapes.iter().flat_map(|s| &s.fields).map(|field| field.as_str().to_owned());
        let read: BTreeSet<String> =
            searched.chain(presence::fields().map(str::to_owned)).collect();
        let told = vendor().connector.manifest.privacy.reads;
        assert_eq!(read, told.into_iter().collect(), "list every field under [privacy] reads");
    }
}
