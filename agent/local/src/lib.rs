#![forbid(unsafe_code)]
//! local
