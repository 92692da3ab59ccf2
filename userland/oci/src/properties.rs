//! Which properties of the runtime-spec (1.3.0, platform linux) this build enforces.
//!
//! A known property that is not enforced is refused when its value asks for something (X-2, X-3);
//! a property that the specification does not know is ignored (X-1), and so are the objects of
//! other platforms (X-4).

use serde_json::Value;

use crate::document::{At, Refusal};

/// What is done about a property.
#[derive(Clone, Copy)]
enum Standing {
    /// The translation reads it.
    Enforced,
    /// Refused, unless the value asks for nothing: null, false, "", nothing but such in it, or one
    /// of these JSON texts.
    Unless(&'static [&'static str]),
    /// Has no effect as long as the properties it depends on are refused.
    Moot,
}

use Standing::{Enforced, Moot, Unless};

/// Refused whatever it asks for.
const NO: Standing = Unless(&[]);
/// How callers say "no limit" where 0 is one.
const UNLIMITED: Standing = Unless(&["-1"]);

/// Every property, by its JSON pointer; `*` stands for an index or a free name. A property that is
/// not enforced as a whole is one line.
const PROPERTIES: &[(&str, Standing)] = &[
    ("/ociVersion", Enforced),
    ("/root/path", Enforced),
    ("/root/readonly", Enforced),
    ("/hostname", Enforced),
    ("/domainname", Enforced),
    ("/annotations/*", Enforced),
    ("/mounts/*/destination", Enforced),
    ("/mounts/*/type", Enforced),
    ("/mounts/*/source", Enforced),
    ("/mounts/*/options", Enforced),
    ("/mounts/*/uidMappings", NO),
    ("/mounts/*/gidMappings", NO),
    ("/hooks/prestart", Enforced),
    ("/hooks/createRuntime", Enforced),
    ("/hooks/createContainer", Enforced),
    ("/hooks/startContainer", Enforced),
    ("/hooks/poststart", Enforced),
    ("/hooks/poststop", Enforced),
    ("/process/args", Enforced),
    ("/process/env", Enforced),
    ("/process/cwd", Enforced),
    ("/process/user/uid", Enforced),
    ("/process/user/gid", Enforced),
    ("/process/user/umask", Enforced),
    ("/process/user/additionalGids", Enforced),
    ("/process/terminal", NO),
    ("/process/consoleSize", Moot),
    ("/process/rlimits", Enforced),
    ("/process/capabilities", Enforced),
    ("/process/noNewPrivileges", Enforced),
    ("/process/oomScoreAdj", Enforced),
    ("/process/scheduler", NO),
    ("/process/ioPriority", NO),
    ("/process/execCPUAffinity", NO),
    ("/process/apparmorProfile", NO),
    ("/process/selinuxLabel", NO),
    ("/linux/namespaces", Enforced),
    ("/linux/uidMappings", NO),
    ("/linux/gidMappings", NO),
    ("/linux/timeOffsets", NO),
    ("/linux/devices", NO),
    ("/linux/netDevices", NO),
    ("/linux/cgroupsPath", Enforced),
    ("/linux/resources/devices", Enforced),
    ("/linux/resources/memory/limit", Enforced),
    ("/linux/resources/memory/reservation", Enforced),
    ("/linux/resources/memory/swap", Enforced),
    ("/linux/resources/memory/kernel", UNLIMITED),
    ("/linux/resources/memory/kernelTCP", UNLIMITED),
    ("/linux/resources/memory/swappiness", NO),
    ("/linux/resources/memory/disableOOMKiller", NO),
    ("/linux/resources/memory/useHierarchy", NO),
    ("/linux/resources/memory/checkBeforeUpdate", Enforced),
    ("/linux/resources/cpu/shares", Enforced),
    ("/linux/resources/cpu/quota", Enforced),
    ("/linux/resources/cpu/burst", Enforced),
    ("/linux/resources/cpu/period", Enforced),
    ("/linux/resources/cpu/realtimeRuntime", Unless(&["0"])),
    ("/linux/resources/cpu/realtimePeriod", Moot),
    ("/linux/resources/cpu/cpus", Enforced),
    ("/linux/resources/cpu/mems", Enforced),
    ("/linux/resources/cpu/idle", Enforced),
    ("/linux/resources/pids/limit", Enforced),
    ("/linux/resources/blockIO/weight", Unless(&["0"])),
    ("/linux/resources/blockIO/leafWeight", Unless(&["0"])),
    ("/linux/resources/blockIO/weightDevice", NO),
    ("/linux/resources/blockIO/throttleReadBpsDevice", NO),
    ("/linux/resources/blockIO/throttleWriteBpsDevice", NO),
    ("/linux/resources/blockIO/throttleReadIOPSDevice", NO),
    ("/linux/resources/blockIO/throttleWriteIOPSDevice", NO),
    ("/linux/resources/hugepageLimits", NO),
    ("/linux/resources/network/classID", Unless(&["0"])),
    ("/linux/resources/network/priorities", NO),
    ("/linux/resources/rdma", NO),
    ("/linux/resources/unified", Enforced),
    ("/linux/sysctl", NO),
    ("/linux/seccomp", NO),
    // A container's mounts are built from nothing and nothing propagates to or from them.
    (
        "/linux/rootfsPropagation",
        Unless(&["\"private\"", "\"rprivate\""]),
    ),
    ("/linux/maskedPaths", NO),
    ("/linux/readonlyPaths", NO),
    ("/linux/mountLabel", NO),
    ("/linux/intelRdt", NO),
    // The flags are reserved; the other domain is LINUX32.
    ("/linux/personality/domain", Unless(&["\"LINUX\""])),
    ("/linux/personality/flags", NO),
    ("/linux/memoryPolicy", NO),
];

/// Refuses the first property that asks for something this build does not enforce.
///
/// # Errors
/// Names the property, or that an object or array stands where the specification has none.
pub fn check(document: &At<'_>) -> Result<(), Refusal> {
    walk(document, "", &mut Err)
}

/// All properties that ask for something this build does not enforce.
///
/// # Errors
/// An object or array stands where the specification has none.
pub fn refusals(document: &At<'_>) -> Result<Vec<Refusal>, Refusal> {
    let mut found = Vec::new();
    walk(document, "", &mut |refusal| {
        found.push(refusal);
        Ok(())
    })?;
    Ok(found)
}

/// What becomes of a property that is not enforced.
type Refuse<'r> = &'r mut dyn FnMut(Refusal) -> Result<(), Refusal>;

/// Checks what is at `at`; `pattern` is its pointer in the form of the table.
fn walk(at: &At<'_>, pattern: &str, refuse: Refuse<'_>) -> Result<(), Refusal> {
    match standing(pattern) {
        Some(Enforced | Moot) => return Ok(()),
        Some(Unless(nothing)) => {
            return match first_request(at, nothing) {
                Some(place) => refuse(place.refuse("not enforced by this build")),
                None => Ok(()),
            };
        }
        None => {}
    }
    let prefix = format!("{pattern}/");
    if at.value.is_null() || !PROPERTIES.iter().any(|(name, _)| name.starts_with(&prefix)) {
        return Ok(());
    }
    let free_names = PROPERTIES
        .iter()
        .any(|(name, _)| name.starts_with(&format!("{prefix}*")));
    if free_names && at.value.is_array() {
        return at
            .items()?
            .iter()
            .try_for_each(|item| walk(item, &format!("{prefix}*"), refuse));
    }
    for (name, member) in at.members()? {
        let name = if free_names { "*" } else { name };
        walk(&member, &format!("{prefix}{name}"), refuse)?;
    }
    Ok(())
}

fn standing(pattern: &str) -> Option<Standing> {
    PROPERTIES
        .iter()
        .find(|(name, _)| *name == pattern)
        .map(|(_, standing)| *standing)
}

/// The first place at or below `at` whose value asks for something.
fn first_request<'a>(at: &At<'a>, nothing: &[&str]) -> Option<At<'a>> {
    match at.value {
        Value::Null | Value::Bool(false) => None,
        Value::String(text) if text.is_empty() => None,
        Value::Object(_) => at
            .members()
            .ok()?
            .iter()
            .find_map(|(_, member)| first_request(member, nothing)),
        // An object in a list asks by being there: {"allow": false} is a rule.
        Value::Array(_) => at.items().ok()?.into_iter().find_map(|item| {
            let inner = first_request(&item, nothing);
            if inner.is_none() && item.value.is_object() {
                Some(item)
            } else {
                inner
            }
        }),
        value if nothing.contains(&value.to_string().as_str()) => None,
        _ => Some(at.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::parse;

    fn verdict(text: &str) -> Result<(), String> {
        let value = parse(text.as_bytes()).unwrap();
        check(&At::root(&value)).map_err(|refusal| refusal.pointer)
    }

    /// A document with `value` at the place `pattern` names.
    fn document(pattern: &str, value: &str) -> String {
        pattern
            .rsplit('/')
            .filter(|name| !name.is_empty())
            .fold(value.to_owned(), |inner, name| {
                if name == "*" && !pattern.contains("annotations") {
                    format!("[{inner}]")
                } else {
                    format!("{{\"{name}\":{inner}}}")
                }
            })
    }

    #[test]
    fn every_property_that_is_not_enforced_is_refused_by_its_pointer() {
        for (pattern, standing) in PROPERTIES {
            let verdict = verdict(&document(pattern, "7"));
            match standing {
                Unless(_) => assert_eq!(verdict, Err(pattern.replace('*', "0"))),
                Enforced | Moot => assert_eq!(verdict, Ok(()), "{pattern}"),
            }
        }
    }

    #[test]
    fn values_that_ask_for_nothing_are_accepted_everywhere() {
        for (pattern, _) in PROPERTIES {
            for value in [
                "null",
                "false",
                "\"\"",
                "[]",
                "{}",
                "{\"a\":[],\"b\":false}",
                "[\"\"]",
            ] {
                assert_eq!(
                    verdict(&document(pattern, value)),
                    Ok(()),
                    "{pattern} {value}"
                );
            }
        }
    }

    #[test]
    fn listed_values_ask_for_nothing() {
        for (pattern, standing) in PROPERTIES {
            if let Unless(values) = standing {
                for value in *values {
                    assert_eq!(
                        verdict(&document(pattern, value)),
                        Ok(()),
                        "{pattern} {value}"
                    );
                }
            }
        }
    }

    #[test]
    fn the_refusal_names_the_innermost_place() {
        let cases = [
            (
                r#"{"linux":{"sysctl":{"net.ipv4.ip_forward":"1"}}}"#,
                "/linux/sysctl/net.ipv4.ip_forward",
            ),
            (
                r#"{"process":{"scheduler":{"flags":[],"policy":["SCHED_IDLE"]}}}"#,
                "/process/scheduler/policy/0",
            ),
            (
                r#"{"linux":{"resources":{"network":{"priorities":[{"allow":false}]}}}}"#,
                "/linux/resources/network/priorities/0",
            ),
            (
                r#"{"mounts":[{},{"uidMappings":[{"size":1}]}]}"#,
                "/mounts/1/uidMappings/0/size",
            ),
        ];
        for (text, pointer) in cases {
            assert_eq!(verdict(text), Err(pointer.to_owned()));
        }
    }

    #[test]
    fn what_the_specification_does_not_know_is_ignored() {
        for text in [
            r#"{"x":1,"windows":{"servicing":true},"vm":{"hypervisor":{"path":"/x"}}}"#,
            r#"{"linux":{"x":[1],"resources":{"y":{"limit":1}}},"process":{"commandLine":"x"}}"#,
            r#"{"annotations":{"linux":"x"}}"#,
        ] {
            assert_eq!(verdict(text), Ok(()), "{text}");
        }
    }

    #[test]
    fn a_scalar_in_an_objects_place_is_refused() {
        assert_eq!(
            verdict(r#"{"linux":{"resources":5}}"#),
            Err("/linux/resources".to_owned())
        );
        assert_eq!(verdict(r#"{"linux":[]}"#), Err("/linux".to_owned()));
        assert_eq!(verdict(r#"[]"#), Err("/".to_owned()));
    }
}
