//! lectern-sfu-core
