//! Interrupt controllers: the local APIC with its timer, the I/O APIC for the console's serial
//! port, and the legacy controller, which is switched off (Intel SDM vol. 3, 11; 82093AA).

use super::io::{Port, Registers};
use crate::layout::{DEVICES, PAGE};
use crate::mem;
use x86_64::registers::model_specific::{ApicBase, ApicBaseFlags};

const ID: u16 = 0x20;
const TASK_PRIORITY: u16 = 0x80;
const END_OF_INTERRUPT: u16 = 0xb0;
const SPURIOUS_VECTOR: u16 = 0xf0;
const COMMAND: u16 = 0x300;
const COMMAND_TO: u16 = 0x310;
const DELIVER_NMI: u32 = 0b100 << 8 | 1 << 14;
const TIMER_ENTRY: u16 = 0x320;
const LINT0: u16 = 0x350;
const ERROR_ENTRY: u16 = 0x370;
const INITIAL_COUNT: u16 = 0x380;
const CURRENT_COUNT: u16 = 0x390;
const DIVIDE: u16 = 0x3e0;

const ENABLED: u32 = 1 << 8;
const MASKED: u32 = 1 << 16;
/// Divides the timer's clock by 16.
const BY_16: u32 = 0b0011;

/// Where chipsets have the first I/O APIC.
const IO_APIC: u64 = 0xfec0_0000;
/// Its window to the registers.
const WINDOW: u16 = 0x10;
/// The legacy interrupt line of COM1.
const CONSOLE_LINE: u32 = 4;

/// The local APIC of the running CPU.
pub struct LocalApic(Registers);

impl LocalApic {
    /// Maps and enables it, with its timer stopped.
    pub fn new(spurious: u8) -> Self {
        let (frame, flags) = ApicBase::read();
        assert!(
            !flags.contains(ApicBaseFlags::X2APIC_ENABLE),
            "the firmware left the local APIC in x2APIC mode, which is not supported"
        );
        // SAFETY: enables the APIC where it already is.
        unsafe { ApicBase::write(frame, flags | ApicBaseFlags::LAPIC_ENABLE) };
        mem::map_device(DEVICES, frame.start_address().as_u64());
        // SAFETY: mapped above for good, uncached; interrupts come only through our gates.
        let registers = unsafe { Registers::new(DEVICES) };
        registers.write(SPURIOUS_VECTOR, ENABLED | u32::from(spurious));
        registers.write(TASK_PRIORITY, 0);
        for entry in [LINT0, ERROR_ENTRY, TIMER_ENTRY] {
            registers.write(entry, MASKED);
        }
        registers.write(DIVIDE, BY_16);
        Self(registers)
    }

    /// Its number, as interrupts are addressed.
    pub fn id(&self) -> u8 {
        (self.0.read(ID) >> 24) as u8
    }

    /// The interrupt in service is done.
    pub fn end_of_interrupt(&self) {
        self.0.write(END_OF_INTERRUPT, 0);
    }

    /// Sends a non-maskable interrupt to this CPU.
    pub fn send_nmi_to_self(&self) {
        self.0.write(COMMAND_TO, u32::from(self.id()) << 24);
        self.0.write(COMMAND, DELIVER_NMI);
    }

    /// Lets the timer count down from the top without interrupting, for calibration.
    pub fn count_from_top(&self) {
        self.0.write(TIMER_ENTRY, MASKED);
        self.0.write(INITIAL_COUNT, u32::MAX);
    }

    /// Timer ticks since [`Self::count_from_top`].
    pub fn counted(&self) -> u32 {
        u32::MAX - self.0.read(CURRENT_COUNT)
    }

    /// Interrupts once after `ticks`, or never for zero.
    pub fn start_timer(&self, vector: u8, ticks: u32) {
        self.0.write(TIMER_ENTRY, u32::from(vector));
        self.0.write(INITIAL_COUNT, ticks);
    }
}

/// Sends the console's interrupt to the CPU `to` as `vector`.
pub fn route_console(vector: u8, to: u8) {
    let page = DEVICES + PAGE;
    mem::map_device(page, IO_APIC);
    // SAFETY: mapped above for good, uncached; interrupts come only through our gates.
    let registers = unsafe { Registers::new(page) };
    let write = |index: u32, value: u32| {
        registers.write(0, index);
        registers.write(WINDOW, value);
    };
    // A redirection entry is two registers: destination above; vector, edge, active high below.
    write(0x10 + 2 * CONSOLE_LINE + 1, u32::from(to) << 24);
    write(0x10 + 2 * CONSOLE_LINE, u32::from(vector));
}

/// Moves the legacy controller's vectors away from the exceptions and masks all its lines.
pub fn mask_legacy() {
    for (command, first) in [(0x20, 0x20), (0xa0, 0x28)] {
        // SAFETY: the legacy interrupt controller's ports; it stays masked from here on.
        let command_port = unsafe { Port::new(command) };
        // SAFETY: the legacy interrupt controller, as above: masked from here on.
        let data = unsafe { Port::new(command + 1) };
        command_port.write(0x11); // initialise, four words
        data.write(first);
        data.write(if command == 0x20 { 4 } else { 2 }); // how the two are wired
        data.write(1);
        data.write(0xff);
    }
}
