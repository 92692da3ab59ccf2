//! What `state` and `list` print.

use std::collections::BTreeMap;
use std::time::SystemTime;

use berth_sys::container::{State, Status};
use serde::Serialize;

/// One container as callers of runc know it (S-1 to S-10).
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Shown {
    oci_version: String,
    id: String,
    pid: u32,
    status: String,
    bundle: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    rootfs: Option<String>,
    created: String,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    annotations: BTreeMap<String, String>,
    owner: String,
}

impl Shown {
    /// The container `id`; `rootfs` is its root as the bundle names it, when that can be read.
    #[must_use]
    pub fn new(id: &str, state: State, rootfs: Option<String>) -> Self {
        Self {
            oci_version: state.oci_version,
            id: id.to_owned(),
            pid: if state.status == Status::Stopped {
                0
            } else {
                state.pid
            },
            status: state.status.to_string(),
            bundle: state.bundle,
            rootfs,
            created: rfc3339(state.created),
            annotations: state.annotations.into_iter().collect(),
            // Only a program with every privilege in the initial namespaces can create one.
            owner: "root".to_owned(),
        }
    }

    /// The document of `state`.
    ///
    /// # Errors
    /// None in practice; the serializer's type.
    pub fn document(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string_pretty(self).map(|text| text + "\n")
    }
}

/// A time in UTC with nanoseconds.
#[must_use]
pub fn rfc3339(time: SystemTime) -> String {
    humantime::format_rfc3339_nanos(time).to_string()
}

/// The list as JSON; like runc, `null` when there is nothing in it.
///
/// # Errors
/// None in practice; the serializer's type.
pub fn list_json(list: &[Shown]) -> Result<String, serde_json::Error> {
    let text = if list.is_empty() {
        "null".to_owned()
    } else {
        serde_json::to_string(list)?
    };
    Ok(text + "\n")
}

/// The list as a table: columns at least 12 wide, three spaces apart.
#[must_use]
pub fn list_table(list: &[Shown]) -> String {
    let header = ["ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"].map(str::to_owned);
    let rows = list.iter().map(|c| {
        [
            &c.id,
            &c.pid.to_string(),
            &c.status,
            &c.bundle,
            &c.created,
            &c.owner,
        ]
        .map(String::clone)
    });
    let rows: Vec<[String; 6]> = std::iter::once(header).chain(rows).collect();
    let width = |column: usize| {
        let longest = rows
            .iter()
            .filter_map(|row| row.get(column))
            .map(|cell| cell.chars().count());
        longest.max().unwrap_or(0).saturating_add(3).max(12)
    };
    let widths: Vec<usize> = (0..5).map(width).collect();
    let mut text = String::new();
    for [id, pid, status, bundle, created, owner] in &rows {
        for (cell, width) in [id, pid, status, bundle, created].into_iter().zip(&widths) {
            text.push_str(&format!("{cell:width$}"));
        }
        text.push_str(owner);
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn shown(id: &str, status: Status, annotations: &[(&str, &str)]) -> Shown {
        let pair = |(name, value): &(&str, &str)| (name.to_string(), value.to_string());
        let state = State {
            status,
            pid: 7,
            created: SystemTime::UNIX_EPOCH + Duration::new(1_700_000_000, 120),
            exit: None,
            oci_version: "1.3.0".to_owned(),
            bundle: "/bundles/b".to_owned(),
            annotations: annotations.iter().map(pair).collect(),
        };
        Shown::new(id, state, Some("/bundles/b/rootfs".to_owned()))
    }

    #[test]
    fn the_document_is_the_one_that_callers_of_runc_read() {
        let expected = r#"{
  "ociVersion": "1.3.0",
  "id": "c1",
  "pid": 7,
  "status": "running",
  "bundle": "/bundles/b",
  "rootfs": "/bundles/b/rootfs",
  "created": "2023-11-14T22:13:20.000000120Z",
  "annotations": {
    "a": "\"",
    "b": "1"
  },
  "owner": "root"
}
"#;
        let document = shown("c1", Status::Running, &[("b", "1"), ("a", "\"")]).document();
        assert_eq!(document.unwrap(), expected);
    }

    #[test]
    fn a_stopped_container_has_no_pid() {
        let document = shown("c1", Status::Stopped, &[]).document().unwrap();
        assert!(document.contains("\"pid\": 0,"), "{document}");
        assert!(!document.contains("annotations"), "{document}");
    }

    #[test]
    fn the_table_has_aligned_columns() {
        assert_eq!(
            list_table(&[shown("a-rather-long-id", Status::Created, &[])]),
            "ID                 PID         STATUS      BUNDLE       CREATED                          OWNER\n\
             a-rather-long-id   7           created     /bundles/b   2023-11-14T22:13:20.000000120Z   root\n"
        );
        assert_eq!(
            list_table(&[]),
            "ID          PID         STATUS      BUNDLE      CREATED     OWNER\n"
        );
    }

    #[test]
    fn the_json_list() {
        assert_eq!(list_json(&[]).unwrap(), "null\n");
        let text = list_json(&[shown("x", Status::Created, &[])]).unwrap();
        assert!(
            text.starts_with(r#"[{"ociVersion":"1.3.0","id":"x","pid":7,"#),
            "{text}"
        );
    }
}
