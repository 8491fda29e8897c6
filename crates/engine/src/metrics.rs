//! What is counted, named in one table from which the reference page is
//! made ([`ALL`]).

use crate::answer::Answer;
use domain::Status;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use state::Outcome;
use std::time::Duration;
use tokio::time::Instant;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answered {
    connection: String,
    status: &'static str,
    source: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Failed {
    connection: String,
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Enriched {
    connection: String,
    status: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Ended {
    kind: String,
    outcome: &'static str,
}

/// Counters and histograms of the use cases. Labels are few and known.
#[derive(Debug)]
pub struct Metrics {
    lookups: Family<Answered, Counter>,
    lookup_seconds: Histogram,
    late: Counter,
    crm_failures: Family<Failed, Counter>,
    enriched: Family<Enriched, Counter>,
    jobs: Family<Ended, Counter>,
}

/// Upper bounds in seconds, dense around the default deadline of 300 ms.
const SECONDS: [f64; 14] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.325, 0.5, 1.0, 2.5];

/// A metric as the reference prints it.
#[derive(Debug)]
pub struct About {
    pub name: &'static str,
    pub kind: &'static str,
    pub help: &'static str,
}

/// Every metric, in the order of registration.
pub const ALL: [About; 6] = [
    About { name: "tieline_lookups", kind: "counter", help: "Lookups answered" },
    About {
        name: "tieline_lookup_seconds",
        kind: "histogram",
        help: "Time from a lookup's arrival to its answer",
    },
    About {
        name: "tieline_lookups_late",
        kind: "counter",
        help: "Lookups answered after their deadline",
    },
    About {
        name: "tieline_crm_failures",
        kind: "counter",
        help: "Live lookups in which the CRM did not answer in time or at all",
    },
    About {
        name: "tieline_enrichments",
        kind: "counter",
        help: "Calls identified after their answer",
    },
    About { name: "tieline_jobs_ended", kind: "counter", help: "Tries of durable jobs by outcome" },
];

impl Metrics {
    /// Creates the metrics and makes them known to `registry`.
    #[must_use]
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            lookups: Family::default(),
            lookup_seconds: Histogram::new(SECONDS),
            late: Counter::default(),
            crm_failures: Family::default(),
            enriched: Family::default(),
            jobs: Family::default(),
        };
        let [lookups, seconds, late, failures, enrichments, jobs] = &ALL;
        registry.register(lookups.name, lookups.help, metrics.lookups.clone());
        registry.register(seconds.name, seconds.help, metrics.lookup_seconds.clone());
        registry.register(late.name, late.help, metrics.late.clone());
        registry.register(failures.name, failures.help, metrics.crm_failures.clone());
        registry.register(enrichments.name, enrichments.help, metrics.enriched.clone());
        registry.register(jobs.name, jobs.help, metrics.jobs.clone());
        metrics
    }

    pub(crate) fn answered(
        &self,
        connection: &str,
        answer: &Answer,
        took: Duration,
        deadline: Instant,
    ) {
        let labels = Answered {
            connection: connection.to_owned(),
            status: answer.status.as_str(),
            source: answer.source.as_str(),
        };
        self.lookups.get_or_create(&labels).inc();
        self.lookup_seconds.observe(took.as_secs_f64());
        if Instant::now() > deadline {
            self.late.inc();
        }
    }

    pub(crate) fn crm_failed(&self, connection: &str, reason: &'static str) {
        let labels = Failed { connection: connection.to_owned(), reason };
        self.crm_failures.get_or_create(&labels).inc();
    }

    pub(crate) fn enriched(&self, connection: &str, status: Status) {
        let labels = Enriched { connection: connection.to_owned(), status: status.as_str() };
        self.enriched.get_or_create(&labels).inc();
    }

    pub(crate) fn job_ended(&self, kind: &str, outcome: &Outcome) {
        let outcome = match outcome {
            Outcome::Done => "done",
            Outcome::Skipped { .. } => "skipped",
            Outcome::Retry { .. } => "retry",
            Outcome::Dead { .. } => "dead",
        };
        self.jobs.get_or_create(&Ended { kind: kind.to_owned(), outcome }).inc();
    }
}
