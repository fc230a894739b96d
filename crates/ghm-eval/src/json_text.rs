//! From a file to a JSON value, with a reason when it is missing, empty, binary, truncated or not JSON.

use std::borrow::Cow;
use std::path::Path;

use serde::de::DeserializeOwned;

use crate::error::EvalError;

/// Reads a JSON file. Bare `NaN` and `Infinity`, which Python writes, arrive as strings of that name.
pub(crate) fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T, EvalError> {
    let bytes = std::fs::read(path).map_err(|source| EvalError::Read { path: path.to_path_buf(), source })?;
    parse_json(&bytes, &path.display().to_string())
}

fn parse_json<T: DeserializeOwned>(bytes: &[u8], origin: &str) -> Result<T, EvalError> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Err(EvalError::Empty { origin: origin.to_owned() });
    }
    match serde_json::from_slice(bytes) {
        Ok(value) => Ok(value),
        Err(first) => match quote_non_finite(bytes) {
            Cow::Borrowed(_) => Err(refuse(bytes, first, origin)),
            Cow::Owned(quoted) => serde_json::from_slice(&quoted).map_err(|second| refuse(bytes, second, origin)),
        },
    }
}

fn refuse(bytes: &[u8], source: serde_json::Error, origin: &str) -> EvalError {
    let origin = origin.to_owned();
    let bad_utf8 = std::str::from_utf8(bytes).err().map(|error| (error.valid_up_to(), error.error_len()));
    let nul = bytes.iter().position(|&byte| byte == 0);
    match (bad_utf8, nul) {
        // A file cut inside a character (no `error_len`) is truncated, not binary.
        (Some((offset, Some(_))), _) | (_, Some(offset)) => EvalError::Binary { origin, offset },
        _ if source.is_eof() || bad_utf8.is_some() => {
            EvalError::Truncated { origin, line: source.line(), column: source.column() }
        }
        _ => EvalError::NotJson { origin, source },
    }
}

/// The text with `NaN`, `Infinity` and `-Infinity` outside strings put in quotes; borrowed when there are none.
fn quote_non_finite(bytes: &[u8]) -> Cow<'_, [u8]> {
    let mut quoted: Vec<u8> = Vec::new();
    let (mut copied, mut at, mut in_string) = (0, 0, false);
    while let Some(&byte) = bytes.get(at) {
        let token = if in_string { None } else { non_finite_at(&bytes[at..]) };
        if let Some(token) = token {
            quoted.extend_from_slice(&bytes[copied..at]);
            quoted.push(b'"');
            quoted.extend_from_slice(token);
            quoted.push(b'"');
            at += token.len();
            copied = at;
            continue;
        }
        match byte {
            b'"' => in_string = !in_string,
            b'\\' if in_string => at += 1,
            _ => {}
        }
        at += 1;
    }
    if copied == 0 {
        return Cow::Borrowed(bytes);
    }
    quoted.extend_from_slice(&bytes[copied..]);
    Cow::Owned(quoted)
}

fn non_finite_at(rest: &[u8]) -> Option<&'static [u8]> {
    const TOKENS: [&[u8]; 3] = [b"NaN", b"Infinity", b"-Infinity"];
    TOKENS.into_iter().find(|token| rest.starts_with(token))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn parse(bytes: &[u8]) -> Result<Value, EvalError> {
        parse_json(bytes, "f.json")
    }

    #[test]
    fn bare_nan_becomes_a_string_and_strings_stay() {
        let value = parse(br#"[NaN, -Infinity, "NaN \" Infinity", Infinity]"#).unwrap();
        assert_eq!(value, json!(["NaN", "-Infinity", "NaN \" Infinity", "Infinity"]));
    }

    #[test]
    fn a_byte_order_mark_is_skipped() {
        assert_eq!(parse(b"\xef\xbb\xbf[1]").unwrap(), json!([1]));
    }

    #[test]
    fn each_kind_of_broken_file_has_its_own_error() {
        assert!(matches!(parse(b" \n"), Err(EvalError::Empty { .. })));
        assert!(matches!(parse(b"\x1f\x8b\x08\x00"), Err(EvalError::Binary { offset: 1, .. })));
        assert!(matches!(parse(b"[1,\n{\"a\": "), Err(EvalError::Truncated { line: 2, .. })));
        assert!(matches!(parse(b"[\"\xc3"), Err(EvalError::Truncated { .. })));
        assert!(matches!(parse(b"[1,]"), Err(EvalError::NotJson { .. })));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = parse(&bytes);
        }
    }
}
