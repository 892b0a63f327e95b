//! The end in good order, as after SIGTERM (Kafka `BrokerServer.shutdown`, then `ControllerServer.shutdown`).
//!
//! | step | what happens | until |
//! |---|---|---|
//! | leaders move | heartbeats say `want_shut_down`; the controller gives the broker's leaderships to others, takes it out of the ISRs and lets nobody take it back in | the controller says `should_shut_down`, or patience ends |
//! | flushing | the broker serves nobody; high watermarks and logs are written out | the disk has all of it |
//! | end | a controller that leads the quorum resigns | at once |
//!
//! With `controlled.shutdown.enable=false` the first step is left out: the controller learns of the end from the silence
//! that follows.

use alloc::boxed::Box;
use core::time::Duration;

use super::{Identity, Running};
use crate::machine::{Context, HaltReason, Instant};
use crate::replica::Replicas;

/// How long a broker waits for its leaders to move (`BrokerServer.shutdown`).
const PATIENCE: Duration = Duration::from_secs(5 * 60);

/// How far a node is on its way out.
pub(super) enum Shutdown {
    LeadersMove {
        give_up_at: Instant,
    },
    /// What is left of the broker; none for a controller.
    Flushing {
        replicas: Option<Box<Replicas>>,
    },
}

impl Shutdown {
    pub fn deadline(&self) -> Option<Instant> {
        match self {
            Shutdown::LeadersMove { give_up_at } => Some(*give_up_at),
            Shutdown::Flushing { .. } => None,
        }
    }

    /// The replicas that are being flushed.
    pub fn flushing(&mut self) -> Option<&mut Replicas> {
        match self {
            Shutdown::LeadersMove { .. } => None,
            Shutdown::Flushing { replicas } => replicas.as_deref_mut(),
        }
    }
}

impl Running {
    /// The process is asked to end. To be asked twice changes nothing.
    pub(super) fn begin_shutdown(&mut self, ctx: &mut Context<'_>, identity: &Identity) {
        if self.shutdown.is_some() {
            return;
        }
        let controlled = identity.config.controlled_shutdown_enable;
        let moves = self
            .broker
            .as_mut()
            .is_some_and(|broker| controlled && broker.lifecycle.begin_controlled_shutdown(ctx));
        if moves {
            let give_up_at = ctx.now + PATIENCE;
            self.shutdown = Some(Shutdown::LeadersMove { give_up_at });
        } else {
            self.begin_flushing(ctx);
        }
    }

    fn begin_flushing(&mut self, ctx: &mut Context<'_>) {
        let mut replicas = self.broker.take().map(|broker| Box::new(broker.replicas));
        if let Some(replicas) = &mut replicas {
            replicas.shut_down(ctx);
        }
        self.shutdown = Some(Shutdown::Flushing { replicas });
    }

    /// Takes the next steps that are possible.
    ///
    /// # Errors
    /// [`HaltReason::Stopped`] when everything is in order.
    pub(super) fn continue_shutdown(&mut self, ctx: &mut Context<'_>) -> Result<(), HaltReason> {
        if let Some(Shutdown::LeadersMove { give_up_at }) = &self.shutdown {
            let may_go = self
                .broker
                .as_ref()
                .is_none_or(|broker| broker.lifecycle.may_shut_down());
            if may_go || *give_up_at <= ctx.now {
                self.begin_flushing(ctx);
            }
        }
        match &self.shutdown {
            Some(Shutdown::Flushing { replicas }) if replicas.as_ref().is_none_or(|replicas| replicas.is_flushed()) => {
                self.quorum.shut_down(ctx);
                Err(HaltReason::Stopped)
            }
            _ => Ok(()),
        }
    }
}
