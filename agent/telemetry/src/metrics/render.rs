//! The forms in which metrics leave the process.

use super::INTERVAL_SECONDS;
use super::aggregate::Aggregate;
use super::cell::Cell;
use super::naming::Naming;
use super::registry::{Family, Labels, Registry};
use serde_json::{Value, json};
use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::Ordering;

impl Registry {
    /// The last finished interval (the present one in the first ten seconds) in the shape of `/v1/agent/metrics`.
    pub fn snapshot_json(&self, now_unix_ms: u64) -> Value {
        self.advance(now_unix_ms);
        let present = self.clock.load(Ordering::Relaxed);
        let shown = if self.first.load(Ordering::Relaxed) < present { present - 1 } else { present };
        let naming = self.naming();
        let gauges: Vec<Value> = self
            .gauges
            .all()
            .into_iter()
            .filter_map(|(name, labels, gauge)| {
                Some(json!({"Name": naming.gauge(name)?, "Value": number(gauge.value()), "Labels": labels}))
            })
            .collect();
        json!({
            "Timestamp": timestamp(shown * INTERVAL_SECONDS),
            "Gauges": gauges,
            "Points": [],
            "Counters": gathered(&self.counters, &naming, shown),
            "Samples": gathered(&self.samples, &naming, shown),
        })
    }

    /// Totals since the start as Prometheus reads them: gauges, counters, and summaries without quantiles.
    pub fn prometheus_text(&self) -> String {
        let naming = self.naming();
        let mut text = String::new();
        let mut last = "";
        for (name, labels, gauge) in self.gauges.all() {
            let Some(shown) = naming.gauge(name) else { continue };
            header(&mut text, &mut last, name, &shown, "gauge");
            let _ = writeln!(text, "{} {}", series(&shown, "", &labels), gauge.value());
        }
        for (name, labels, cell) in self.counters.all() {
            let Some(shown) = naming.plain(name) else { continue };
            header(&mut text, &mut last, name, &shown, "counter");
            let _ = writeln!(text, "{} {}", series(&shown, "", &labels), cell.total().1);
        }
        for (name, labels, cell) in self.samples.all() {
            let Some(shown) = naming.plain(name) else { continue };
            header(&mut text, &mut last, name, &shown, "summary");
            let (count, sum) = cell.total();
            let _ = writeln!(text, "{} {sum}\n{} {count}", series(&shown, "_sum", &labels), series(&shown, "_count", &labels));
        }
        text
    }
}

fn gathered(family: &Family<Arc<Cell>>, naming: &Naming, interval: u64) -> Vec<Value> {
    family
        .all()
        .into_iter()
        .map(|(name, labels, cell)| (name, labels, cell.gathered(interval)))
        .filter(|(_, _, values)| values.count > 0)
        .filter_map(|(name, labels, values)| Some(row(&naming.plain(name)?, &labels, &values)))
        .collect()
}

fn row(name: &str, labels: &Labels, values: &Aggregate) -> Value {
    json!({
        "Name": name,
        "Count": values.count,
        "Rate": number(values.sum / INTERVAL_SECONDS as f64),
        "Sum": number(values.sum),
        "Min": number(values.min),
        "Max": number(values.max),
        "Mean": number(values.mean()),
        "Stddev": number(values.deviation()),
        "Labels": labels,
    })
}

/// Whole numbers print without a fraction, as Go prints them.
fn number(value: f64) -> Value {
    if value.fract() == 0.0 && value.abs() < 9e15 { Value::from(value as i64) } else { Value::from(value) }
}

/// `2006-01-02 15:04:05 +0000 UTC`, from seconds since the Unix epoch.
fn timestamp(unix_seconds: u64) -> String {
    let (days, second) = (unix_seconds / 86_400, unix_seconds % 86_400);
    // Days to a date of the Gregorian calendar: eras of 400 years that begin on March 1st.
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02} +0000 UTC", second / 3600, second / 60 % 60, second % 60)
}

fn header(text: &mut String, last: &mut &'static str, name: &'static str, shown: &str, kind: &str) {
    if *last != name {
        *last = name;
        let flat = flat(shown);
        let _ = writeln!(text, "# HELP {flat} {flat}\n# TYPE {flat} {kind}");
    }
}

/// Name as Prometheus allows it.
fn flat(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '_' }).collect()
}

fn series(name: &str, suffix: &str, labels: &Labels) -> String {
    let mut text = flat(name) + suffix;
    for (at, (label, value)) in labels.iter().enumerate() {
        let escaped = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        let _ = write!(text, "{}{}=\"{escaped}\"", if at == 0 { '{' } else { ',' }, flat(label));
    }
    if !labels.is_empty() {
        text.push('}');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_finished_interval_is_shown() {
        let registry = Registry::default();
        let start = 1_606_113_870_000;
        registry.advance(start);
        let apply = registry.counter("consul.raft.apply", &[]);
        apply.add(1.0);
        apply.add(2.0);
        registry.set_gauge("consul.raft.last_index", &[], 78.0);
        registry.sampler("consul.http", &[("method", "GET")]).add(0.5);
        let early = registry.snapshot_json(start + 1);
        assert_eq!(early["Counters"][0]["Sum"], 3);
        let shown = registry.snapshot_json(start + 10_000);
        apply.add(7.0);
        assert_eq!(shown, registry.snapshot_json(start + 19_999));
        assert_eq!(
            shown,
            json!({
                "Timestamp": "2020-11-23 06:44:30 +0000 UTC",
                "Gauges": [{"Name": "consul.raft.last_index", "Value": 78, "Labels": {}}],
                "Points": [],
                "Counters": [{"Name": "consul.raft.apply", "Count": 2, "Rate": 0.3, "Sum": 3, "Min": 1, "Max": 2, "Mean": 1.5,
                    "Stddev": 0.5_f64.sqrt(), "Labels": {}}],
                "Samples": [{"Name": "consul.http", "Count": 1, "Rate": 0.05, "Sum": 0.5, "Min": 0.5, "Max": 0.5, "Mean": 0.5,
                    "Stddev": 0, "Labels": {"method": "GET"}}],
            })
        );
        assert_eq!(registry.snapshot_json(start + 20_000)["Counters"][0]["Sum"], 7);
        assert_eq!(registry.snapshot_json(start + 40_000)["Counters"], json!([]));
        assert_eq!(apply.total(), (3, 10.0));
    }

    #[test]
    fn prometheus_reads_totals() {
        let registry = Registry::default();
        registry.counter("consul.raft.apply", &[]).add(3.0);
        registry.set_gauge("consul.version", &[("a", "x\"y"), ("b", "z")], 1.0);
        registry.sampler("consul.http", &[("method", "GET")]).add(0.5);
        assert_eq!(
            registry.prometheus_text(),
            "# HELP consul_version consul_version\n# TYPE consul_version gauge\nconsul_version{a=\"x\\\"y\",b=\"z\"} 1\n\
             # HELP consul_raft_apply consul_raft_apply\n# TYPE consul_raft_apply counter\nconsul_raft_apply 3\n\
             # HELP consul_http consul_http\n# TYPE consul_http summary\nconsul_http_sum{method=\"GET\"} 0.5\n\
             consul_http_count{method=\"GET\"} 1\n"
        );
    }

    #[test]
    fn names_are_told_as_configured() {
        let registry = Registry::default();
        registry.advance(1_606_113_870_000);
        registry.counter("consul.raft.apply", &[]).add(3.0);
        registry.counter("consul.http.panics", &[]).add(1.0);
        registry.set_gauge("consul.raft.last_index", &[], 7.0);
        let blocked = vec!["mine.http".to_owned()];
        registry.set_naming(Naming { prefix: "mine".to_owned(), host: "vm".to_owned(), blocked, ..Naming::default() });
        assert_eq!(
            registry.prometheus_text(),
            "# HELP mine_vm_raft_last_index mine_vm_raft_last_index\n# TYPE mine_vm_raft_last_index gauge\n\
             mine_vm_raft_last_index 7\n# HELP mine_raft_apply mine_raft_apply\n# TYPE mine_raft_apply counter\nmine_raft_apply 3\n"
        );
        let json = registry.snapshot_json(1_606_113_870_000);
        assert_eq!(json["Gauges"][0]["Name"], "mine.vm.raft.last_index");
        assert_eq!(json["Counters"].as_array().unwrap().len(), 1);
    }

    #[test]
    fn who_follows_gets_each_value() {
        let registry = Registry::default();
        registry.counter("consul.before", &[]).add(1.0);
        let mut taps = registry.tap(2, 2);
        registry.counter("consul.raft.apply", &[]).add(2.0);
        registry.set_gauge("consul.raft.last_index", &[], 7.0);
        registry.sampler("consul.http", &[("method", "GET")]).add(0.5);
        for tap in &mut taps {
            let first = tap.try_recv().unwrap();
            assert_eq!((first.series.name, first.value), ("consul.raft.apply", 2.0));
            assert_eq!(tap.try_recv().unwrap().series.name, "consul.raft.last_index");
            assert!(tap.try_recv().is_err(), "there was room for two");
        }
        assert_eq!(registry.missed(), 2);
        assert!(registry.tap(1, 2).is_empty());
    }

    #[test]
    fn label_sets_are_limited() {
        let registry = Registry::default();
        for number in 0..super::super::LABEL_SETS_MAX + 5 {
            registry.counter("c", &[("n", &number.to_string())]).add(1.0);
        }
        let all = registry.counters.all();
        assert_eq!(all.len(), super::super::LABEL_SETS_MAX + 1);
        assert_eq!(all[0].2.total(), (5, 5.0));
    }

    #[test]
    fn dates() {
        for (seconds, text) in [
            (0, "1970-01-01 00:00:00 +0000 UTC"),
            (951_782_400, "2000-02-29 00:00:00 +0000 UTC"),
            (1_709_251_199, "2024-02-29 23:59:59 +0000 UTC"),
            (4_102_444_800, "2100-01-01 00:00:00 +0000 UTC"),
        ] {
            assert_eq!(timestamp(seconds), text);
        }
    }
}
