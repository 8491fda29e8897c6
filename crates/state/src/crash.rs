//! Where a test may kill the process, to see that nothing acknowledged is lost
//! (invariant 10).
//!
//! Compiled to nothing unless the feature `crash-points` is on. With it,
//! `TIELINE_CRASH_AT=<name>:<nth>` kills the process (SIGKILL) when it passes
//! the named point for the nth time, and `TIELINE_PLANT=<bug>` plants a bug
//! that the crash test must catch: `answer-before-commit`, `cursor-before-calls`,
//! `cursor-before-copies`.

/// Every point by name, in the order a write passes them.
pub const POINTS: &[&str] = &[
    "write.begin",
    "news.told",
    "call.insert",
    "call.inserted",
    "call.counted",
    "call.identified",
    "event.insert",
    "event.inserted",
    "outcome.kept",
    "journal.mark",
    "journal.marked",
    "context.identified",
    "context.remembered",
    "context.audited",
    "directory.remember",
    "directory.remembered",
    "enrichment.insert",
    "enrichment.inserted",
    "enrichment.started",
    "enrichment.kept",
    "decision.insert",
    "decision.inserted",
    "job.insert",
    "job.inserted",
    "job.lease",
    "job.leased",
    "job.settle",
    "job.settled",
    "write.commit",
    "write.committed",
    "write.answered",
    "erase.marked",
    "sweep.jobs",
    "sweep.enrichments",
    "sweep.decisions",
    "sweep.audit",
    "sweep.calls",
    "sweep.accounts",
    "sweep.syncs",
    "sweep.reviews",
    "sweep.found",
    "sweep.ended",
    "reconcile.begun",
    "reconcile.leased",
    "reconcile.call",
    "reconcile.identified",
    "reconcile.noted",
    "reconcile.moved",
    "reconcile.told",
    "reconcile.ended",
    "sync.begun",
    "sync.leased",
    "sync.copied",
    "sync.taken",
    "sync.cursor",
    "sync.unseen",
    "sync.passed",
    "sync.intended",
    "sync.absorbed",
    "sync.asked",
    "sync.settled",
    "sync.counted",
    "sync.split",
    "sync.decided",
    "sync.redriven",
    "sync.moved",
    "sync.ended",
    "token.received",
    "token.kept",
    "settings.bumped",
    "settings.kept",
    "rules.bumped",
    "rules.set",
    "rules.taken",
    "rules.drafted",
    "rules.published",
    "reseal.cell",
    "backup.copied",
    "backup.renamed",
    "restore.copied",
    "restore.renamed",
];

/// The process may be killed here.
#[cfg(not(feature = "crash-points"))]
#[inline(always)]
pub fn point(_name: &'static str) {}

/// Whether the named bug is planted: never, in what is shipped.
#[cfg(not(feature = "crash-points"))]
#[inline(always)]
#[must_use]
pub fn planted(_bug: &'static str) -> bool {
    false
}

#[cfg(feature = "crash-points")]
pub use armed::{planted, point};

#[cfg(feature = "crash-points")]
mod armed {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    struct Fuse {
        name: String,
        nth: u64,
    }

    static FUSE: OnceLock<Option<Fuse>> = OnceLock::new();
    static PASSED: AtomicU64 = AtomicU64::new(0);

    fn fuse() -> Option<&'static Fuse> {
        FUSE.get_or_init(|| {
            let text = std::env::var("TIELINE_CRASH_AT").ok()?;
            let (name, nth) = text.rsplit_once(':').unwrap_or((&text, "1"));
            Some(Fuse { name: name.to_owned(), nth: nth.parse().unwrap_or(1) })
        })
        .as_ref()
    }

    /// The process may be killed here.
    pub fn point(name: &'static str) {
        debug_assert!(super::POINTS.contains(&name), "unlisted crash point {name}");
        let Some(fuse) = fuse() else { return };
        if fuse.name != name || PASSED.fetch_add(1, Ordering::SeqCst) + 1 != fuse.nth {
            return;
        }
        let pid = std::process::id().to_string();
        let killed = std::process::Command::new("kill").args(["-9", &pid]).status();
        assert!(killed.is_ok(), "`kill` is needed to crash");
        loop {
            std::thread::park();
        }
    }

    /// Whether the named bug is planted.
    #[must_use]
    pub fn planted(bug: &'static str) -> bool {
        static PLANT: OnceLock<Option<String>> = OnceLock::new();
        PLANT.get_or_init(|| std::env::var("TIELINE_PLANT").ok()).as_deref() == Some(bug)
    }
}
