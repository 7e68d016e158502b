//! lictor-tidy
