//! Follows the files of plugins, so that a module put in place takes over at once and not only at the next run of its checks.

use crate::reload::Reloader;
use lictor_config::Watcher;
use lictor_net::Shutdown;
use lictor_plugins::PluginHost;
use lictor_telemetry::loops;
use std::sync::Arc;

/// Runs until shutdown.
pub(crate) async fn run(plugins: Arc<PluginHost>, reloader: Arc<Reloader>, shutdown: Shutdown) {
    let listed = loops::register("plugins.files");
    let mut places = Vec::new();
    let mut watcher: Option<Watcher> = None;
    loop {
        let wanted = plugins.watched_paths();
        if wanted != places {
            watcher = (!wanted.is_empty()).then(|| Watcher::start(wanted.clone(), &shutdown));
            places = wanted;
        }
        listed.state(if watcher.is_some() { "watching" } else { "idle" });
        let changed = async {
            match &mut watcher {
                Some(watcher) => watcher.changed().await,
                None => std::future::pending().await,
            }
        };
        let changed = tokio::select! {
            () = shutdown.requested() => return,
            changed = changed => changed,
            () = plugins.configured() => continue,
        };
        if changed {
            reloader.look_at_plugins().await;
        } else {
            watcher = None;
        }
    }
}
