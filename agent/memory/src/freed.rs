//! Memory that was freed goes back to the system, also in an agent that has become quiet.

use std::hint::black_box;

/// Larger than what the allocator carves out of shared pages: a block of this size has a page of its own.
const BLOCK_BYTES: usize = 512 * 1024;

/// Makes the allocator look at what it has kept.
///
/// mimalloc gives freed memory back after a second, but looks whether that has passed only when some page is freed. A burst of work
/// (a start with many services, a bulk of writes) frees its last page at its end, and then nothing does: the whole burst stays
/// resident. A block that is taken and freed, and never touched, is such a page.
pub(crate) fn look() {
    drop(black_box(Vec::<u8>::with_capacity(BLOCK_BYTES)));
}
