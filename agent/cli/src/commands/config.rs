//! `lictor config …`: the central configuration entries, and the state of the agent's own files.

pub mod entry;
pub mod status;
