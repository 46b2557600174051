//! The sink's answers are what real clients accept, and what a client sends arrives: each client sends to a sink that reads each
//! record, keyed over 100 partitions and keyless to one, plain and over TLS. And the cases run.

use std::process::Command;

/// Runs compare; what it printed.
fn compare(arguments: &[&str]) -> Result<String, Box<dyn std::error::Error>> {
    let output = Command::new(env!("CARGO_BIN_EXE_compare")).args(arguments).output()?;
    let (out, error) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if output.status.success() { Ok(out.into_owned()) } else { Err(format!("{out}{error}").into()) }
}

#[test]
fn what_each_client_sends_arrives_whole() -> Result<(), Box<dyn std::error::Error>> {
    let out = compare(&["--check"])?;
    assert!(out.contains("each record arrived whole"), "{out}");
    Ok(())
}

#[test]
fn a_quick_run_of_some_cases_has_their_tables_and_bars() -> Result<(), Box<dyn std::error::Error>> {
    let cases = "10B-16KiB,gzip-json,get-1-0ms,get-4-0.2ms,connect-tls,cold,allocations-keyed,memory-1KiB";
    let out = compare(&["--quick", "--case", cases, "--clients", "floor,echo,librdkafka,ours,ours-counted"])?;
    for part in ["## Compression", "## send().get()", "## Peak memory", "## The bars", "## What bounds ours"]
    {
        assert!(out.contains(part), "{out}");
    }
    Ok(())
}
