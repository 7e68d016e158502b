//! The `replication` section of INFO.

/// What the server says about its place in replication.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Replication {
    /// `master` or `slave`, as Redis says it.
    pub role: String,
    /// Replicas connected to this master.
    pub replicas: u64,
    /// Whether a replica hears its master.
    pub link_up: bool,
    /// Whether a replica is still copying.
    pub syncing: bool,
    /// Seconds since a replica last heard from its master.
    pub lag_s: Option<u64>,
}

/// How it is judged.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    Good,
    Late,
    Bad,
}

impl Replication {
    /// Reads the section; unknown lines are passed over.
    pub fn read(text: &str) -> Self {
        let mut state = Self::default();
        for (key, value) in text.lines().filter_map(|line| line.split_once(':')) {
            let value = value.trim();
            match key {
                "role" => value.clone_into(&mut state.role),
                "connected_slaves" => state.replicas = value.parse().unwrap_or(0),
                "master_link_status" => state.link_up = value == "up",
                "master_sync_in_progress" => state.syncing = value == "1",
                // -1 as long as it has never heard from it.
                "master_last_io_seconds_ago" => state.lag_s = value.parse().ok(),
                _ => {}
            }
        }
        state
    }

    /// Judges by the wanted role and the two limits.
    pub fn judge(&self, role: Option<&str>, warn_s: Option<u64>, critical_s: Option<u64>) -> (Verdict, String) {
        let is = match self.role.as_str() {
            "slave" => "replica",
            other => other,
        };
        if let Some(wanted) = role.map(|wanted| if wanted == "slave" { "replica" } else { wanted })
            && wanted != is
        {
            return (Verdict::Bad, ["it is a ", is, ", but should be a ", wanted].concat());
        }
        if is != "replica" {
            return (Verdict::Good, [is, " with ", &self.replicas.to_string(), " replicas"].concat());
        }
        if self.syncing {
            return (Verdict::Late, "replica, still copying from its master".to_owned());
        }
        if !self.link_up {
            return (Verdict::Bad, "replica, cut off from its master".to_owned());
        }
        let Some(lag) = self.lag_s else { return (Verdict::Late, "replica that has not heard from its master yet".to_owned()) };
        let over = |limit: Option<u64>| limit.filter(|limit| lag > *limit);
        let said = ["replica that heard from its master ", &lag.to_string(), " s ago"].concat();
        match (over(critical_s), over(warn_s)) {
            (Some(limit), _) => (Verdict::Bad, [&said, ", critical beyond ", &limit.to_string(), " s"].concat()),
            (None, Some(limit)) => (Verdict::Late, [&said, ", warning beyond ", &limit.to_string(), " s"].concat()),
            (None, None) => (Verdict::Good, said),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lag_and_role_are_judged() {
        let replica = "# Replication\r\nrole:slave\r\nmaster_link_status:up\r\nmaster_last_io_seconds_ago:7\r\nmaster_sync_in_progress:0\r\n";
        let state = Replication::read(replica);
        assert_eq!(state.lag_s, Some(7));
        for (role, warn, critical, verdict) in [
            (None, None, None, Verdict::Good),
            (Some("replica"), Some(7), Some(9), Verdict::Good),
            (Some("master"), None, None, Verdict::Bad),
            (None, Some(6), None, Verdict::Late),
            (None, Some(2), Some(6), Verdict::Bad),
        ] {
            assert_eq!(state.judge(role, warn, critical).0, verdict, "{role:?} {warn:?} {critical:?}");
        }
    }

    #[test]
    fn broken_links_are_bad() {
        let down =
            Replication::read("role:slave\nmaster_link_status:down\nmaster_last_io_seconds_ago:-1\nmaster_sync_in_progress:0");
        assert_eq!(down.judge(None, Some(1), None).0, Verdict::Bad);
        let syncing = Replication::read("role:slave\nmaster_link_status:down\nmaster_sync_in_progress:1");
        assert_eq!(syncing.judge(None, Some(1), None).0, Verdict::Late);
        let master = Replication::read("role:master\r\nconnected_slaves:2\r\n");
        assert_eq!(master.judge(Some("master"), Some(1), None), (Verdict::Good, "master with 2 replicas".to_owned()));
    }
}
