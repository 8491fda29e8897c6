//! Every metric, as the reference prints it.

use super::{presence, standing, syncs};

/// A metric as the reference prints it.
#[derive(Debug)]
pub struct About {
    pub name: &'static str,
    pub kind: &'static str,
    pub help: &'static str,
}

/// Every metric, in the order of registration.
#[must_use]
pub fn all() -> Vec<&'static About> {
    ALL.iter().chain(&standing::ALL).chain(&syncs::ALL).chain(&presence::ALL).collect()
}

pub(super) const ALL: [About; 18] = [
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
    About {
        name: "tieline_call_events",
        kind: "counter",
        help: "What was told of calls, by what became of it",
    },
    About {
        name: "tieline_sign_ins",
        kind: "counter",
        help: "Tries to sign an agent in from a vendor's page, by what became of it",
    },
    About { name: "tieline_jobs_ended", kind: "counter", help: "Tries of durable jobs by outcome" },
    About {
        name: "tieline_jobs",
        kind: "gauge",
        help: "Durable jobs in the store that are not done, by state",
    },
    About {
        name: "tieline_reconciliations",
        kind: "counter",
        help: "Runs of reconciliation that have ended, by state",
    },
    About {
        name: "tieline_reconciled_calls",
        kind: "counter",
        help: "Calls that runs of reconciliation looked at, by what was found",
    },
    About {
        name: "tieline_requests_available",
        kind: "gauge",
        help: "Requests that a connection may send at once within its rate budget",
    },
    About {
        name: "tieline_requests_under_way",
        kind: "gauge",
        help: "Requests of a connection under way, for calls and for background work",
    },
    About { name: "tieline_streams", kind: "gauge", help: "Streams of news that are open" },
    About {
        name: "tieline_decisions",
        kind: "counter",
        help: "Calls that routing rules have decided, by how",
    },
    About {
        name: "tieline_decision_seconds",
        kind: "histogram",
        help: "Time from a decision's arrival to its answer",
    },
    About {
        name: "tieline_decisions_late",
        kind: "counter",
        help: "Decisions answered after their deadline",
    },
    About {
        name: "tieline_decisions_shadowed",
        kind: "counter",
        help: "Decisions that drafts were asked for as well: same, other, or a value was not heard",
    },
];
