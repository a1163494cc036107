//! The engine as its callers meet it: inputs in, commands out. One binary, one story per module.
//!
//! `kit` holds the scripted strategy and the hand-made world; everything else is tests.

mod breakers;
mod close;
mod fills;
mod grounds;
mod halts;
mod hostile;
mod kills;
mod kit;
mod market;
mod orders;
mod queue;
mod reduces;
mod restart;
mod risk;
mod risk_model;
mod sanity;
mod scenarios;
mod scene;
mod scopes;
mod sessions;
mod settings;
mod simulation;
mod strategies;
mod throttles;
mod unsettled;
mod venue;
