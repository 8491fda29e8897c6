//! Which address needs which scope: one table for the whole API.
//!
//! An address that is not in it needs `admin`, so that one that is forgotten
//! is closed rather than open.

use axum::http::Method;
use std::fmt;

/// A thing that a key or a token may be for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Ask who is calling.
    Lookup,
    /// Tell what happens to calls, and that records have changed.
    Events,
    /// Change who a call is from, and what is kept of it.
    Context,
    /// Ask where a call goes.
    Routing,
    /// Make routing rules and put them in force.
    Rules,
    /// Read calls, customers and reports.
    Read,
    /// Decide reviews, pause agents, plan, run and pause syncs, send what failed again.
    Supervise,
    /// Issue tokens for agents.
    Agents,
    /// One agent's own view. Only tokens have it, never a key; a key that may read sees
    /// what any agent may see.
    Agent,
    /// Everything.
    Admin,
}

use Scope::{Admin, Agent, Agents, Context, Events, Lookup, Read, Routing, Rules, Supervise};

/// Method, path and what they need; `*` is any one segment. HEAD counts as GET.
const NEEDED: &[(&str, &str, Scope)] = &[
    ("POST", "/api/v1/genesys/lookup", Lookup),
    ("POST", "/api/v1/genesys/decide", Routing),
    ("POST", "/api/v1/routing/decide", Routing),
    ("GET", "/api/v1/routing/asterisk", Routing),
    ("POST", "/api/v1/routing/asterisk", Routing),
    ("POST", "/api/v1/routing/freeswitch", Routing),
    ("GET", "/api/v1/routing", Read),
    ("GET", "/api/v1/routing/items/*/*", Read),
    ("GET", "/api/v1/routing/set", Read),
    ("GET", "/api/v1/routing/history", Read),
    ("GET", "/api/v1/routing/shadow", Read),
    ("PUT", "/api/v1/routing/items/*/*", Rules),
    ("DELETE", "/api/v1/routing/items/*/*", Rules),
    ("PUT", "/api/v1/routing/set", Rules),
    ("POST", "/api/v1/routing/publish", Rules),
    ("POST", "/api/v1/routing/rollback", Rules),
    ("POST", "/api/v1/routing/test", Rules),
    ("POST", "/api/v1/routing/replay", Rules),
    ("GET", "/api/v1/calls/*/explain", Read),
    ("POST", "/api/v1/queues/*/enrich", Lookup),
    ("POST", "/api/v1/actions/*/execute", Lookup),
    ("POST", "/api/v1/actions/*/try", Lookup),
    ("GET", "/api/v1/calls/*/enrichment", Lookup),
    ("GET", "/api/v1/connections/*/ready", Lookup),
    ("POST", "/api/v1/genesys/events", Events),
    ("POST", "/api/v1/calls/*/accepted", Events),
    ("POST", "/api/v1/genesys/update-context", Context),
    ("PUT", "/api/v1/calls/*/data", Context),
    ("PUT", "/api/v2/customers/*", Context),
    ("PUT", "/api/v1/links", Context),
    ("DELETE", "/api/v1/links/*", Context),
    ("GET", "/api/v1/links", Read),
    ("GET", "/api/v1/calls", Read),
    ("GET", "/api/v1/calls/*", Read),
    ("GET", "/api/v1/calls/*/data", Read),
    ("GET", "/api/v1/calls/*/events", Read),
    ("GET", "/api/v1/calls/*/news", Agent),
    ("GET", "/api/v1/calls/*/history", Agent),
    ("POST", "/api/v1/calls/*/context", Agent),
    ("GET", "/api/v1/agents/*/news", Agent),
    ("GET", "/api/v2/customers/*", Read),
    ("GET", "/api/v1/reports/*", Read),
    ("GET", "/api/v1/connections", Read),
    ("GET", "/api/v1/connections/*/health", Read),
    ("GET", "/api/v1/connections/*/history", Read),
    ("GET", "/api/v1/connectors", Read),
    ("GET", "/api/v1/alerts", Read),
    ("GET", "/api/v1/retention", Read),
    ("POST", "/api/v1/customers/search", Read),
    ("GET", "/api/v1/syncs", Read),
    ("GET", "/api/v1/syncs/*", Read),
    ("GET", "/api/v1/syncs/*/runs", Read),
    ("POST", "/api/v1/syncs/*/nudge", Events),
    ("GET", "/api/v1/syncs/*/plan", Read),
    ("GET", "/api/v1/syncs/*/health", Read),
    ("GET", "/api/v1/syncs/*/drift", Read),
    ("GET", "/api/v1/syncs/*/promotion", Read),
    ("GET", "/api/v1/syncs/*/records/*/*", Read),
    ("GET", "/api/v1/reviews", Read),
    ("GET", "/api/v1/reviews/*", Read),
    ("GET", "/api/v1/failures", Read),
    ("GET", "/api/v1/runs/*", Read),
    ("GET", "/api/v1/runs/*/writes", Read),
    ("GET", "/api/v1/presence", Read),
    ("GET", "/api/v1/presence/agents/*", Read),
    ("GET", "/api/v1/agents/*/presence/order", Agent),
    ("POST", "/api/v1/agents/*/presence/answer", Agent),
    ("POST", "/api/v1/agents/*/presence/leave", Agent),
    ("POST", "/api/v1/agent-tokens", Agents),
    ("POST", "/api/v1/reviews/decisions", Supervise),
    ("POST", "/api/v1/reviews/*/decision", Supervise),
    ("POST", "/api/v1/failures/redrive", Supervise),
    ("GET", "/api/v1/jobs", Supervise),
    ("POST", "/api/v1/jobs/redrive", Supervise),
    ("POST", "/api/v1/jobs/*/redrive", Supervise),
    ("POST", "/api/v1/presence/agents/*/pause", Supervise),
    ("POST", "/api/v1/presence/agents/*/resume", Supervise),
    ("POST", "/api/v1/presence/teams/*/pause", Supervise),
    ("POST", "/api/v1/presence/teams/*/resume", Supervise),
    ("POST", "/api/v1/syncs/*/plan", Supervise),
    ("POST", "/api/v1/syncs/*/approve", Supervise),
    ("POST", "/api/v1/syncs/*/sample", Supervise),
    ("POST", "/api/v1/syncs/*/runs", Supervise),
    ("POST", "/api/v1/syncs/*/pause", Supervise),
    ("POST", "/api/v1/syncs/*/resume", Supervise),
    ("POST", "/api/v1/syncs/*/drift", Supervise),
    ("POST", "/api/v1/syncs/*/promotion", Supervise),
    ("POST", "/api/v1/runs/*/undo", Supervise),
];

/// Whether a request below `/api/` needs no key: only these methods at these very
/// addresses, which let in nobody without a key or a vendor's word.
pub fn is_open(method: &Method, path: &str) -> bool {
    match path {
        "/api/v1/agent-tokens/sign-in" => method == Method::POST,
        "/api/v1/session/oidc" | "/api/v1/session/oidc/done" => method == Method::GET,
        "/api/v1/session" => matches!(*method, Method::GET | Method::POST | Method::DELETE),
        _ => false,
    }
}

/// Whether an address is of the account of whoever is signed in.
pub fn is_ones_own(path: &str) -> bool {
    matches!(path, "/api/v1/session/password" | "/api/v1/session/totp")
}

/// What a request needs.
pub fn needed(method: &Method, path: &str) -> Scope {
    let method = if method == Method::HEAD { "GET" } else { method.as_str() };
    let mut rows = NEEDED.iter().filter(|(known, ..)| *known == method);
    rows.find(|(_, pattern, _)| fits(pattern, path)).map_or(Admin, |(.., scope)| *scope)
}

/// What a key needs where an agent's token is let in: to read for the news of agents, to
/// correct where they do; to make such tokens where one speaks for an agent, as their console
/// does.
pub fn of_keys(path: &str) -> Scope {
    match path.rsplit('/').next() {
        Some("news" | "history") => Read,
        Some("context") => Context,
        _ => Agents,
    }
}

fn fits(pattern: &str, path: &str) -> bool {
    let (mut known, mut asked) = (pattern.split('/'), path.split('/'));
    loop {
        match (known.next(), asked.next()) {
            (None, None) => return true,
            (Some("*"), Some(segment)) if !segment.is_empty() => {}
            (Some(word), Some(segment)) if word == segment => {}
            _ => return false,
        }
    }
}

impl Scope {
    /// Every scope in the order it is written.
    const ALL: [Self; 10] =
        [Lookup, Events, Context, Routing, Rules, Read, Supervise, Agents, Agent, Admin];

    pub fn as_str(self) -> &'static str {
        match self {
            Lookup => "lookup",
            Events => "events",
            Context => "context",
            Routing => "routing",
            Rules => "rules",
            Read => "read",
            Supervise => "supervise",
            Agents => "agents",
            Agent => "agent",
            Admin => "admin",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == text)
    }

    fn bit(self) -> u16 {
        1 << self as u8
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Some of the scopes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Scopes(u16);

impl Scopes {
    /// What a key may be given; `admin` among them, so everything.
    pub fn grantable() -> Self {
        Scope::ALL.into_iter().filter(|scope| *scope != Agent).collect()
    }

    /// Whether a key may have all of them.
    pub fn is_grantable(self) -> bool {
        self.0 & Agent.bit() == 0
    }

    /// An agent's token: their own view and nothing else.
    pub fn of_an_agent() -> Self {
        Self(Agent.bit())
    }

    /// Whether they are enough for an address that needs `scope`.
    pub fn allow(self, scope: Scope) -> bool {
        self.0 & (scope.bit() | Admin.bit()) != 0
    }

    /// Words between spaces; `None` when one is no scope.
    pub fn parse(text: &str) -> Option<Self> {
        text.split_ascii_whitespace().map(Scope::parse).collect()
    }

    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// These, as far as `others` allow them.
    pub fn within(self, others: Self) -> Self {
        if others.allow(Admin) { self } else { Self(self.0 & others.0) }
    }

    pub fn words(self) -> Vec<String> {
        let held = Scope::ALL.into_iter().filter(|scope| self.0 & scope.bit() != 0);
        held.map(|scope| scope.as_str().to_owned()).collect()
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        Self(scopes.into_iter().fold(0, |bits, scope| bits | scope.bit()))
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words().join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::{Scope, Scopes, is_open, needed};
    use axum::http::Method;

    #[test]
    fn an_address_needs_what_the_table_says_and_any_other_needs_admin() {
        let check = |method: Method, path, expected| {
            assert_eq!(needed(&method, path), expected, "{method} {path}");
        };
        check(Method::POST, "/api/v1/genesys/lookup", Scope::Lookup);
        check(Method::GET, "/api/v1/genesys/lookup", Scope::Admin);
        check(Method::POST, "/api/v1/genesys/lookup/", Scope::Admin);
        check(Method::GET, "/api/v1/calls/abc", Scope::Read);
        check(Method::HEAD, "/api/v1/calls/abc", Scope::Read);
        check(Method::GET, "/api/v1/calls/", Scope::Admin);
        check(Method::GET, "/api/v1/calls/a/b", Scope::Admin);
        check(Method::DELETE, "/api/v1/calls/abc", Scope::Admin);
        check(Method::GET, "/api/v1/%63alls", Scope::Admin);
        check(Method::GET, "/api/v1/jobs", Scope::Supervise);
        check(Method::GET, "/api/v1/users", Scope::Admin);
        check(Method::GET, "/api/", Scope::Admin);
    }

    #[test]
    fn scopes_read_back_as_written() {
        let scopes = Scopes::parse("read  lookup").expect("scopes");
        assert_eq!(scopes.to_string(), "lookup read");
        assert_eq!(Scopes::parse("lookup everything"), None);
        assert!(Scopes::parse("").expect("none").is_empty());
        assert_eq!(
            Scopes::grantable().to_string(),
            "lookup events context routing rules read supervise agents admin"
        );
    }

    #[test]
    fn two_addresses_are_open_and_nothing_like_them() {
        let path = "/api/v1/agent-tokens/sign-in";
        assert!(is_open(&Method::POST, path));
        for (method, path) in [
            (Method::GET, path),
            (Method::HEAD, path),
            (Method::POST, "/api/v1/agent-tokens"),
            (Method::POST, "/api/v1/agent-tokens/sign-in/"),
            (Method::POST, "/api/v1/agent-tokens/sign-in/x"),
            (Method::POST, "/api/v1/agent-tokens/Sign-In"),
            (Method::POST, "/api/v1/agent-tokens/sign%2Din"),
            (Method::POST, "/api//v1/agent-tokens/sign-in"),
            (Method::POST, "/api/v1/x/../agent-tokens/sign-in"),
            (Method::PUT, "/api/v1/session"),
            (Method::GET, "/api/v1/session/"),
            (Method::GET, "/api/v1/sessions"),
        ] {
            assert!(!is_open(&method, path), "{method} {path}");
            assert_eq!(needed(&method, path) == Scope::Agents, path == "/api/v1/agent-tokens");
        }
    }

    #[test]
    fn admin_allows_everything_and_others_only_themselves() {
        let all = Scopes::parse("admin").expect("a scope");
        let one = Scopes::parse("lookup").expect("a scope");
        assert!(all.allow(Scope::Lookup) && all.allow(Scope::Agent));
        assert!(one.allow(Scope::Lookup) && !one.allow(Scope::Read) && !one.allow(Scope::Admin));
        assert_eq!(all.within(one), Scopes::default());
        assert_eq!(one.within(all), one);
    }
}
