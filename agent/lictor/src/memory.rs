//! Freed memory goes back to the system.
//!
//! The allocator keeps what was freed for a while, and looks whether that time is up only when a whole page is freed. In an agent
//! that has become quiet after a start, a reload or a burst of large answers none is, and it would keep a fifth of its memory for
//! nothing.

/// More than the allocator ever keeps for the next to ask: it is freed as a page of its own. Never touched, so never resident.
const PAGE_BYTES: usize = 1024 * 1024;

/// Lets the allocator look. Costs a few microseconds.
pub(crate) fn give_back() {
    drop(std::hint::black_box(Vec::<u8>::with_capacity(PAGE_BYTES)));
}
