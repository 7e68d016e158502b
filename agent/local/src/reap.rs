//! The loop that keeps the state's appointments: output that was deferred, services that are critical for too long.

use crate::events::Reaped;
use crate::handle::Inner;
use lictor_net::{Shutdown, clock};
use lictor_telemetry::{Emit, loops};
use std::sync::Arc;

pub(crate) async fn run(inner: Arc<Inner>, shutdown: Shutdown) {
    let listed = loops::register("local.reap");
    listed.state("waiting");
    loop {
        let deadline = inner.state.lock().next_deadline();
        let wait = async {
            match deadline {
                Some(deadline) => clock::sleep_until(deadline).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = shutdown.requested() => return,
            () = inner.appointments.notified() => continue,
            () = wait => {}
        }
        let (overdue, waiting) = {
            let mut state = inner.state.lock();
            (state.due(clock::now()), state.has_changes())
        };
        for overdue in overdue {
            // It waits for the disk.
            let inner = inner.clone();
            let removal = move || {
                if inner.remove_overdue(&overdue) {
                    Reaped { service: &overdue.service, check: &overdue.check }.emit();
                }
            };
            if let Err(error) = tokio::task::spawn_blocking(removal).await {
                listed.error(&error);
            }
        }
        if waiting {
            inner.wake.notify_one();
        }
    }
}
