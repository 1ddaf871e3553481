//! Camera health.
