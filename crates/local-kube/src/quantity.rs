//! Amounts of resources as Kubernetes writes them: `500m`, `2Gi`, `1e3`.

use std::cmp::Ordering;

use serde_json::Value;

/// An exact amount, in thousand-millionths, which is as fine as Kubernetes counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Quantity(i128);

const SCALE: i128 = 1_000_000_000;

/// Suffixes with what they multiply thousand-millionths by.
const SUFFIXES: [(&str, i128); 16] = [
    ("Ki", SCALE << 10),
    ("Mi", SCALE << 20),
    ("Gi", SCALE << 30),
    ("Ti", SCALE << 40),
    ("Pi", SCALE << 50),
    ("Ei", SCALE << 60),
    ("n", 1),
    ("u", 1_000),
    ("m", 1_000_000),
    ("k", SCALE * 1_000),
    ("M", SCALE * 1_000_000),
    ("G", SCALE * 1_000_000_000),
    ("T", SCALE * 1_000_000_000_000),
    ("P", SCALE * 1_000_000_000_000_000),
    ("E", SCALE * 1_000_000_000_000_000_000),
    ("", SCALE),
];

impl Quantity {
    pub const ZERO: Self = Self(0);

    pub fn whole(number: i64) -> Self {
        Self(i128::from(number) * SCALE)
    }

    /// `None` for what is no quantity, or one beyond all measure.
    pub fn parse(text: &str) -> Option<Self> {
        let (negative, digits) = match text.as_bytes().first()? {
            b'-' => (true, &text[1..]),
            b'+' => (false, &text[1..]),
            _ => (false, text),
        };
        let end = digits.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(digits.len());
        let (number, suffix) = digits.split_at(end);
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') || number.len() > 30
        {
            return None;
        }
        let unit = match SUFFIXES.iter().find(|(name, _)| *name == suffix) {
            Some((_, unit)) => *unit,
            None => exponent(suffix)?,
        };
        let whole: i128 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
        let mut amount = whole.checked_mul(unit)?;
        let mut part = unit;
        for digit in fraction.bytes() {
            // What is smaller than we count is rounded up, as Kubernetes does.
            let (share, rest) = (part / 10, part % 10);
            let more = i128::from(digit - b'0');
            amount += share * more + (rest * more + 9) / 10;
            part = share;
        }
        Some(Self(if negative { -amount } else { amount }))
    }

    /// The same amount as an API server writes it: in the family of its suffix, with the greatest
    /// one by which it is whole. `None` for what is no quantity.
    pub fn canonical(text: &str) -> Option<String> {
        let Self(amount) = Self::parse(text)?;
        let suffix = text.trim_start_matches(|c: char| c.is_ascii_digit() || "+-.".contains(c));
        if amount == 0 {
            return Some("0".to_owned());
        }
        let family = match suffix {
            _ if SUFFIXES.iter().all(|(name, _)| *name != suffix) => return Some(text.to_owned()),
            binary if binary.ends_with('i') && amount % SCALE == 0 => &SUFFIXES[..6],
            _ => &SUFFIXES[6..],
        };
        let whole = family.iter().filter(|(_, unit)| amount % unit == 0).max_by_key(|it| it.1);
        Some(match whole {
            Some((suffix, unit)) => format!("{}{suffix}", amount / unit),
            None => (amount / SCALE).to_string(),
        })
    }

    /// Of a field's value: a string, or a plain number.
    pub fn of(value: &Value) -> Option<Self> {
        match value {
            Value::String(text) => Self::parse(text),
            Value::Number(number) => Self::parse(&number.to_string()),
            _ => None,
        }
    }

    pub fn is_negative(self) -> bool {
        self.0.cmp(&0) == Ordering::Less
    }

    /// Thousandths, rounded up.
    pub fn millis(self) -> i64 {
        i64::try_from(self.0.div_euclid(1_000_000) + i128::from(self.0.rem_euclid(1_000_000) > 0))
            .unwrap_or(i64::MAX)
    }

    /// Whole units, rounded up.
    pub fn units(self) -> i64 {
        i64::try_from(self.0.div_euclid(SCALE) + i128::from(self.0.rem_euclid(SCALE) > 0))
            .unwrap_or(i64::MAX)
    }
}

impl std::ops::Add for Quantity {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl std::ops::Sub for Quantity {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

/// In the shortest exact form: with the greatest binary suffix from 1Ki on, else decimal.
impl std::fmt::Display for Quantity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let amount = self.0;
        if amount % SCALE == 0 {
            let binary =
                SUFFIXES[..6].iter().rev().find(|(_, unit)| amount != 0 && amount % unit == 0);
            return match binary {
                Some((suffix, unit)) => write!(f, "{}{suffix}", amount / unit),
                None => write!(f, "{}", amount / SCALE),
            };
        }
        let small = SUFFIXES[6..9].iter().rev().find(|(_, unit)| amount % unit == 0);
        let (suffix, unit) = small.expect("every amount is a number of thousand-millionths");
        write!(f, "{}{suffix}", amount / unit)
    }
}

/// `e3` or `E-2`.
fn exponent(suffix: &str) -> Option<i128> {
    let power: i32 = suffix.strip_prefix(['e', 'E'])?.parse().ok()?;
    match power {
        0..=18 => Some(SCALE * 10_i128.pow(power.unsigned_abs())),
        -9..0 => Some(SCALE / 10_i128.pow(power.unsigned_abs())),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::Quantity;

    fn shown(text: &str) -> String {
        Quantity::parse(text).map_or_else(|| "none".into(), |quantity| quantity.to_string())
    }

    #[test]
    fn quantities_are_exact_and_written_short() {
        for (given, expected) in [
            ("1", "1"),
            ("0", "0"),
            ("500m", "500m"),
            ("0.5", "500m"),
            ("1500m", "1500m"),
            ("2000m", "2"),
            ("1Gi", "1Gi"),
            ("1024Mi", "1Gi"),
            ("0.5Gi", "512Mi"),
            ("1e3", "1000"),
            ("10M", "10000000"),
            ("100u", "100u"),
            ("-1", "-1"),
            ("", "none"),
            ("x", "none"),
            ("1x", "none"),
            ("1.2.3", "none"),
            (".", "none"),
            ("99999999999999999999999999999999999999E", "none"),
        ] {
            assert_eq!(shown(given), expected, "{given}");
        }
    }

    #[test]
    fn parts_are_rounded_up() {
        let quantity = Quantity::parse("100.4m").unwrap();
        assert_eq!((quantity.millis(), quantity.units()), (101, 1));
        let sum =
            Quantity::parse("1.5").unwrap() + Quantity::whole(2) - Quantity::parse("500m").unwrap();
        assert_eq!(sum, Quantity::whole(3));
    }
}
