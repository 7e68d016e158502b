//! The machine the agent runs on: room on a file system, memory, load. Only what is asked for is looked at, and needs a grant.

mod read;

use lictor_guest::{Check, Context, Description, Error, Kind, Outcome, Status, files};

struct System;

impl Check for System {
    fn describe() -> Description {
        let percent = |about: Description, key: &str, text: &str| about.setting(key, Kind::Number, text).at_least(0).at_most(100);
        let mut about = Description::new("system", env!("CARGO_PKG_VERSION"))
            .summary("Room on a file system, memory in use, load per core")
            .setting("disk", Kind::Text, "Path on the file system to look at");
        for (key, text) in [
            ("disk_warning_percent", "A warning when more of the disk is in use; 85 by default"),
            ("disk_critical_percent", "Critical when it is; 95 by default"),
            ("inodes_critical_percent", "Critical when more of its inodes are in use; 95 by default"),
            ("memory_warning_percent", "A warning when more of the memory is in use"),
            ("memory_critical_percent", "Critical when it is"),
        ] {
            about = percent(about, key, text);
        }
        about
            .setting("load_warning", Kind::Number, "A warning when the load of five minutes, per core, is above it")
            .at_least(0)
            .setting("load_critical", Kind::Number, "Critical when it is")
            .at_least(0)
            .asks("statfs:{disk}", "to see how full it is")
            .likes("dir:/proc/meminfo", "to see how much memory is in use")
            .likes("dir:/proc/loadavg", "to see the load")
            .likes("dir:/proc/stat", "to count the cores")
    }

    fn run(check: &Context) -> Result<Outcome, Error> {
        let mut findings = Findings { status: Status::Passing, says: Vec::new(), metrics: Vec::new() };
        if let Some(path) = check.text_or_none("disk") {
            let usage = files::usage(path).map_err(|error| error.while_doing(path))?;
            // As df counts: what root keeps for itself is neither used nor free.
            let used = usage.total_bytes.saturating_sub(usage.free_bytes);
            let share = percent(used, used + usage.available_bytes);
            let (warning, critical) =
                (check.number("disk_warning_percent").unwrap_or(85.0), check.number("disk_critical_percent").unwrap_or(95.0));
            findings.judge(&[path, " is full to"].concat(), "disk_used", share, "%", Some(warning), Some(critical));
            if usage.total_files > 0 {
                let share = percent(usage.total_files.saturating_sub(usage.free_files), usage.total_files);
                let critical = check.number("inodes_critical_percent").unwrap_or(95.0);
                findings.judge("its inodes to", "inodes_used", share, "%", None, Some(critical));
            }
        }
        let limits = |warning: &str, critical: &str| (check.number(warning), check.number(critical));
        let (warning, critical) = limits("memory_warning_percent", "memory_critical_percent");
        if warning.is_some() || critical.is_some() {
            let share = read::memory_used_percent(&text("/proc/meminfo")?)
                .ok_or_else(|| Error::new("/proc/meminfo does not tell the memory available"))?;
            findings.judge("memory is in use to", "memory_used", share, "%", warning, critical);
        }
        let (warning, critical) = limits("load_warning", "load_critical");
        if warning.is_some() || critical.is_some() {
            let load = read::load_5m(&text("/proc/loadavg")?).ok_or_else(|| Error::new("/proc/loadavg cannot be read"))?;
            let cores = read::cores(&text("/proc/stat")?).max(1);
            findings.judge("the load per core is", "load_per_core", load / cores as f64, "", warning, critical);
        }
        if findings.says.is_empty() {
            return Err(Error::new("nothing to look at: set disk, or limits for memory or load"));
        }
        let outcome = Outcome::new(findings.status, findings.says.join("; "));
        Ok(findings.metrics.into_iter().fold(outcome, |outcome, (name, value, unit)| outcome.metric(name, value, unit)))
    }
}

fn text(path: &str) -> Result<String, Error> {
    Ok(String::from_utf8_lossy(&files::read(path, 256 << 10)?).into_owned())
}

fn percent(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 * 100.0 / whole as f64 }
}

struct Findings {
    status: Status,
    says: Vec<String>,
    metrics: Vec<(&'static str, f64, &'static str)>,
}

impl Findings {
    fn judge(
        &mut self,
        what: &str,
        name: &'static str,
        value: f64,
        unit: &'static str,
        warning: Option<f64>,
        critical: Option<f64>,
    ) {
        let tenths = (value * 10.0).round() as i64;
        let mut says = [what, " ", &(tenths / 10).to_string(), ".", &(tenths % 10).to_string(), unit].concat();
        if critical.is_some_and(|limit| value > limit) {
            self.status = Status::Critical;
            says.push_str(", critical");
        } else if warning.is_some_and(|limit| value > limit) {
            if self.status == Status::Passing {
                self.status = Status::Warning;
            }
            says.push_str(", a warning");
        }
        self.says.push(says);
        self.metrics.push((name, value, unit));
    }
}

lictor_guest::check!(System);
