#![forbid(unsafe_code)]
//! server
