//! lictor-e2e
