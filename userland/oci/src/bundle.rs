//! A bundle: a directory with a configuration and a root file system (B-1).

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::commands::CONFIG_JSON;
use crate::document::Refusal;
use crate::{capabilities, document, translate};

/// The configuration in the kernel's own language; used as it is, in place of `config.json`.
const CONFIG_KV: &str = "config.kv";

/// The largest configuration the kernel takes, in bytes.
const CONFIG_MAX: u64 = 1 << 20;

/// The configuration of the bundle `directory` as `key=value` text, and what to warn of.
///
/// # Errors
/// There is none, it cannot be read, or it is refused.
pub fn configuration(directory: &Path) -> Result<(Vec<u8>, Vec<String>), String> {
    if let Some(text) = read(&directory.join(CONFIG_KV))? {
        return Ok((text, Vec::new()));
    }
    let told = translate::translate(&json(directory)?, capabilities::available());
    let (text, warnings) = told.map_err(|refusal| refusal.to_string())?;
    Ok((text.into_bytes(), warnings))
}

/// The same, and what is refused before it comes to the kernel.
///
/// # Errors
/// There is none, or it cannot be read as a configuration.
pub fn explained(directory: &Path) -> Result<(Vec<u8>, Vec<Refusal>), String> {
    if let Some(text) = read(&directory.join(CONFIG_KV))? {
        return Ok((text, Vec::new()));
    }
    let told = translate::explain(&json(directory)?, capabilities::available());
    let (text, refusals) = told.map_err(|refusal| refusal.to_string())?;
    Ok((text.into_bytes(), refusals))
}

/// The `config.json` of the bundle `directory`.
fn json(directory: &Path) -> Result<Value, String> {
    let path = directory.join(CONFIG_JSON);
    let text = read(&path)?
        .ok_or_else(|| format!("JSON specification file {} not found", path.display()))?;
    document::parse(&text).map_err(|error| format!("{}: {error}", path.display()))
}

/// Where the configuration of the bundle `directory` has its root file system now, if it can be
/// read. For display: the kernel holds the real one.
#[must_use]
pub fn rootfs(directory: &Path) -> Option<String> {
    let root = match read(&directory.join(CONFIG_KV)).ok()? {
        Some(text) => root_of_text(&text)?,
        None => root_of_json(&read(&directory.join(CONFIG_JSON)).ok()??)?,
    };
    Some(directory.join(root).to_string_lossy().into_owned())
}

fn root_of_text(text: &[u8]) -> Option<PathBuf> {
    let text = std::str::from_utf8(text).ok()?;
    let mut lines = text.lines().filter_map(|line| line.split_once('='));
    lines
        .find(|(key, _)| key.trim() == "root_path")
        .map(|(_, path)| path.into())
}

fn root_of_json(text: &[u8]) -> Option<PathBuf> {
    let document: Value = document::parse(text).ok()?;
    document.pointer("/root/path")?.as_str().map(PathBuf::from)
}

/// The file's bytes; `None` when there is no such file.
fn read(path: &Path) -> Result<Option<Vec<u8>>, String> {
    let mut text = Vec::new();
    let file = match File::open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        file => file.and_then(|file| file.take(CONFIG_MAX + 1).read_to_end(&mut text)),
    };
    file.map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    if text.len() as u64 > CONFIG_MAX {
        return Err(format!("{} is larger than 1 MiB", path.display()));
    }
    Ok(Some(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::write;

    #[test]
    fn json_is_translated_and_key_value_text_taken_as_it_is() {
        let directory = tempfile::tempdir().unwrap();
        let bundle = directory.path();
        let error = configuration(bundle).unwrap_err();
        assert!(error.contains("config.json not found"), "{error}");
        assert_eq!(rootfs(bundle), None);

        write(
            bundle.join(CONFIG_JSON),
            r#"{"ociVersion":"1.0.2","root":{"path":"r"}}"#,
        )
        .unwrap();
        assert_eq!(
            configuration(bundle).unwrap().0,
            b"oci_version=1.0.2\nroot_path=r\n"
        );
        assert_eq!(rootfs(bundle).unwrap(), bundle.join("r").to_str().unwrap());

        write(bundle.join(CONFIG_KV), "# mine\n root_path =/abs\nnonsense").unwrap();
        assert_eq!(
            configuration(bundle).unwrap().0,
            b"# mine\n root_path =/abs\nnonsense"
        );
        assert_eq!(rootfs(bundle).unwrap(), "/abs");
    }

    #[test]
    fn an_explanation_has_every_refusal() {
        let directory = tempfile::tempdir().unwrap();
        let bundle = directory.path();
        let text = r#"{"ociVersion":"1.0.2","root":{"path":"r"},"process":{"cwd":"/","apparmorProfile":"x"},
            "linux":{"sysctl":{"a":"b"}}}"#;
        write(bundle.join(CONFIG_JSON), text).unwrap();
        assert!(configuration(bundle).is_err());
        let (text, refusals) = explained(bundle).unwrap();
        assert_eq!(text, b"oci_version=1.0.2\nroot_path=r\nprocess_cwd=/\n");
        let pointers: Vec<&str> = refusals.iter().map(|one| one.pointer.as_str()).collect();
        assert_eq!(pointers, ["/linux/sysctl/a", "/process/apparmorProfile"]);
        write(bundle.join(CONFIG_KV), "root_path=x").unwrap();
        assert_eq!(
            explained(bundle).unwrap(),
            (b"root_path=x".to_vec(), vec![])
        );
    }

    #[test]
    fn what_cannot_be_read_is_an_error() {
        let directory = tempfile::tempdir().unwrap();
        let bundle = directory.path();
        write(bundle.join(CONFIG_JSON), "{").unwrap();
        assert!(
            configuration(bundle)
                .unwrap_err()
                .contains("config.json: EOF")
        );
        std::fs::create_dir(bundle.join(CONFIG_KV)).unwrap();
        assert!(configuration(bundle).unwrap_err().contains("cannot read"));
        std::fs::remove_dir(bundle.join(CONFIG_KV)).unwrap();
        write(
            bundle.join(CONFIG_KV),
            vec![b'#'; (CONFIG_MAX + 1) as usize],
        )
        .unwrap();
        assert!(
            configuration(bundle)
                .unwrap_err()
                .contains("larger than 1 MiB")
        );
    }

    /// The bundles of the demo and of the tests are what the kernel reads.
    #[test]
    fn the_bundles_of_the_repository_are_valid() {
        let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let mut count = 0;
        for directory in [
            "userland/demo/bundles",
            "tests/bundles",
            "tests/bundles/programs",
        ] {
            for bundle in std::fs::read_dir(repository.join(directory)).unwrap() {
                let bundle = bundle.unwrap().path();
                if !bundle.join(CONFIG_JSON).exists() && !bundle.join(CONFIG_KV).exists() {
                    continue; // A directory of bundles.
                }
                let text = configuration(&bundle);
                // What is to be refused says so in its name.
                if bundle.to_string_lossy().contains("refused") {
                    assert!(text.is_err(), "{}", bundle.display());
                    continue;
                }
                let text = text.unwrap_or_else(|error| panic!("{}: {error}", bundle.display()));
                let config = berth_oci::OciConfig::parse_bytes(&text.0);
                config.unwrap_or_else(|error| panic!("{}: {error}", bundle.display()));
                count += 1;
            }
        }
        assert!(count >= 3);
    }
}
