//! A toy kernel that takes containers through their lives and says what it does:
//! `cargo run --example toy`.
//!
//! Its objects are words in a list, and its hooks exit as their file names say. The rest is as
//! in a real one: it does steps, undoes them, and runs hooks of all six kinds.

use berth_oci::{
    ContainerId, ExitStatus, Feature, FeatureSet, HookOutcome, HookStep, OciConfig, OciContainer,
    Operation, Plan, Platform, Progress, Step, Timestamp, plan, plan_delete, plan_start, run,
};
use std::sync::Arc;

/// Every kind of hook; `{}` is where one may be made to fail.
pub const CONFIG: &str = "\
root_path=rootfs
namespace=mount
namespace=uts
hostname=toy
mount=/proc:proc:proc
process_arg=/bin/hello
hook_prestart=/hooks/exit-0
hook_createRuntime=/hooks/exit-0
hook_createContainer=/hooks/exit-{}
hook_startContainer=/hooks/exit-0
hook_poststart=/hooks/exit-0
hook_poststop=/hooks/exit-0
";

type Failed = Box<dyn std::error::Error>;

/// The kernel: what exists, and what it has said.
#[derive(Default)]
pub struct Toy {
    /// Namespaces, mounts, tasks: whatever steps have made, in that order.
    pub things: Vec<String>,
    /// A line for everything that happened.
    pub said: Vec<String>,
}

impl Platform for Toy {
    type State = OciContainer;
    /// The name of the thing to remove.
    type Undo = String;
    /// A hook that runs.
    type WaitToken = HookStep;
    type Error = Failed;

    fn supports(&self, feature: Feature) -> bool {
        use Feature as F;
        let mine = [
            F::NamespaceMount,
            F::NamespaceUts,
            F::Hostname,
            F::MountProc,
        ];
        mine.contains(&feature) || feature.key().starts_with("hook_")
    }

    fn step(
        &mut self,
        step: &Step,
        container: &mut OciContainer,
    ) -> Result<Progress<String, HookStep>, Failed> {
        let words = step.text(container.config()).to_string();
        self.said.push(format!("{} {words}", step.spec_id()));
        match step {
            Step::RunHook(hook) => return Ok(Progress::Wait(*hook)),
            Step::Namespace(..) | Step::MountRoot | Step::Mount(_) | Step::CreateTask => {
                self.things.push(words.clone());
                return Ok(Progress::Done(Some(words)));
            }
            Step::MarkCreated => container.mark_created(42)?,
            Step::MarkRunning => container.start()?,
            Step::StopContainer => container.stop(ExitStatus::Signalled(9))?,
            Step::Destroy => self.things.clear(),
            // Whatever else a real kernel has to do for a step.
            _ => {}
        }
        Ok(Progress::Done(None))
    }

    fn undo(&mut self, thing: String, _: &mut OciContainer) {
        self.said.push(format!("undo: {thing}"));
        assert_eq!(self.things.pop(), Some(thing), "the newest comes first");
    }

    /// The hook gets the state document on its standard input, its own arguments, and ends.
    fn wait(
        &mut self,
        hook: HookStep,
        container: &mut OciContainer,
    ) -> Result<Option<String>, Failed> {
        let config = container.config().clone();
        let entry = hook.of(&config).ok_or("no such hook")?;
        let code = entry
            .path
            .rsplit('-')
            .next()
            .and_then(|code| code.parse().ok());
        let side = hook.kind.runs_in();
        self.said.push(format!(
            "  {:?} in the namespaces of the {side:?}",
            entry.argv()
        ));
        let outcome = code.map_or(HookOutcome::NotStarted("no such file"), HookOutcome::Exited);
        Ok(outcome.check(hook.kind, hook.index).map(|()| None)?)
    }
}

impl Toy {
    /// Carries one plan out; says how it ended.
    fn carry_out(&mut self, plan: Plan, container: &mut OciContainer) -> Result<(), Failed> {
        let mut operation = Operation::new(plan)?;
        let report = run(&mut operation, self, container);
        let warnings = report.warnings.iter();
        self.said
            .extend(warnings.map(|w| format!("warning: {}", w.error)));
        report.result.map_err(|failure| failure.error)
    }

    /// Create, start, exit, delete; or what is refused, or which step failed.
    pub fn life(&mut self, text: &str) -> Result<(), Failed> {
        let config = Arc::new(OciConfig::parse(text)?);
        let create = plan(&config, FeatureSet::from_fn(|f| self.supports(f)))?;
        let id = ContainerId::new("toy1")?;
        let made = Timestamp::default();
        let mut container = OciContainer::new(id, "/bundle", config.clone(), made)?;
        self.carry_out(create, &mut container)?;
        self.carry_out(plan_start(&config)?, &mut container)?;
        container.stop(ExitStatus::Exited(0))?;
        self.carry_out(plan_delete(&config)?, &mut container)
    }
}

/// A good life, a hook that fails, and a value that this kernel does not enforce.
pub fn main() {
    let good = CONFIG.replace("{}", "0");
    for text in [
        &good,
        &CONFIG.replace("{}", "1"),
        &(good.clone() + "memory_limit=4096\n"),
    ] {
        let mut toy = Toy::default();
        let end = toy.life(text);
        toy.said.iter().for_each(|line| println!("{line}"));
        println!("=> {end:?}, {} things left\n", toy.things.len());
    }
}
