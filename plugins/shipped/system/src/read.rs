//! What files of /proc say (proc(5)).

/// Memory that is neither free nor could be made so, in percent.
pub fn memory_used_percent(meminfo: &str) -> Option<f64> {
    let of = |key: &str| -> Option<f64> {
        let line = meminfo.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))?;
        line.split_whitespace().next()?.parse().ok()
    };
    let (total, available) = (of("MemTotal")?, of("MemAvailable")?);
    (total > 0.0).then(|| (total - available) * 100.0 / total)
}

/// The load of the last five minutes.
pub fn load_5m(loadavg: &str) -> Option<f64> {
    loadavg.split_whitespace().nth(1)?.parse().ok()
}

/// The cores in use.
pub fn cores(stat: &str) -> usize {
    let is_core = |line: &&str| line.strip_prefix("cpu").is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    stat.lines().filter(is_core).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_read() {
        let used = memory_used_percent("MemTotal:       1000 kB\nMemFree: 10 kB\nMemAvailable:    250 kB\n");
        assert_eq!(used, Some(75.0));
        assert_eq!(memory_used_percent("MemTotal: 0 kB\nMemAvailable: 0 kB"), None);
        assert_eq!(memory_used_percent(""), None);
        assert_eq!(load_5m("0.10 2.50 3.00 1/200 4242\n"), Some(2.5));
        assert_eq!(load_5m("x"), None);
        assert_eq!(cores("cpu  1 2\ncpu0 1 2\ncpu1 1 2\nintr 5\n"), 2);
    }
}
