//! Tables as text: RFC 4180, safe to open in a spreadsheet.

use super::ApiError;
use axum::http::header;
use axum::response::{IntoResponse, Response};

/// How a report is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Json,
    Csv,
}

impl Format {
    pub(super) fn parse(text: Option<&str>) -> Result<Self, ApiError> {
        match text {
            None | Some("" | "json") => Ok(Self::Json),
            Some("csv") => Ok(Self::Csv),
            Some(_) => Err(ApiError::field("format", "format is json or csv.", "Correct it.")),
        }
    }
}

/// A table that is being written, line by line.
pub(super) struct Table(String);

impl Table {
    pub(super) fn with_header<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        let mut table = Self(String::new());
        table.line(names.into_iter().map(str::to_owned));
        table
    }

    pub(super) fn line(&mut self, cells: impl IntoIterator<Item = String>) {
        for (at, text) in cells.into_iter().enumerate() {
            if at > 0 {
                self.0.push(',');
            }
            self.0.push_str(&cell(&text));
        }
        self.0.push_str("\r\n");
    }
}

impl IntoResponse for Table {
    fn into_response(self) -> Response {
        ([(header::CONTENT_TYPE, "text/csv; charset=utf-8")], self.0).into_response()
    }
}

/// A cell; what a spreadsheet would take for a formula is made text.
pub fn cell(text: &str) -> String {
    let text = match text.chars().next() {
        Some('=' | '+' | '-' | '@' | '\t' | '\r') if text.parse::<f64>().is_err() => {
            format!("'{text}")
        }
        _ => text.to_owned(),
    };
    if text.contains([',', '"', '\n', '\r']) {
        return format!("\"{}\"", text.replace('"', "\"\""));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::cell;

    #[test]
    fn a_cell_is_no_formula_and_no_two_cells() {
        assert_eq!(cell("Gold"), "Gold");
        assert_eq!(cell("Gold, \"new\""), "\"Gold, \"\"new\"\"\"");
        assert_eq!(cell("=1+1"), "'=1+1");
        assert_eq!(cell("-1+1|cmd"), "'-1+1|cmd");
        assert_eq!(cell("@SUM(A1)"), "'@SUM(A1)");
        assert_eq!(cell("-1.5"), "-1.5", "a number is none");
    }
}
