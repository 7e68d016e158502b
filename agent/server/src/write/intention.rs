//! What the proposer of an intention chooses.

use crate::authorize;
use crate::server::Server;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use lictor_acl::Authorizer;
use lictor_rpc::ClusterError;
use lictor_types::{Command, Intention, IntentionVerb};
use sha2::{Digest, Sha256};

impl Server {
    /// Refuses a change to an intention that the caller may not make as it is now: its id alone does not say what it is about.
    pub(super) fn check_intention(&self, command: &Command, authorizer: &Authorizer) -> Result<(), ClusterError> {
        let Command::Intention { verb: IntentionVerb::Update | IntentionVerb::Delete, intention } = command else {
            return Ok(());
        };
        match self.catalog.snapshot().intention(&intention.id) {
            Some(known) => authorize::existing_intention(authorizer, known),
            None => Ok(()),
        }
    }
}

/// A time, milliseconds since the Unix epoch, as in RFC 3339; empty for one that is out of range.
pub(super) fn time(unix_ms: u64) -> String {
    let time = i64::try_from(unix_ms).ok().and_then(|millis| Timestamp::from_millisecond(millis).ok());
    time.map(|time| time.to_string()).unwrap_or_default()
}

/// Digest of what an intention says; when and under which id does not count.
pub(super) fn digest(intention: &Intention) -> String {
    let mut sum = Sha256::new();
    let mut part = |text: &str| {
        // With its length, so that no text runs into the next.
        sum.update((text.len() as u64).to_le_bytes());
        sum.update(text);
    };
    for text in [
        &intention.description,
        &intention.source_ns,
        &intention.source_name,
        &intention.destination_ns,
        &intention.destination_name,
        &intention.source_type,
        &intention.default_addr,
    ] {
        part(text);
    }
    part(intention.action.as_str());
    part(&intention.default_port.to_string());
    for (key, value) in &intention.meta {
        part(key);
        part(value);
    }
    STANDARD.encode(sum.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_tell_what_is_said_apart() {
        let of = |source: &str, destination: &str| {
            digest(&Intention { source_name: source.into(), destination_name: destination.into(), ..Intention::default() })
        };
        assert_eq!(of("a", "b"), of("a", "b"));
        assert_ne!(of("ab", ""), of("a", "b"));
        let dated = Intention { id: "i".into(), updated_at: "now".into(), ..Intention::default() };
        assert_eq!(digest(&dated), of("", ""));
    }

    #[test]
    fn times() {
        assert_eq!(time(1_600_000_000_123), "2020-09-13T12:26:40.123Z");
        assert_eq!(time(u64::MAX), "");
    }
}
