//! The sink's answers are what real clients accept, and what a client sends arrives: each client sends a million
//! records, keyed over 100 partitions and keyless to one, to a sink that reads each of them.

use std::process::Command;

#[test]
fn a_million_records_of_each_client_arrive_whole() -> std::io::Result<()> {
    let output = Command::new(env!("CARGO_BIN_EXE_compare")).arg("--check").output()?;
    let (out, error) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}{error}");
    assert!(out.contains("each record arrived whole"), "{out}");
    Ok(())
}
