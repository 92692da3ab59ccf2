//! `oci plan`: what create, start and delete would do, told by the kernel without doing it.

use std::fmt::Write;
use std::path::Path;

use berth_sys::container;
use serde::Serialize;

use crate::bundle;
use crate::document::Refusal;

/// How a plan is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A line for each step.
    Steps,
    /// With what the steps fulfil, and what undoes them.
    Explained,
    /// As JSON.
    Json,
}

/// A plan as the kernel tells it.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
struct Plan {
    steps: Vec<Step>,
    refused: Vec<Refused>,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
struct Step {
    operation: String,
    requirements: Vec<String>,
    step: String,
    undo: String,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
struct Refused {
    key: String,
    value: String,
    reason: String,
}

/// The plan of the bundle `directory`, and whether nothing of it would be refused.
///
/// # Errors
/// There is no configuration, or it cannot be read as one.
pub fn text(directory: &Path, form: Form) -> Result<(String, bool), String> {
    let (config, refusals) = bundle::explained(directory)?;
    let told = container::plan(&config).map_err(|error| match error.text.is_empty() {
        true => format!("cannot plan: {error}"),
        false => error.to_string(),
    })?;
    let mut plan = Plan::read(&told).ok_or("malformed answer of the kernel")?;
    let mine = refusals.into_iter().map(Refused::from);
    plan.refused.splice(0..0, mine);
    let text = match form {
        Form::Steps => plan.steps(),
        Form::Explained => plan.explained(),
        Form::Json => serde_json::to_string_pretty(&plan)
            .map(|text| text + "\n")
            .map_err(|error| error.to_string())?,
    };
    Ok((text, plan.refused.is_empty()))
}

impl Plan {
    /// Reads the kernel's lines; `None` when one is malformed.
    fn read(told: &str) -> Option<Self> {
        let mut plan = Self::default();
        for line in told.lines() {
            let fields: Vec<&str> = line.split('\t').collect();
            let [first, second, third, fourth] = fields.try_into().ok()?;
            match first {
                "refused" => plan.refused.push(Refused {
                    key: second.to_owned(),
                    value: third.to_owned(),
                    reason: fourth.to_owned(),
                }),
                operation => plan.steps.push(Step {
                    operation: operation.to_owned(),
                    requirements: second.split(' ').map(str::to_owned).collect(),
                    step: third.to_owned(),
                    undo: fourth.to_owned(),
                }),
            }
        }
        Some(plan)
    }

    fn steps(&self) -> String {
        let steps = self.steps.iter();
        let lines = steps.map(|step| format!("{}: {}\n", step.operation, step.step));
        lines.chain(self.refusals()).collect()
    }

    fn explained(&self) -> String {
        let mut text = String::new();
        let mut operation = "";
        for step in &self.steps {
            if step.operation != operation {
                operation = &step.operation;
                _ = writeln!(text, "{operation}:");
            }
            let requirements = step.requirements.join(" ");
            _ = writeln!(text, "  {requirements:20} {}", step.step);
            _ = writeln!(text, "  {:20}   undo: {}", "", step.undo);
        }
        text.extend(self.refusals());
        text
    }

    fn refusals(&self) -> impl Iterator<Item = String> {
        self.refused.iter().map(|refused| {
            let Refused { key, value, reason } = refused;
            match (key.as_str(), value.as_str()) {
                ("", _) => format!("refused: {reason}\n"),
                (key, "") => format!("refused: {key}: {reason}\n"),
                (key, value) => format!("refused: {key}={value}: {reason}\n"),
            }
        })
    }
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        Self {
            key: format!("{}: {}", crate::commands::CONFIG_JSON, refusal.pointer),
            value: String::new(),
            reason: refusal.reason,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOLD: &str = "create\tR-1\tfind the root r\tlet the directory go\n\
        create\tM-1 M-2\tmount /p:proc:proc\tunmount\n\
        delete\tO-delete-3\trelease id\tcannot fail\n\
        refused\tmemory_limit\t4096\tthis kernel does not support memory limits\n\
        refused\tnamespace\t\tadd namespace=mount\n\
        refused\t\t\tand 3 more values\n";

    #[test]
    fn a_plan_is_printed_as_steps_or_explained() {
        let plan = Plan::read(TOLD).unwrap();
        let refused = "refused: memory_limit=4096: this kernel does not support memory limits\n\
            refused: namespace: add namespace=mount\n\
            refused: and 3 more values\n";
        let steps = "create: find the root r\ncreate: mount /p:proc:proc\ndelete: release id\n";
        assert_eq!(plan.steps(), format!("{steps}{refused}"));
        let explained = "create:\n  \
            R-1                  find the root r\n                         undo: let the directory go\n  \
            M-1 M-2              mount /p:proc:proc\n                         undo: unmount\n\
            delete:\n  \
            O-delete-3           release id\n                         undo: cannot fail\n";
        assert_eq!(plan.explained(), format!("{explained}{refused}"));
        let json = serde_json::to_value(&plan).unwrap();
        assert_eq!(json["steps"][1]["requirements"][1], "M-2");
        assert_eq!(json["refused"][0]["key"], "memory_limit");
    }

    #[test]
    fn malformed_lines_are_no_plan() {
        for bad in ["create\tR-1\tfind", "refused\ta\tb\tc\td", "\n"] {
            assert_eq!(Plan::read(bad), None, "{bad:?}");
        }
        assert_eq!(Plan::read(""), Some(Plan::default()));
    }
}
