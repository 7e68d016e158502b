//! The harness finds a planted bug: members that do not object to being called dead.

use lictor_gossip::engine::EngineSettings;
use lictor_sim::Scenario;
use std::time::Duration;

#[test]
fn members_that_do_not_refute_are_found() {
    let settings = EngineSettings { tcp_fallback: false, ..EngineSettings::lan() };
    let sound = Scenario { loss: 0.25, settings, watched: Duration::from_secs(60), ..Scenario::new(crate::seed(), 60) };
    let mut planted = sound.clone();
    planted.settings.refutes = false;
    let (sound, planted) = (sound.run(), planted.run());
    assert_eq!(sound.false_failures, 0, "{sound:?}");
    assert!(planted.false_failures > 0, "{planted:?}");
}
