//! What `-hcl` flags say: read once, since it never changes. Their options are merged after those of all files; their definitions
//! stand beside those of files, and survive every reload.

use super::Candidate;
use super::files::digest;
use crate::fragment::{self, BadSource, Fragment};
use crate::sources::FileSource;
use crate::syntax::Format;
use std::path::PathBuf;
use std::sync::Arc;

/// A `-hcl` flag.
#[derive(Debug)]
pub(super) struct Inline {
    /// What it is called in reports: `-hcl[0]` is the first.
    pub(super) name: String,
    pub(super) outcome: Result<Arc<Fragment>, BadSource>,
    sha256: String,
}

impl Inline {
    pub(super) fn read(index: usize, text: &str) -> Self {
        let name = format!("-hcl[{index}]");
        let outcome = fragment::read(&name, text.as_bytes(), Format::Hcl).map(Arc::new);
        Self { name, outcome, sha256: digest(text.as_bytes()) }
    }

    /// Its definitions, as if they stood in a file; `None` when it has none.
    pub(super) fn candidate(&self) -> Option<Candidate> {
        let fragment = self.outcome.as_ref().ok()?;
        if fragment.ids.is_empty() {
            return None;
        }
        let source = FileSource { path: PathBuf::from(&self.name), format: Format::Hcl, named: true };
        Some(Candidate {
            source,
            settings: None,
            definitions: Some(Arc::clone(fragment)),
            problems: Vec::new(),
            sets_options: false,
            sha256: self.sha256.clone(),
        })
    }
}
