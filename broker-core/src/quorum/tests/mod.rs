//! Quorums without a world: a network and disks with faults, rules that hold after every step, stories and sweeps.

mod answers;
mod cluster;
mod disk;
mod rules;
mod stories;
mod sweep;
