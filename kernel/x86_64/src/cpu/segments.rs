//! Segments and the task state segment. The selectors are those of Linux, as programs see them in
//! signal frames: user code 0x33, user data 0x2b. There are no 32-bit user segments.

use super::stacks::KERNEL_STACKS;
use super::user::CPU;
use x86_64::VirtAddr;
use x86_64::instructions::segmentation::{CS, DS, ES, FS, GS, SS, Segment};
use x86_64::instructions::tables::load_tss;
use x86_64::registers::segmentation::SegmentSelector;
use x86_64::structures::gdt::{Descriptor, GlobalDescriptorTable};
use x86_64::structures::tss::TaskStateSegment;

/// Selector of the kernel's code.
pub const KERNEL_CODE: u16 = 0x10;
/// Selector of the kernel's data.
pub const KERNEL_DATA: u16 = 0x18;
/// Selector of user data.
pub const USER_DATA: u16 = 0x2b;
/// Selector of user code.
pub const USER_CODE: u16 = 0x33;
const TSS: u16 = 0x38;

/// Index of the double fault's stack in the interrupt stack table.
pub const DOUBLE_FAULT_STACK: u16 = 0;
/// Index of the stack for non-maskable interrupts.
pub const NMI_STACK: u16 = 1;
/// Index of the stack for machine checks.
pub const MACHINE_CHECK_STACK: u16 = 2;

static TASK_STATE: spin::Once<TaskStateSegment> = spin::Once::new();
static GDT: spin::Once<GlobalDescriptorTable<9>> = spin::Once::new();

/// Makes and loads the tables.
pub fn init() {
    let tss = TASK_STATE.call_once(task_state);
    GDT.call_once(|| descriptors(tss)).load();
    // SAFETY: the new table has the kernel's code there.
    unsafe { CS::set_reg(SegmentSelector(KERNEL_CODE)) };
    // SAFETY: the new table has the kernel's data there.
    unsafe { SS::set_reg(SegmentSelector(KERNEL_DATA)) };
    clear_data_segments();
    // SAFETY: the new table has the task state segment there, not yet busy.
    unsafe { load_tss(SegmentSelector(TSS)) };
}

fn task_state() -> TaskStateSegment {
    let mut tss = TaskStateSegment::new();
    // A trap from user code stores its frame right into the CPU's record.
    tss.privilege_stack_table[0] = VirtAddr::new(CPU.frame_top());
    let [double_fault, nmi, machine_check] = KERNEL_STACKS.interrupt_tops().map(VirtAddr::new);
    tss.interrupt_stack_table[DOUBLE_FAULT_STACK as usize] = double_fault;
    tss.interrupt_stack_table[NMI_STACK as usize] = nmi;
    tss.interrupt_stack_table[MACHINE_CHECK_STACK as usize] = machine_check;
    tss
}

fn descriptors(tss: &'static TaskStateSegment) -> GlobalDescriptorTable<9> {
    let unused = Descriptor::UserSegment(0);
    let mut gdt = GlobalDescriptorTable::empty();
    for descriptor in [
        unused,
        Descriptor::kernel_code_segment(),
        Descriptor::kernel_data_segment(),
        unused,
        Descriptor::user_data_segment(),
        Descriptor::user_code_segment(),
        Descriptor::tss_segment(tss),
    ] {
        gdt.append(descriptor);
    }
    gdt
}

/// Whether user code left a data segment register other than zero; they are zero afterwards. The
/// bases of FS and GS may have changed with them.
pub fn clear_data_segments() -> bool {
    let used = DS::get_reg().0 | ES::get_reg().0 | FS::get_reg().0 | GS::get_reg().0;
    if used == 0 {
        return false;
    }
    // SAFETY: 64-bit code may have null data segments.
    unsafe { DS::set_reg(SegmentSelector::NULL) };
    // SAFETY: 64-bit code may have null data segments.
    unsafe { ES::set_reg(SegmentSelector::NULL) };
    // SAFETY: the kernel does not use FS.
    unsafe { FS::set_reg(SegmentSelector::NULL) };
    // SAFETY: the kernel uses GS only in the entry stubs, which swap in their own base.
    unsafe { GS::set_reg(SegmentSelector::NULL) };
    true
}
