//! `config.json` in the kernel's language: lines of `key=value` (see `docs/config-format.md`).
//!
//! The translation loses nothing: what this build does not enforce is refused by its JSON pointer
//! (see [`crate::properties`]), what the kernel checks anyway is left to the kernel.

mod process;
mod resources;
#[cfg(test)]
mod tests;
mod text;

use rustix::thread::CapabilitySet;

use crate::document::{At, Refusal};
use crate::properties;
use text::{Text, quote};

/// The kinds of hooks, in the order of a container's life.
const HOOKS: [&str; 6] = [
    "prestart",
    "createRuntime",
    "createContainer",
    "startContainer",
    "poststart",
    "poststop",
];

type Done = Result<(), Refusal>;

/// The configuration `document` as `key=value` text, and what to warn of: capabilities that are not
/// `available`.
///
/// # Errors
/// The first property that is wrong, not enforced, or that the text cannot express.
pub fn translate(
    document: &serde_json::Value,
    available: CapabilitySet,
) -> Result<(String, Vec<String>), Refusal> {
    properties::check(&At::root(document))?;
    enforced(document, available)
}

/// The limits alone, for an update: `/linux/resources` of `document`.
///
/// # Errors
/// The first property that is wrong, not enforced, or that the text cannot express.
pub fn limits(document: &serde_json::Value) -> Result<String, Refusal> {
    let root = At::root(document);
    properties::check(&root)?;
    let mut text = Text(String::new());
    if let Some(resources) = root.need("linux")?.get("resources")? {
        resources::lines(&resources, &mut text)?;
    }
    Ok(text.0)
}

/// The text of what is enforced, and what is not.
///
/// # Errors
/// The first property that is wrong, or that the text cannot express.
pub fn explain(
    document: &serde_json::Value,
    available: CapabilitySet,
) -> Result<(String, Vec<Refusal>), Refusal> {
    let refusals = properties::refusals(&At::root(document))?;
    let (text, _) = enforced(document, available)?;
    Ok((text, refusals))
}

fn enforced(
    document: &serde_json::Value,
    available: CapabilitySet,
) -> Result<(String, Vec<String>), Refusal> {
    let config = At::root(document);
    let mut text = Text(String::new());
    let mut warnings = Vec::new();
    base(&config, &mut text)?;
    if let Some(at) = config.get("process")? {
        process::attributes(&at, &mut text)?;
        if let Some(sets) = at.get("capabilities")? {
            let others = process::capabilities_of(&sets, available, &mut text)?;
            warnings.extend(others);
        }
    }
    config
        .list("mounts")?
        .iter()
        .try_for_each(|item| mount(item, &mut text))?;
    if let Some(hooks) = config.get("hooks")? {
        for kind in HOOKS {
            let key = format!("hook_{kind}");
            hooks
                .list(kind)?
                .iter()
                .try_for_each(|item| hook(&key, item, &mut text))?;
        }
    }
    if let Some(linux) = config.get("linux")? {
        linux
            .list("namespaces")?
            .iter()
            .try_for_each(|item| namespace(item, &mut text))?;
        // An empty path is none.
        if let Some(path) = linux.get("cgroupsPath")?.filter(|at| at.value != "") {
            text.scalar("cgroups_path", &path)?;
        }
        if let Some(resources) = linux.get("resources")? {
            resources::lines(&resources, &mut text)?;
        }
    }
    Ok((text.0, warnings))
}

fn base(config: &At<'_>, text: &mut Text) -> Done {
    text.scalar("oci_version", &config.need("ociVersion")?)?;
    let root = config.need("root")?;
    text.scalar("root_path", &root.need("path")?)?;
    if let Some(readonly) = root.get("readonly")? {
        text.line(
            "root_readonly",
            if readonly.flag()? { "true" } else { "false" },
        );
    }
    // An empty name asks for nothing: it is how callers write "none".
    if let Some(hostname) = config.get("hostname")?.filter(|at| at.value != "") {
        text.scalar("hostname", &hostname)?;
    }
    if let Some(domainname) = config.get("domainname")?.filter(|at| at.value != "") {
        text.scalar("domainname", &domainname)?;
    }
    let Some(annotations) = config.get("annotations")? else {
        return Ok(());
    };
    for (name, at) in annotations.members()? {
        if name.is_empty() || name.contains('=') {
            return Err(at.refuse("the name of an annotation must not be empty nor contain ="));
        }
        text.line(
            "annotation",
            &format!("{}={}", quote(name), quote(at.text()?)),
        );
    }
    Ok(())
}

/// A mount is a bind when its options say so, whatever its type (M-3).
fn mount(mount: &At<'_>, text: &mut Text) -> Done {
    let options = mount.list("options")?;
    let options = options
        .iter()
        .map(At::text)
        .collect::<Result<Vec<_>, _>>()?;
    let kind = match mount.get("type")? {
        _ if options
            .iter()
            .any(|option| matches!(*option, "bind" | "rbind")) =>
        {
            "bind"
        }
        Some(kind) => kind.text()?,
        None => return Err(mount.refuse("type is required unless the options have bind or rbind")),
    };
    let source = mount
        .get("source")?
        .map_or(Ok(""), |source| source.text())?;
    let fields = [mount.need("destination")?.text()?, kind, source];
    let mut value = fields.map(quote).join(":");
    if !options.is_empty() {
        value.push(':');
        value.push_str(&options.into_iter().map(quote).collect::<Vec<_>>().join(","));
    }
    text.line("mount", &value);
    Ok(())
}

fn hook(key: &str, hook: &At<'_>, text: &mut Text) -> Done {
    let mut value = quote(hook.need("path")?.text()?);
    if let Some(timeout) = hook.get("timeout")? {
        match timeout.number()? {
            0 => return Err(timeout.refuse("must be greater than 0")),
            seconds => value.push_str(&format!(":{seconds}")),
        }
    }
    text.line(key, &value);
    text.many("hook_arg", &hook.list("args")?)?;
    text.many("hook_env", &hook.list("env")?)
}

fn namespace(namespace: &At<'_>, text: &mut Text) -> Done {
    let mut value = quote(namespace.need("type")?.text()?);
    if let Some(path) = namespace.get("path")?.filter(|at| at.value != "") {
        value.push(':');
        value.push_str(&quote(path.text()?));
    }
    text.line("namespace", &value);
    Ok(())
}
