//! lectern-signaling
