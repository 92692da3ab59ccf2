//! `oci ps`: the processes of a container.

use std::process::Command;

use berth_sys::container;

use crate::commands::{explain, print};

/// What ps(1) is asked for when nothing is said.
const USUAL: &str = "-ef";

/// Prints the container's processes: their numbers as JSON, or the lines of ps(1) about them.
///
/// # Errors
/// There is no such container, or ps(1) cannot be run or has no column of numbers.
pub fn show(id: &str, json: bool, options: &[String]) -> Result<(), String> {
    let numbers = container::processes(id).map_err(|error| explain(id, &error))?;
    if json {
        let text = serde_json::to_string(&numbers).map_err(|error| error.to_string())?;
        return print(&(text + "\n"));
    }
    let mut ps = Command::new("ps");
    match options {
        [] => ps.arg(USUAL),
        options => ps.args(options),
    };
    let output = ps
        .output()
        .map_err(|error| format!("cannot run ps: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!("ps: {}: {}{}", output.status, said, text));
    }
    print(&lines_about(&text, &numbers)?)
}

/// The first line, and those whose column PID has one of the numbers.
fn lines_about(text: &str, numbers: &[u32]) -> Result<String, String> {
    let mut lines = text.lines();
    let title = lines.next().unwrap_or_default();
    let column = title.split_whitespace().position(|word| word == "PID");
    let column = column.ok_or("couldn't find PID field in ps output")?;
    let about = |line: &&str| {
        let number = line.split_whitespace().nth(column);
        number.is_some_and(|n| n.parse().is_ok_and(|n| numbers.contains(&n)))
    };
    let chosen = std::iter::once(title).chain(lines.filter(about));
    Ok(chosen.map(|line| format!("{line}\n")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_lines_about_the_container_are_shown() {
        let text = "USER   PID  COMMAND\nroot     1  init\nroot    12  sh 13\nroot    13  sleep\n";
        assert_eq!(
            lines_about(text, &[12, 7]).unwrap(),
            "USER   PID  COMMAND\nroot    12  sh 13\n"
        );
        assert!(lines_about("COMMAND\nsh\n", &[1]).is_err());
    }
}
