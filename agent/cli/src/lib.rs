#![forbid(unsafe_code)]
//! cli
