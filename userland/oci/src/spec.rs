//! The `config.json` that `oci spec` writes: everything in it is enforced by this build.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;

/// A shell in its own pid, mount and uts namespaces, on a root that it cannot write to.
pub const TEMPLATE: &str = r#"{
    "ociVersion": "1.3.0",
    "process": {
        "terminal": false,
        "user": {
            "uid": 0,
            "gid": 0
        },
        "args": [
            "sh"
        ],
        "env": [
            "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "TERM=xterm"
        ],
        "cwd": "/"
    },
    "root": {
        "path": "rootfs",
        "readonly": true
    },
    "hostname": "berth",
    "mounts": [
        {
            "destination": "/proc",
            "type": "proc",
            "source": "proc",
            "options": [
                "nosuid",
                "noexec",
                "nodev"
            ]
        },
        {
            "destination": "/tmp",
            "type": "tmpfs",
            "source": "tmpfs",
            "options": [
                "nosuid",
                "nodev",
                "mode=1777"
            ]
        }
    ],
    "linux": {
        "namespaces": [
            {
                "type": "pid"
            },
            {
                "type": "mount"
            },
            {
                "type": "uts"
            }
        ]
    }
}
"#;

/// Writes the template to `config.json` in `bundle`.
///
/// # Errors
/// When there is one already, or it cannot be written.
pub fn write(bundle: &Path) -> Result<(), String> {
    let path = bundle.join(crate::commands::CONFIG_JSON);
    let file = OpenOptions::new().write(true).create_new(true).open(&path);
    match file.and_then(|mut file| file.write_all(TEMPLATE.as_bytes())) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            Err(format!("File {} exists. Remove it first", path.display()))
        }
        Err(error) => Err(format!("cannot write {}: {error}", path.display())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::thread::CapabilitySet;

    #[test]
    fn the_template_is_a_configuration_this_build_enforces() {
        let document = crate::document::parse(TEMPLATE.as_bytes()).unwrap();
        let (text, _) = crate::translate::translate(&document, CapabilitySet::all()).unwrap();
        assert!(text.contains("\nprocess_arg=sh\n"), "{text}");
        assert!(
            text.contains("\nmount=/proc:proc:proc:nosuid,noexec,nodev\n"),
            "{text}"
        );
    }

    #[test]
    fn a_file_that_is_there_is_not_overwritten() {
        let directory = tempfile::tempdir().unwrap();
        write(directory.path()).unwrap();
        let error = write(directory.path()).unwrap_err();
        assert!(error.contains("exists"), "{error}");
        let path = directory.path().join("config.json");
        assert_eq!(std::fs::read_to_string(path).unwrap(), TEMPLATE);
        assert!(
            write(Path::new("/nonexistent"))
                .unwrap_err()
                .contains("cannot write")
        );
    }
}
