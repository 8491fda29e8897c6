//! What one run of `load` is asked to do, read from its words.

use std::time::Duration;

pub(crate) const USAGE: &str =
    "usage: load --to HOST:PORT (--numbers FILE | --bodies FILE) [options]
  --path PATH         default /api/v1/genesys/lookup
  --key KEY           sent as X-API-Key
  --connections N     default 64
  --seconds N         stop asking after N seconds (default 5)
  --count N           or after N questions, whichever comes first
  --rate N            open loop: N questions a second; without it closed loop
  --limit-ms N        an answer later than this counts as late (default: none is)
  --lost-ms N         an answer later than this is given up and counts as lost (default 10000)
  --expect PREFIX     every externalId must begin so, e.g. CRM: or PHONE:
  --run NAME          goes into the call ids, so that two runs never share one (default: the clock)
FILE holds one number a line; they are asked for in turn. Or one JSON body of events a line,
told in turn: @call@ in it is a call of its own, @again@ that of the body before.";

/// One run, checked and complete.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Order {
    /// `host:port`, without a scheme.
    pub(crate) to: String,
    pub(crate) path: String,
    pub(crate) key: Option<String>,
    pub(crate) numbers: Vec<String>,
    /// Instead of lookups of numbers: bodies of events.
    pub(crate) bodies: Vec<String>,
    pub(crate) connections: usize,
    pub(crate) duration: Duration,
    pub(crate) count: u64,
    /// Questions a second; `None` is closed loop.
    pub(crate) rate: Option<f64>,
    pub(crate) late_after: Option<Duration>,
    pub(crate) lost_after: Duration,
    pub(crate) expect: Option<String>,
    pub(crate) run: String,
}

/// More samples than this are not kept, so they are not asked for: 4 bytes each.
pub(crate) const MOST_QUESTIONS: u64 = 20_000_000;

impl Order {
    /// Reads an order from command-line words.
    ///
    /// # Errors
    /// A sentence naming the word that was wrong.
    pub(crate) fn from_words(mut words: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut order = Self {
            to: String::new(),
            path: "/api/v1/genesys/lookup".into(),
            key: None,
            numbers: Vec::new(),
            bodies: Vec::new(),
            connections: 64,
            duration: Duration::from_secs(5),
            count: MOST_QUESTIONS,
            rate: None,
            late_after: None,
            lost_after: Duration::from_secs(10),
            expect: None,
            run: clock(),
        };
        while let Some(word) = words.next() {
            let value = words.next().ok_or_else(|| format!("{word} needs a value"))?;
            order.take(&word, value)?;
        }
        if order.to.is_empty() {
            return Err("--to is missing".into());
        }
        if order.numbers.is_empty() == order.bodies.is_empty() {
            return Err("--numbers or --bodies: one of them, and its file not empty".into());
        }
        Ok(order)
    }

    fn take(&mut self, word: &str, value: String) -> Result<(), String> {
        let wrong = |value: &str| format!("{word}: '{value}' is not a number in range");
        let whole = || value.parse::<u64>().map_err(|_| wrong(&value));
        match word {
            "--to" => self.to = value.trim_start_matches("http://").to_owned(),
            "--path" => self.path = value,
            "--key" => self.key = Some(value),
            "--numbers" => self.numbers = lines(&value)?,
            "--bodies" => self.bodies = lines(&value)?,
            "--connections" => {
                self.connections = usize::try_from(whole()?).map_err(|_| wrong(&value))?;
                if !(1..=10_000).contains(&self.connections) {
                    return Err(wrong(&value));
                }
            }
            "--seconds" => self.duration = Duration::from_secs(whole()?.clamp(1, 3_600)),
            "--count" => self.count = whole()?.min(MOST_QUESTIONS),
            "--rate" => {
                let rate: f64 = value.parse().map_err(|_| wrong(&value))?;
                if !(rate > 0.0 && rate <= 1_000_000.0) {
                    return Err(wrong(&value));
                }
                self.rate = Some(rate);
            }
            "--limit-ms" => self.late_after = Some(Duration::from_millis(whole()?)),
            "--lost-ms" => self.lost_after = Duration::from_millis(whole()?),
            "--expect" => self.expect = Some(value),
            "--run" => self.run = value,
            _ => return Err(format!("{word} is no option")),
        }
        Ok(())
    }
}

fn lines(file: &str) -> Result<Vec<String>, String> {
    let text = std::fs::read_to_string(file).map_err(|reason| format!("{file}: {reason}"))?;
    Ok(text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect())
}

/// A name no earlier run of this machine had.
fn clock() -> String {
    let since = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    format!("{:x}", since.as_nanos())
}

#[cfg(test)]
mod tests {
    use super::Order;

    fn words(line: &str) -> Result<Order, String> {
        Order::from_words(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn an_unknown_word_is_named() {
        assert_eq!(words("--speed 9"), Err("--speed is no option".into()));
    }

    #[test]
    fn a_rate_of_nothing_is_refused() {
        assert_eq!(words("--rate 0"), Err("--rate: '0' is not a number in range".into()));
    }

    #[test]
    fn an_order_for_nothing_is_refused() {
        let reason = words("--to h:1").expect_err("neither numbers nor bodies");
        assert!(reason.contains("--bodies"), "{reason}");
    }

    #[test]
    fn an_order_without_an_address_is_refused() {
        assert_eq!(words("--connections 4"), Err("--to is missing".into()));
    }
}
