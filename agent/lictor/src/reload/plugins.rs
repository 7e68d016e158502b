//! What plugins say to the checks of files that call them: told with file and line, in the log, in reports and in the state of
//! the files. Compiling takes its time, so it is done in the background, beside the walk.

use super::Targets;
use super::refused::problem;
use lictor_config::Loaded;
use lictor_plugins::{PluginHost, Verdict};
use lictor_types::definition::PluginCall;
use lictor_types::report::{Problem, SourceStatus};
use lictor_types::{CheckDefinition, Origin};
use parking_lot::Mutex;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;

/// How long the report of a reload waits for plugins that are being compiled.
const PATIENCE: Duration = Duration::from_secs(5);

/// A look under way; it answers the problems.
pub(super) type Looking = JoinHandle<Vec<Problem>>;

/// Remembers what was told, so that the log says it once.
#[derive(Default)]
pub(super) struct Judge {
    told: Arc<Mutex<BTreeSet<String>>>,
}

struct Call {
    option: String,
    origin: Origin,
    call: PluginCall,
}

fn calls(loaded: &Loaded) -> Vec<Call> {
    let call = |option: String, check: &CheckDefinition, origin: &Origin| {
        Some(Call { option, origin: origin.clone(), call: check.plugin.clone()? })
    };
    let mut calls = Vec::new();
    for service in &loaded.services {
        let option = || format!("service {}", service.effective_id());
        calls.extend(service.checks.iter().filter_map(|check| call(option(), check, &check.origin)));
    }
    for check in &loaded.checks {
        calls.extend(call(
            format!("check {}", if check.id.is_empty() { &check.name } else { check.id.as_str() }),
            check,
            &check.origin,
        ));
    }
    calls
}

fn problems(plugins: &PluginHost, calls: &[Call]) -> Vec<Problem> {
    let judged = calls.iter().filter_map(|call| match plugins.verdict(&call.call) {
        Verdict::Refused(why) => Some(problem(&call.origin, &call.option, &why)),
        Verdict::Fits | Verdict::Loading => None,
    });
    judged.collect()
}

impl Judge {
    /// Swaps modules that changed, loads those that are called, and tells what they say. In the background.
    pub(super) fn look(&self, targets: &Targets, running: &Loaded) -> Option<Looking> {
        let calls = calls(running);
        let (plugins, told) = (Arc::clone(&targets.plugins), Arc::clone(&self.told));
        if calls.is_empty() && plugins.status().is_empty() {
            return None;
        }
        Some(targets.shutdown.spawn(async move {
            plugins.rescan().await;
            let names: BTreeSet<String> = calls.iter().map(|call| call.call.name.clone()).collect();
            plugins.prepare(names.into_iter().collect()).await;
            let found = problems(&plugins, &calls);
            let now: BTreeSet<String> = found.iter().map(ToString::to_string).collect();
            let before = std::mem::replace(&mut *told.lock(), now);
            for problem in found.iter().filter(|problem| !before.contains(&problem.to_string())) {
                tracing::warn!(file = problem.file, line = problem.line, of = problem.option, "{}", problem.message);
            }
            found
        }))
    }
}

/// What a look found, if it ends soon.
pub(super) async fn said(looking: Option<Looking>) -> Vec<Problem> {
    let Some(looking) = looking else { return Vec::new() };
    match lictor_net::clock::timeout(PATIENCE, looking).await {
        Ok(Ok(problems)) => problems,
        // It goes on, and the log will have it.
        Ok(Err(_)) | Err(_) => Vec::new(),
    }
}

/// Adds to each file what plugins have to say now.
pub(super) fn with_problems(mut sources: Vec<SourceStatus>, targets: &Targets, running: &Loaded) -> Vec<SourceStatus> {
    for problem in problems(&targets.plugins, &calls(running)) {
        if let Some(source) = sources.iter_mut().find(|source| source.file == problem.file) {
            source.problems.push(problem);
        }
    }
    sources
}
