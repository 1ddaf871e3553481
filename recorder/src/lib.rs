//! lectern-recorder
