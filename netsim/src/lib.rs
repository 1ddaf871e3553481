//! lectern-netsim
