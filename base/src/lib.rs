//! lectern-base
