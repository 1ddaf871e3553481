//! lectern-sfu
