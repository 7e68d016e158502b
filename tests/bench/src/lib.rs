//! lictor-bench
