//! Members of a gossip pool.

use crate::ids::NodeName;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// State of a member; the numbers are those of Serf, which clients know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "u8", try_from = "u8")]
#[repr(u8)]
pub enum MemberStatus {
    /// No state known.
    None = 0,
    /// Reachable.
    Alive = 1,
    /// About to leave.
    Leaving = 2,
    /// Left on purpose.
    Left = 3,
    /// Not reachable.
    Failed = 4,
}

impl MemberStatus {
    /// The word that people see.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Alive => "alive",
            Self::Leaving => "leaving",
            Self::Left => "left",
            Self::Failed => "failed",
        }
    }
}

/// Serde form of a state: its word.
pub mod status_word {
    use super::MemberStatus;
    use serde::{Deserialize, Deserializer, Serializer};

    /// Writes.
    pub fn serialize<S: Serializer>(status: &MemberStatus, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(status.as_str())
    }

    /// Reads.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<MemberStatus, D::Error> {
        let word = String::deserialize(deserializer)?;
        let all = [MemberStatus::None, MemberStatus::Alive, MemberStatus::Leaving, MemberStatus::Left, MemberStatus::Failed];
        all.into_iter()
            .find(|status| status.as_str() == word)
            .ok_or_else(|| serde::de::Error::custom(format!("{word:?} is no member status")))
    }
}

impl From<MemberStatus> for u8 {
    fn from(status: MemberStatus) -> u8 {
        status as u8
    }
}

impl TryFrom<u8> for MemberStatus {
    type Error = String;
    fn try_from(number: u8) -> Result<Self, String> {
        Ok(match number {
            0 => Self::None,
            1 => Self::Alive,
            2 => Self::Leaving,
            3 => Self::Left,
            4 => Self::Failed,
            other => return Err(format!("{other} is no member status (0 to 4)")),
        })
    }
}

/// A member of the LAN or WAN pool, in the shape of `/v1/agent/members`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Member {
    /// Node name (in the WAN pool with `.datacenter`).
    pub name: NodeName,
    /// IP address.
    pub addr: String,
    /// Gossip port.
    pub port: u16,
    /// Tags: `role`, `dc`, `id`, `build`, …
    pub tags: BTreeMap<String, String>,
    /// State.
    pub status: MemberStatus,
    /// Lowest gossip protocol understood.
    pub protocol_min: u8,
    /// Highest gossip protocol understood.
    pub protocol_max: u8,
    /// Gossip protocol spoken.
    pub protocol_cur: u8,
    /// Lowest member-event protocol understood.
    pub delegate_min: u8,
    /// Highest member-event protocol understood.
    pub delegate_max: u8,
    /// Member-event protocol spoken.
    pub delegate_cur: u8,
}
