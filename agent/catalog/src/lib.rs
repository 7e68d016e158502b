#![forbid(unsafe_code)]
//! catalog
