//! Simulated clusters: pure engines on a simulated network, exactly reproducible from a seed.

#![forbid(unsafe_code)]
