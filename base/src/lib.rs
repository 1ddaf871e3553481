//! What every shell needs before it does its own work: configuration, logs, metrics, shutdown, the data directory.
//!
//! Does not belong here: anything that only one part needs.

pub mod config;
pub mod data_dir;
pub mod log;
pub mod metrics;
pub mod network;
pub mod shutdown;

pub use config::{Config, ConfigError};
pub use data_dir::{DataDir, DataDirError};
pub use network::Network;
pub use shutdown::Shutdown;
