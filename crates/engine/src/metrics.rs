//! What is counted, named in tables from which the reference page is made ([`all`]).

mod about;
mod presence;
mod standing;
mod syncs;

use crate::Engine;
use crate::answer::Answer;
use crate::rates::{Rates, Shares};
use about::ALL;
pub use about::{About, all};
use domain::Status;
use kit::Lane;
use presence::Presence;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use standing::Standing;
use state::Outcome;
use state::jobs::JobCount;
use std::time::Duration;
use syncs::Syncs;
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

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Kept {
    kind: String,
    connection: String,
    state: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Of {
    connection: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct UnderWay {
    connection: String,
    lane: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Received {
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SignedIn {
    connection: String,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reconciled {
    state: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Examined {
    what: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Decided {
    status: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Shadowed {
    outcome: &'static str,
}

/// Counters and histograms of the use cases, and gauges of what stands. Labels are few and known.
#[derive(Debug)]
pub struct Metrics {
    lookups: Family<Answered, Counter>,
    lookup_seconds: Histogram,
    late: Counter,
    crm_failures: Family<Failed, Counter>,
    enriched: Family<Enriched, Counter>,
    events: Family<Received, Counter>,
    sign_ins: Family<SignedIn, Counter>,
    jobs: Family<Ended, Counter>,
    jobs_kept: Family<Kept, Gauge>,
    reconcile_runs: Family<Reconciled, Counter>,
    reconcile_calls: Family<Examined, Counter>,
    requests_available: Family<Of, Gauge>,
    requests_under_way: Family<UnderWay, Gauge>,
    streams: Gauge,
    decisions: Family<Decided, Counter>,
    decision_seconds: Histogram,
    decisions_late: Counter,
    shadowed: Family<Shadowed, Counter>,
    standing: Standing,
    syncs: Syncs,
    presence: Presence,
    rates: Rates,
}

/// Upper bounds in seconds, dense around the default deadline of 300 ms.
const SECONDS: [f64; 14] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.325, 0.5, 1.0, 2.5];

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
            events: Family::default(),
            sign_ins: Family::default(),
            jobs: Family::default(),
            jobs_kept: Family::default(),
            reconcile_runs: Family::default(),
            reconcile_calls: Family::default(),
            requests_available: Family::default(),
            requests_under_way: Family::default(),
            streams: Gauge::default(),
            decisions: Family::default(),
            decision_seconds: Histogram::new(SECONDS),
            decisions_late: Counter::default(),
            shadowed: Family::default(),
            standing: Standing::default(),
            syncs: Syncs::default(),
            presence: Presence::default(),
            rates: Rates::default(),
        };
        let [
            lookups,
            seconds,
            late,
            failures,
            enrichments,
            events,
            sign_ins,
            jobs,
            kept,
            runs,
            examined,
            available,
            under_way,
            streams,
            decisions,
            decision_seconds,
            decisions_late,
            shadowed,
        ] = &ALL;
        registry.register(lookups.name, lookups.help, metrics.lookups.clone());
        registry.register(seconds.name, seconds.help, metrics.lookup_seconds.clone());
        registry.register(late.name, late.help, metrics.late.clone());
        registry.register(failures.name, failures.help, metrics.crm_failures.clone());
        registry.register(enrichments.name, enrichments.help, metrics.enriched.clone());
        registry.register(events.name, events.help, metrics.events.clone());
        registry.register(sign_ins.name, sign_ins.help, metrics.sign_ins.clone());
        registry.register(jobs.name, jobs.help, metrics.jobs.clone());
        registry.register(kept.name, kept.help, metrics.jobs_kept.clone());
        registry.register(runs.name, runs.help, metrics.reconcile_runs.clone());
        registry.register(examined.name, examined.help, metrics.reconcile_calls.clone());
        registry.register(available.name, available.help, metrics.requests_available.clone());
        registry.register(under_way.name, under_way.help, metrics.requests_under_way.clone());
        registry.register(streams.name, streams.help, metrics.streams.clone());
        registry.register(decisions.name, decisions.help, metrics.decisions.clone());
        let seconds = metrics.decision_seconds.clone();
        registry.register(decision_seconds.name, decision_seconds.help, seconds);
        registry.register(decisions_late.name, decisions_late.help, metrics.decisions_late.clone());
        registry.register(shadowed.name, shadowed.help, metrics.shadowed.clone());
        let standing = Standing::register(registry);
        let syncs = Syncs::register(registry);
        Self { standing, syncs, presence: Presence::register(registry), ..metrics }
    }

    /// Sets the gauges to what stands now.
    ///
    /// # Errors
    /// When the store cannot be asked for its jobs; the other gauges are set all the same.
    pub async fn gauge(&self, engine: &Engine) -> Result<(), state::Error> {
        for connection in engine.connections.all() {
            let turnstile = &connection.capabilities.turnstile;
            let name = || connection.name.clone();
            // Whole requests; a budget is far below what a float holds exactly.
            #[allow(clippy::cast_possible_truncation)]
            let available = turnstile.budget().available().floor() as i64;
            self.requests_available.get_or_create(&Of { connection: name() }).set(available);
            for (lane, word) in [(Lane::Call, "call"), (Lane::Background, "background")] {
                let labels = UnderWay { connection: name(), lane: word };
                let under_way = i64::try_from(turnstile.gate().under_way(lane)).unwrap_or(i64::MAX);
                self.requests_under_way.get_or_create(&labels).set(under_way);
            }
        }
        self.standing.gauge(engine);
        self.presence.gauge(engine);
        self.syncs.gauge(engine).await?;
        let counts = engine.store.job_counts().await?;
        self.jobs_kept.clear(); // a line that is empty now has no row
        for JobCount { kind, connection, state, jobs } in counts {
            let labels = Kept { kind, connection, state: state.as_str() };
            self.jobs_kept.get_or_create(&labels).set(i64::try_from(jobs).unwrap_or(i64::MAX));
        }
        Ok(())
    }

    /// A stream was opened; its end is [`Metrics::stream_closed`].
    pub fn stream_opened(&self) {
        self.streams.inc();
    }

    pub fn stream_closed(&self) {
        self.streams.dec();
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
        let is_late = Instant::now() > deadline;
        if is_late {
            self.late.inc();
        }
        self.rates.answered(connection, is_late, answer.status == Status::Partial);
    }

    pub(crate) fn decided(&self, status: &'static str, took: Duration, deadline: Instant) {
        self.decisions.get_or_create(&Decided { status }).inc();
        self.decision_seconds.observe(took.as_secs_f64());
        if Instant::now() > deadline {
            self.decisions_late.inc();
        }
    }

    /// `same`, `other` or `unheard`.
    pub(crate) fn shadowed(&self, outcome: &'static str) {
        self.shadowed.get_or_create(&Shadowed { outcome }).inc();
    }

    /// Of the last calls of a connection.
    pub(crate) fn shares(&self, connection: &str) -> Shares {
        self.rates.shares(connection)
    }

    pub(crate) fn crm_failed(&self, connection: &str, reason: &'static str) {
        let labels = Failed { connection: connection.to_owned(), reason };
        self.crm_failures.get_or_create(&labels).inc();
    }

    pub(crate) fn enriched(&self, connection: &str, status: Status) {
        let labels = Enriched { connection: connection.to_owned(), status: status.as_str() };
        self.enriched.get_or_create(&labels).inc();
    }

    /// `stored`, `repeated`, `ignored` or `not_understood`, and how many.
    pub fn received(&self, outcomes: [(&'static str, u64); 4]) {
        for (outcome, events) in outcomes {
            self.events.get_or_create(&Received { outcome }).inc_by(events);
        }
    }

    /// `signed_in`, `refused`, `throttled` or `unavailable`, of a connection that offers it.
    pub fn sign_in(&self, connection: &str, outcome: &'static str) {
        let labels = SignedIn { connection: connection.to_owned(), outcome };
        self.sign_ins.get_or_create(&labels).inc();
    }

    /// A run has ended, and so many calls came to what.
    pub(crate) fn reconciled(&self, state: &'static str, counts: &state::reconcile::Counts) {
        self.reconcile_runs.get_or_create(&Reconciled { state }).inc();
        for (what, calls) in counts {
            self.reconcile_calls.get_or_create(&Examined { what: what.clone() }).inc_by(*calls);
        }
    }

    /// Events of a team were decided in one go, each so long after it came.
    pub(crate) fn presence_decided(&self, team: &str, took: impl Iterator<Item = Duration>) {
        self.presence.decided(team, took);
    }

    /// A run of a sync has ended.
    pub(crate) fn synced(&self, sync: &str, run: &state::sync::Run) {
        self.syncs.ended(sync, run);
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
