//! lectern-fmp4
