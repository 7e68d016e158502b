//! What agents say to each other: the messages, and how the nouns of the field get in and out of them.
//!
//! The document is `proto/v1/lictor.proto`. What comes from outside never panics: what cannot be read is an error with a sentence.

pub(crate) mod adapter;
pub(crate) mod convert;
pub(crate) mod events;
pub(crate) mod message;
pub(crate) mod packed;
pub(crate) mod parts;

/// Version of the language spoken.
pub const VERSION: u32 = 1;
/// Largest message of the services `Cluster` and `Status`, in bytes.
pub const MESSAGE_BYTES_MAX: usize = 32 << 20;
/// Largest raft message, in bytes: a batch of entries must always get through, or a follower would never catch up.
pub const RAFT_BYTES_MAX: usize = 256 << 20;

/// The methods, as paths of HTTP/2 requests.
pub(crate) mod path {
    pub(crate) const QUERY: &str = "/lictor.rpc.v1.Cluster/Query";
    pub(crate) const APPLY: &str = "/lictor.rpc.v1.Cluster/Apply";
    pub(crate) const RENEW_SESSION: &str = "/lictor.rpc.v1.Cluster/RenewSession";
    pub(crate) const OPERATE: &str = "/lictor.rpc.v1.Cluster/Operate";
    pub(crate) const SAVE_SNAPSHOT: &str = "/lictor.rpc.v1.Cluster/SaveSnapshot";
    pub(crate) const RESTORE_SNAPSHOT: &str = "/lictor.rpc.v1.Cluster/RestoreSnapshot";
    pub(crate) const READ_TXN: &str = "/lictor.rpc.v1.Cluster/ReadTxn";
    pub(crate) const APPEND_ENTRIES: &str = "/lictor.rpc.v1.Raft/AppendEntries";
    pub(crate) const VOTE: &str = "/lictor.rpc.v1.Raft/Vote";
    pub(crate) const PRE_VOTE: &str = "/lictor.rpc.v1.Raft/PreVote";
    pub(crate) const TRANSFER_LEADER: &str = "/lictor.rpc.v1.Raft/TransferLeader";
    pub(crate) const INSTALL_SNAPSHOT: &str = "/lictor.rpc.v1.Raft/InstallSnapshot";
    pub(crate) const PING: &str = "/lictor.rpc.v1.Status/Ping";
}

/// Refuses a message in a version that this agent doesn't know.
pub(crate) fn check_version(version: u32) -> Result<(), String> {
    match version {
        VERSION => Ok(()),
        0 => Err("the message does not tell its protocol version".to_owned()),
        other => Err(format!(
            "the message is written in protocol version {other}, this agent knows up to {VERSION}: upgrade the older one"
        )),
    }
}

#[cfg(test)]
mod tests;
