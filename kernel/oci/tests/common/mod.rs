//! What the tests of the configuration share.

use berth_oci::config::ConfigErrorKind;
use berth_oci::{ConfigError, OciConfig};

/// A valid configuration of three lines, to which tests add the fourth.
pub const BASE: &str = "root_path=rootfs\nnamespace=mount\nnamespace=uts\n";

pub fn with(lines: &str) -> Result<OciConfig, ConfigError> {
    OciConfig::parse(&format!("{BASE}{lines}"))
}

#[track_caller]
pub fn good(lines: &str) -> OciConfig {
    with(lines).unwrap_or_else(|error| panic!("{lines:?} refused: {error}"))
}

/// Every line is refused at its place, and the error says which key.
#[track_caller]
pub fn bad(lines: &[&str]) {
    for line in lines {
        let error = with(line).expect_err(line);
        let key = line.split('=').next().unwrap_or_default();
        assert_eq!((error.line, error.key.as_str()), (4, key), "{error}");
        assert!(error.to_string().starts_with(&format!("line 4: {key}")));
        // Not only because a neighbour is missing, which would hide that the value passed.
        let alone = error.kind == ConfigErrorKind::Relation;
        assert!(!alone || error.reason.contains("line above"), "{error}");
    }
}
