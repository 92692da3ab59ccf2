//! What holds for every input of the parser: the fuzz target and the tests check it.

use berth_oci::config::{ConfigReader, KEYS};
use berth_oci::{
    ConfigError, Feature, FeatureSet, OciConfig, Planning, explain, plan, plan_delete, plan_start,
};

/// Checks an input; says whether it is a configuration. `pick` chooses how it arrives and what
/// the kernel supports.
pub fn check(input: &[u8], pick: u64) -> bool {
    let parsed = OciConfig::parse_bytes(input);
    let portion = usize::try_from(pick % 61).unwrap_or(0) + 1;
    let arrived = arrive(input, portion, usize::try_from(pick % 7).unwrap_or(0) + 1);
    assert_eq!(arrived, parsed, "in portions of {portion} bytes");
    match parsed {
        Ok(config) => {
            check_config(config, pick);
            true
        }
        Err(error) => {
            check_error(&error, input);
            false
        }
    }
}

fn arrive(input: &[u8], bytes: usize, lines: usize) -> Result<OciConfig, ConfigError> {
    let mut reader = ConfigReader::default();
    for mut portion in input.chunks(bytes) {
        while !portion.is_empty() {
            let taken = reader.feed(portion, lines)?;
            portion = &portion[taken..];
        }
    }
    reader.finish().map_err(|(error, _)| error)
}

/// One line that can be shown to anybody.
fn check_error(error: &ConfigError, input: &[u8]) {
    let lines = input.split(|byte| *byte == b'\n').count();
    assert!(usize::try_from(error.line).unwrap_or(usize::MAX) <= lines);
    assert!(error.key.len() <= 80 && error.value.len() <= 80);
    assert!(!error.reason.is_empty());
    let text = error.to_string();
    assert!(!text.contains(char::is_control), "{text:?}");
}

fn check_config(mut config: OciConfig, pick: u64) {
    let text = config.to_text();
    assert_eq!(OciConfig::parse(&text).as_ref(), Ok(&config), "{text}");
    assert_eq!(config.validate(), Ok(()));
    let features = FeatureSet::from_fn(|f| (pick | 1).rotate_left(f as u32 * 7) & 1 == 1);
    let planned = plan(&config, features);
    let mut planning = Planning::new(features);
    let in_portions = loop {
        match planning.advance(&config, 3) {
            Ok(true) => {}
            Ok(false) => break planning.into_plan(&config),
            Err(refusal) => break Err(refusal),
        }
    };
    assert_eq!(in_portions, planned);
    let told = explain(&config, features).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(
        told.refuses(),
        planned.is_err() || config.process.is_none(),
        "{text}"
    );
    if let Err(refusal) = &planned {
        assert_eq!(&told.refusals()[0], refusal);
    }
    for refusal in told.refusals() {
        assert!(KEYS.contains(&refusal.key) && refusal.value.len() <= 80);
    }
    for line in told.lines(&config).map(|line| line.to_string()) {
        assert_eq!(line.matches('\t').count(), 3, "{line:?}");
        assert!(
            !line.replace('\t', "").contains(char::is_control),
            "{line:?}"
        );
        assert!(line.len() < 2048);
    }
    assert_eq!(plan_start(&config).is_ok(), config.process.is_some());
    assert!(plan_delete(&config).is_ok());
    assert!(Feature::ALL.len() > 64);
    while config.dissolve(5) {}
    assert!(config.mounts.is_empty() && config.annotations.is_empty());
}
