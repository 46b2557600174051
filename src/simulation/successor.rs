//! What comes after a crash: the same program again, with the brokers as they are.
//!
//! Owns: what is left of the one before, and what is not. Must not know: when programs crash.
//! Holds: of a program that has crashed nothing goes on but what was on its way to brokers. Whoever waited in one of its
//! calls is told nothing that counts.

use std::sync::Arc;

use crate::mailbox::Mailbox;
use crate::simulation::ledger::Ledger;
use crate::simulation::program::{Beginning, ClientSide, WorldParts, begin_program};
use crate::simulation::world::{World, bootstrap};

impl World {
    /// Lets the program begin again if it has crashed.
    pub(super) fn succeed(&mut self) {
        if std::mem::take(&mut self.network().has_crashed) {
            self.begin_again();
        }
    }

    /// The program ends as it stands, and another one like it begins.
    pub(super) fn begin_again(&mut self) {
        let clock = self.ledger.clock.clone();
        let elapsed = clock.elapsed();
        let report = self.ledger.report_of_crash();
        self.past.join(report);
        let remarks = self.ledger.remarks();
        self.network().remarks.extend(remarks);
        self.ledger = Arc::new(Ledger::of_next(&self.ledger));
        let threads = self.network().threads.take();
        self.sender = None;
        (self.alive, self.close_parts) = (None, None);
        drop(threads);
        // In the last moments of its threads no time has passed for anybody else.
        clock.restore(elapsed);
        self.network().crashed(Arc::clone(&self.ledger));
        self.lines = self.lines.of_next();
        let (network, wake) = (self.lines.clone(), self.network().waker());
        let mailbox = Mailbox::new(self.origin, Box::new(wake));
        let client = ClientSide { lines: network, ..self.client.clone() };
        let bootstrap = bootstrap(&self.settings, &self.network());
        let begin = Beginning { mailbox, bootstrap, ledger: &self.ledger, threads: self.threads, seed: None };
        let parts = begin_program(&self.settings, client, begin, &mut self.random);
        let WorldParts { sender, accumulator, control, alive, close_parts } = parts;
        (self.sender, self.alive, self.close_parts) = (Some(sender), Some(alive), close_parts);
        (self.accumulator, self.control) = (accumulator, control);
        self.still = 0;
    }
}
