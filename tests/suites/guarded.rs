//! What reaches out of a trial is refused, with words that name the way out.
#![cfg(target_os = "linux")]
#![allow(clippy::disallowed_methods, reason = "that it is refused is the point")]

use std::fs;
use std::net::TcpStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Duration;

use sim::trial::{Keep, Trial};

const STAGE: &str =
    "duration = \"3s\"\ncluster = { brokers = 1 }\ntopics = [{ name = \"orders\", replication_factor = 1 }]";

fn trial(operation: fn()) -> Trial {
    Trial::from_toml(STAGE)
        .keep(Keep::Nothing)
        .program("app", move |env| async move {
            env.clock.sleep(Duration::from_secs(1)).await;
            operation();
            env.clock.sleep(Duration::from_secs(1)).await;
        })
}

/// What the trial says when the program does `operation`.
fn refused(operation: fn()) -> String {
    let panic = catch_unwind(AssertUnwindSafe(|| {
        trial(operation).run(0).assert_pass();
    }));
    *panic
        .expect_err("it was refused")
        .downcast::<String>()
        .expect("a message")
}

#[test]
fn what_reaches_out_ends_the_trial() {
    let operations: [(&str, &str, fn()); 6] = [
        ("app/1 wanted to open a socket", "`Env`", || {
            drop(TcpStream::connect("127.0.0.1:9092"))
        }),
        ("app/1 wanted to start a process", "before the trial", || {
            drop(Command::new("true").status())
        }),
        ("app/1 wanted to start a thread", "env.spawn", || {
            drop(thread::Builder::new().spawn(|| ()))
        }),
        ("app/1 wanted to read the file /etc/hosts", "Trial::reads", || {
            drop(fs::read("/etc/hosts"))
        }),
        (
            "app/1 wanted to write the file /tmp/trial-out",
            "after the trial",
            || drop(fs::write("/tmp/trial-out", "x")),
        ),
        ("app/1 wanted to read the folder /tmp", "Trial::reads", || {
            drop(fs::read_dir("/tmp"))
        }),
    ];
    for (what, way_out, operation) in operations {
        let message = refused(operation);
        assert!(message.contains(what) && message.contains(way_out), "{message}");
    }
    assert!(!Path::new("/tmp/trial-out").exists());
}

/// Code that gives up on an error of the system still dies of what was refused.
#[test]
fn a_program_that_unwraps_the_refusal_is_no_riddle() {
    let message = refused(|| drop(fs::read("/etc/hosts").expect("it is there")));
    assert!(message.contains("wanted to read the file /etc/hosts"), "{message}");
}

#[test]
fn fixtures_are_read_by_name() {
    let read = || {
        assert!(
            fs::read_to_string("suites/own_program.toml")
                .expect("a fixture")
                .contains("orders")
        )
    };
    trial(read).reads("suites").run(0).assert_pass();
    trial(read).reads("suites/own_program.toml").run(0).assert_pass();
    let panic = catch_unwind(AssertUnwindSafe(|| {
        trial(read).reads("benches").run(0).assert_pass();
    }));
    assert!(panic.is_err(), "another folder was allowed");
}

/// The guard ends with its trial, and stands on its thread alone.
#[test]
fn outside_of_the_trial_everything_is_there() {
    trial(|| ()).run(0).assert_pass();
    assert!(fs::read("Cargo.toml").is_ok());
    assert!(
        thread::spawn(|| Command::new("true").status().is_ok())
            .join()
            .expect("no panic")
    );
}
