//! Processor time, which other work on the machine lengthens less than it does time on the clock.

use std::path::Path;

/// Ticks of the processor clock in a second, as Linux tells times to programs on every architecture.
const TICKS: f64 = 100.0;

/// Seconds that a running process has computed, all threads together.
pub(super) fn of_process(id: u32) -> Option<f64> {
    ticks(Path::new(&format!("/proc/{id}/stat")), [13, 14])
}

/// Seconds that the processes that this one has waited for have computed.
pub(super) fn of_children() -> Option<f64> {
    ticks(Path::new("/proc/self/stat"), [15, 16])
}

fn ticks(path: &Path, fields: [usize; 2]) -> Option<f64> {
    parse(&std::fs::read_to_string(path).ok()?, fields)
}

/// The sum of two fields, counted from 0, of a line whose second field is a name in parentheses.
fn parse(stat: &str, fields: [usize; 2]) -> Option<f64> {
    let (_, rest) = stat.rsplit_once(')')?;
    let rest: Vec<&str> = rest.split_whitespace().collect();
    let field = |number: usize| rest.get(number - 2)?.parse::<f64>().ok();
    Some((field(fields[0])? + field(fields[1])?) / TICKS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_blanks_and_parentheses_moves_no_field() {
        let stat = "7 (a (b) c) S 1 7 7 0 -1 4194560 100 0 0 0 250 50 30 20 20 0 1 0";
        assert_eq!(parse(stat, [13, 14]), Some(3.0));
        assert_eq!(parse(stat, [15, 16]), Some(0.5));
    }
}
