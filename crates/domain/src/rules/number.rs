//! Numbers that compare exactly, whole ones of any size that matters and fractions.
//!
//! A 64-bit float alone would take one long account number for another.

use crate::Value;
use std::cmp::Ordering;

/// A number. Two that are written alike are equal; the order is that of the numbers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Number {
    /// The largest whole number that is not above it.
    whole: i128,
    /// What is left, at least 0 and less than 1.
    fraction: f64,
}

/// Digits of a number that is still read as one.
const DIGITS_MAX: usize = 30;
/// Floats up to here are exact in 128 bits.
const FLOAT_MAX: f64 = 1e30;
/// Floats from here on (2⁵³) have no fraction.
const SMALL_MAX: f64 = 9_007_199_254_740_992.0;

impl Number {
    /// Reads `42`, `-3.5`, `+7`: a sign, digits, a point and digits. What begins with a
    /// needless zero is no number but a code (`007`, a ZIP), and so is `1e3`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
        if digits.len() > DIGITS_MAX + 1 {
            return None;
        }
        let (whole, fraction) = match digits.split_once('.') {
            Some((whole, fraction)) => (whole, Some(fraction)),
            None => (digits, None),
        };
        let all_digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        if !all_digits(whole) || fraction.is_some_and(|part| !all_digits(part)) {
            return None;
        }
        if whole.len() > 1 && whole.starts_with('0') {
            return None;
        }
        match fraction {
            None => text.parse().ok().map(|whole| Self { whole, fraction: 0.0 }),
            Some(_) => text.parse().ok().and_then(Self::of_float),
        }
    }

    fn of_float(number: f64) -> Option<Self> {
        if !number.is_finite() || number.abs() > FLOAT_MAX {
            return None;
        }
        #[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss)]
        if number.abs() < SMALL_MAX {
            // What the machine does in one step: towards zero, and below it one further.
            let towards_zero = number as i64;
            let whole = towards_zero - i64::from(towards_zero as f64 > number);
            return Some(Self { whole: i128::from(whole), fraction: number - whole as f64 });
        }
        #[allow(clippy::cast_possible_truncation)]
        Some(Self { whole: number as i128, fraction: 0.0 })
    }

    /// It as 64 bits in the order of the numbers: of two the lesser one has no greater head.
    /// Only numbers that a float cannot tell apart have the same.
    #[allow(clippy::cast_precision_loss)]
    pub(super) fn head(&self) -> u64 {
        // What has a fraction is small enough for the sum to be exact but for its rounding.
        let float = match i64::try_from(self.whole) {
            Ok(whole) => whole as f64 + self.fraction,
            Err(_) => self.float_of_large(),
        };
        // Floats are in order by their bits, the negative ones backwards. No zero is negative.
        let bits = (float + 0.0).to_bits();
        bits ^ if float < 0.0 { u64::MAX } else { 1 << 63 }
    }

    /// Apart, or the slow conversion would be made for all.
    #[cold]
    #[inline(never)]
    #[allow(clippy::cast_precision_loss)]
    fn float_of_large(&self) -> f64 {
        self.whole as f64
    }

    /// Is there but one number with this head? So it is where a float is exact: above zero
    /// (below it fractions are rounded), and up to where they lose whole numbers.
    pub(super) fn is_alone(head: u64) -> bool {
        let bits = head ^ 1 << 63;
        (1..SMALL_MAX.to_bits()).contains(&bits)
    }

    /// A value as a number, where it is one.
    pub(super) fn of(value: &Value) -> Option<Self> {
        match value {
            Value::Integer(number) => Some(Self { whole: i128::from(*number), fraction: 0.0 }),
            Value::Number(number) => Self::of_float(*number),
            Value::Text(text) => Self::parse(text.trim()),
            Value::Bool(_) | Value::List(_) => None,
        }
    }
}

impl Eq for Number {}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Number {
    fn cmp(&self, other: &Self) -> Ordering {
        self.whole.cmp(&other.whole).then(self.fraction.total_cmp(&other.fraction))
    }
}

#[cfg(test)]
mod tests {
    use super::Number;
    use crate::Value;

    fn number(text: &str) -> Number {
        Number::parse(text).expect(text)
    }

    #[test]
    fn what_is_written_like_a_number_is_one() {
        for text in ["0", "7", "-7", "+7", "0.5", "-0.25", "123456789012345678901234567890"] {
            assert!(Number::parse(text).is_some(), "{text}");
        }
        for text in
            ["", "-", ".5", "5.", "1e3", "007", "1,5", "1 000", "0x1f", "NaN", "inf", "１２", "--1"]
        {
            assert!(Number::parse(text).is_none(), "{text}");
        }
        assert!(Number::parse(&"9".repeat(40)).is_none());
    }

    #[test]
    fn numbers_keep_their_order() {
        let rising = ["-2", "-1.5", "-1", "0", "0.1", "0.2", "1", "9007199254740993.5"];
        for pair in rising.windows(2) {
            let (less, more) = (number(pair[0]), number(pair[1]));
            assert!(less < more && less.head() <= more.head(), "{pair:?}");
        }
        let huge = "9".repeat(30);
        assert!(number(&format!("-{huge}")).head() < number("-3").head());
        assert!(number("9007199254740993.5").head() < number(&huge).head());
        assert_eq!(number("-0.0").head(), number("0").head());
        assert!(number("9007199254740992") < number("9007199254740993"));
        assert_eq!(number("3.0"), number("3"));
        assert_eq!(number("-0"), number("0"));
        assert_eq!(number("-0.0"), number("0"));
    }

    #[test]
    fn a_head_of_one_number_alone_is_told_from_those_of_several() {
        let is_alone = |number: Number| Number::is_alone(number.head());
        for text in ["0.1", "1", "42.5", "9007199254740991"] {
            assert!(is_alone(number(text)), "{text}");
        }
        for text in ["0", "-1", "-0.3", "9007199254740992", "9007199254740993", "-9007199254740993"]
        {
            assert!(!is_alone(number(text)), "{text}");
        }
        // Next to zero a fraction below it is rounded up to it.
        let tiny = Number::of(&Value::Number(-1e-20)).expect("a number");
        assert!(tiny < number("0") && tiny.head() == number("0").head());
    }

    #[test]
    fn a_value_is_the_number_that_it_is_written_as() {
        let check = |value: Value, text: &str| {
            assert_eq!(Number::of(&value), Number::parse(text), "{value:?}");
        };
        check(Value::Integer(42), "42");
        check(Value::Number(42.0), "42");
        check(Value::Number(1_234_567.1), "1234567.1");
        check(Value::from(" 42 "), "42");
        check(Value::Number(f64::NAN), "none");
        check(Value::Number(f64::INFINITY), "none");
        check(Value::Bool(true), "none");
    }
}
