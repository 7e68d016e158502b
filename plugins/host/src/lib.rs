//! lictor-plugins
