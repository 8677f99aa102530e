//! The program as people start it: what it says when it cannot run.

#![expect(clippy::unwrap_used, reason = "a test")]

use std::net::TcpListener;
use std::process::{Command, Output};

fn operator(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_sluice-operator"))
        .args(arguments)
        .env_clear()
        .env("HOME", "/nonexistent")
        .output()
        .unwrap()
}

fn errors(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn without_a_cluster_it_says_how_to_name_one() {
    let output = operator(&["--listen=127.0.0.1:0"]);
    assert!(!output.status.success());
    assert!(errors(&output).contains("set KUBECONFIG"), "{}", errors(&output));
}

#[test]
fn an_address_that_is_taken_is_named_with_its_flag() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = operator(&["--listen", &address]);
    assert!(!output.status.success());
    let errors = errors(&output);
    assert!(errors.contains(&address) && errors.contains("--listen"), "{errors}");
}

#[test]
fn a_bad_filter_and_a_bad_endpoint_are_named_with_their_flags() {
    for (flag, value) in [("--log", "sluice=loud"), ("--otlp-endpoint", "not an address")] {
        let output = operator(&["--listen=127.0.0.1:0", flag, value]);
        assert!(!output.status.success());
        assert!(errors(&output).contains(flag), "{}", errors(&output));
    }
}
