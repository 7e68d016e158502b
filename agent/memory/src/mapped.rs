//! Pages of the program and its libraries that only the start, or some rare work, needed.
//!
//! The kernel maps a program's pages as they are run or read, 64 KiB around each at a time, and keeps them mapped: an agent that has
//! started holds nearly all code that ever ran, options and commands and recovery included. Told that they are not needed it forgets
//! all of them; those that are used come back from the page cache at their next use, a microsecond each, and the others do not.
//!
//! `unsafe`: the call names addresses. It is sound, as the pages are those of a file, private, and
//! never written ([`pages`] leaves out a mapping that is writable or has a page that differs from its file): what comes back is what was
//! there. Mappings of the program and its libraries stay where they are for as long as the process lives.

use std::ops::Range;
use std::{fs, io};

/// Forgets the pages of the program and its libraries. Fails where the kernel does not tell of mappings, or refuses.
#[cfg(target_os = "linux")]
pub(crate) fn give_back() -> io::Result<()> {
    use rustix::mm::{Advice, madvise};
    let program = fs::read_link("/proc/self/exe")?;
    let mappings = fs::read_to_string("/proc/self/smaps")?;
    for range in pages(&mappings, &program.to_string_lossy()) {
        let start = std::ptr::with_exposed_provenance_mut(range.start);
        #[expect(unsafe_code, reason = "pages of a file, never written: see the head of this module")]
        unsafe {
            madvise(start, range.len(), Advice::LinuxDontNeed)?;
        }
    }
    Ok(())
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn give_back() -> io::Result<()> {
    Ok(())
}

/// The mappings of a program and of shared libraries, by the text of `/proc/PID/smaps` (proc_pid_smaps(5)), that are read-only,
/// private, and equal to their file.
fn pages(mappings: &str, program: &str) -> Vec<Range<usize>> {
    let mut pages = Vec::new();
    let mut current = None;
    for line in mappings.lines() {
        if let Some(head) = head(line) {
            current = Some(head).filter(|head| {
                let library = head.path.rsplit('/').next().is_some_and(|name| name.contains(".so"));
                matches!(head.access, "r-xp" | "r--p") && (head.path == program || library)
            });
        } else if let Some(rest) = line.strip_prefix("Anonymous:")
            && let Some(head) = current.take()
            && rest.split_whitespace().next() == Some("0")
        {
            pages.push(head.range);
        }
    }
    pages
}

struct Head<'a> {
    range: Range<usize>,
    access: &'a str,
    path: &'a str,
}

/// The first line of a mapping: `start-end access offset device inode path`.
fn head(line: &str) -> Option<Head<'_>> {
    let mut fields = line.split_whitespace();
    let (start, end) = fields.next()?.split_once('-')?;
    let hex = |text| usize::from_str_radix(text, 16).ok();
    let range = hex(start)?..hex(end)?;
    let access = fields.next()?;
    let path = fields.nth(3).unwrap_or_default();
    Some(Head { range, access, path })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAPPINGS: &str = "\
55d0c0000000-55d0c0010000 r--p 00000000 fe:00 42                         /opt/lictor
Rss:                  64 kB
Anonymous:             0 kB
55d0c0010000-55d0c0090000 r-xp 00010000 fe:00 42                         /opt/lictor
Anonymous:             0 kB
VmFlags: rd ex mr mw me
55d0c0090000-55d0c00a0000 r--p 00090000 fe:00 42                         /opt/lictor
Anonymous:            64 kB
55d0c00a0000-55d0c00b0000 rw-p 000a0000 fe:00 42                         /opt/lictor
Anonymous:             0 kB
7f0000000000-7f0000010000 r-xp 00000000 fe:00 7                          /lib/libc.so.6
Anonymous:             0 kB
7f0000010000-7f0000020000 r--p 00000000 fe:00 8                          /data/other
Anonymous:             0 kB
7f0000020000-7f0000030000 r--p 00000000 00:00 0
Anonymous:             0 kB
";

    #[test]
    fn only_what_equals_its_file_is_forgotten() {
        assert_eq!(
            pages(MAPPINGS, "/opt/lictor"),
            [0x55d0_c000_0000..0x55d0_c001_0000, 0x55d0_c001_0000..0x55d0_c009_0000, 0x7f00_0000_0000..0x7f00_0001_0000]
        );
    }

    #[test]
    fn odd_lines_are_passed_over() {
        assert!(pages("", "/opt/lictor").is_empty());
        assert!(pages("zz-10 r-xp\n-\nAnonymous: 0 kB\n1-2", "/opt/lictor").is_empty());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_program_runs_on_with_the_same_constants() {
        let before: String = MAPPINGS.chars().rev().collect();
        let resident = || -> usize {
            let program = fs::read_link("/proc/self/exe").unwrap();
            let text = fs::read_to_string("/proc/self/smaps").unwrap();
            let (mut sum, mut own) = (0, false);
            for line in text.lines() {
                if let Some(head) = head(line) {
                    own = head.path == program.to_string_lossy() && head.access == "r-xp";
                } else if let Some(rest) = line.strip_prefix("Rss:").filter(|_| own) {
                    sum += rest.split_whitespace().next().and_then(|kib| kib.parse::<usize>().ok()).unwrap_or_default();
                }
            }
            sum
        };
        let held = resident();
        give_back().unwrap();
        assert!(resident() < held, "{} KiB of code, {held} before", resident());
        assert_eq!(MAPPINGS.chars().rev().collect::<String>(), before);
    }
}
