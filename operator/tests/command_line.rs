//! The program as people start it: what it says when it cannot run.

#![expect(clippy::unwrap_used, reason = "a test")]

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::process::{Command, Output, Stdio};

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sluice-operator"));
    command.args(arguments).env_clear().env("HOME", "/nonexistent");
    command
}

fn operator(arguments: &[&str]) -> Output {
    command(arguments).output().unwrap()
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

#[test]
fn a_cluster_that_is_away_is_waited_for_even_if_it_has_no_certificate_authority_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let kubeconfig = folder.path().join("kubeconfig");
    for scheme in ["http", "https"] {
        let document = serde_json::json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "a",
            "contexts": [{"name": "a", "context": {"cluster": "a", "user": "a"}}],
            "clusters": [{"name": "a", "cluster": {"server": format!("{scheme}://127.0.0.1:1")}}],
            "users": [{"name": "a", "user": {"token": "t"}}],
        });
        std::fs::write(&kubeconfig, document.to_string()).unwrap();
        let mut operator = command(&["--listen=127.0.0.1:0"])
            .env("KUBECONFIG", &kubeconfig)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(operator.stderr.take().unwrap()).lines().map_while(Result::ok);
        let waiting = lines.take(10).find(|line| line.contains("waiting for the namespace 'kube-system'"));
        operator.kill().unwrap();
        operator.wait().unwrap();
        assert!(waiting.is_some(), "{scheme}");
    }
}
