//! Programs that begin with `#!` (execve(2), "Interpreter scripts"). Pure.

use crate::error::Errno;
use alloc::vec::Vec;

/// Bytes of a file that tell what it is (BINPRM_BUF_SIZE).
pub const HEAD: usize = 256;

/// The first line of a script.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Script {
    /// The path of its interpreter.
    pub interpreter: Vec<u8>,
    /// The one argument of the line: all that follows the path.
    pub argument: Option<Vec<u8>>,
}

/// Reads the first bytes of a file ([`HEAD`] at the most); `None` if it is no script.
///
/// # Errors
/// ENOEXEC when the line names no interpreter, or its path is longer than what was read.
pub fn parse(head: &[u8]) -> Result<Option<Script>, Errno> {
    let Some(rest) = head.strip_prefix(b"#!") else {
        return Ok(None);
    };
    let blank = |b: &u8| matches!(b, b' ' | b'\t');
    let end = rest.iter().position(|b| *b == b'\n');
    let line = rest.get(..end.unwrap_or(rest.len())).unwrap_or(rest);
    let line = line.split(|b| *b == 0).next().unwrap_or_default();
    let start = line.iter().position(|b| !blank(b)).ok_or(Errno::ENOEXEC)?;
    let line = line.get(start..).unwrap_or_default();
    let cut = line.iter().position(blank);
    // Without an end of the line the path may go on behind what was read.
    if cut.is_none() && end.is_none() && head.len() >= HEAD {
        return Err(Errno::ENOEXEC);
    }
    let (path, argument) = line.split_at(cut.unwrap_or(line.len()));
    let argument = argument.trim_ascii();
    Ok(Some(Script {
        interpreter: path.to_vec(),
        argument: (!argument.is_empty()).then(|| argument.to_vec()),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    type Parsed = Option<(Vec<u8>, Option<Vec<u8>>)>;

    fn parsed(head: &[u8]) -> Result<Parsed, Errno> {
        Ok(parse(head)?.map(|s| (s.interpreter, s.argument)))
    }

    #[test]
    fn the_first_line_names_an_interpreter_and_one_argument() {
        let sh =
            |argument: Option<&[u8]>| Ok(Some((b"/bin/sh".to_vec(), argument.map(|a| a.to_vec()))));
        assert_eq!(parsed(b"#!/bin/sh\necho"), sh(None));
        assert_eq!(parsed(b"#! \t/bin/sh \t\necho"), sh(None));
        assert_eq!(parsed(b"#!/bin/sh"), sh(None));
        assert_eq!(parsed(b"#!/bin/sh  -e -x \n"), sh(Some(b"-e -x")));
        assert_eq!(parsed(b"\x7fELF"), Ok(None));
        assert_eq!(parsed(b""), Ok(None));
        for bad in [&b"#!"[..], b"#!\n/bin/sh", b"#!  \t\n"] {
            assert_eq!(parsed(bad), Err(Errno::ENOEXEC));
        }
        let mut long = b"#!/".to_vec();
        long.resize(HEAD, b'x');
        assert_eq!(parsed(&long), Err(Errno::ENOEXEC));
        long[100] = b' ';
        assert!(parsed(&long).unwrap().is_some());
    }
}
