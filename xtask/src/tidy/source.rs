//! A Rust file, read as far as the rules need it: code without comments and strings, strings, tests.
//!
//! No parser: a walk over the characters that knows comments, strings, raw
//! strings and character literals, and blanks them, so that braces and words
//! that remain are code. Line numbers stay true.

/// One Rust file in three readings, all of the same lines.
pub(super) struct Source {
    /// As written.
    pub(super) text: String,
    /// Comments and the insides of strings are blanks.
    pub(super) code: String,
    /// String literals outside comments: line from 1, and content as written.
    pub(super) strings: Vec<(usize, String)>,
    /// From this line on (from 1) it is tests; one past the end when it has none.
    pub(super) tests_from: usize,
}

impl Source {
    pub(super) fn new(path: &str, text: &str) -> Self {
        let (code, strings) = blank(text);
        let tests_from = tests_from(path, &code);
        Self { text: text.into(), code, strings, tests_from }
    }

    /// Lines of code with their numbers, tests only.
    pub(super) fn code_in_tests(&self) -> impl Iterator<Item = (usize, &str)> {
        numbered(&self.code).skip_while(|(line, _)| *line < self.tests_from)
    }

    /// Every `fn` with a body: name, first line, last line.
    pub(super) fn functions(&self) -> Vec<Function> {
        functions(&self.code)
    }
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Function {
    pub(super) name: String,
    pub(super) first: usize,
    pub(super) last: usize,
}

/// Lines from 1.
pub(super) fn numbered(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines().enumerate().map(|(index, line)| (index + 1, line))
}

/// Runs of letters, digits and `_`.
pub(super) fn words(line: &str) -> impl Iterator<Item = &str> {
    line.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty())
}

/// Integration tests and files named `tests.rs` are tests from their first line; others from the
/// last `#[cfg(test)]` that stands before a `mod` with a body.
fn tests_from(path: &str, code: &str) -> usize {
    if path.contains("/tests/") || path.ends_with("/tests.rs") {
        return 1;
    }
    let lines: Vec<&str> = code.lines().collect();
    let begins = (0..lines.len()).rev().find(|&index| {
        lines[index].trim() == "#[cfg(test)]"
            && lines[index + 1..]
                .iter()
                .find(|line| !line.trim_start().starts_with("#["))
                .is_some_and(|line| line.contains("mod ") && line.contains('{'))
    });
    begins.map_or(lines.len() + 1, |index| index + 1)
}

fn blank(text: &str) -> (String, Vec<(usize, String)>) {
    let chars: Vec<char> = text.chars().collect();
    let mut code = String::with_capacity(text.len());
    let mut strings = Vec::new();
    let mut at = 0;
    let mut line = 1;
    while at < chars.len() {
        let (end, keep) = match literal(&chars, at) {
            Some(end) => (end, false),
            None => (at + 1, true),
        };
        let piece = &chars[at..end];
        if !keep && (piece[0] != '/' && piece[0] != '\'') {
            strings.push((line, piece.iter().collect()));
        }
        for &c in piece {
            code.push(if keep || c == '\n' { c } else { ' ' });
            line += usize::from(c == '\n');
        }
        at = end;
    }
    (code, strings)
}

/// Where the comment, string or character literal that begins at `at` ends; `None` if none begins.
fn literal(chars: &[char], at: usize) -> Option<usize> {
    let here = |offset: usize| chars.get(at + offset).copied();
    let within_word = at > 0 && (chars[at - 1].is_alphanumeric() || chars[at - 1] == '_');
    match (here(0)?, here(1)) {
        ('/', Some('/')) => Some(find(chars, at, &['\n'])),
        ('/', Some('*')) => Some(block_comment(chars, at)),
        ('"', _) => Some(quoted(chars, at + 1, '"')),
        ('b' | 'c', Some('"')) if !within_word => Some(quoted(chars, at + 2, '"')),
        ('r', Some('"' | '#')) if !within_word => raw(chars, at + 1),
        ('b' | 'c', Some('r')) if !within_word => raw(chars, at + 2),
        ('\'', Some('\\')) => Some(quoted(chars, at + 1, '\'')),
        // 'a' is a character, 'a is a lifetime.
        ('\'', Some(_)) if here(2) == Some('\'') => Some(at + 3),
        _ => None,
    }
}

fn find(chars: &[char], from: usize, what: &[char]) -> usize {
    let found = chars[from..].windows(what.len()).position(|window| window == what);
    found.map_or(chars.len(), |offset| from + offset)
}

fn block_comment(chars: &[char], at: usize) -> usize {
    let mut depth = 0;
    let mut at = at;
    while at < chars.len() {
        match (chars[at], chars.get(at + 1)) {
            ('/', Some('*')) => (depth, at) = (depth + 1, at + 2),
            ('*', Some('/')) => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at.min(chars.len())
}

fn quoted(chars: &[char], from: usize, close: char) -> usize {
    let mut at = from;
    while at < chars.len() {
        match chars[at] {
            '\\' => at += 2,
            c if c == close => return at + 1,
            _ => at += 1,
        }
    }
    chars.len()
}

/// `from` stands on the first `#` or the quote after `r`; `None` for a raw identifier.
fn raw(chars: &[char], from: usize) -> Option<usize> {
    let hashes = chars[from..].iter().take_while(|&&c| c == '#').count();
    if chars.get(from + hashes) != Some(&'"') {
        return None;
    }
    let close: Vec<char> = std::iter::once('"').chain(std::iter::repeat_n('#', hashes)).collect();
    Some((find(chars, from + hashes + 1, &close) + close.len()).min(chars.len()))
}

fn functions(code: &str) -> Vec<Function> {
    let bytes = code.as_bytes();
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(offset) = code[from..].find("fn ") {
        let at = from + offset;
        from = at + 3;
        let within_word =
            at > 0 && (bytes[at - 1].is_ascii_alphanumeric() || bytes[at - 1] == b'_');
        let Some(name) = words(&code[from..]).next() else {
            continue;
        };
        if within_word || !code[from..].trim_start().starts_with(name) {
            continue;
        }
        if let Some(end) = body_end(&bytes[from..]) {
            let line = |upto: usize| 1 + bytes[..upto].iter().filter(|&&b| b == b'\n').count();
            found.push(Function { name: name.into(), first: line(at), last: line(from + end) });
        }
    }
    found
}

/// The offset of the brace that closes the body; `None` where a `;` ends the declaration first.
fn body_end(rest: &[u8]) -> Option<usize> {
    let mut braces = 0_usize;
    let mut brackets = 0_usize;
    for (offset, byte) in rest.iter().enumerate() {
        match byte {
            b'{' => braces += 1,
            b'}' if braces <= 1 => return (braces == 1).then_some(offset),
            b'}' => braces -= 1,
            b'(' | b'[' => brackets += 1,
            b')' | b']' => brackets = brackets.saturating_sub(1),
            b';' if braces == 0 && brackets == 0 => return None,
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::{Function, Source};

    fn code(text: &str) -> String {
        Source::new("crates/x/src/a.rs", text).code
    }

    #[test]
    fn comments_and_strings_are_blanked() {
        assert_eq!(code("a /* b /* c */ */ d // e\nf"), format!("a {} d     \nf", " ".repeat(15)));
        assert_eq!(code(r##"x(r#"{"#, "\"{", b'{', '{', 'a)"##).replace(' ', ""), "x(,,b,,'a)");
    }

    #[test]
    fn strings_are_kept_with_their_line() {
        let source = Source::new("a.rs", "// \"no\"\nlet a = \"yes\";");
        assert_eq!(source.strings, [(2, "\"yes\"".to_owned())]);
    }

    #[test]
    fn a_function_ends_at_its_own_brace() {
        let text = "trait T { fn a(&self) -> [u8; 2]; }\nfn b() {\n  if x { }\n}\nstruct S;";
        let found = Source::new("a.rs", text).functions();
        assert_eq!(found, [Function { name: "b".into(), first: 2, last: 4 }]);
    }

    #[test]
    fn tests_begin_at_their_module() {
        let text =
            "#[cfg(test)]\nuse x;\nfn a() {}\n#[cfg(test)]\n#[allow(dead_code)]\nmod tests {\n}";
        assert_eq!(Source::new("a.rs", text).tests_from, 4);
        assert_eq!(Source::new("crates/a/tests/it.rs", text).tests_from, 1);
    }
}
