//! The API: every route on one page, grouped by who calls it.
//!
//! Handlers translate between JSON and the engine and decide nothing. Errors
//! have one shape (see [`error`]); every body is bounded ([`input`]). Everything
//! under `/api/` needs a key, by its address alone, save where agents sign in ([`access`]).

pub mod access;
mod actor;
mod admin;
mod alerts;
mod connections;
mod connectors;
mod console;
mod context;
mod customers;
mod desk;
mod enrich;
pub mod error;
mod events;
mod files;
mod health;
mod input;
mod keys;
mod links;
mod lookup;
mod news;
mod openapi;
mod overrides;
mod presence;
mod reconcile;
mod reports;
mod retention;
mod routing;
mod rules;
mod schemas;
mod server;
mod settings;
mod subjects;
mod syncs;
mod tls;
mod tried;
mod users;
mod widget;

pub use access::Access;
pub use access::oidc::open as open_oidc;
pub use access::roles::Role;
pub use admin::{FindingBody, findings};
pub use error::ApiError;
pub use news::Streams;
pub use openapi::document as openapi_document;
pub use reports::csv_cell;
pub use server::{Bound, Front, bind, open_files};
pub use tls::Tls;

use crate::config::WidgetSection;
use crate::settings::Keeper;
use access::oidc::Oidc;
use axum::Router;
use axum::extract::FromRef;
use axum::routing::{delete, get, patch, post, put};
use engine::{Book, Engine, Live};
use prometheus_client::registry::Registry;
use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use tokio::sync::broadcast;

/// What handlers need, with the engine as it was when the request came: connections, actions
/// and queues may change meanwhile, and a request sees no half of that.
#[derive(Clone)]
pub struct App {
    pub engine: Arc<Engine>,
    shared: Shared,
}

/// What is the same for every request.
pub type Shared = Arc<Parts>;

impl FromRef<Shared> for App {
    fn from_ref(shared: &Shared) -> Self {
        Self { engine: shared.live.now(), shared: Arc::clone(shared) }
    }
}

impl Deref for App {
    type Target = Parts;
    fn deref(&self) -> &Parts {
        &self.shared
    }
}

impl App {
    /// For whoever goes on for long: without the engine of one moment.
    pub fn shared(&self) -> Shared {
        Arc::clone(&self.shared)
    }
}

pub struct Parts {
    pub live: Live,
    pub settings: Arc<Keeper>,
    pub rules: Arc<Book>,
    /// Where destinations are for a switch, by [`domain::rules::Destination::key`].
    pub uris: BTreeMap<String, String>,
    pub registry: Registry,
    /// False while draining: `/readyz` tells the balancer to look elsewhere.
    pub is_ready: AtomicBool,
    /// Each answered call, for whoever watches; the demo prints them.
    pub calls: broadcast::Sender<lookup::Line>,
    pub store_kind: &'static str,
    pub access: Arc<Access>,
    pub streams: Streams,
    pub widget: WidgetSection,
    /// Where people sign in besides here.
    pub oidc: Option<Oidc>,
}

pub use lookup::Line;

pub fn router(shared: Shared) -> Router {
    // With a key: called by the contact center, on the call's path.
    let calls = Router::new()
        .route("/api/v1/genesys/lookup", post(lookup::answer))
        .route("/api/v1/genesys/decide", post(routing::decide::decide_flat))
        .route("/api/v1/routing/decide", post(routing::decide::decide))
        .route(
            "/api/v1/routing/asterisk",
            get(routing::asterisk::get).post(routing::asterisk::post),
        )
        .route("/api/v1/routing/freeswitch", post(routing::freeswitch::post))
        .route("/api/v1/queues/{queue}/enrich", post(enrich::enrich))
        .route("/api/v1/actions/{name}/execute", post(enrich::execute))
        .route("/api/v1/actions/{name}/try", post(tried::try_one))
        .route("/api/v1/calls/{call_id}/enrichment", get(enrich::of_call))
        .route("/api/v1/calls/{call_id}/accepted", post(enrich::accepted))
        .route("/api/v1/connections/{name}/ready", get(enrich::ready))
        .route("/api/v1/genesys/events", post(events::receive))
        .route("/api/v1/genesys/update-context", post(context::update));
    // Without: called by probes, scrapers, people, and pages that vouch for an agent.
    let open = Router::new()
        .route("/oauth/token", post(access::oauth::token))
        .route("/api/v1/agent-tokens/sign-in", post(access::sign_in::issue))
        .route(
            "/api/v1/session",
            get(access::sessions::current)
                .post(access::sessions::begin)
                .delete(access::sessions::end),
        )
        .route("/api/v1/session/oidc", get(access::oidc::begin))
        .route("/api/v1/session/oidc/done", get(access::oidc::done))
        .route("/", get(console::home))
        .route("/console/", get(console::index))
        .route("/console/{*file}", get(console::file))
        .route("/widget/", get(widget::index).post(widget::posted))
        .route("/widget/frame.json", get(widget::frame))
        .route("/widget/{*file}", get(widget::file))
        .route("/healthz", get(health::healthz))
        .route("/readyz", get(health::readyz))
        .route("/metrics", get(health::metrics))
        .route("/openapi.json", get(openapi::serve))
        .route("/docs/errors/{code}", get(error::page));
    calls
        .merge(operators())
        .merge(open)
        .fallback(error::no_route)
        .method_not_allowed_fallback(error::no_method)
        .with_state(shared)
}

/// With a key: called by operators, their pages and our own CLI.
fn operators() -> Router<Shared> {
    let setting = get(settings::one).put(settings::put).delete(settings::remove);
    Router::new()
        .route("/api/v1/calls", get(reports::calls::list))
        .route("/api/v1/calls/{call_id}", get(admin::call))
        .route(
            "/api/v1/calls/{call_id}/data",
            get(customers::call_data).put(customers::keep_call_data),
        )
        .route("/api/v1/calls/{call_id}/news", get(news::of_call))
        .route("/api/v1/calls/{call_id}/context", post(desk::correct))
        .route("/api/v1/calls/{call_id}/history", get(desk::history))
        .route("/api/v1/agents/{agent_id}/news", get(news::of_agent))
        .route("/api/v2/customers/{id}", get(customers::customer).put(customers::keep))
        .route("/api/v1/customers/search", post(customers::search::search))
        .route("/api/v1/reports/handle-time", get(reports::handle_time))
        .route("/api/v1/reports/identification", get(reports::identification::identification))
        .route("/api/v1/reconcile", post(reconcile::begin))
        .route("/api/v1/reconcile/runs", get(reconcile::runs))
        .route("/api/v1/reconcile/runs/{id}", get(reconcile::one))
        .route("/api/v1/overrides", get(overrides::list).delete(overrides::clear_many))
        .route("/api/v1/overrides/{id}", get(overrides::one).delete(overrides::clear))
        .route("/api/v1/links", get(links::list).put(links::put))
        .route("/api/v1/links/{id}", delete(links::remove))
        .route("/api/v1/audit", get(overrides::audit))
        .route("/api/v1/audit/verify", get(overrides::verify))
        .route("/api/v1/subjects/export", post(subjects::export))
        .route("/api/v1/subjects/erase", post(subjects::erase))
        .route(
            "/api/v1/subjects/tombstones",
            get(subjects::tombstones::list).post(subjects::tombstones::apply),
        )
        .route("/api/v1/subjects/tombstones/{id}", delete(subjects::tombstones::take_back))
        .route("/api/v1/agent-tokens", post(access::agent_tokens::issue))
        .route("/api/v1/api-keys", get(access::api_keys::list).post(access::api_keys::create))
        .route("/api/v1/api-keys/{id}", delete(access::api_keys::revoke))
        .route("/api/v1/api-keys/{id}/rotate", post(access::api_keys::rotate))
        .route("/api/v1/users", get(users::list).post(users::create))
        .route("/api/v1/users/{name}", patch(users::change).delete(users::remove))
        .route("/api/v1/users/{name}/password", post(users::reset_password))
        .route("/api/v1/session/password", put(access::account::change_password))
        .route(
            "/api/v1/session/totp",
            post(access::account::make_second_factor)
                .put(access::account::turn_second_factor_on)
                .delete(access::account::turn_second_factor_off),
        )
        .route("/api/v1/jobs", get(admin::jobs))
        .route("/api/v1/jobs/redrive", post(admin::redrive_all))
        .route("/api/v1/jobs/{id}/redrive", post(admin::redrive))
        .route("/api/v1/connections", get(connections::list))
        .route("/api/v1/connections/{name}/health", get(connections::health))
        .route("/api/v1/connections/{name}/history", get(connections::history::history))
        .route("/api/v1/connections/{name}/check", post(admin::check_one))
        .route("/api/v1/connections/check", post(admin::check))
        .route("/api/v1/connectors", get(connectors::list))
        .route("/api/v1/alerts", get(alerts::list))
        .route("/api/v1/alerts/channels/{name}/test", post(alerts::test))
        .route("/api/v1/retention", get(retention::retention))
        .route("/api/v1/settings/{kind}", get(settings::list))
        .route("/api/v1/settings/{kind}/{name}", setting)
        .route("/api/v1/store/keys/rotate", post(keys::rotate))
        .route("/api/v1/store/backup", post(admin::backup))
        .merge(rule_books())
        .merge(syncing())
        .merge(presences())
}

/// With a key: syncs, their runs, and what people decide about them.
fn syncing() -> Router<Shared> {
    Router::new()
        .route("/api/v1/syncs", get(syncs::list))
        .route("/api/v1/syncs/{name}", get(syncs::one))
        .route("/api/v1/syncs/{name}/approve", post(syncs::approve))
        .route("/api/v1/syncs/{name}/pause", post(syncs::pause))
        .route("/api/v1/syncs/{name}/resume", post(syncs::resume))
        .route("/api/v1/syncs/{name}/plan", get(syncs::health::plan).post(syncs::runs::plan))
        .route("/api/v1/syncs/{name}/health", get(syncs::health::health))
        .route(
            "/api/v1/syncs/{name}/drift",
            get(syncs::health::drifts).post(syncs::health::measure),
        )
        .route(
            "/api/v1/syncs/{name}/promotion",
            get(syncs::promotion::one).post(syncs::promotion::rehearse),
        )
        .route("/api/v1/syncs/{name}/promotion/apply", post(syncs::promotion::apply))
        .route("/api/v1/syncs/{name}/forget", post(syncs::forget::forget))
        .route("/api/v1/syncs/{name}/sample", post(syncs::sample::sample))
        .route("/api/v1/syncs/{name}/records/{side}/{id}", get(syncs::records::story))
        .route("/api/v1/syncs/{name}/runs", get(syncs::runs::list).post(syncs::runs::begin))
        .route("/api/v1/syncs/{name}/nudge", post(syncs::runs::nudge))
        .route("/api/v1/runs/{id}", get(syncs::runs::one))
        .route("/api/v1/runs/{id}/writes", get(syncs::runs::writes))
        .route("/api/v1/runs/{id}/undo", post(syncs::runs::undo))
        .route("/api/v1/reviews", get(syncs::reviews::list))
        .route("/api/v1/reviews/decisions", post(syncs::reviews::decide_many))
        .route("/api/v1/reviews/{id}", get(syncs::reviews::one))
        .route("/api/v1/reviews/{id}/decision", post(syncs::reviews::decide))
        .route("/api/v1/failures", get(syncs::failures::list))
        .route("/api/v1/failures/redrive", post(syncs::failures::redrive))
}

/// With a key: agents in two systems; with an agent's token: their console.
fn presences() -> Router<Shared> {
    Router::new()
        .route("/api/v1/presence", get(presence::list))
        .route("/api/v1/presence/agents/{agent_id}", get(presence::one))
        .route("/api/v1/presence/agents/{agent_id}/pause", post(presence::pause))
        .route("/api/v1/presence/agents/{agent_id}/resume", post(presence::resume))
        .route("/api/v1/presence/teams/{team}/pause", post(presence::pause_team))
        .route("/api/v1/presence/teams/{team}/resume", post(presence::resume_team))
        .route("/api/v1/agents/{agent_id}/presence/order", get(presence::console::order))
        .route("/api/v1/agents/{agent_id}/presence/answer", post(presence::console::answer))
        .route("/api/v1/agents/{agent_id}/presence/leave", post(presence::console::leave))
}

/// With a key: routing rules, and what they have decided.
fn rule_books() -> Router<Shared> {
    let item = get(rules::one).put(rules::put).delete(rules::remove);
    Router::new()
        .route("/api/v1/routing", get(rules::list))
        .route("/api/v1/routing/items/{kind}/{name}", item)
        .route("/api/v1/routing/set", get(rules::export).put(rules::apply))
        .route("/api/v1/routing/publish", post(rules::publish))
        .route("/api/v1/routing/rollback", post(rules::roll_back))
        .route("/api/v1/routing/history", get(rules::history))
        .route("/api/v1/routing/test", post(rules::try_rule))
        .route("/api/v1/routing/shadow", get(rules::shadow))
        .route("/api/v1/routing/replay", post(rules::replay))
        .route("/api/v1/calls/{call_id}/explain", get(rules::explain))
}
