//! Resource use of processes, from `/proc`.

#![allow(dead_code, reason = "each benchmark uses a part of it")]

/// Returns the peak resident memory (`VmHWM`) of a process: `self` or its id.
pub fn peak_bytes(process: &str) -> Result<u64, Box<dyn std::error::Error>> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kibibytes = line.and_then(|line| line.trim().strip_suffix(" kB"));
    Ok(kibibytes.ok_or("no VmHWM")?.parse::<u64>()? * 1024)
}

/// Returns the CPU time of all threads of a process, in seconds. It is finer than
/// `/proc/PID/stat`, which counts hundredths of a second.
/// <https://docs.kernel.org/scheduler/sched-stats.html>
pub fn running_seconds(process: u32) -> Result<f64, Box<dyn std::error::Error>> {
    let mut nanoseconds = 0.0;
    for thread in std::fs::read_dir(format!("/proc/{process}/task"))? {
        let text = std::fs::read_to_string(thread?.path().join("schedstat"))?;
        let first = text.split_whitespace().next().ok_or("an empty schedstat")?;
        nanoseconds += first.parse::<f64>()?;
    }
    Ok(nanoseconds / 1e9)
}
