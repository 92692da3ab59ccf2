//! `hook_*`: programs to run at points of the lifecycle.

use super::error::Fault;
use super::key::HookKey as K;
use super::print::Printer;
use super::value::{Fields, Quoted, Read, absolute_path, assignment, number, unquote};
use crate::hooks::HookKind;
use crate::memory::{try_push, try_string};
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

/// One hook (H-1 to H-3).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OciHook {
    /// The program; absolute.
    pub path: String,
    /// Its argument vector, the program's own name included; empty means the path alone.
    pub args: Vec<String>,
    /// Its complete environment, `NAME=VALUE`.
    pub env: Vec<String>,
    /// After so many seconds it is killed and has failed; 0 = no limit.
    pub timeout_secs: u32,
}

/// The hooks of a container, in the order in which each kind runs (H-1).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OciHooks {
    /// Before `createRuntime`; deprecated by the specification but required of runtimes.
    pub prestart: Vec<OciHook>,
    /// In the runtime's namespaces, before the root is pivoted.
    pub create_runtime: Vec<OciHook>,
    /// In the container's namespaces, before the root is pivoted.
    pub create_container: Vec<OciHook>,
    /// In the container, before the user program.
    pub start_container: Vec<OciHook>,
    /// After the user program was executed, before start returns.
    pub poststart: Vec<OciHook>,
    /// After the container was destroyed, before delete returns.
    pub poststop: Vec<OciHook>,
}

impl OciHooks {
    /// The hooks of one kind.
    #[must_use]
    pub fn of(&self, kind: HookKind) -> &[OciHook] {
        match kind {
            HookKind::Prestart => &self.prestart,
            HookKind::CreateRuntime => &self.create_runtime,
            HookKind::CreateContainer => &self.create_container,
            HookKind::StartContainer => &self.start_container,
            HookKind::Poststart => &self.poststart,
            HookKind::Poststop => &self.poststop,
        }
    }

    /// One hook of one kind.
    #[must_use]
    pub fn get(&self, kind: HookKind, index: usize) -> Option<&OciHook> {
        self.of(kind).get(index)
    }

    pub(super) fn of_mut(&mut self, kind: HookKind) -> &mut Vec<OciHook> {
        match kind {
            HookKind::Prestart => &mut self.prestart,
            HookKind::CreateRuntime => &mut self.create_runtime,
            HookKind::CreateContainer => &mut self.create_container,
            HookKind::StartContainer => &mut self.start_container,
            HookKind::Poststart => &mut self.poststart,
            HookKind::Poststop => &mut self.poststop,
        }
    }

    pub(super) fn set(&mut self, key: K, value: &str, last: &mut Option<HookKind>) -> Read<()> {
        let kind = match key {
            K::Prestart => HookKind::Prestart,
            K::CreateRuntime => HookKind::CreateRuntime,
            K::CreateContainer => HookKind::CreateContainer,
            K::StartContainer => HookKind::StartContainer,
            K::Poststart => HookKind::Poststart,
            K::Poststop => HookKind::Poststop,
            K::Arg | K::ArgLine | K::Env | K::EnvLine => {
                let hook = last.and_then(|kind| self.of_mut(kind).last_mut());
                return hook
                    .ok_or_else(|| Fault::relation("there is no hook line above"))?
                    .set(key, value);
            }
        };
        try_push(self.of_mut(kind), OciHook::read(value)?)?;
        *last = Some(kind);
        Ok(())
    }

    pub(super) fn print(&self, out: &mut Printer<'_, '_>) -> fmt::Result {
        for kind in HookKind::ALL {
            for hook in self.of(*kind) {
                hook.print(key_of(*kind), out)?;
            }
        }
        Ok(())
    }
}

const fn key_of(kind: HookKind) -> K {
    match kind {
        HookKind::Prestart => K::Prestart,
        HookKind::CreateRuntime => K::CreateRuntime,
        HookKind::CreateContainer => K::CreateContainer,
        HookKind::StartContainer => K::StartContainer,
        HookKind::Poststart => K::Poststart,
        HookKind::Poststop => K::Poststop,
    }
}

impl OciHook {
    /// The argument vector to execute with, the program's name first.
    #[must_use]
    pub fn argv(&self) -> &[String] {
        match self.args.as_slice() {
            [] => core::slice::from_ref(&self.path),
            args => args,
        }
    }

    fn read(value: &str) -> Read<Self> {
        let fields = Fields::split(value, 1, 2, "path[:seconds]")?;
        let timeout_secs = match fields.has(1) {
            true => number(fields.required(1), 1, i128::from(u32::MAX)).map_err(|fault| {
                fault.hint(r"after the colon comes the timeout in seconds; write \: for a colon in the path")
            })?,
            false => 0,
        };
        Ok(Self {
            path: absolute_path(&unquote(fields.required(0))?)?,
            timeout_secs,
            ..Self::default()
        })
    }

    fn set(&mut self, key: K, value: &str) -> Read<()> {
        match key {
            K::Arg => try_push(&mut self.args, try_string(value)?)?,
            K::Env => {
                assignment(value)?;
                try_push(&mut self.env, try_string(value)?)?;
            }
            K::ArgLine => append_line(&mut self.args, value, "hook_arg")?,
            _ => append_line(&mut self.env, value, "hook_env")?,
        }
        Ok(())
    }

    fn print(&self, key: K, out: &mut Printer<'_, '_>) -> fmt::Result {
        match self.timeout_secs {
            0 => out.line(key, Quoted(&self.path))?,
            secs => out.line(key, format_args!("{}:{secs}", Quoted(&self.path)))?,
        }
        for arg in &self.args {
            out.text_lines(K::Arg, K::ArgLine, arg)?;
        }
        for pair in &self.env {
            out.text_lines(K::Env, K::EnvLine, pair)?;
        }
        Ok(())
    }
}

/// Continues the last text of `list` with a newline and `value`.
pub(super) fn append_line(list: &mut [String], value: &str, above: &str) -> Read<()> {
    let Some(text) = list.last_mut() else {
        let reason = alloc::format!("there is no {above} line above to continue");
        return Err(Fault::relation(reason));
    };
    text.try_reserve(value.len().saturating_add(1))?;
    text.push('\n');
    text.push_str(value);
    Ok(())
}
