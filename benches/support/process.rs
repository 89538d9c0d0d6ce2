//! What a process has used, as Linux tells it.

#![allow(dead_code, reason = "each benchmark uses a part of it")]

/// The most memory that a process (`self`, or its number) ever had in use
/// (`VmHWM`).
pub fn peak_bytes(process: &str) -> Result<u64, Box<dyn std::error::Error>> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kibibytes = line.and_then(|line| line.trim().strip_suffix(" kB"));
    Ok(kibibytes.ok_or("no VmHWM")?.parse::<u64>()? * 1024)
}

/// Processor seconds of all threads that a process has: finer than what the
/// process's own file tells, which counts in hundredths of a second.
/// <https://docs.kernel.org/scheduler/sched-stats.html>
pub fn running_seconds(process: u32) -> Result<f64, Box<dyn std::error::Error>> {
    let mut nanoseconds = 0.0;
    for thread in std::fs::read_dir(format!("/proc/{process}/task"))? {
        let told = std::fs::read_to_string(thread?.path().join("schedstat"))?;
        let first = told.split_whitespace().next().ok_or("an empty schedstat")?;
        nanoseconds += first.parse::<f64>()?;
    }
    Ok(nanoseconds / 1e9)
}
