//! What programs say through `tracing`: with the simulated time, and with the program that says it.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sim::trial::Trial;

const STAGE: &str = "duration = \"5s\"\ntopics = [{ name = \"orders\" }]\n";

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn trial() -> Trial {
    Trial::from_toml(STAGE).program("checkout", |env| async move {
        env.clock.sleep(Duration::from_millis(250)).await;
        tracing::info!(order = 7, "retrying");
        tracing::debug!("not asked for");
        env.spawn(async { tracing::warn!("beside") }).await;
        tokio::time::sleep(Duration::from_micros(1_500)).await;
        tracing::info!("later");
        let alone = tokio::spawn(async { tracing::info!("alone") });
        alone.await.unwrap();
    })
}

#[test]
fn a_line_has_program_and_simulated_time() {
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(false)
        .without_time()
        .with_max_level(tracing::Level::INFO)
        .with_writer(move || writer.clone())
        .finish();
    let traced = tracing::subscriber::with_default(subscriber, || trial().run(1));
    traced.assert_pass();
    let lines = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    let times: Vec<f64> = lines
        .split("time=")
        .skip(1)
        .map(|rest| rest[..rest.find('s').expect("a unit")].parse().expect("seconds"))
        .collect();
    let [retrying, beside, later] = times[..] else {
        panic!("{lines}");
    };
    assert!((0.25..5.0).contains(&retrying) && retrying == beside, "{lines}");
    assert!((later - beside - 0.001_5).abs() < 0.000_002, "{lines}");
    let expected = format!(
        " INFO program{{node=\"checkout/1\" time={retrying:.6}s}}: traces: retrying order=7\n \
         WARN program{{node=\"checkout/1\" time={beside:.6}s}}: traces: beside\n \
         INFO program{{node=\"checkout/1\" time={later:.6}s}}: traces: later\n \
         INFO traces: alone\n"
    );
    assert_eq!(lines, expected);
    assert_eq!(trial().run(1).digest, traced.digest, "who listens changes nothing");
}
