//! The rules of the house, as tests: see `tests/it`.

#![forbid(unsafe_code)]
