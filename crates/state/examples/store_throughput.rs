//! How many calls a second the store takes: `find` and `record_call`, as the
//! lookup does them.
//!
//! `cargo run --release -p state --example store_throughput -- [CALLS] [TASKS] [LOCATION]`
//! Without a location: a SQLite file in the system's temporary folder, once at
//! each durability. Prints one line per run: calls a second, and how long one
//! call took (both steps) at the median, the 99th percentile and at worst.

use domain::{
    CallId, Contact, ContactPhone, Direction, ExternalId, MediaType, PhoneKind, Prefix, Source,
    Status, Timestamp,
};
use state::{Durability, Key, Location, MasterKey, NewCall, Options, Store};
use std::error::Error;
use std::io::Write;
use std::time::{Duration, Instant};

const CONTACTS: usize = 5_000;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let calls: usize = args.next().map_or(Ok(200_000), |text| text.parse())?;
    let tasks: usize = args.next().map_or(Ok(64), |text| text.parse())?;
    let location = args.next();
    for durability in [Durability::Process, Durability::Power] {
        let folder =
            std::env::temp_dir().join(format!("tieline-throughput-{}", std::process::id()));
        let place = match &location {
            Some(location) => location.parse()?,
            None => Location::Sqlite { path: folder.join("tieline.db") },
        };
        let options = Options { durability, ..Options::default() };
        let store = Store::open(&place, &MasterKey::generate()?, options).await?;
        let line = run(&store, calls, tasks).await?;
        writeln!(std::io::stdout(), "{durability:?}: {line}")?;
        store.close().await;
        if location.is_none() {
            std::fs::remove_dir_all(&folder)?;
        } else {
            break; // the second master key would not open the first one's store
        }
    }
    Ok(())
}

async fn run(store: &Store, calls: usize, tasks: usize) -> Result<String, Box<dyn Error>> {
    let people: Vec<Contact> = (0..CONTACTS).map(person).collect();
    for page in people.chunks(500) {
        store.remember("crm", &[], page, Timestamp(1)).await?;
    }
    let started = Instant::now();
    let work: Vec<_> = (0..tasks)
        .map(|task| tokio::spawn(some_calls(store.clone(), task, calls / tasks)))
        .collect();
    let mut took = Vec::with_capacity(calls);
    for task in work {
        took.extend(task.await??);
    }
    let seconds = started.elapsed().as_secs_f64();
    took.sort_unstable();
    let at = |share: f64| took[((took.len() - 1) as f64 * share) as usize];
    Ok(format!(
        "{:.0} calls/s with {tasks} tasks, median {:?}, p99 {:?}, worst {:?}",
        took.len() as f64 / seconds,
        at(0.5),
        at(0.99),
        at(1.0)
    ))
}

async fn some_calls(store: Store, task: usize, calls: usize) -> state::Result<Vec<Duration>> {
    let mut took = Vec::with_capacity(calls);
    for n in 0..calls {
        let started = Instant::now();
        let e164 = number((task * 7919 + n * 31) % CONTACTS);
        let found = store.find("crm", &[Key::Phone(e164.clone())]).await?;
        let record = found.first().map(|entry| entry.contact.record.clone());
        store.record_call(call(task, n, e164, record), Vec::new()).await?;
        took.push(started.elapsed());
    }
    Ok(took)
}

fn number(n: usize) -> String {
    format!("+1555{n:07}")
}

fn person(n: usize) -> Contact {
    Contact {
        record: format!("0035g{n:013}"),
        object: "Contact".to_owned(),
        name: format!("Person Number{n}"),
        email: Some(format!("person{n}@example.com")),
        phones: vec![ContactPhone::new(PhoneKind::Work, number(n))],
        created_at: Some(Timestamp(1)),
        data: [
            ("loyaltyTier".to_owned(), "Gold".into()),
            ("crmCaseId".to_owned(), "CASE-99812".into()),
        ]
        .into(),
        ..Contact::default()
    }
}

fn call(task: usize, n: usize, e164: String, record: Option<String>) -> NewCall {
    // Scattered like real conversation ids, which are random UUIDs.
    let scattered = ((task << 32 | n) as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let prefix = Prefix::new("CRM").expect("a prefix");
    NewCall {
        id: CallId::new(&format!("{scattered:016x}-{task:04x}-{n:08x}-0000")).expect("an id"),
        direction: Direction::Inbound,
        media: MediaType::Voice,
        number: Some(e164),
        email: None,
        asked_record: None,
        dialled: Some("+15550190000".to_owned()),
        queue: None,
        user: None,
        connection: "crm".to_owned(),
        external_id: record
            .clone()
            .map_or(ExternalId::Unknown, |record| ExternalId::Record { prefix, record }),
        contact: record,
        status: Status::Hit,
        source: Source::Directory,
        arrived_at: Timestamp(1_000_000 + n as i64),
        answered_in_us: 900,
        deadline_us: 300_000,
        warnings: Vec::new(),
        labels: Default::default(),
        data: Default::default(),
    }
}
