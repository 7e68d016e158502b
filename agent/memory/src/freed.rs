//! Memory that was freed goes back to the system soon, also in an agent that has become quiet.
//!
//! `unsafe`: an option of the allocator is set, through C. It is sound, as the allocator reads its options as whole words at any time.

use libmimalloc_sys::{mi_option_set, mi_option_t};
use std::hint::black_box;

/// `mi_option_purge_delay`, which the bindings do not name: its place in mimalloc 3's list of options.
const PURGE_DELAY: mi_option_t = 15;
/// Milliseconds that freed pages are kept for reuse.
///
/// A page that is reused before it was given back comes with all of its memory, however little of it is needed. With the second that is
/// mimalloc's own an agent that has registered 10,000 services holds 12 MiB of such; at 20 ms half of it, and writes cost no more, which
/// they do when nothing is kept.
const PURGE_DELAY_MS: i64 = 20;
/// Larger than what the allocator carves out of shared pages: a block of this size has a page of its own.
const BLOCK_BYTES: usize = 512 * 1024;

/// Has the allocator keep freed pages for a short time only, unless the environment says how long.
pub(crate) fn keep_briefly() {
    if std::env::var_os("MIMALLOC_PURGE_DELAY").is_none() {
        #[expect(unsafe_code, reason = "an option of the allocator: see the head of this module")]
        unsafe {
            mi_option_set(PURGE_DELAY, PURGE_DELAY_MS);
        }
    }
}

/// Makes the allocator look at what it has kept.
///
/// It gives freed memory back after its delay, but looks whether that has passed only when some page is freed. A burst of work (a start
/// with many services, a bulk of writes) frees its last page at its end, and then nothing does: the whole burst stays resident. A block
/// that is taken and freed, and never touched, is such a page.
pub(crate) fn look() {
    drop(black_box(Vec::<u8>::with_capacity(BLOCK_BYTES)));
}

#[cfg(test)]
mod tests {
    use super::*;
    use libmimalloc_sys::mi_option_get;

    #[test]
    fn the_option_is_the_one_that_is_meant() {
        let get = || {
            #[expect(unsafe_code, reason = "as in the module")]
            unsafe {
                mi_option_get(PURGE_DELAY)
            }
        };
        if std::env::var_os("MIMALLOC_PURGE_DELAY").is_none() {
            assert_eq!(get(), 1000, "mimalloc's own: another version may have another list");
            keep_briefly();
            assert_eq!(get(), PURGE_DELAY_MS);
        }
    }
}
