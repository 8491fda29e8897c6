//! The customer's database for those who do not know it by name: a SQLite file, which nobody
//! serves, so that nothing of what goes wrong over HTTP can go wrong here.

use super::sim::{Config, Planted};
use crate::{Sample, Setup, Simulation, Simulator, Starting};
use ::sim::faults::Faults;
use async_trait::async_trait;
use kit::Settings;
use std::collections::BTreeMap;
use std::io;

/// Makes the file.
pub fn start(setup: Setup) -> Starting {
    Box::pin(async move {
        if setup.requests_per_minute.is_some() {
            let reason = "a database states no limit of requests per minute";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, reason));
        }
        let config = Config { people: setup.people, ..Config::default() };
        let planted = Planted::new(&config)?;
        let logins = vec![settings(&planted)];
        let simulator = Box::new(Database { planted, faults: Faults::default() });
        Ok(Simulation { simulator, logins, api: "/" })
    })
}

const PEOPLE: &str = "
SELECT c.customer_no AS record, c.first_name, c.last_name, c.email, c.created_at,
       c.updated_at AS modified_at, c.company, c.tier, c.is_vip,
       (SELECT count(*) FROM invoices i
        WHERE i.customer_no = c.customer_no AND NOT i.paid) AS openInvoices,
       (SELECT group_concat(p.typed, ';') FROM phones p
        WHERE p.customer_id = c.id AND p.used = 'work') AS work_phone,
       (SELECT group_concat(p.typed, ';') FROM phones p
        WHERE p.customer_id = c.id AND p.used = 'mobile') AS mobile_phone,
       (SELECT group_concat(p.typed, ';') FROM phones p
        WHERE p.customer_id = c.id AND p.used = 'home') AS home_phone
FROM customers c";

const REMOVED: &str = "SELECT customer_no AS record, merged_into AS \"into\", removed_at AS modified_at \
     FROM removed WHERE (removed_at, customer_no) > (:after_time, :after_id) \
     ORDER BY removed_at, customer_no LIMIT :page";

/// What an administrator would write to use it: `people` is the same table as `customers`,
/// which is only read.
#[must_use]
pub fn settings(planted: &Planted) -> Settings {
    let texts = [
        ("engine", "sqlite".to_owned()),
        ("file", planted.file().display().to_string()),
        (
            "lookup_by_phone",
            format!(
                "{PEOPLE} WHERE c.id IN (SELECT customer_id FROM phones WHERE digits = :phone_digits)"
            ),
        ),
        ("lookup_by_email", format!("{PEOPLE} WHERE lower(c.email) = :email_lower")),
        ("lookup_by_record", format!("{PEOPLE} WHERE c.customer_no = :record")),
        (
            "account_query",
            "SELECT customer_no AS record, count(*) AS openInvoices, round(sum(amount), 2) AS openAmount \
             FROM invoices WHERE customer_no = :account AND NOT paid GROUP BY customer_no"
                .to_owned(),
        ),
    ];
    let maps = [
        (
            "changes",
            "customers",
            format!(
                "{PEOPLE} WHERE (c.updated_at, c.customer_no) > (:after_time, :after_id) \
                 ORDER BY c.updated_at, c.customer_no LIMIT :page"
            ),
        ),
        ("deletions", "customers", REMOVED.to_owned()),
        ("deletions", "people", REMOVED.to_owned()),
        (
            "queries",
            "open_invoices",
            "SELECT id, amount, due_on FROM invoices \
             WHERE customer_no = :customer AND NOT paid ORDER BY due_on"
                .to_owned(),
        ),
    ];
    let people = [("table", "customers"), ("record", "customer_no"), ("modified_at", "updated_at")];
    let written = ["first_name", "last_name", "email", "company", "tier", "is_vip"];
    let mut people: toml::Table =
        people.into_iter().map(|(key, name)| (key.to_owned(), name.into())).collect();
    people.insert("stamps".to_owned(), true.into());
    people.insert("write".to_owned(), written.to_vec().into());
    let tables: toml::Table = [("people".to_owned(), people.into())].into_iter().collect();
    let texts = texts.into_iter().map(|(key, text)| (key.to_owned(), text.into()));
    let mut plain: BTreeMap<String, toml::Value> = texts.collect();
    plain.insert("tables".to_owned(), tables.into());
    for (key, name, sql) in maps {
        let table = plain.entry(key.to_owned()).or_insert_with(|| toml::Table::new().into());
        if let Some(table) = table.as_table_mut() {
            table.insert(name.to_owned(), sql.into());
        }
    }
    Settings { plain, ..Settings::default() }
}

/// The file, as a simulator.
struct Database {
    planted: Planted,
    /// None ever happens: nothing is asked over HTTP.
    faults: Faults,
}

#[async_trait]
impl Simulator for Database {
    fn url(&self) -> String {
        format!("file://{}", self.planted.file().display())
    }

    fn faults(&self) -> &Faults {
        &self.faults
    }

    fn is_asked_over_http(&self) -> bool {
        false
    }

    fn contacts(&self) -> usize {
        self.planted.people().unwrap_or_default()
    }

    fn sample(&self) -> Option<Sample> {
        let needs = [("first_name", "Zoe"), ("last_name", "Quinn")];
        Some(Sample {
            object: "people",
            key: "customer_no",
            fields: ["company", "tier"],
            needs: needs.into_iter().map(|(name, text)| (name.to_owned(), text.into())).collect(),
            // Nothing is asked over HTTP.
            made_by: ("", ""),
            many_by: None,
            can_delete: true,
            tells_version: true,
        })
    }

    async fn stop(self: Box<Self>) {}
}
