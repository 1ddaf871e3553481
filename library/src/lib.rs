//! lectern-library
