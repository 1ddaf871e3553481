//! Control: the HTTP API, the WebSocket of a room's life, WHIP and WHEP.
//!
//! - [`route`] and [`http`]: every route stands once in a table with the right that it needs; router and OpenAPI
//!   description are made from it.
//! - [`room`]: the pure state machine of one room: messages and time in, intentions out. [`hub`] runs it.
//! - [`ws`], [`whip`], [`join`]: thin shells around both.
//! - [`patrol`]: exam patrol: cameras, walls, footage, evidence, alarms, audit.
//! - [`ports`]: what is needed from the media plane and the recorder.

pub mod app;
pub mod error;
pub mod extract;
pub mod http;
pub mod hub;
pub mod join;
pub mod limit;
pub mod patrol;
pub mod ports;
pub mod room;
pub mod route;
pub mod whip;
mod ws;
