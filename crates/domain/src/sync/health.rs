//! When a run stops to ask, and how well a sync does, in one number.

/// Must a run that would delete `deletes` records of `pairs` stop and ask? It must when
/// that is more than `most`, or more than `percent` of all pairs.
#[must_use]
#[allow(clippy::cast_precision_loss)] // counts of records lie far below 2⁵³
pub fn brake(deletes: u64, pairs: u64, most: u64, percent: f64) -> bool {
    deletes > most || deletes as f64 * 100.0 > percent * pairs as f64
}

/// The score of the guides: 100, less 5 for each error that a run has on average and 1 for
/// each second that it takes; between 0 and 100.
#[must_use]
pub fn score(mean_errors: f64, mean_seconds: f64) -> f64 {
    (100.0 - 5.0 * mean_errors - mean_seconds).clamp(0.0, 100.0)
}

#[cfg(test)]
mod tests {
    use super::{brake, score};

    #[test]
    fn a_run_that_deletes_too_many_or_too_great_a_part_stops() {
        for (deletes, pairs, most, percent, stops) in [
            (0, 0, 0, 0.0, false),
            (1, 1_000, 0, 100.0, true),
            (10, 1_000, 10, 1.0, false),
            (11, 1_000, 10, 50.0, true),
            (11, 1_000, 100, 1.0, true),
            (11, 1_100, 100, 1.0, false),
            (3, 3, 100, 100.0, false),
            (1, 0, 100, 100.0, true),
        ] {
            assert_eq!(brake(deletes, pairs, most, percent), stops, "{deletes} of {pairs}");
        }
    }

    #[test]
    fn the_score_falls_with_errors_and_time_and_never_below_nothing() {
        for (errors, seconds, expected) in [
            (0.0, 0.0, 100.0),
            (2.0, 10.0, 80.0),
            (0.4, 3.5, 94.5),
            (30.0, 0.0, 0.0),
            (0.0, 500.0, 0.0),
        ] {
            assert!((score(errors, seconds) - expected).abs() < 1e-9, "{errors} {seconds}");
        }
    }
}
