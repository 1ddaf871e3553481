//! lectern-auth
