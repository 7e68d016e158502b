#![forbid(unsafe_code)]
//! dns
