//! Join codes: nine letters and digits that can be read from a blackboard and typed on a phone.

/// The characters: no `0 o`, no `1 i l`.
const ALPHABET: &[u8; 31] = b"23456789abcdefghjkmnpqrstuvwxyz";
/// The length of a code. 31⁹ ≈ 2.6 · 10¹³: guessing one of a million classes takes 26 million tries on average.
pub const LEN: usize = 9;

/// A new random code.
///
/// # Panics
/// If the operating system has no randomness to give.
#[must_use]
pub fn generate() -> String {
    let mut code = String::with_capacity(LEN);
    let mut bytes = [0_u8; 32];
    while code.len() < LEN {
        getrandom::fill(&mut bytes).expect("the operating system gives random bytes");
        // 248 = 8 · 31: larger bytes are thrown away, so that every character is equally likely.
        let fair = bytes.iter().filter(|b| **b < 248);
        code.extend(fair.map(|b| char::from(ALPHABET[usize::from(*b) % ALPHABET.len()])).take(LEN - code.len()));
    }
    code
}

/// The code as people type it, folded: lower case, without spaces and dashes. None if it can't be a code.
#[must_use]
pub fn parse(typed: &str) -> Option<String> {
    if typed.len() > 4 * LEN {
        return None;
    }
    let code: String =
        typed.chars().filter(|c| !matches!(c, ' ' | '-' | '\u{3000}')).map(|c| c.to_ascii_lowercase()).collect();
    (code.len() == LEN && code.bytes().all(|b| ALPHABET.contains(&b))).then_some(code)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn codes_have_their_form_and_differ() {
        let codes: HashSet<String> = (0..1_000).map(|_| generate()).collect();
        assert_eq!(codes.len(), 1_000);
        assert!(codes.iter().all(|c| parse(c).as_deref() == Some(c)));
    }

    #[test]
    fn codes_as_people_type_them() {
        for (typed, want) in [
            ("ABC-DEF-234", Some("abcdef234")),
            ("abc def 234", Some("abcdef234")),
            ("abcdef23", None),
            ("abcdef2340", None),
            ("abcdef23l", None),
            ("二三四五六七八九十", None),
        ] {
            assert_eq!(parse(typed).as_deref(), want, "{typed}");
        }
    }
}
