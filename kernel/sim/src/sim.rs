//! The simulated system: a kernel, a machine, and programs that are scripts.

use crate::image::{archive, base, elf};
use crate::script::{Op, Script};
use crate::{Config, SimMachine};
use berth_kernel::Kernel;
use berth_kernel::machine::{Access, Machine, Next, Port, PowerOff, Space, Trap, UserRegs};
use std::collections::BTreeSet;

/// Nanoseconds that an operation takes.
const OPERATION: u64 = 100;

/// Operations without a trap after which the processor is kicked: a program may loop for ever.
const PATIENCE: usize = 100;

/// How a run ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    /// The kernel switched the machine off.
    Off(PowerOff),
    /// Nobody runs and nobody has a deadline.
    Asleep,
    /// It went on for as many traps as the test allowed.
    Tired,
}

/// The simulated system.
pub struct Sim {
    /// The very kernel.
    pub kernel: Kernel,
    /// Its machine.
    pub machine: SimMachine,
    /// What programs told, in order.
    pub told: Vec<(&'static str, u64)>,
    /// Traps so far.
    pub traps: u64,
    /// Calls among them.
    pub calls: u64,
    /// Their numbers.
    pub made: BTreeSet<u64>,
    /// Time does not go on beyond this moment by itself.
    pub horizon: u64,
    programs: Vec<Script>,
    next: Next,
    /// The registers to run.
    regs: UserRegs,
}

impl Sim {
    /// Boots a system whose programs are these scripts: the first is /init, the others are
    /// /bin/1, /bin/2, ...
    pub fn boot(config: Config, programs: Vec<Script>) -> Sim {
        let mut files = vec![("bin", 0o40755, Vec::new())];
        let names: Vec<String> = (0..programs.len())
            .map(|n| {
                if n == 0 {
                    "init".into()
                } else {
                    format!("bin/{n}")
                }
            })
            .collect();
        for (index, (name, script)) in names.iter().zip(&programs).enumerate() {
            files.push((name, 0o10_0755, elf(index, script)));
        }
        let mut machine = SimMachine::new(Config {
            initrd: archive(&files),
            ..config
        });
        let kernel = Kernel::boot(&mut machine).expect("the system comes up");
        Sim {
            kernel,
            machine,
            told: Vec::new(),
            traps: 0,
            calls: 0,
            made: BTreeSet::new(),
            horizon: u64::MAX,
            programs,
            next: Next::Idle { deadline: 0 },
            regs: UserRegs::default(),
        }
    }

    /// Runs until nothing happens any more, or for `traps` traps; `check` looks at the kernel
    /// after each.
    pub fn run_checked(&mut self, traps: u64, mut check: impl FnMut(&Kernel)) -> End {
        for _ in 0..traps {
            let (regs, trap) = match self.next {
                Next::PowerOff(how) => return End::Off(how),
                Next::Idle { deadline: u64::MAX } if self.kernel.work.is_empty() => {
                    return End::Asleep;
                }
                Next::Idle { deadline } => {
                    if deadline != u64::MAX {
                        let until = deadline.min(self.horizon);
                        self.machine.time = self.machine.time.max(until);
                    }
                    (UserRegs::default(), Trap::Idle)
                }
                Next::Run { space, deadline } => {
                    self.user(space, self.regs, deadline.min(self.horizon))
                }
            };
            self.trap(regs, trap);
            check(&self.kernel);
        }
        End::Tired
    }

    /// [`Sim::run_checked`] without checks.
    pub fn run(&mut self, traps: u64) -> End {
        self.run_checked(traps, |_| {})
    }

    /// One trap.
    pub fn trap(&mut self, mut regs: UserRegs, trap: Trap) {
        self.traps += 1;
        if trap == Trap::Syscall {
            self.calls += 1;
            self.made.insert(regs.rax);
        }
        if std::env::var_os("BERTH_SIM_TRACE").is_some() {
            eprintln!(
                "{} {:?} {trap:?} rax {} rdi {:#x} rsi {:#x} rdx {:#x} r10 {:#x}",
                self.machine.time,
                self.kernel.sched.current,
                regs.rax,
                regs.rdi,
                regs.rsi,
                regs.rdx,
                regs.r10
            );
        }
        self.next = self.kernel.on_trap(&mut self.machine, &mut regs, trap);
        self.regs = regs;
    }

    /// Types at the console, whoever runs.
    pub fn type_in(&mut self, keys: &[u8]) {
        let input = self.machine.input.entry(Port::Console).or_default();
        input.extend(keys);
        let regs = self.registers().unwrap_or_default();
        self.trap(regs, Trap::Input);
    }

    /// The registers of who runs next; `None` when nobody does.
    pub fn registers(&self) -> Option<UserRegs> {
        match self.next {
            Next::Run { .. } => Some(self.regs),
            _ => None,
        }
    }

    /// What a program told by a name, in order.
    pub fn told(&self, name: &str) -> Vec<u64> {
        let named = self.told.iter().filter(|t| t.0 == name);
        named.map(|t| t.1).collect()
    }

    /// Runs user code until it traps.
    fn user(&mut self, space: Space, mut regs: UserRegs, deadline: u64) -> (UserRegs, Trap) {
        for _ in 0..PATIENCE {
            if self.machine.time >= deadline {
                break;
            }
            if let Some(trap) = self.operation(space, &mut regs, deadline) {
                return (regs, trap);
            }
        }
        (regs, Trap::Timer)
    }

    /// One operation; the trap that it caused.
    fn operation(&mut self, space: Space, regs: &mut UserRegs, deadline: u64) -> Option<Trap> {
        let rip = regs.rip;
        if let Some(fault) = self.fetch(space, rip) {
            return Some(fault);
        }
        let index = (0..self.programs.len())
            .rev()
            .find(|n| base(*n) <= rip)
            .filter(|n| self.programs[*n].at(*n, rip).is_some());
        let Some(index) = index else {
            return Some(INVALID);
        };
        self.machine.time += OPERATION;
        let script = self.programs[index].clone_op(index, rip);
        let program = &self.programs[index];
        let value = |regs: &UserRegs, arg| program.value(index, regs, arg);
        let mut after = rip.wrapping_add(2);
        match script {
            Op::Call(number, args) => {
                let mut words = [0; 6];
                for (word, arg) in words.iter_mut().zip(&args) {
                    *word = value(regs, arg);
                }
                regs.rax = u64::from(number);
                [regs.rdi, regs.rsi, regs.rdx, regs.r10, regs.r8, regs.r9] = words;
                regs.rip = after;
                return Some(Trap::Syscall);
            }
            Op::Set(reg, arg) => *reg.of(regs) = value(regs, &arg),
            Op::Add(reg, arg) => {
                let more = value(regs, &arg);
                let slot = reg.of(regs);
                *slot = slot.wrapping_add(more);
            }
            Op::Load(reg, addr) => {
                let mut bytes = [0; 8];
                let addr = value(regs, &addr);
                if let Err(at) = self.machine.user_read(space, addr, &mut bytes) {
                    return Some(self.fault(space, at, Access::READ));
                }
                *reg.of(regs) = u64::from_le_bytes(bytes);
            }
            Op::Store(addr, arg, len) => {
                let (addr, bytes) = (value(regs, &addr), value(regs, &arg).to_le_bytes());
                if let Err(at) = self.machine.user_write(space, addr, &bytes[..len]) {
                    return Some(self.fault(space, at, Access::WRITE));
                }
            }
            Op::Jump(label) => after = program.address(index, &label),
            Op::JumpIf(a, equal, b, label) => {
                if (value(regs, &a) == value(regs, &b)) == equal {
                    after = program.address(index, &label);
                }
            }
            Op::Spin(ns) => {
                // What is left to spin is in rcx, which no script uses.
                let left = if regs.rcx == 0 { ns } else { regs.rcx };
                let now = left.min(deadline.saturating_sub(self.machine.time));
                self.machine.time += now;
                regs.rcx = left - now;
                if regs.rcx > 0 {
                    after = rip;
                }
            }
            Op::Return => {
                let mut bytes = [0; 8];
                if let Err(at) = self.machine.user_read(space, regs.rsp, &mut bytes) {
                    return Some(self.fault(space, at, Access::READ));
                }
                regs.rsp = regs.rsp.wrapping_add(8);
                after = u64::from_le_bytes(bytes);
            }
            Op::Tell(name, arg) => {
                let worth = value(regs, &arg);
                self.told.push((name, worth));
            }
            Op::Invalid => return Some(INVALID),
        }
        regs.rip = after;
        None
    }

    /// Whether the processor can take an instruction there.
    fn fetch(&self, space: Space, rip: u64) -> Option<Trap> {
        if is_hole(rip) {
            return Some(PROTECTION);
        }
        let page = self.machine.query(space, rip);
        if page.is_some_and(|p| p.access.contains(Access::EXEC)) {
            return None;
        }
        Some(Trap::PageFault {
            addr: rip,
            access: Access::EXEC,
            present: page.is_some(),
        })
    }

    fn fault(&self, space: Space, addr: u64, access: Access) -> Trap {
        if is_hole(addr) {
            return PROTECTION;
        }
        Trap::PageFault {
            addr,
            access,
            present: self.machine.query(space, addr).is_some(),
        }
    }
}

const INVALID: Trap = Trap::Exception {
    vector: 6,
    error: 0,
};

const PROTECTION: Trap = Trap::Exception {
    vector: 13,
    error: 0,
};

/// Addresses that are not canonical.
fn is_hole(addr: u64) -> bool {
    (1 << 47..u64::MAX << 47).contains(&addr)
}

impl Script {
    fn clone_op(&self, index: usize, addr: u64) -> Op {
        self.at(index, addr).cloned().unwrap_or(Op::Invalid)
    }
}
