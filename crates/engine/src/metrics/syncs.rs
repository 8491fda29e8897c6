//! What syncs did, how many of their reviews are open, and how far both sides are apart.

use super::About;
use crate::Engine;
use crate::sync::health::drifted;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use state::sync::{Run, SIDES};
use std::sync::atomic::AtomicU64;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Ended {
    sync: String,
    kind: &'static str,
    state: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Written {
    sync: String,
    side: &'static str,
    kind: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfSync {
    sync: String,
}

/// Of each sync.
#[derive(Debug, Default)]
pub(super) struct Syncs {
    runs: Family<Ended, Counter>,
    writes: Family<Written, Counter>,
    echoes: Family<OfSync, Counter>,
    reviews: Family<OfSync, Gauge>,
    drift: Family<OfSync, Gauge<f64, AtomicU64>>,
}

/// In the order of registration.
pub(super) const ALL: [About; 5] = [
    About {
        name: "tieline_sync_runs",
        kind: "counter",
        help: "Runs, plans and undos of contact sync that have ended, by state",
    },
    About {
        name: "tieline_sync_writes",
        kind: "counter",
        help: "Records that runs of contact sync have written, by side and kind",
    },
    About {
        name: "tieline_sync_echoes_suppressed",
        kind: "counter",
        help: "Own writes of a sync that came back as news, and were known as such",
    },
    About {
        name: "tieline_sync_reviews_open",
        kind: "gauge",
        help: "Conflicts and the like of a sync that wait for a person",
    },
    About {
        name: "tieline_sync_drift_percent",
        kind: "gauge",
        help: "Of a hundred sampled pairs of a sync, how many differed when it was measured last",
    },
];

/// What a run counts of records that it wrote.
const KINDS: [&str; 4] = ["created", "updated", "deleted", "marked"];

impl Syncs {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let syncs = Self::default();
        let [runs, writes, echoes, reviews, drift] = &ALL;
        registry.register(runs.name, runs.help, syncs.runs.clone());
        registry.register(writes.name, writes.help, syncs.writes.clone());
        registry.register(echoes.name, echoes.help, syncs.echoes.clone());
        registry.register(reviews.name, reviews.help, syncs.reviews.clone());
        registry.register(drift.name, drift.help, syncs.drift.clone());
        syncs
    }

    /// A run has ended, and so many records were written; of a plan none.
    pub(super) fn ended(&self, sync: &str, run: &Run) {
        let name = || sync.to_owned();
        let labels = Ended { sync: name(), kind: run.kind.as_str(), state: run.state.as_str() };
        self.runs.get_or_create(&labels).inc();
        if run.is_dry {
            return;
        }
        let echoes = run.counts.get("echoes").copied().unwrap_or_default();
        self.echoes.get_or_create(&OfSync { sync: name() }).inc_by(echoes);
        for side in SIDES {
            for kind in KINDS {
                if let Some(records) = run.counts.get(&format!("{kind}_{side}")) {
                    let labels = Written { sync: name(), side, kind };
                    self.writes.get_or_create(&labels).inc_by(*records);
                }
            }
        }
    }

    pub(super) async fn gauge(&self, engine: &Engine) -> Result<(), state::Error> {
        self.reviews.clear(); // a sync that is gone has none
        self.drift.clear();
        for sync in engine.syncs.all() {
            let known = engine.sync_state(sync).await?;
            let open = engine.store.open_reviews(known.id).await?;
            let labels = OfSync { sync: sync.name.clone() };
            self.reviews.get_or_create(&labels).set(i64::try_from(open).unwrap_or(i64::MAX));
            if let Some(drift) = engine.store.drifts(known.id, 1).await?.pop() {
                self.drift.get_or_create(&labels).set(drifted(&drift));
            }
        }
        Ok(())
    }
}
