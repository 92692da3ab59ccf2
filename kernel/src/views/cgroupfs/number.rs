//! Numbers as programs write them to files of groups: Linux's kstrtoll and its kind.

use crate::error::Errno;

/// An unsigned number: octal behind a 0, hexadecimal behind 0x, one `+` before it and one newline
/// behind.
///
/// # Errors
/// ERANGE for what does not fit, EINVAL for what is none.
pub(super) fn unsigned(text: &str) -> Result<u64, Errno> {
    digits(text.strip_prefix('+').unwrap_or(text))
}

/// A number of bytes, with one of K M G T P E behind it for powers of 1024 (Linux's memparse,
/// which takes an empty text for 0 and lets a number that is too large wrap round; these are
/// refused here).
///
/// # Errors
/// As [`unsigned`].
pub(super) fn bytes(text: &str) -> Result<u64, Errno> {
    let suffix = text.as_bytes().last().map(u8::to_ascii_uppercase);
    let shift = match suffix {
        Some(b'K') => 10,
        Some(b'M') => 20,
        Some(b'G') => 30,
        Some(b'T') => 40,
        Some(b'P') => 50,
        // Behind 0x it is a digit.
        Some(b'E') if !text.starts_with("0x") && !text.starts_with("0X") => 60,
        _ => 0,
    };
    let number = match shift {
        0 => text,
        _ => text.get(..text.len().saturating_sub(1)).unwrap_or_default(),
    };
    if number.starts_with('+') || number.ends_with('\n') {
        return Err(Errno::EINVAL);
    }
    let value = unsigned(number)?;
    value.checked_mul(1 << shift).ok_or(Errno::ERANGE)
}

/// A signed number.
///
/// # Errors
/// As [`unsigned`].
pub(super) fn signed(text: &str) -> Result<i64, Errno> {
    match text.strip_prefix('-') {
        Some(text) => {
            let value = i128::from(digits(text)?);
            i64::try_from(-value).map_err(|_| Errno::ERANGE)
        }
        None => i64::try_from(unsigned(text)?).map_err(|_| Errno::ERANGE),
    }
}

/// A signed number of 32 bits.
///
/// # Errors
/// As [`unsigned`].
pub(super) fn int(text: &str) -> Result<i32, Errno> {
    i32::try_from(signed(text)?).map_err(|_| Errno::ERANGE)
}

fn digits(text: &str) -> Result<u64, Errno> {
    let bytes = text.as_bytes();
    let hex = matches!(bytes, [b'0', b'x' | b'X', digit, ..] if digit.is_ascii_hexdigit());
    let (radix, digits) = match bytes {
        [_, _, digits @ ..] if hex => (16, digits),
        [b'0', ..] => (8, bytes),
        _ => (10, bytes),
    };
    let (mut value, mut count, mut fits) = (0u64, 0, true);
    for digit in digits.iter().map_while(|b| char::from(*b).to_digit(radix)) {
        count += 1;
        let next = value.checked_mul(u64::from(radix));
        match next.and_then(|next| next.checked_add(u64::from(digit))) {
            Some(next) => value = next,
            None => fits = false,
        }
    }
    let rest = digits.get(count..).unwrap_or(&[]);
    match (fits, count, rest) {
        (false, ..) => Err(Errno::ERANGE),
        (_, 1.., b"" | b"\n") => Ok(value),
        _ => Err(Errno::EINVAL),
    }
}

/// A text without blanks around it (Linux's strstrip).
pub(super) fn strip(text: &str) -> &str {
    text.trim_matches(|c: char| matches!(c, ' ' | '\t'..='\r'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_linux() {
        let good: [(&str, i64); 11] = [
            ("0", 0),
            ("00", 0),
            ("17\n", 17),
            ("+5", 5),
            ("-1", -1),
            ("0x10", 16),
            ("0X1f", 31),
            ("-0x8000000000000000", i64::MIN),
            ("9223372036854775807", i64::MAX),
            ("010", 8),
            ("-0", 0),
        ];
        for (text, value) in good {
            assert_eq!(signed(text), Ok(value), "{text:?}");
        }
        for text in [
            "9223372036854775808",
            "-9223372036854775809",
            "99999999999999999999x",
        ] {
            assert_eq!(signed(text), Err(Errno::ERANGE), "{text:?}");
        }
        for text in [
            "", "\n", " 1", "1 ", "1\n\n", "+", "-", "--1", "-+1", "+-1", "0x", "0xg", "08", "1x",
            "ä",
        ] {
            assert_eq!(signed(text), Err(Errno::EINVAL), "{text:?}");
        }
        assert_eq!(unsigned("18446744073709551615"), Ok(u64::MAX));
        assert_eq!(unsigned("18446744073709551616"), Err(Errno::ERANGE));
        assert_eq!(unsigned("-1"), Err(Errno::EINVAL));
        assert_eq!(int("2147483648"), Err(Errno::ERANGE));
        assert_eq!(strip(" \t a b\n\n"), "a b");
    }
}
