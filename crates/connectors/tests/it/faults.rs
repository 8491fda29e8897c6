//! What goes wrong, and that each of it has exactly one outcome, tried on each connector
//! that asks over HTTP: for people, for what a data action asks, and for writes.
//!
//! Every fault meets a connection of its own, so that no pause and no breaker of the one
//! before decides what the next is called. Logging in goes well: what goes wrong there
//! stands in `contract`.

use crate::contract::rigs_over_http;
use crate::rig::{Rig, ask};
use connectors::Sample;
use futures_util::future::join_all;
use kit::budget::Standing;
use kit::{Capabilities, Custom, Error, Fields, Lane};
use serde_json::json;
use sim::faults::{Fault, Plan, Rule};
use std::time::Duration;

/// When an answer that hangs is given up.
const TIMEOUT: Duration = Duration::from_millis(1_500);

/// Something that a connection is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Deed {
    Lookup,
    Request,
    Create,
    Update,
}

impl Deed {
    const ALL: [Self; 4] = [Self::Lookup, Self::Request, Self::Create, Self::Update];
}

/// A rig, and a record to be changed where it has writes.
struct Tried {
    rig: Rig,
    sample: Option<Sample>,
    id: Option<String>,
}

impl Tried {
    async fn on(rig: Rig) -> Self {
        let connection = rig.open().await;
        let sample = rig.simulator.sample().filter(|_| connection.writes.is_some());
        let mut tried = Self { rig, sample, id: None };
        if can(&connection, Deed::Create) {
            tried.id = Some(tried.create(&connection, 1).await.expect("made"));
        }
        tried
    }

    fn sample(&self) -> &Sample {
        self.sample.as_ref().expect("a sample, where there are writes")
    }

    async fn create(&self, connection: &Capabilities, number: usize) -> Result<String, Error> {
        let sample = self.sample();
        let mut fields = sample.needs.clone();
        fields.insert(sample.fields[0].to_owned(), json!("text"));
        let key = format!("TIE{number:013}");
        let writes = connection.writes.as_ref().expect("writes");
        let made = writes.create(sample.object, (sample.key, &key), &fields).await;
        made.map(|saved| saved.id)
    }

    async fn update(&self, connection: &Capabilities) -> Result<(), Error> {
        let sample = self.sample();
        let fields: Fields =
            [(sample.fields[0].to_owned(), json!("another"))].into_iter().collect();
        let id = self.id.as_deref().expect("made before");
        let writes = connection.writes.as_ref().expect("writes");
        writes.update(sample.object, id, None, &fields).await.map(drop)
    }

    async fn done(&self, connection: &Capabilities, deed: Deed) -> Result<(), Error> {
        let lane = Lane::Background;
        match deed {
            Deed::Lookup => {
                let lookup = connection.lookup.as_ref().expect("a lookup");
                lookup.find(lane, &[ask()]).await.map(drop)
            }
            Deed::Request => {
                let requests = connection.requests.as_ref().expect("requests");
                let custom = Custom {
                    method: "GET".to_owned(),
                    // HubSpot has several products under one host, and only this one is ours.
                    path: "/crm/anything".to_owned(),
                    query: Vec::new(),
                    headers: Vec::new(),
                    body: None,
                };
                requests.send(lane, &custom).await.map(drop)
            }
            Deed::Create => self.create(connection, 2).await.map(drop),
            Deed::Update => self.update(connection).await,
        }
    }

    /// Lets the fault meet what the deed asks, and never a login: of a record that is made,
    /// only the request that makes it.
    fn spoil(&self, deed: Deed, fault: Fault) {
        let at_once = Fault::slow(Duration::ZERO);
        let made_by = self.sample.as_ref().filter(|_| deed == Deed::Create);
        let rule = match made_by.map(|sample| sample.made_by) {
            Some((method, part)) => {
                Rule { method: Some(method.to_owned()), ..Rule::always(fault).on(part) }
            }
            None => Rule::always(fault),
        };
        let rules = vec![Rule::always(at_once).on("token"), rule];
        self.rig.faults().set(Plan { rules, ..Plan::default() });
    }
}

fn can(connection: &Capabilities, deed: Deed) -> bool {
    match deed {
        Deed::Lookup => connection.lookup.is_some(),
        Deed::Request => connection.requests.is_some(),
        Deed::Create | Deed::Update => connection.writes.is_some(),
    }
}

/// What came of a deed: `vendor deed`, its outcome, and how the budget stands just then.
type Outcome = (String, Result<(), Error>, Standing);

async fn outcomes_of(rig: Rig, fault: &Fault, deeds: &[Deed]) -> Vec<Outcome> {
    let mut tried = Tried::on(rig).await;
    if matches!(fault, Fault::Hang | Fault::HangMidBody) {
        tried.rig.timeout = TIMEOUT;
    }
    let mut all = Vec::new();
    for deed in deeds.iter().copied() {
        let connection = tried.rig.open().await;
        if can(&connection, deed) {
            tried.spoil(deed, fault.clone());
            let outcome = tried.done(&connection, deed).await;
            let standing = connection.turnstile.budget().standing();
            all.push((format!("{} {deed:?}", tried.rig.name()), outcome, standing));
            tried.rig.faults().clear();
        }
    }
    all
}

/// Every deed of every connector meets the fault.
async fn outcomes(fault: &Fault) -> Vec<Outcome> {
    // Who is refused logs in again and again, of which some vendors take few at a time.
    let at_once = if *fault == Fault::Unauthorized { 1 } else { Deed::ALL.len() };
    let mut all = Vec::new();
    for deeds in Deed::ALL.chunks(at_once) {
        let rigs = rigs_over_http().await.into_iter();
        all.extend(join_all(rigs.map(|rig| outcomes_of(rig, fault, deeds))).await.concat());
    }
    assert!(all.len() > 20, "many connectors can do much");
    all
}

/// Every deed ends with the one kind of error, on every connector.
async fn each_is(fault: Fault, kind: &str) -> Vec<(String, Error, Standing)> {
    let mut errors = Vec::new();
    let mut odd = Vec::new();
    for (what, outcome, standing) in outcomes(&fault).await {
        match outcome {
            Err(error) if error.kind() == kind => errors.push((what, error, standing)),
            outcome => odd.push(format!("{what}: {outcome:?}")),
        }
    }
    assert!(odd.is_empty(), "{fault:?} is {kind}, but\n{}", odd.join("\n"));
    errors
}

fn own(name: &str) -> Fault {
    Fault::Vendor(name.to_owned())
}

fn status(code: u16, body: Option<&str>) -> Fault {
    Fault::Status { code, body: body.map(str::to_owned) }
}

#[tokio::test]
async fn a_token_that_is_refused_for_good_is_unauthorized() {
    each_is(Fault::Unauthorized, "unauthorized").await;
}

/// What is told of a refusal, where the vendor says more than that it is one.
const MISSING: [(&str, &str); 5] = [
    ("dynamics", "prvReadContact"),
    ("hubspot", "crm.objects.contacts.read"),
    ("netsuite", "Lists -> Contacts -> View"),
    ("zoho_crm", "Crm_Implied_View_Contacts"),
    ("salesforce", "INSUFFICIENT_ACCESS"),
];

#[tokio::test]
async fn a_permission_that_is_missing_is_forbidden_and_named_where_the_vendor_names_it() {
    for (what, error, _) in each_is(own("forbidden"), "forbidden").await {
        let Error::Forbidden { missing } = error else { unreachable!("its kind") };
        assert!(!missing.is_empty(), "{what}");
        let vendor = what.split(' ').next().unwrap_or_default();
        if let Some((_, told)) = MISSING.iter().find(|(name, _)| *name == vendor) {
            assert!(missing.contains(told), "{what}: {missing}");
        }
    }
}

#[tokio::test]
async fn what_is_not_there_is_not_found_and_of_a_lookup_nobody_or_the_wrong_address() {
    for (what, outcome, _) in outcomes(&own("not_found")).await {
        let (vendor, deed) = what.split_once(' ').expect("two words");
        match outcome {
            Err(Error::NotFound) => {}
            Ok(()) if deed == "Lookup" => {}
            // A key that looks like a blocked file is no resource to Salesforce: the record
            // is then made without it in the address.
            Ok(()) if what == "salesforce Create" => {}
            // A search has no record to be missing: a setting leads elsewhere, and is named.
            Err(Error::Invalid { field: Some(field), .. }) if deed == "Lookup" => {
                let connector = connectors::by_name(vendor).expect(vendor);
                let settings = connector.manifest.settings;
                assert!(settings.iter().any(|setting| setting.name == field), "{what}: {field}");
            }
            outcome => panic!("{what}: {outcome:?}"),
        }
    }
}

#[tokio::test]
async fn what_collides_is_a_conflict() {
    for (what, outcome, _) in outcomes(&own("conflict")).await {
        assert_eq!(outcome.expect_err(&what).kind(), "conflict", "{what}");
    }
}

#[tokio::test]
async fn a_throttle_is_told_with_its_pause_and_the_budget_learns_it() {
    for (what, error, standing) in each_is(Fault::Throttled, "rate_limited").await {
        let Error::RateLimited { retry_after } = error else { unreachable!("its kind") };
        // HubSpot counts searches apart: what throttles them leaves all else alone.
        if !standing.is_low && what == "hubspot Lookup" {
            continue;
        }
        assert!(standing.is_low, "{what}: {standing:?}");
        match retry_after {
            Some(pause) => {
                assert!(standing.resets_in.is_some_and(|left| left <= pause), "{what}")
            }
            // The day's allowance, which comes back by itself: nothing is left of it.
            None => assert_eq!(standing.left, Some(0), "{what}"),
        }
    }
}

#[tokio::test]
async fn a_fault_of_the_server_is_unavailable() {
    for fault in [
        status(500, None),
        status(502, Some("<html>bad gateway</html>")),
        status(503, None),
        status(504, None),
    ] {
        each_is(fault, "unavailable").await;
    }
}

#[tokio::test]
async fn an_answer_that_does_not_come_whole_is_unavailable() {
    for fault in [Fault::Reset, Fault::Truncate, Fault::HangMidBody] {
        each_is(fault, "unavailable").await;
    }
}

#[tokio::test]
async fn an_answer_that_does_not_come_in_time_is_unavailable() {
    each_is(Fault::Hang, "unavailable").await;
}

#[tokio::test]
async fn what_is_no_answer_of_the_vendors_is_outside_its_protocol() {
    for fault in [
        Fault::Html200,
        status(200, Some("{\"records\":")),
        status(200, Some("<?xml version=\"1.0\"?><feed/>")),
        status(302, None),
        status(403, Some("<html>a proxy</html>")),
    ] {
        each_is(fault, "protocol").await;
    }
}
