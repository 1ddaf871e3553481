//! Control: the HTTP API, the WebSocket of a room's life, WHIP and WHEP.
//!
//! - [`route`] and [`http`]: every route stands once in a table with the right that it needs.
//! - [`room`]: the pure state machine of one room: messages and time in, intentions out.
//! - [`ports`]: what is needed from the media plane and the recorder.

pub mod app;
pub mod error;
pub mod extract;
pub mod http;
pub mod ports;
pub mod room;
pub mod route;
