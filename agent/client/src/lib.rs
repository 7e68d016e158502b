#![forbid(unsafe_code)]
//! client
