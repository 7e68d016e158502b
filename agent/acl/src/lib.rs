#![forbid(unsafe_code)]
//! acl
