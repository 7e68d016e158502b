//! redis_ping.
