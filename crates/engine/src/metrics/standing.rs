//! How connections stand, as gauges: set when they are scraped.

use super::{About, Of};
use crate::Engine;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Share {
    connection: String,
    quantile: &'static str,
}

/// One of each per connection.
#[derive(Debug, Default)]
pub(super) struct Standing {
    degraded: Family<Of, Gauge>,
    left: Family<Of, Gauge>,
    opened: Family<Of, Gauge>,
    slow: Family<Of, Gauge>,
    request_ms: Family<Share, Gauge>,
}

/// In the order of registration.
pub(super) const ALL: [About; 5] = [
    About {
        name: "tieline_connection_degraded",
        kind: "gauge",
        help: "1 while calls of a connection had better go elsewhere",
    },
    About {
        name: "tieline_allowance_left",
        kind: "gauge",
        help: "Requests left as the vendor tells, where it does",
    },
    About {
        name: "tieline_breaker_opened",
        kind: "gauge",
        help: "How often a connection was found sick and left alone, since the start",
    },
    About {
        name: "tieline_requests_slow",
        kind: "gauge",
        help: "Requests that took longer than limits.slow_after, since the start",
    },
    About {
        name: "tieline_request_ms",
        kind: "gauge",
        help: "Milliseconds that requests of the last five minutes took, by quantile",
    },
];

impl Standing {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let standing = Self::default();
        let [degraded, left, opened, slow, request_ms] = &ALL;
        registry.register(degraded.name, degraded.help, standing.degraded.clone());
        registry.register(left.name, left.help, standing.left.clone());
        registry.register(opened.name, opened.help, standing.opened.clone());
        registry.register(slow.name, slow.help, standing.slow.clone());
        registry.register(request_ms.name, request_ms.help, standing.request_ms.clone());
        standing
    }

    pub(super) fn gauge(&self, engine: &Engine) {
        let whole = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        for connection in engine.connections.all() {
            let of = Of { connection: connection.name.clone() };
            let health = connection.health();
            let pace = health.pace();
            self.degraded.get_or_create(&of).set(i64::from(connection.is_degraded()));
            if let Some(left) = connection.capabilities.turnstile.budget().standing().left {
                self.left.get_or_create(&of).set(whole(left));
            }
            self.opened.get_or_create(&of).set(whole(health.breaker.opened()));
            self.slow.get_or_create(&of).set(whole(pace.slow));
            for (quantile, time) in [("0.5", pace.p50), ("0.95", pace.p95), ("0.99", pace.p99)] {
                let share = Share { connection: connection.name.clone(), quantile };
                let ms = i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
                self.request_ms.get_or_create(&share).set(ms);
            }
        }
    }
}
