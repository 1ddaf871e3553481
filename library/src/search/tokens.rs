//! Text to terms. Chinese: single characters, pairs of neighbours (so that a query from the middle of a word is found)
//! and the words that jieba sees. Everything else: whole words, folded.
//!
//! Does not belong here: which term counts how much.

use jieba_rs::Jieba;
use std::sync::OnceLock;

/// Words that say nothing in a query.
const STOP: &[&str] = &[
    "的", "了", "是", "在", "和", "与", "及", "或", "我", "你", "他", "她", "它", "们", "这", "那", "吗", "呢", "吧",
    "啊", "就", "都", "也", "很", "一个", "怎么", "什么",
];

/// jieba with its dictionary: 150 ms and 37 MB once per process.
fn jieba() -> &'static Jieba {
    static JIEBA: OnceLock<Jieba> = OnceLock::new();
    JIEBA.get_or_init(Jieba::new)
}

/// Loads the dictionary, so that the first search does not wait for it.
pub fn warm_up() {
    let _ = jieba();
}

/// A stretch of text of one kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Run {
    /// Characters written without spaces between words.
    Ideographs(Vec<char>),
    /// A word of letters and digits.
    Word(String),
}

/// Lower case, full-width forms as half-width.
fn fold(c: char) -> impl Iterator<Item = char> {
    let narrow = match c {
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(c as u32 - 0xfee0).unwrap_or(c),
        '\u{3000}' => ' ',
        other => other,
    };
    narrow.to_lowercase()
}

/// Text as it is compared.
#[must_use]
pub fn folded(text: &str) -> String {
    text.chars().flat_map(fold).collect()
}

fn is_ideograph(c: char) -> bool {
    matches!(c,
        '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{ac00}'..='\u{d7af}'
        | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{323af}')
}

/// Splits text into its runs; what is neither letter nor digit separates.
#[must_use]
pub fn runs(text: &str) -> Vec<Run> {
    let mut runs = Vec::new();
    for c in text.chars().flat_map(fold) {
        if is_ideograph(c) {
            match runs.last_mut() {
                Some(Some(Run::Ideographs(chars))) => chars.push(c),
                _ => runs.push(Some(Run::Ideographs(vec![c]))),
            }
        } else if c.is_alphanumeric() {
            match runs.last_mut() {
                Some(Some(Run::Word(word))) => word.push(c),
                _ => runs.push(Some(Run::Word(c.to_string()))),
            }
        } else {
            runs.push(None);
        }
    }
    runs.into_iter().flatten().collect()
}

/// The pairs of neighbours, or the single character of a run of one.
#[must_use]
pub fn grams(chars: &[char]) -> Vec<String> {
    match chars {
        [one] => vec![one.to_string()],
        _ => chars.windows(2).map(|pair| pair.iter().collect()).collect(),
    }
}

/// The words of a run that say something. Characters that the dictionary leaves single stay together: a name of a
/// person (王 + 芳) is no two words.
#[must_use]
pub fn words(chars: &[char]) -> Vec<String> {
    let text: String = chars.iter().collect();
    let mut words: Vec<String> = Vec::new();
    let mut name = String::new();
    for token in jieba().cut(&text, false) {
        let single = token.word.chars().nth(1).is_none();
        let stop = STOP.contains(&token.word);
        if single && !stop {
            name.push_str(token.word);
            continue;
        }
        if !name.is_empty() {
            words.push(std::mem::take(&mut name));
        }
        if !stop {
            words.push(token.word.to_owned());
        }
    }
    if !name.is_empty() {
        words.push(name);
    }
    words
}

/// Every term under which a text is found, without repetition.
#[must_use]
pub fn terms(text: &str) -> Vec<String> {
    let mut terms = Vec::new();
    for run in runs(text) {
        match run {
            Run::Word(word) => terms.push(word),
            Run::Ideographs(chars) => {
                terms.extend(chars.iter().map(char::to_string));
                terms.extend(grams(&chars));
                let text: String = chars.iter().collect();
                let long = jieba().cut_for_search(&text, false).into_iter().map(|token| token.word);
                terms.extend(long.filter(|word| word.chars().count() > 2).map(str::to_owned));
            }
        }
    }
    terms.sort_unstable();
    terms.dedup();
    terms
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_splits_into_runs() {
        let han = |s: &str| Run::Ideographs(s.chars().collect());
        let word = |s: &str| Run::Word(s.into());
        for (text, want) in [
            ("分数乘法 Unit 3", vec![han("分数乘法"), word("unit"), word("3")]),
            ("三年级2班", vec![han("三年级"), word("2"), han("班")]),
            ("ＡＢＣ　x²+1", vec![word("abc"), word("x²"), word("1")]),
            ("《静夜思》，李白", vec![han("静夜思"), han("李白")]),
            ("Élève", vec![word("élève")]),
            ("！？", vec![]),
        ] {
            assert_eq!(runs(text), want, "{text}");
        }
    }

    #[test]
    fn a_text_is_found_by_characters_pairs_and_words() {
        let terms = terms("二元一次方程组");
        for want in ["二", "二元", "元一", "一次", "方程", "程组", "方程组"] {
            assert!(terms.iter().any(|t| t == want), "{want} in {terms:?}");
        }
    }

    #[test]
    fn a_query_loses_words_that_say_nothing() {
        let chars: Vec<char> = "分数的乘法".chars().collect();
        assert_eq!(words(&chars), ["分数", "乘法"]);
        let chars: Vec<char> = "王芳的数学".chars().collect();
        assert_eq!(words(&chars), ["王芳", "数学"]);
    }
}
