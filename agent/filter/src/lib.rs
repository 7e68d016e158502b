#![forbid(unsafe_code)]
//! filter
