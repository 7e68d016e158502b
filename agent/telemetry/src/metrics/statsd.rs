//! How one value is written for StatsD, Statsite and DogStatsD, as Consul writes it.
//!
//! By hand rather than with a client's library: those make names of their own, while here the forms of numbers, the place of the
//! host and of labels must be what dashboards made for Consul expect.

use super::naming::Naming;
use super::tap::{Kind, Observation};
use std::borrow::Cow;
use std::fmt::Write;

/// A form of lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Form {
    /// `name.label:1.000000|c`, for StatsD and Statsite.
    Statsd,
    /// `name:1|c|#tag,label:value`; the server knows the host, so gauges go without.
    Dogstatsd {
        /// Tags of every line.
        tags: Vec<String>,
    },
}

impl Form {
    /// Appends the line of a value, without its end; false if the name is filtered out.
    pub fn write(&self, line: &mut String, naming: &Naming, observation: &Observation) -> bool {
        let Observation { series, value } = observation;
        let name = match (series.kind, self) {
            (Kind::Gauge, Self::Statsd) => naming.gauge(series.name),
            (Kind::Gauge, Self::Dogstatsd { .. }) => naming.gauge_without_host(series.name),
            _ => naming.plain(series.name),
        };
        let Some(name) = name else { return false };
        line.push_str(&clean(&name));
        if *self == Self::Statsd {
            series.labels.values().for_each(|value| {
                line.push('.');
                line.push_str(&clean(value));
            });
        }
        // Writing to a string cannot fail.
        let _ = match (series.kind, self) {
            (Kind::Counter, Self::Dogstatsd { .. }) => write!(line, ":{value:.0}|c"),
            (Kind::Counter, Self::Statsd) => write!(line, ":{value:.6}|c"),
            (Kind::Gauge, _) => write!(line, ":{value:.6}|g"),
            (Kind::Sample, _) => write!(line, ":{value:.6}|ms"),
        };
        if let Self::Dogstatsd { tags } = self {
            let labels = series.labels.iter().map(|(name, value)| match value.as_str() {
                "" => Cow::Borrowed(*name),
                value => Cow::Owned(format!("{name}:{}", clean_tag(value))),
            });
            let all = tags.iter().map(|tag| clean_tag(tag)).chain(labels);
            for (at, tag) in all.enumerate() {
                line.push_str(if at == 0 { "|#" } else { "," });
                line.push_str(&tag);
            }
        }
        true
    }
}

/// Without what ends a name.
fn clean(text: &str) -> Cow<'_, str> {
    replaced(text, |c| matches!(c, ':' | ' ' | '|' | '@') || c.is_control())
}

/// Without what ends a tag.
fn clean_tag(text: &str) -> Cow<'_, str> {
    replaced(text, |c| matches!(c, ',' | '|') || c.is_control())
}

fn replaced(text: &str, ends: impl Fn(char) -> bool) -> Cow<'_, str> {
    if text.contains(&ends) { Cow::Owned(text.replace(&ends, "_")) } else { Cow::Borrowed(text) }
}

#[cfg(test)]
mod tests {
    use super::super::tap::Series;
    use super::*;
    use std::sync::Arc;

    fn line(form: &Form, naming: &Naming, kind: Kind, name: &'static str, labels: &[(&'static str, &str)], value: f64) -> String {
        let labels = labels.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        let mut line = String::new();
        form.write(&mut line, naming, &Observation { series: Arc::new(Series { kind, name, labels }), value });
        line
    }

    #[test]
    fn lines_are_as_consul_writes_them() {
        let naming = Naming { host: "vm".to_owned(), ..Naming::default() };
        let dog = Form::Dogstatsd { tags: vec!["a:b".to_owned(), "c".to_owned()] };
        let bare = Form::Dogstatsd { tags: Vec::new() };
        // What Consul 1.8.7 sent for the same.
        for (form, kind, name, labels, value, expected) in [
            (&Form::Statsd, Kind::Counter, "consul.raft.apply", &[][..], 1.0, "consul.raft.apply:1.000000|c"),
            (&Form::Statsd, Kind::Gauge, "consul.raft.last_index", &[], 18.0, "consul.vm.raft.last_index:18.000000|g"),
            (&Form::Statsd, Kind::Sample, "consul.leader.barrier", &[], 0.038454, "consul.leader.barrier:0.038454|ms"),
            (
                &Form::Statsd,
                Kind::Sample,
                "consul.dns.domain_query",
                &[("node", "e2e")],
                0.5,
                "consul.dns.domain_query.e2e:0.500000|ms",
            ),
            (
                &Form::Statsd,
                Kind::Counter,
                "consul.health.service.query-tags",
                &[("service", "consul"), ("tag", "")],
                1.0,
                "consul.health.service.query-tags.consul.:1.000000|c",
            ),
            (&dog, Kind::Counter, "consul.raft.apply", &[], 1.0, "consul.raft.apply:1|c|#a:b,c"),
            (&dog, Kind::Gauge, "consul.raft.last_index", &[], 18.0, "consul.raft.last_index:18.000000|g|#a:b,c"),
            (&dog, Kind::Sample, "consul.fsm.kvs", &[("op", "set")], 0.25, "consul.fsm.kvs:0.250000|ms|#a:b,c,op:set"),
            (
                &dog,
                Kind::Counter,
                "consul.health.service.query-tags",
                &[("service", "consul"), ("tag", "")],
                1.0,
                "consul.health.service.query-tags:1|c|#a:b,c,service:consul,tag",
            ),
            (&bare, Kind::Counter, "consul.raft.apply", &[], 1.0, "consul.raft.apply:1|c"),
        ] {
            assert_eq!(line(form, &naming, kind, name, labels, value), expected);
        }
    }

    #[test]
    fn nothing_in_a_label_ends_the_line() {
        let naming = Naming::default();
        let labels = [("path", "a:b|c d\ne,f")];
        let statsd = line(&Form::Statsd, &naming, Kind::Counter, "consul.api.http", &labels, 1.0);
        assert_eq!(statsd, "consul.api.http.a_b_c_d_e,f:1.000000|c");
        let dog = line(&Form::Dogstatsd { tags: Vec::new() }, &naming, Kind::Counter, "consul.api.http", &labels, 1.0);
        assert_eq!(dog, "consul.api.http:1|c|#path:a:b_c d_e_f");
    }

    #[test]
    fn what_is_filtered_leaves_no_line() {
        let naming = Naming { blocked: vec!["consul.raft".to_owned()], ..Naming::default() };
        assert_eq!(line(&Form::Statsd, &naming, Kind::Counter, "consul.raft.apply", &[], 1.0), "");
    }
}
