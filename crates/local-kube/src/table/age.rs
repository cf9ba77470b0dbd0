//! Durations as kubectl shows them: two units while they are short, one when they are long.

/// In seconds; what lies ahead by more than a clock's error is invalid.
pub(super) fn human(seconds: i64) -> String {
    let (minutes, hours) = (seconds / 60, seconds / 3600);
    let (days, years) = (hours / 24, hours / 24 / 365);
    match seconds {
        ..=-2 => "<invalid>".to_owned(),
        -1 => "0s".to_owned(),
        0..120 => format!("{seconds}s"),
        _ if minutes < 10 => two(minutes, "m", seconds % 60, "s"),
        _ if minutes < 180 => format!("{minutes}m"),
        _ if hours < 8 => two(hours, "h", minutes % 60, "m"),
        _ if hours < 48 => format!("{hours}h"),
        _ if days < 8 => two(days, "d", hours % 24, "h"),
        _ if years < 2 => format!("{days}d"),
        _ if years < 8 => two(years, "y", days % 365, "d"),
        _ => format!("{years}y"),
    }
}

fn two(great: i64, unit: &str, small: i64, small_unit: &str) -> String {
    match small {
        0 => format!("{great}{unit}"),
        _ => format!("{great}{unit}{small}{small_unit}"),
    }
}

#[cfg(test)]
mod tests {
    use super::human;

    #[test]
    fn short_durations_have_two_units() {
        let shown = [119, 120, 330, 600, 10_800, 12_000, 172_799, 172_800, 180_000].map(human);
        assert_eq!(shown, ["119s", "2m", "5m30s", "10m", "3h", "3h20m", "47h", "2d", "2d2h"]);
    }
}
