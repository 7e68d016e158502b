#![forbid(unsafe_code)]
//! config
