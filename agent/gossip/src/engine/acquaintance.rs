//! Members that have known each other for long, as simulations of large pools begin with: to have thousands join one by one is a
//! simulation of its own.

use crate::engine::Engine;
use crate::engine::roster::{Entry, Standing};
use crate::engine::wire::record::Record;
use foca::State;
use std::time::Duration;

/// A member as others know it.
#[doc(hidden)]
#[derive(Clone, Debug)]
pub struct Acquaintance(Record);

impl Engine {
    /// This member as others shall know it.
    #[doc(hidden)]
    pub fn acquaintance(&self) -> Acquaintance {
        Acquaintance(self.own_record())
    }

    /// Knows these members from now on, and tells nobody of it. Those that are known already, and this one, stay as they are.
    #[doc(hidden)]
    pub fn acquaint(&mut self, now: Duration, others: &[Acquaintance]) {
        let mut met = Vec::with_capacity(others.len());
        for Acquaintance(Record { ident, incarnation, card, .. }) in others {
            let Some(card) = card.clone().filter(|_| self.roster.get(ident.node).is_none()) else { continue };
            self.roster.insert(Entry::new(*ident, *incarnation, Standing::Alive, card));
            met.push(foca::Member::new(*ident, *incarnation, State::Alive));
        }
        self.joined = true;
        self.feed(|foca, sink| foca.apply_many(met.into_iter(), false, sink));
        self.drain(now);
    }
}
