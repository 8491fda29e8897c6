//! The closing table: each target of the lookup's speed beside what was measured.

use super::figures::Series;
use std::fmt::Write;

/// One line: what, its target, its figure, and whether it is met.
struct Row {
    what: String,
    target: String,
    figure: String,
    verdict: &'static str,
}

#[derive(Default)]
pub(super) struct Table {
    rows: Vec<Row>,
    short: bool,
}

impl Table {
    /// A figure without a target.
    pub(super) fn tell(&mut self, what: &str, figure: String) {
        self.row(what, "", figure, "");
    }

    /// A figure with its target.
    pub(super) fn judge(&mut self, what: &str, target: &str, figure: String, met: bool) {
        self.short |= !met;
        self.row(what, target, figure, if met { "met" } else { "SHORT" });
    }

    /// A target that could not be measured, or whose yardstick is bent.
    pub(super) fn void(&mut self, what: &str, target: &str, why: &str) {
        self.short = true;
        self.row(what, target, why.to_owned(), "VOID");
    }

    pub(super) fn fell_short(&self) -> bool {
        self.short
    }

    fn row(&mut self, what: &str, target: &str, figure: String, verdict: &'static str) {
        self.rows.push(Row { what: what.into(), target: target.into(), figure, verdict });
    }

    pub(super) fn text(&self) -> String {
        let width = |of: fn(&Row) -> &str| {
            self.rows.iter().map(|row| of(row).chars().count()).max().unwrap_or(0)
        };
        let (what, target, figure) =
            (width(|row| &row.what), width(|row| &row.target), width(|row| &row.figure));
        let mut text = String::new();
        for row in &self.rows {
            let line = format!(
                "{:what$}  {:target$}  {:figure$}  {}",
                row.what, row.target, row.figure, row.verdict
            );
            let _ = writeln!(text, "{}", line.trim_end());
        }
        text
    }
}

/// `median (least–most)`, with a unit.
pub(super) fn spread(series: &Series, unit: &str) -> String {
    let digits = if series.median() < 100.0 { 2 } else { 0 };
    format!(
        "{:.digits$} {unit} ({:.digits$}–{:.digits$})",
        series.median(),
        series.least(),
        series.most()
    )
}

#[cfg(test)]
mod tests {
    use super::{Table, spread};
    use crate::bench::figures::Series;

    #[test]
    fn a_missed_target_is_said() {
        let mut table = Table::default();
        table.judge("speed", "≥ 5", "4".into(), false);
        assert_eq!(table.text(), "speed  ≥ 5  4  SHORT\n");
        assert!(table.fell_short());
    }

    #[test]
    fn a_figure_has_its_spread() {
        let mut series = Series::default();
        [1.0, 2.0, 4.5].into_iter().for_each(|figure| series.push(figure));
        assert_eq!(spread(&series, "ms"), "2.00 ms (1.00–4.50)");
    }
}
