//! What a Lectern server and its clients say to each other: the WebSocket messages of a room's life ([`ws`]) and the bodies
//! of the HTTP API ([`api`]). The web app's TypeScript types are generated from here (`cargo test -p lectern-protocol`
//! writes them to `web/src/protocol/generated/`), and golden JSON in the tests keeps the wire form still.

pub mod api;
#[cfg(test)]
mod golden;
pub mod typescript;
pub mod wall;
pub mod ws;

/// The version of the WebSocket protocol. A client names the version it speaks in [`ws::ClientMessage::Hello`].
pub const PROTOCOL_VERSION: u32 = 1;
