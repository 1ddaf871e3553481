//! A camera to pull from and ports to listen on. The camera speaks enough RTSP for one viewer at a time on each of its streams,
//! digest authentication included, and can be told to misbehave in every way the tests name.
#![allow(dead_code)] // Each test file uses its own part.

pub mod camera;
pub mod listen;

use std::time::Duration;

/// How long a state is waited for before a test gives up. Nothing is asserted about how long anything takes.
pub const PATIENCE: Duration = Duration::from_secs(30);
