//! Random faults for a while, then peace: safety always, progress in the end.

use core::time::Duration;

use super::cluster::Cluster;
use crate::random::Random;

/// Rolls faults for half a minute of simulated time, then heals all and wants agreement.
fn sweep(seed: u64) {
    let mut rng = Random::new(seed, "nemesis");
    let voters = [1, 2, 3, 3, 3, 5][rng.below(6) as usize];
    let mut cluster = Cluster::new(voters, rng.below(3) as u32, seed);
    let slowest = [2_000, 20_000, 300_000][rng.below(3) as usize];
    cluster.network.delay_us = (500, slowest);
    cluster.network.disk_us = (500, [2_000, 30_000, 800_000][rng.below(3) as usize]);
    cluster.network.loss = [0.0, 0.02, 0.2][rng.below(3) as usize];
    cluster.network.duplication = [0.0, 0.05, 0.3][rng.below(3) as usize];
    cluster.network.late = [0.0, 0.01, 0.1][rng.below(3) as usize];
    for _ in 0..300 {
        cluster.run_for(Duration::from_millis(rng.below(200)));
        let ids = cluster.ids();
        let node = ids[rng.below(ids.len() as u64) as usize];
        match rng.below(20) {
            0 if cluster.is_running(node) => cluster.kill(node),
            1 if cluster.is_running(node) => cluster.lose_power(node),
            2..6 if !cluster.is_running(node) => cluster.start(node),
            6 => cluster.isolate(node),
            7 => {
                let other = ids[rng.below(ids.len() as u64) as usize];
                cluster.network.cut.insert((node, other));
            }
            8 | 9 => cluster.heal(),
            10 if rng.chance(0.1) => {
                // The whole site loses its power.
                for id in ids {
                    if cluster.is_running(id) {
                        cluster.lose_power(id);
                    }
                    cluster.start(id);
                }
            }
            _ => {
                // Whoever believes that it leads is asked, not only the one that does.
                for id in ids {
                    if cluster.is_running(id) {
                        for _ in 0..rng.below(3) {
                            let _ = cluster.append(id);
                        }
                    }
                }
            }
        }
    }
    cluster.network.loss = 0.0;
    cluster.network.duplication = 0.0;
    cluster.network.late = 0.0;
    cluster.network.delay_us = (500, 5_000);
    cluster.network.disk_us = (500, 5_000);
    cluster.heal();
    for id in cluster.ids() {
        if !cluster.is_running(id) {
            cluster.start(id);
        }
    }
    cluster.run_until(60, Cluster::is_settled);
    let leader = cluster.leader().expect("a settled cluster has one");
    let offset = cluster.append(leader).expect("it leads");
    cluster.run_until(10, |cluster| cluster.rules.committed_end() > offset);
}

#[test]
fn faults_break_no_rule_and_peace_brings_progress() {
    for seed in 0..300 {
        sweep(seed);
    }
}
