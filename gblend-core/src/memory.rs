//! What the machine has left, asked before something large is allocated: a system that promises more memory than it has
//! ends the process when it is used.

use std::fs::read_to_string;

use crate::error::{Error, Result};

/// Below this nobody is asked: reading what the system says takes longer than taking so little.
const LARGE: u64 = 64 << 20;

/// Bytes that this process can still take: what the machine has, less where a control group or a limit of address space
/// leaves less. `None` where the system does not tell.
pub fn free_bytes() -> Option<u64> {
    let free = [machine(), control_group(), address_space()];
    free.into_iter().flatten().min()
}

/// Refuses to take so many bytes for `what` if the machine has not so much left.
///
/// # Errors
/// [`Error::NoRoom`] with both numbers.
pub fn check_room(bytes: u64, what: impl FnOnce() -> String) -> Result<()> {
    match missing(bytes) {
        None => Ok(()),
        Some(free) => Err(Error::NoRoom(format!(
            "{}: {} MiB, of which {} are left",
            what(),
            bytes >> 20,
            free >> 20
        ))),
    }
}

/// What the machine has left, if that is less than so many bytes.
pub(crate) fn missing(bytes: u64) -> Option<u64> {
    (bytes >= LARGE)
        .then(free_bytes)
        .flatten()
        .filter(|&free| free < bytes)
}

fn machine() -> Option<u64> {
    kilobytes(&read_to_string("/proc/meminfo").ok()?, "MemAvailable:")
}

/// Of the process's own group alone: what a group above it leaves is as large, or the machine's.
fn control_group() -> Option<u64> {
    let groups = read_to_string("/proc/self/cgroup").ok()?;
    let own = groups.lines().find_map(|line| line.strip_prefix("0::"))?;
    let read = |name: &str| read_to_string(format!("/sys/fs/cgroup{own}/{name}")).ok();
    let number = |name: &str| read(name)?.trim().parse::<u64>().ok();
    let (most, used) = (number("memory.max")?, number("memory.current")?);
    // What files are kept in is given back when it is needed.
    let files = read("memory.stat").and_then(|stat| {
        let line = stat
            .lines()
            .find_map(|line| line.strip_prefix("inactive_file "))?;
        line.trim().parse::<u64>().ok()
    });
    Some(most.saturating_sub(used.saturating_sub(files.unwrap_or(0))))
}

fn address_space() -> Option<u64> {
    let limits = read_to_string("/proc/self/limits").ok()?;
    let line = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max address space"))?;
    let most: u64 = line.split_whitespace().next()?.parse().ok()?;
    let used = kilobytes(&read_to_string("/proc/self/status").ok()?, "VmSize:")?;
    Some(most.saturating_sub(used))
}

/// The bytes of a line `NAME: 123 kB`.
fn kilobytes(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    let number: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    number.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_no_machine_has_is_refused_with_both_numbers_and_little_is_never_asked_for() {
        assert!(check_room(1000, || unreachable!()).is_ok());
        if let Some(free) = free_bytes() {
            assert!(free > 0);
            let error = check_room(u64::MAX, || "a layer".to_owned())
                .unwrap_err()
                .to_string();
            assert!(error.contains("a layer: 17592186044415 MiB, of which"), "{error}");
        }
    }

    #[test]
    fn lines_of_the_system_are_read() {
        let text = "MemTotal:       24000000 kB\nMemAvailable:      2 kB\n";
        assert_eq!(kilobytes(text, "MemAvailable:"), Some(2048));
        assert_eq!(kilobytes(text, "SwapFree:"), None);
        assert_eq!(kilobytes("MemAvailable: x kB", "MemAvailable:"), None);
    }
}
