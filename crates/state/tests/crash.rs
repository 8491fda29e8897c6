//! `kill -9` at any instant loses nothing that was acknowledged (invariant 10).
//!
//! The test starts itself as a child that works on a store and says aloud what
//! was acknowledged, kills it at each crash point several times over, opens
//! the store again and compares. A planted bug shows that it would notice.
//! Run with `--features crash-points`.

#[path = "crash/syncing.rs"]
mod syncing;

use domain::timeline::{self, Event, Kind};
use domain::{
    CallId, Contact, Direction, ExternalId, MediaType, Prefix, Source, Status, Timestamp,
};
use state::audit::Act;
use state::backup::{Existing, restore};
use state::crash::POINTS;
use state::decisions::NewDecision;
use state::enrichments::{Enrichment, Stage};
use state::events::CLOSE_CALL;
use state::overrides::{Corrected, Correction, NewOverride};
use state::rules::{DraftChange, NewRuleSet, To};
use state::settings::Change;
use state::subject::{Identifiers, Record};
use state::{
    Durability, Enriched, Identified, Journal, JournalState, Key, Location, MasterKey, NewCall,
    NewEvent, NewJob, NewOutcome, NewsKind, Options, Outcome, Settled, Settlement, Store,
};
use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

const FOLDER: &str = "TIELINE_CRASH_FOLDER";
const TASKS: usize = 4;
const CALLS: usize = 12;

fn master() -> MasterKey {
    "5a".repeat(32).parse().expect("a key")
}

async fn open(folder: &Path) -> Store {
    let options = Options { durability: Durability::Process, ..Options::default() };
    let location = Location::Sqlite { path: folder.join("tieline.db") };
    Store::open(&location, &master(), options).await.expect("the store opens")
}

fn id(text: &str) -> CallId {
    CallId::new(text).expect("a call id")
}

fn crm() -> ExternalId {
    ExternalId::Record { prefix: Prefix::new("CRM").expect("a prefix"), record: "003A".to_owned() }
}

fn call(name: &str, external_id: ExternalId) -> NewCall {
    NewCall {
        id: id(name),
        direction: Direction::Inbound,
        media: MediaType::Voice,
        number: Some("+15550199999".to_owned()),
        email: None,
        asked_record: None,
        dialled: None,
        queue: None,
        user: None,
        connection: "crm".to_owned(),
        external_id,
        contact: None,
        status: Status::Partial,
        source: Source::None,
        labels: Default::default(),
        data: Default::default(),
        arrived_at: Timestamp(1),
        answered_in_us: 1,
        deadline_us: 300_000,
        warnings: vec![],
    }
}

/// Says what was acknowledged, in one write, so that a kill cannot cut it.
fn acknowledged(what: &str, name: &str) {
    let _ = std::io::stdout().write_all(format!("\nACK {what} {name}\n").as_bytes());
}

/// The child's work; does nothing in the parent.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child() {
    let Ok(folder) = std::env::var(FOLDER) else { return };
    let folder = PathBuf::from(folder);
    let store = open(&folder).await;
    let tasks: Vec<_> = (0..TASKS).map(|task| tokio::spawn(work(store.clone(), task))).collect();
    for task in tasks {
        task.await.expect("the work runs");
    }
    tokens(&store).await;
    settings(&store).await;
    rules(&store).await;
    erase(&store).await;
    rotate(&store).await;
    store.backup(&folder.join("backup.db"), Existing::Keep).await.expect("backed up");
    acknowledged("backup", "backup.db");
    let copy = Location::Sqlite { path: folder.join("copy.db") };
    restore(&folder.join("backup.db"), &copy, &master(), Existing::Keep).await.expect("restored");
    acknowledged("restored", "copy.db");
}

/// A vendor that rotates refresh tokens is asked again and again.
async fn tokens(store: &Store) {
    for n in 0..20 {
        let (time, now) = (Duration::from_secs(60), Timestamp(1));
        let hold = store.hold_token("crm", time, now).await.expect("asked").expect("free");
        let bytes = format!("refresh-{n}").into_bytes();
        let kept = store.keep_token("crm", "client", hold, bytes, now).await.expect("kept");
        assert!(kept.is_some());
        acknowledged("token", &n.to_string());
    }
}

/// Somebody changes one item again and again.
async fn settings(store: &Store) {
    for n in 0..20_u64 {
        let body = Some(n.to_string().into_bytes());
        let change = Change { kind: "queue", name: "Support".to_owned(), body, seen: n };
        let act = act("settings.changed");
        let changed = store.change_settings(change, act, Timestamp(1)).await.expect("changed");
        assert_eq!(changed, Some(n + 1));
        acknowledged("set", &n.to_string());
    }
}

/// The item is as it was acknowledged, or newer, and the revision fits it.
async fn is_set(store: &Store, name: &str) -> bool {
    let all = store.settings().await.expect("read");
    let body = all.items.first().and_then(|item| item.body.clone()).unwrap_or_default();
    let is: Option<u64> = String::from_utf8(body).ok().and_then(|text| text.parse().ok());
    let wanted: u64 = name.parse().expect("a number");
    is.is_some_and(|is| is >= wanted && all.revision == is + 1)
}

/// Somebody drafts a rule and publishes it, again and again.
async fn rules(store: &Store) {
    for n in 0..20_u64 {
        let body = || n.to_string().into_bytes();
        let (kind, name) = ("rule", "Gold".to_owned());
        let change = DraftChange { kind, name: name.clone(), to: To::Body(body()) };
        let act_of = act("rules.drafted");
        let drafted = store.change_rule_drafts(vec![change], 2 * n, act_of, Timestamp(1)).await;
        assert_eq!(drafted.expect("drafted"), Some(2 * n + 1));
        acknowledged("drafted", &n.to_string());
        let takes = vec![(kind.to_owned(), name)];
        let set = NewRuleSet { body: body(), summary: String::new(), takes };
        let act_of = act("rules.published");
        let published = store.publish_rules(set, 2 * n + 1, act_of, Timestamp(1)).await;
        assert_eq!(published.expect("published").map(|set| set.revision), Some(n + 1));
        acknowledged("published", &n.to_string());
    }
}

/// The set in force and the draft are as they were acknowledged, or newer; the draft is
/// there or in the set, and the version counts both.
async fn rules_stand(store: &Store, what: &str, name: &str) -> bool {
    let rules = store.rules().await.expect("read");
    let number = |body: Vec<u8>| String::from_utf8(body).ok()?.parse::<u64>().ok();
    let wanted: u64 = name.parse().expect("a number");
    let published = match rules.set {
        None => 0,
        Some(set) if number(set.body.clone()) == Some(set.revision - 1) => set.revision,
        Some(_) => return false,
    };
    let drafts: Vec<_> =
        rules.drafts.into_iter().map(|draft| draft.body.and_then(number)).collect();
    let is_whole = drafts.is_empty() || drafts == [Some(published)];
    let drafted = published + drafts.len() as u64;
    let reached = if what == "drafted" { drafted } else { published };
    is_whole && reached > wanted && rules.version == published + drafted
}

async fn decide(store: &Store, call: &CallId) {
    store.record_decision(decision(call.clone(), None)).await.expect("kept");
    acknowledged("decided", call.as_str());
}

fn decision(call: CallId, number: Option<&str>) -> NewDecision {
    NewDecision {
        call,
        entry: "did:+15550190000".to_owned(),
        at: Timestamp(1),
        set_revision: 1,
        rule: None,
        line: None,
        destination: "queue:General".to_owned(),
        status: "default",
        took_us: 1,
        shadow: None,
        number: number.map(str::to_owned),
        connection: None,
        records: vec![],
        details: b"{}".to_vec(),
    }
}

async fn work(store: Store, task: usize) {
    let number = ExternalId::Phone(store.phone_id("+15550199999"));
    for n in 0..CALLS {
        let name = format!("{task}-{n}");
        let job = NewJob {
            kind: "enrich",
            connection: "crm".to_owned(),
            key: None,
            payload: name.clone().into_bytes(),
            run_at: Timestamp(0),
            subject: Some(id(&name)),
        };
        store.record_call(call(&name, number.clone()), vec![job]).await.expect("recorded");
        acknowledged("recorded", &name);
        let record = format!("003-{name}");
        let person =
            Contact { record: record.clone(), object: "Contact".to_owned(), ..Contact::default() };
        store.remember("crm", &[], &[person], Timestamp(1)).await.expect("remembered");
        acknowledged("remembered", &record);
        let leased = store
            .lease("enrich", "crm", 1, Duration::from_secs(60), Timestamp(1))
            .await
            .expect("leased");
        for job in leased {
            let subject = job.subject.expect("a call");
            let follow_up = NewJob {
                kind: "push",
                connection: "platform".to_owned(),
                key: None,
                payload: job.payload,
                run_at: Timestamp(0),
                subject: Some(subject.clone()),
            };
            let settlement =
                Settlement { lease: job.lease, outcome: Outcome::Done, follow_up: vec![follow_up] };
            let done = store
                .identify_call(&subject, identified(2), vec![], Some(settlement))
                .await
                .expect("identified");
            assert!(matches!(done, Enriched::Applied { .. }));
            acknowledged("identified", subject.as_str());
            correct(&store, &subject).await;
        }
        decide(&store, &id(&name)).await;
        end(&store, &id(&name)).await;
        ask(&store, &id(&format!("e-{name}"))).await;
    }
}

/// A queue's CRM is to be asked behind an answer; then one is asked, and has answered.
async fn ask(store: &Store, call: &CallId) {
    let new = Enrichment {
        call: call.clone(),
        queue: "Support".to_owned(),
        stage: Stage::Waiting,
        asked: Default::default(),
        answer: Default::default(),
        created_at: Timestamp(1),
    };
    assert!(store.put_enrichment(new.clone(), vec![]).await.expect("kept"));
    acknowledged("asked", call.as_str());
    let job = NewJob::of_call("enrich_queue", "crm", call, Timestamp(0));
    let started = store.start_enrichments(call, vec![(new.queue, job)], Timestamp(1)).await;
    assert_eq!(started.expect("started"), 1);
    acknowledged("started", call.as_str());
    let lease = store.lease("enrich_queue", "crm", 1, Duration::from_secs(60), Timestamp(1));
    for job in lease.await.expect("leased") {
        let call = job.subject.expect("a call");
        let kept = store.enrichment(&call, None).await.expect("asked").expect("kept");
        let (lease, follow_up) = (job.lease, vec![]);
        let settle = Settlement { lease, outcome: Outcome::Done, follow_up };
        let settled = store.keep_enrichment(kept, vec![], settle, Timestamp(2)).await;
        assert_eq!(settled.expect("settled"), Settled::Applied);
        acknowledged("enriched", call.as_str());
    }
}

fn identified(at: i64) -> Identified {
    Identified {
        connection: "crm".to_owned(),
        external_id: crm(),
        contact: None,
        status: Status::Hit,
        source: Source::Crm,
        labels: Default::default(),
        data: Default::default(),
        says_more: false,
        at: Timestamp(at),
    }
}

/// An agent confirms who it was.
async fn correct(store: &Store, call: &CallId) {
    let remember = NewOverride {
        number: "+15550199999".to_owned(),
        queue: Some(call.to_string()),
        connection: "crm".to_owned(),
        external_id: crm().to_string(),
        record: "003A".to_owned(),
        call: call.to_string(),
        reason: "said so".to_owned(),
        actor: "agent".to_owned(),
        expires_at: Timestamp(1_000),
    };
    let act = Act {
        actor: "agent".to_owned(),
        action: "context.corrected",
        subject: call.to_string(),
        details: Default::default(),
    };
    let correction =
        Correction { identified: identified(3), remember: Some(remember), jobs: vec![], act };
    let corrected = store.correct(call, correction, Timestamp(3)).await.expect("corrected");
    assert!(matches!(corrected, Corrected::Applied { .. }));
    acknowledged("corrected", call.as_str());
}

/// Whom the erasure is about: nobody else's number, record or call.
fn gone() -> Identifiers {
    let record = Record { connection: "crm".to_owned(), record: "003-gone".to_owned() };
    let phones = ["+15550177777".to_owned()].into();
    Identifiers { phones, records: [record].into(), ..Identifiers::default() }
}

async fn who_is_gone(store: &Store) -> state::subject::Subject {
    let prefixes = [("crm".to_owned(), "CRM".to_owned())].into();
    store.subject(&gone(), &prefixes).await.expect("looked for")
}

fn act(action: &'static str) -> Act {
    Act { actor: "test".to_owned(), action, subject: String::new(), details: Default::default() }
}

/// Somebody comes, is corrected, and is erased.
async fn erase(store: &Store) {
    let external_id = || ExternalId::Record {
        prefix: Prefix::new("CRM").expect("a prefix"),
        record: "003-gone".to_owned(),
    };
    let person = Contact {
        record: "003-gone".to_owned(),
        object: "Contact".to_owned(),
        phones: vec![domain::ContactPhone::new(domain::PhoneKind::Work, "+15550177777")],
        ..Contact::default()
    };
    store.remember("crm", &[], &[person], Timestamp(1)).await.expect("remembered");
    let number = Some("+15550177777".to_owned());
    let new = NewCall { number, ..call("gone", external_id()) };
    let job = NewJob {
        kind: "enrich",
        connection: "nobody".to_owned(),
        key: None,
        payload: br#"{"external_id":"CRM:003-gone"}"#.to_vec(),
        run_at: Timestamp(0),
        subject: Some(id("gone")),
    };
    store.record_call(new, vec![job]).await.expect("recorded");
    let asked = serde_json::json!({ "ani": "+15550177777" });
    let asked = asked.as_object().cloned().unwrap_or_default();
    let enrichment = Enrichment {
        call: id("of-nobody"),
        queue: "Support".to_owned(),
        stage: Stage::Pending,
        asked,
        answer: Default::default(),
        created_at: Timestamp(1),
    };
    store.put_enrichment(enrichment, vec![]).await.expect("kept");
    let decided = decision(id("of-nobody"), Some("+15550177777"));
    store.record_decision(decided).await.expect("kept");
    let about = Act { subject: "CRM:003-gone".to_owned(), ..act("context.refused") };
    store.audit(about, Timestamp(1)).await.expect("written down");
    let subject = who_is_gone(store).await;
    store.erase(&subject, "", act("subject.erased"), Timestamp(5)).await.expect("erased");
    acknowledged("erased", "003-gone");
    sweep(store).await;
}

/// As the server does at its start.
async fn sweep(store: &Store) {
    let Some(mut sweep) = store.begin_sweep().await.expect("begun") else { return };
    while store.sweep_on(&mut sweep, Timestamp(6)).await.expect("swept") {}
    let swept = act("subjects.swept");
    store.end_sweep(&sweep, Timestamp(9), swept, Timestamp(9)).await.expect("ended");
}

/// An erasure that stands takes everything with it, whenever it was cut off.
async fn erasure_is_half(store: &Store, is_told: bool) -> Option<String> {
    let stands = !store.erasures(0, 10).await.expect("listed").is_empty();
    sweep(store).await;
    let left = store.export(&who_is_gone(store).await).await.expect("looked for");
    let decided = left.decisions.len();
    let rows = [left.calls.len(), left.contacts.len(), left.jobs.len(), left.audit.len(), decided];
    let is_unswept = store.begin_sweep().await.expect("looked for").is_some();
    let asked = store.enrichment(&id("of-nobody"), None).await.expect("asked").is_some();
    let odd = (is_told && !stands) || (stands && (rows != [0; 5] || asked)) || is_unswept;
    odd.then(|| format!("told: {is_told}, stands: {stands}, left: {rows:?}, {is_unswept}"))
}

/// Everything gets a new data key.
async fn rotate(store: &Store) {
    store.rotate_data_key().await.expect("rotated");
    let mut next = Some(state::reseal::Place::default());
    while let Some(place) = next {
        next = store.reseal(place).await.expect("resealed").next;
    }
    store.retire_older_keys(Timestamp(9)).await.expect("retired");
}

/// The call's end is told; then one call is closed, and one activity written.
async fn end(store: &Store, call: &CallId) {
    let about = |kind, call: &CallId| NewJob::of_call(kind, "crm", call, Timestamp(0));
    let event = Event::new(call.clone(), Timestamp(9), Kind::Ended);
    let event = NewEvent { event, is_timed: true };
    let jobs = vec![about(CLOSE_CALL, call)];
    store.record_events(vec![event], jobs, Timestamp(1)).await.expect("received");
    acknowledged("told", call.as_str());
    for kind in [CLOSE_CALL, "journal"] {
        let lease = store.lease(kind, "crm", 1, Duration::from_secs(60), Timestamp(1));
        for job in lease.await.expect("leased") {
            let call = job.subject.expect("a call");
            let (lease, follow_up) = (job.lease, vec![]);
            let settle = Settlement { lease, outcome: Outcome::Done, follow_up };
            if kind == CLOSE_CALL {
                let ended = Some(Timestamp(9));
                let came_to = timeline::Outcome { ended, talk_ms: 7, ..Default::default() };
                let jobs = vec![about("journal", &call)];
                let journal = JournalState::Waiting;
                let new = NewOutcome { outcome: came_to, journal, jobs };
                let kept = store.keep_outcome(&call, new, settle, Timestamp(2)).await;
                assert_eq!(kept.expect("kept"), Settled::Applied);
                acknowledged("closed", call.as_str());
                continue;
            }
            let (connection, record) = ("crm".to_owned(), format!("00T-{call}"));
            let written = Journal { connection, record, digest: [7; 16] };
            let state = JournalState::Written;
            let marked =
                store.keep_journal(&call, state, Some(written), settle, Timestamp(2)).await;
            assert_eq!(marked.expect("marked"), Settled::Applied);
            acknowledged("written", call.as_str());
        }
    }
}

fn run_child(folder: &Path, at: &str, plant: Option<&str>) -> Output {
    run_child_of("child", folder, at, plant)
}

fn run_child_of(name: &str, folder: &Path, at: &str, plant: Option<&str>) -> Output {
    let mut child = Command::new(std::env::current_exe().expect("this test"));
    child.args(["--exact", name, "--nocapture"]).env(FOLDER, folder).env("TIELINE_CRASH_AT", at);
    if let Some(plant) = plant {
        child.env("TIELINE_PLANT", plant);
    }
    child.output().expect("the child runs")
}

/// What the child said, as (what, name).
fn said(output: &Output) -> BTreeSet<(String, String)> {
    let text = String::from_utf8_lossy(&output.stdout);
    let acks = text.lines().filter_map(|line| line.strip_prefix("ACK ")?.split_once(' '));
    acks.map(|(what, name)| (what.to_owned(), name.to_owned())).collect()
}

/// Everything that was acknowledged and is not there, and what does not add up.
async fn lost(folder: &Path, said: &BTreeSet<(String, String)>) -> Vec<String> {
    let store = open(folder).await;
    let mut lost = Vec::new();
    let is_told = said.iter().any(|(what, _)| what == "erased");
    lost.extend(erasure_is_half(&store, is_told).await);
    for (what, name) in said.iter().filter(|(what, _)| what != "erased") {
        let is_there = match what.as_str() {
            "set" => is_set(&store, name).await,
            "drafted" | "published" => rules_stand(&store, what, name).await,
            "decided" => store.passes(&id(name)).await.expect("asked") == 1,
            "recorded" => store.call_exists(&id(name)).await.expect("asked"),
            "remembered" => {
                !store.find("crm", &[Key::Record(name.clone())]).await.expect("asked").is_empty()
            }
            "identified" => {
                let call = store.call(&id(name)).await.expect("asked");
                call.is_some_and(|stored| stored.call.external_id == crm())
            }
            "corrected" => {
                let known = store.override_for("+15550199999", Some(name), Timestamp(9)).await;
                known.expect("asked").is_some_and(|found| found.said.call == *name)
            }
            "asked" => store.enrichment(&id(name), None).await.expect("asked").is_some(),
            "started" => {
                let kept = store.enrichment(&id(name), None).await.expect("asked");
                let jobs = store.jobs(Default::default(), 1000).await.expect("listed");
                let has_job = jobs.iter().any(|job| job.subject.as_ref() == Some(&id(name)));
                kept.is_some_and(|kept| match kept.stage {
                    Stage::Waiting => false,
                    Stage::Pending => has_job,
                    Stage::Done => !has_job,
                })
            }
            "enriched" => {
                let kept = store.enrichment(&id(name), None).await.expect("asked");
                kept.is_some_and(|kept| kept.stage == Stage::Done)
            }
            "told" => store.events(&id(name)).await.expect("asked").len() == 1,
            "closed" => store.outcome(&id(name)).await.expect("asked").is_some(),
            "written" => {
                let outcome = store.outcome(&id(name)).await.expect("asked");
                outcome.is_some_and(|kept| kept.journal.is_some())
            }
            // The last one that was acknowledged, or the one after it.
            "token" => {
                let kept = store.kept_token("crm", "client").await.expect("asked");
                let kept = kept.and_then(|kept| String::from_utf8(kept.bytes).ok());
                let number = kept.and_then(|kept| kept.strip_prefix("refresh-")?.parse().ok());
                number.is_some_and(|kept: u32| kept >= name.parse().expect("a number"))
            }
            _ => folder.join(name).exists(),
        };
        if !is_there {
            lost.push(format!("{what} {name}"));
        }
    }
    let hold = store.hold_token("crm", Duration::from_secs(60), Timestamp(1)).await;
    if hold.expect("asked").is_none() {
        lost.push("the right to refresh: whoever had it is dead".to_owned());
    }
    lost.extend(untold(&store, said).await);
    lost.extend(sums(&store).await);
    let corrected = said.iter().filter(|(what, _)| what == "corrected").count() as u64;
    let audit = store.verify_audit().await.expect("walked");
    if audit.broken.is_some() || audit.entries < corrected {
        lost.push(format!("{corrected} corrections, {audit:?}"));
    }
    for copy in ["backup.db", "copy.db"].map(|name| folder.join(name)) {
        // A target that was reserved and not yet filled is empty; a backup is whole or absent.
        let reserved = |file: std::fs::Metadata| file.len() == 0 && copy.ends_with("copy.db");
        if !copy.exists() || std::fs::metadata(&copy).is_ok_and(reserved) {
            continue;
        }
        let target = folder.join("target").join("tieline.db");
        let target = Location::Sqlite { path: target };
        if let Err(error) = restore(&copy, &target, &master(), Existing::Replace).await {
            lost.push(format!("{} does not restore: {error}", copy.display()));
        }
    }
    store.close().await;
    lost
}

/// Whatever was done has been told, once, and nothing is told that was not done.
async fn untold(store: &Store, said: &BTreeSet<(String, String)>) -> Vec<String> {
    let page = store.news_after(0, 1000).await.expect("read");
    let mut odd = Vec::new();
    let ids: Vec<i64> = page.news.iter().map(|news| news.id).collect();
    // The news of a call that is erased keep their place and say nothing.
    let erased = store.erasures(0, 10).await.expect("listed").len();
    let gaps = usize::try_from(page.newest).expect("a place").checked_sub(ids.len());
    let is_in_order = ids.is_sorted_by(|one, next| one < next);
    if page.has_more || !is_in_order || gaps.is_none_or(|gaps| gaps > erased) {
        odd.push(format!("a gap in {ids:?}"));
    }
    let told = |call: &str, kind| {
        page.news.iter().filter(|news| news.call.as_str() == call && news.kind == kind).count()
    };
    for (what, name) in said {
        let kind = match what.as_str() {
            "recorded" => NewsKind::Identified,
            "identified" => NewsKind::Enriched,
            "closed" => NewsKind::Ended,
            _ => continue,
        };
        if told(name, kind) != 1 {
            odd.push(format!("{what} {name} was told {} times", told(name, kind)));
        }
    }
    for news in &page.news {
        let call = store.call(&news.call).await.expect("asked");
        let is_done = match news.kind {
            NewsKind::Identified => call.is_some(),
            NewsKind::Enriched => call.is_some_and(|known| known.call.external_id == crm()),
            NewsKind::Ended => store.outcome(&news.call).await.expect("asked").is_some(),
            NewsKind::Candidates | NewsKind::ContextChanged => false,
        };
        if !is_done {
            odd.push(format!("{news:?} was told and not done"));
        }
    }
    odd
}

/// Every stored call counts once and has exactly one job, of the stage it is in.
async fn sums(store: &Store) -> Vec<String> {
    let mut odd = Vec::new();
    let calls = store.recent_calls(1000).await.expect("listed");
    let jobs = store.jobs(Default::default(), 1000).await.expect("listed");
    for stored in &calls {
        let is_known = stored.call.external_id == crm();
        let kinds: Vec<_> = jobs
            .iter()
            .filter(|job| job.subject.as_ref() == Some(&stored.call.id))
            .map(|job| job.kind.as_str())
            .collect();
        let (of_its_end, kinds): (Vec<_>, Vec<_>) =
            kinds.into_iter().partition(|kind| [CLOSE_CALL, "journal"].contains(kind));
        odd.extend(end_is_odd(store, &stored.call.id, &of_its_end).await);
        if kinds != [if is_known { "push" } else { "enrich" }] {
            odd.push(format!("{} known: {is_known}, jobs: {kinds:?}", stored.call.id));
        }
    }
    let number = ExternalId::Phone(store.phone_id("+15550199999"));
    for who in [number, crm()] {
        let stored = calls.iter().filter(|stored| stored.call.external_id == who).count() as u64;
        let probe = if who == crm() { "probe-record" } else { "probe-number" };
        let recorded = store.record_call(call(probe, who), vec![]).await.expect("recorded");
        if recorded.earlier_calls != stored {
            odd.push(format!("{probe}: {} counted, {stored} stored", recorded.earlier_calls));
        }
    }
    odd
}

/// What was told leaves one job, of the stage that its closing is in.
async fn end_is_odd(store: &Store, call: &CallId, jobs: &[&str]) -> Option<String> {
    let is_told = !store.events(call).await.expect("asked").is_empty();
    let outcome = store.outcome(call).await.expect("asked");
    let expected: &[&str] = match (is_told, outcome.map(|kept| kept.journal_state)) {
        (false, None) => &[],
        (true, None) => &[CLOSE_CALL],
        (true, Some(JournalState::Waiting)) => &["journal"],
        (true, Some(JournalState::Written)) => &[],
        (_, other) => return Some(format!("{call} told: {is_told}, {other:?}")),
    };
    (jobs != expected).then(|| format!("{call} told: {is_told}, jobs: {jobs:?}"))
}

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let folder =
            std::env::temp_dir().join(format!("tieline-crash-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        Self(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[tokio::test]
async fn a_kill_at_any_point_loses_nothing_acknowledged() {
    if std::env::var(FOLDER).is_ok() {
        return;
    }
    let mut acknowledged = 0;
    // Those of a reconciliation are met by the server: tests/crash of the binary.
    // Those of contact sync by a run of its own.
    let elsewhere = |point: &str| point.starts_with("reconcile.") || syncing::meets(point);
    for point in POINTS.iter().filter(|point| !elsewhere(point)) {
        let mut killed = 0;
        for nth in [1, 2, 5, 13] {
            let folder = Folder::new(&format!("{point}-{nth}"));
            let output = run_child(&folder.0, &format!("{point}:{nth}"), None);
            killed += u32::from(!output.status.success());
            let said = said(&output);
            acknowledged += said.len();
            assert_eq!(
                lost(&folder.0, &said).await,
                Vec::<String>::new(),
                "killed at {point}:{nth}"
            );
        }
        assert!(killed > 0, "{point} is never passed");
    }
    assert!(acknowledged > 1000, "only {acknowledged} things were acknowledged in all");
}

#[tokio::test]
async fn an_answer_before_the_commit_would_be_caught() {
    if std::env::var(FOLDER).is_ok() {
        return;
    }
    let mut caught = 0;
    for nth in 1..=8 {
        let folder = Folder::new(&format!("plant-{nth}"));
        let output =
            run_child(&folder.0, &format!("write.commit:{nth}"), Some("answer-before-commit"));
        let said = said(&output);
        caught += u32::from(!lost(&folder.0, &said).await.is_empty());
    }
    assert!(caught > 0, "the planted bug went unnoticed");
}
