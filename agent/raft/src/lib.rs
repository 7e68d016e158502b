#![forbid(unsafe_code)]
//! raft
