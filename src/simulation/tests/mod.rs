//! Runs from seeds, runs in which one thing goes wrong, and proof that the checker sees.

mod checker;
mod directed;
mod faults;
mod random;
mod secured;
