//! What a vendor says that a connection's credentials may do, against what is needed.
//!
//! A connector asks its vendor ([`crate::Check::rights`]); [`Rights::findings`] compares.
//! A scope that is needed and not granted is a fault. What the vendor does not tell, and
//! an administrator's breadth, are warnings: calls go on, and somebody is told.

use crate::connector::{Finding, Flaw};
use domain::Timestamp;
use std::sync::{Mutex, PoisonError};

/// A scope that something needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Need {
    /// In the vendor's own words.
    pub scope: String,
    /// What needs it, such as `lookup` or `the action Orders`.
    pub by: String,
    /// Calls do without it.
    pub is_optional: bool,
}

/// What the vendor says of the credentials.
#[derive(Debug, Clone)]
pub struct Rights {
    /// Scopes, roles or permissions; `Err`: the vendor does not tell, and why.
    pub granted: Result<Vec<String>, String>,
    /// Whether one that was granted is enough for one that is needed.
    pub covers: fn(granted: &str, needed: &str) -> bool,
    /// What gives them an administrator's breadth.
    pub administrator: Option<String>,
    /// Where an administrator grants a scope and takes one away.
    pub place: &'static str,
}

impl Rights {
    /// The vendor tells nothing.
    #[must_use]
    pub fn untold(why: impl Into<String>, place: &'static str) -> Self {
        Self { granted: Err(why.into()), covers: same, administrator: None, place }
    }

    /// The vendor has told these.
    #[must_use]
    pub fn told(granted: Vec<String>, place: &'static str) -> Self {
        Self { granted: Ok(granted), covers: same, administrator: None, place }
    }

    /// What calls need and was not granted; nothing where the vendor does not tell.
    #[must_use]
    pub fn missing<'a>(&self, needs: &'a [Need]) -> Vec<&'a Need> {
        self.lacking(needs).filter(|need| !need.is_optional).collect()
    }

    fn lacking<'a>(&self, needs: &'a [Need]) -> impl Iterator<Item = &'a Need> {
        let granted = self.granted.as_ref().ok();
        needs.iter().filter(move |need| {
            let has = |all: &Vec<String>| all.iter().any(|one| (self.covers)(one, &need.scope));
            granted.is_some_and(|all| !has(all))
        })
    }

    /// What it comes to, as `check` tells it.
    #[must_use]
    pub fn findings(&self, needs: &[Need]) -> Vec<Finding> {
        let mut findings: Vec<Finding> = Vec::new();
        for Need { scope, by, is_optional } in self.lacking(needs) {
            let code = if *is_optional { OPTIONAL } else { "connection.scope_missing" };
            findings.push(Finding {
                what: format!("scope {scope}"),
                outcome: Err(Flaw {
                    code,
                    message: format!("{by} needs the scope {scope}, which was not granted."),
                    fix: format!("Grant {scope}: {}.", self.place),
                }),
            });
        }
        match &self.granted {
            Ok(_) if findings.is_empty() => {
                findings.push(Finding { what: "scopes".to_owned(), outcome: Ok(()) });
            }
            Ok(_) => {}
            Err(why) => findings.push(self.unknown(why, needs)),
        }
        if let Some(breadth) = &self.administrator {
            findings.push(Finding {
                what: "administrator".to_owned(),
                outcome: Err(Flaw {
                    code: TOO_BROAD,
                    message: format!(
                        "These credentials may do whatever an administrator may: {breadth}."
                    ),
                    fix: format!(
                        "Give this connection a user of its own with what is needed: {}.",
                        self.place
                    ),
                }),
            });
        }
        findings
    }

    fn unknown(&self, why: &str, needs: &[Need]) -> Finding {
        let mut scopes: Vec<&str> = needs.iter().map(|need| need.scope.as_str()).collect();
        scopes.dedup();
        let fix = match scopes.as_slice() {
            [] => "Look there what they may do; the other findings are what was tried.".to_owned(),
            scopes => {
                format!("See to it that these are granted: {}; {}.", scopes.join(", "), self.place)
            }
        };
        let message = format!("It is not known what these credentials may do: {why}.");
        let flaw = Flaw { code: UNKNOWN, message, fix };
        Finding { what: "scopes".to_owned(), outcome: Err(flaw) }
    }
}

/// Codes of what is told and does not make a check fail.
pub const OPTIONAL: &str = "connection.scope_optional";
const TOO_BROAD: &str = "connection.too_broad";
const UNKNOWN: &str = "connection.scope_unknown";

impl Flaw {
    /// Calls go on, but somebody should know.
    #[must_use]
    pub fn is_warning(&self) -> bool {
        matches!(self.code, OPTIONAL | TOO_BROAD | UNKNOWN)
    }
}

fn same(granted: &str, needed: &str) -> bool {
    granted.eq_ignore_ascii_case(needed)
}

/// What was last seen of a connection's rights.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    pub at: Timestamp,
    /// `None`: the vendor does not tell.
    pub granted: Option<Vec<String>>,
    pub missing: Vec<String>,
    pub administrator: Option<String>,
}

/// Keeps it.
#[derive(Debug, Default)]
pub struct Noted(Mutex<Option<Seen>>);

impl Noted {
    pub fn note(&self, rights: &Rights, needs: &[Need]) {
        let mut missing: Vec<String> =
            rights.missing(needs).into_iter().map(|need| need.scope.clone()).collect();
        missing.dedup();
        let seen = Seen {
            at: crate::clock::now(),
            granted: rights.granted.clone().ok(),
            missing,
            administrator: rights.administrator.clone(),
        };
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(seen);
    }

    #[must_use]
    pub fn seen(&self) -> Option<Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::{Need, Noted, Rights};

    fn need(scope: &str) -> Need {
        let by = "the action Orders".to_owned();
        Need { scope: scope.to_owned(), by, is_optional: false }
    }

    fn codes(rights: &Rights, needs: &[Need]) -> Vec<(String, &'static str, bool)> {
        let told = rights.findings(needs).into_iter().map(|finding| match finding.outcome {
            Ok(()) => (finding.what, "", false),
            Err(flaw) => (finding.what, flaw.code, flaw.is_warning()),
        });
        told.collect()
    }

    #[test]
    fn what_is_needed_and_not_granted_is_named_with_the_step() {
        let rights = Rights::told(vec!["api".into()], "Setup, Apps");
        assert_eq!(codes(&rights, &[need("API")]), [("scopes".to_owned(), "", false)]);
        let both = [need("api"), need("chatter_api")];
        let missing = ("scope chatter_api".to_owned(), "connection.scope_missing", false);
        assert_eq!(codes(&rights, &both), [missing]);
        let flaw = rights.findings(&both).remove(0).outcome.expect_err("missing");
        assert!(flaw.message.contains("the action Orders") && flaw.fix.contains("Setup, Apps"));
    }

    #[test]
    fn what_calls_do_without_is_warned_of_and_not_missing() {
        let rights = Rights::told(vec!["api".into()], "Setup, Apps");
        let optional = Need { is_optional: true, ..need("queues:view") };
        let warned = ("scope queues:view".to_owned(), "connection.scope_optional", true);
        assert_eq!(codes(&rights, std::slice::from_ref(&optional)), [warned]);
        assert!(rights.missing(&[optional]).is_empty());
    }

    #[test]
    fn what_is_not_told_is_said_to_be_unknown_and_breadth_is_warned_of() {
        let mut rights = Rights::untold("the vendor tells no scopes", "Setup");
        rights.administrator = Some("the role admin".to_owned());
        let told = codes(&rights, &[need("api")]);
        let unknown = ("scopes".to_owned(), "connection.scope_unknown", true);
        let broad = ("administrator".to_owned(), "connection.too_broad", true);
        assert_eq!(told, [unknown, broad]);
        assert!(rights.missing(&[need("api")]).is_empty(), "and not said to be missing");
        let noted = Noted::default();
        assert_eq!(noted.seen(), None);
        noted.note(&rights, &[need("api")]);
        let seen = noted.seen().expect("noted");
        assert_eq!((seen.granted, seen.administrator.as_deref()), (None, Some("the role admin")));
    }
}
