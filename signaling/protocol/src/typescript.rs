//! Writes the TypeScript twin of every message and body, so that the web app cannot drift from the server.
//!
//! Belongs here: which types the web app needs and how the one generated file looks. Does not belong here: the types.

use crate::{PROTOCOL_VERSION, api, wall, ws};
use lectern_media::{Codec, ParticipantId};
use std::collections::BTreeMap;
use ts_rs::{Config, TS, TypeVisitor};

/// Where the web app keeps the file, from the root of the repository.
pub const GENERATED_PATH: &str = "web/src/protocol/generated/index.ts";

/// The whole file: one exported declaration per type, by name, so that a change shows up as a small difference.
#[must_use]
pub fn generate() -> String {
    // Ids and times fit JavaScript's 53 bits: milliseconds until the year 287,396, sizes up to 9 petabytes.
    let config = Config::new().with_large_int("number");
    let mut found = Declarations { config: &config, by_name: BTreeMap::new() };
    found.visit::<ws::ClientMessage>();
    found.visit::<ws::ServerMessage>();
    found.visit::<wall::WallRequest>();
    found.visit::<wall::WallMessage>();
    api::visit_types(&mut found);
    found.visit::<Codec>();
    found.visit::<ParticipantId>();

    let mut out =
        String::from("// Generated from signaling/protocol by `cargo test -p lectern-protocol`. Do not edit.\n\n");
    out.push_str("/** The version of the WebSocket protocol that these types describe. */\n");
    out.push_str(&format!("export const PROTOCOL_VERSION = {PROTOCOL_VERSION};\n"));
    for declaration in found.by_name.values() {
        out.push('\n');
        out.push_str(declaration);
    }
    out
}

struct Declarations<'a> {
    config: &'a Config,
    by_name: BTreeMap<String, String>,
}

impl TypeVisitor for Declarations<'_> {
    fn visit<T: TS + 'static + ?Sized>(&mut self) {
        if T::output_path().is_none() || self.by_name.contains_key(&T::ident(self.config)) {
            return;
        }
        let docs = T::docs().unwrap_or_default();
        let declaration = format!("{docs}export {}\n", T::decl(self.config));
        self.by_name.insert(T::ident(self.config), declaration);
        T::visit_dependencies(self);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{fs, path::Path};

    #[test]
    fn the_web_app_has_the_types_of_this_server() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(GENERATED_PATH);
        let want = generate();
        if fs::read_to_string(&path).is_ok_and(|have| have == want) {
            return;
        }
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, want).unwrap();
        panic!("{GENERATED_PATH} was stale; it is written anew, look at it and commit it");
    }
}
