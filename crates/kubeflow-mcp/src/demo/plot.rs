//! A plot of letters, for any terminal.

/// A trial in the plot.
#[derive(Clone, Copy, Debug)]
pub(super) struct Dot {
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) mark: char,
}

const COLUMNS: usize = 64;
const ROWS: usize = 14;

/// The dots over a range, above a line at `level`; higher values stand higher.
pub(super) fn scatter(dots: &[Dot], range: (f64, f64), level: f64) -> String {
    let values = || dots.iter().map(|it| it.y).chain([level]).filter(|it| it.is_finite());
    let low = values().fold(f64::INFINITY, f64::min);
    let high = values().fold(f64::NEG_INFINITY, f64::max);
    let row = |y: f64| place(high - y, high - low, ROWS);
    let mut drawn = vec![vec![' '; COLUMNS]; ROWS];
    drawn[row(level)].fill('·');
    for dot in dots {
        drawn[row(dot.y)][place(dot.x - range.0, range.1 - range.0, COLUMNS)] = dot.mark;
    }
    let mut lines: Vec<String> = Vec::new();
    for (number, marks) in drawn.into_iter().enumerate() {
        let value = high - (high - low) * number as f64 / (ROWS - 1) as f64;
        let marks: String = marks.into_iter().collect();
        lines.push(format!("{value:.3} │{}", marks.trim_end()));
    }
    let (first, last) = (range.0.to_string(), range.1.to_string());
    let gap = COLUMNS.saturating_sub(first.len());
    lines.push(format!("{:>7}{}", "└", "─".repeat(COLUMNS)));
    lines.push(format!("{:>7}{first}{last:>gap$}", ""));
    lines.join("\n")
}

/// Which of so many places a distance is at.
fn place(distance: f64, whole: f64, places: usize) -> usize {
    let share = if whole > 0.0 { distance / whole } else { 0.0 };
    (share.clamp(0.0, 1.0) * (places - 1) as f64).round() as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dots_stand_where_they_belong() {
        let dots = [
            Dot { x: 0.0, y: 1.0, mark: 'a' },
            Dot { x: 10.0, y: 0.0, mark: 'b' },
            Dot { x: 5.0, y: 0.5, mark: 'c' },
        ];
        let drawn = scatter(&dots, (0.0, 10.0), 0.0);
        let lines: Vec<&str> = drawn.lines().collect();
        assert_eq!(lines.len(), ROWS + 2);
        assert_eq!(lines[0], "1.000 │a");
        assert_eq!(lines[ROWS - 1], format!("0.000 │{}b", "·".repeat(COLUMNS - 1)));
        assert!(lines.iter().any(|it| it.ends_with('c')), "{drawn}");
        assert!(lines.iter().all(|it| it.chars().count() <= COLUMNS + 7), "{drawn}");
    }

    #[test]
    fn values_that_are_all_the_same_are_drawn_too() {
        let drawn = scatter(&[Dot { x: 1.0, y: 0.5, mark: 'a' }], (1.0, 1.0), 0.5);
        assert!(drawn.contains('a'), "{drawn}");
    }
}
