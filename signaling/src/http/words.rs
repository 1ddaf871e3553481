//! Between the words of the wire and those of auth and library: they are the same words, kept apart so that the wire
//! form stays still when the inside changes. Also the checks of texts that people type.

use crate::error::{ApiError, ApiResult};
use lectern_auth::{Level, PlaceNode, Role, RoleAt};
use lectern_protocol::api;

pub(crate) fn level(level: Level) -> api::PlaceLevel {
    match level {
        Level::Nation => api::PlaceLevel::Nation,
        Level::Province => api::PlaceLevel::Province,
        Level::City => api::PlaceLevel::City,
        Level::District => api::PlaceLevel::District,
        Level::School => api::PlaceLevel::School,
        Level::ExamSite => api::PlaceLevel::ExamSite,
        Level::Class => api::PlaceLevel::Class,
    }
}

pub(crate) fn level_from(level: api::PlaceLevel) -> Level {
    match level {
        api::PlaceLevel::Nation => Level::Nation,
        api::PlaceLevel::Province => Level::Province,
        api::PlaceLevel::City => Level::City,
        api::PlaceLevel::District => Level::District,
        api::PlaceLevel::School => Level::School,
        api::PlaceLevel::ExamSite => Level::ExamSite,
        api::PlaceLevel::Class => Level::Class,
    }
}

fn role(role: Role) -> api::Role {
    match role {
        Role::Administrator => api::Role::Administrator,
        Role::Teacher => api::Role::Teacher,
        Role::Student => api::Role::Student,
        Role::Staff => api::Role::Staff,
        Role::PatrolOfficer => api::Role::PatrolOfficer,
        Role::SiteAdministrator => api::Role::SiteAdministrator,
        Role::SystemAdministrator => api::Role::SystemAdministrator,
        Role::SecurityAdministrator => api::Role::SecurityAdministrator,
        Role::AuditAdministrator => api::Role::AuditAdministrator,
    }
}

fn role_from(role: api::Role) -> Role {
    match role {
        api::Role::Administrator => Role::Administrator,
        api::Role::Teacher => Role::Teacher,
        api::Role::Student => Role::Student,
        api::Role::Staff => Role::Staff,
        api::Role::PatrolOfficer => Role::PatrolOfficer,
        api::Role::SiteAdministrator => Role::SiteAdministrator,
        api::Role::SystemAdministrator => Role::SystemAdministrator,
        api::Role::SecurityAdministrator => Role::SecurityAdministrator,
        api::Role::AuditAdministrator => Role::AuditAdministrator,
    }
}

pub(crate) fn roles_from(roles: &[api::RoleAt]) -> Vec<RoleAt> {
    let mut roles: Vec<RoleAt> = roles.iter().map(|r| RoleAt { role: role_from(r.role), place: r.place }).collect();
    roles.sort_unstable();
    roles.dedup();
    roles
}

pub(crate) fn place(node: &PlaceNode) -> api::Place {
    api::Place { id: node.id, parent: node.parent, level: level(node.level), name: node.name.clone() }
}

/// An account as those see it who administer the places of `seen` roles: roles elsewhere are not told.
pub(crate) fn account(account: &lectern_library::Account, seen: impl Fn(&RoleAt) -> bool) -> api::Account {
    let roles = account.roles.iter().filter(|r| seen(r));
    api::Account {
        id: account.id,
        login: account.login.clone(),
        name: account.name.0.clone(),
        roles: roles.map(|r| api::RoleAt { role: role(r.role), place: r.place }).collect(),
        disabled: account.disabled,
        invited: account.password.is_none(),
    }
}

/// A text that a person typed: trimmed, without control characters, `min` to `max` characters.
pub(crate) fn text(field: &str, typed: &str, min: usize, max: usize) -> ApiResult<String> {
    let text = typed.trim();
    let chars = text.chars().count();
    if chars < min {
        return Err(ApiError::field(field, format!("at least {min} characters")));
    }
    if chars > max {
        return Err(ApiError::field(field, format!("at most {max} characters")));
    }
    // Line breaks and directional overrides in a name would let it dress up as something else.
    let odd = |c: char| {
        c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    if text.contains(odd) {
        return Err(ApiError::field(field, "no control characters"));
    }
    Ok(text.to_owned())
}

/// A log-in name: letters, digits and `. _ - @`.
pub(crate) fn login(typed: &str) -> ApiResult<String> {
    let login = text("login", typed, 2, 64)?;
    if login.chars().all(|c| c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | '@')) {
        Ok(login)
    } else {
        Err(ApiError::field("login", "letters, digits and . _ - @ only"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_both_sides_agree() {
        for l in Level::ALL {
            assert_eq!(level_from(level(l)), l);
            assert_eq!(serde_json::to_value(l).unwrap(), serde_json::to_value(level(l)).unwrap());
        }
        for r in Role::ALL {
            assert_eq!(role_from(role(r)), r);
            assert_eq!(serde_json::to_value(r).unwrap(), serde_json::to_value(role(r)).unwrap());
        }
    }

    #[test]
    fn typed_texts() {
        for (typed, ok) in [
            ("  王芳 ", true),
            ("", false),
            ("   ", false),
            ("a\nb", false),
            ("\u{202e}evil", false),
            ("长长长长长长", false),
        ] {
            assert_eq!(text("name", typed, 1, 5).is_ok(), ok, "{typed:?}");
        }
        for (typed, ok) in [("li.ming", true), ("李明@一小", true), ("a", false), ("a b", false), ("a/b", false)] {
            assert_eq!(login(typed).is_ok(), ok, "{typed:?}");
        }
    }
}
